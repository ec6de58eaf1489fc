"""Searches by agents from Python, on one rank."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from contracts.nas import problem

from dhmpi import results
from dhmpi.errors import CampaignError, DataError, LoadError, OptionError, ResultsError
from dhmpi.evaluation import State
from dhmpi.evaluator.methods import create
from dhmpi.search.nas.ppo_a3c_async import NasPPOAsyncA3C
from dhmpi.search.nas.ppo_a3c_sync import NasPPOSyncA3C

LARGE = problem(num_options=(9, 9, 9))


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(config):
    return float(sum(config["arch_seq"]))


def search(evaluator=None, search_class=NasPPOSyncA3C, target=LARGE, run=run, **options):
    return search_class(target, run, evaluator, **{"isolation": "inline", "quiet": True, "max_evals": 20} | options)


def test_one_rank_is_the_coordinator_and_the_agent():
    found = search().main()
    assert len(found.evaluations) == 20
    assert found.best.objective == min(each.objective for each in found.evaluations)
    assert found.policy.num_updates(0) >= 2
    read = results.read("results.h5")
    assert read.evaluations == found.evaluations
    assert read.metadata.options["gamma"] == 0.99
    assert read.metadata.statistics["agents"] == 1


def test_the_evaluator_may_be_a_pool():
    found = search("threadPool", isolation=None, num_workers=3).main()
    assert len(found.evaluations) == 20
    assert found.metadata.runs[0]["num_workers"] == 3


def test_the_evaluator_may_be_given():
    with create(run, method="threadPool", num_workers=2) as evaluator:
        found = search(evaluator).main()
    assert len(found.evaluations) == 20
    assert {each.state for each in found.evaluations} == {State.DONE}


def test_the_evaluator_may_be_an_executor():
    with ThreadPoolExecutor(3) as executor:
        found = search(executor, isolation=None).main()
    assert len(found.evaluations) == 20
    assert found.metadata.runs[0]["num_workers"] == 3


def test_several_agents_share_no_executor(monkeypatch):
    monkeypatch.setattr("dhmpi.mpi.job.num_ranks", lambda: 3)
    with ThreadPoolExecutor(3) as executor, pytest.raises(OptionError, match="futures must have one agent, on one"):
        search(executor, isolation=None).main()


def report(config, context):
    worth = float(sum(config["arch_seq"]))
    for step in range(1, 10):
        context.report(step, worth * step / 9)
    return worth


@pytest.mark.parametrize("isolation", ["inline", None])
def test_evaluations_are_stopped_where_the_coordinator_is_in_the_same_process(isolation):
    method = None if isolation else "threadPool"
    found = search(method, isolation=isolation, target=LARGE, run=report, stopper="asha", max_steps=9).main()
    states = {each.state for each in found.evaluations}
    assert states == {State.DONE, State.STOPPED}
    for each in found.evaluations:
        curve = found.reports.of(each.id)
        assert curve.value[-1] == each.objective
        assert curve.step[-1] == each.step
        assert (each.step == 9) == (each.state is State.DONE)
    if isolation:  # it waits for the answer, and takes no step in vain
        assert {each.step for each in found.evaluations} <= {1.0, 3.0, 9.0}
    assert found.best.state is State.DONE


def test_a_stopper_goes_on_with_what_it_knows_from_the_file():
    options = {"target": LARGE, "run": report, "stopper": "asha", "max_steps": 9}
    first = search(max_evals=10, **options).main()
    again = search(max_evals=20, resume=True, **options).main()
    assert again.evaluations[:10] == first.evaluations
    # The first ones that begin again would all be DONE if there were nothing to compare them with.
    assert State.STOPPED in {each.state for each in again.evaluations[10:12]}
    assert again.metadata.statistics["steps"] > first.metadata.statistics["steps"]


@pytest.mark.parametrize(("option", "value"), [("stopper", "asha"), ("max_steps_total", 100.0)])
def test_what_cannot_be_told_to_stop_is_refused(option, value):
    with ThreadPoolExecutor(3) as executor, pytest.raises(OptionError, match=f"{option} must be left out with futures"):
        search(executor, isolation=None, **{option: value}).main()
    assert not Path("results.h5").exists()


def test_it_is_continued_with_the_policy_of_the_file():
    first = search().main()
    again = search(max_evals=40, resume=True).main()
    assert again.evaluations[:20] == first.evaluations
    assert len(again.evaluations) == 40
    assert again.policy.version > first.policy.version
    with pytest.raises(OptionError, match="policy must be lstm:units=32 as in the file, got lstm:units=16"):
        search(max_evals=60, resume=True, units=16).main()
    assert len(results.read("results.h5").evaluations) == 40


def failing(config):
    import a_module_that_is_missing  # noqa: F401  # as people forget to install one


def test_a_campaign_in_which_nothing_is_done_is_given_up():
    with pytest.raises(CampaignError, match="10 of them: ModuleNotFoundError: No module named 'a_module") as caught:
        search(run=failing, max_evals=400).main()
    assert sum(each.state is State.FAILED for each in caught.value.results.evaluations) == 10
    assert not results.read("results.h5").metadata.complete
    again = search(max_evals=400, resume=True).main()
    assert again.metadata.complete
    assert len(again.evaluations) == 400


@pytest.mark.parametrize("limits", [{"max_evals": 7}, {"max_evals": 400, "max_failures": 7}])
def test_a_campaign_in_which_all_has_failed_is_no_success(limits):
    with pytest.raises(CampaignError, match="got 7 failures, 7 of them: ModuleNotFoundError"):
        search(run=failing, **limits).main()
    assert not results.read("results.h5").metadata.complete


def odd_fail(config):
    if sum(config["arch_seq"]) % 2:
        raise ValueError("odd")
    return 1.0


def test_what_is_redone_is_evaluated_again_with_its_points():
    before = search(run=odd_fail).main()
    failed = results.redo("results.h5")
    assert failed
    after = search(resume=True).main()
    assert after.metadata.complete
    assert {each.state for each in after.evaluations} == {State.DONE}
    assert [each.point for each in after.evaluations] == [each.point for each in before.evaluations]


def test_a_problem_is_asked_once_before_anything_starts():
    target, asked = problem(num_options=(9, 9, 9)), []

    def lacking():
        asked.append(list(Path().iterdir()))
        raise DataError("the data must be there, got none")

    target.check = lacking
    with pytest.raises(DataError, match="the data must be there"):
        search(target=target).main()
    assert asked == [[]]
    assert list(Path().iterdir()) == []


def test_episodes_alone_may_be_limited():
    found = search(max_evals=None, num_episodes=130).main()
    assert found.metadata.statistics["episodes"] == 130
    assert len(found.evaluations) > 100  # the default of max_evals does not hold then


def test_a_server_needs_another_rank():
    with pytest.raises(OptionError, match="must have at least 2 ranks, got 1"):
        search(search_class=NasPPOAsyncA3C).main()
    assert list(Path().iterdir()) == []


def test_what_does_not_load_touches_nothing():
    with pytest.raises(LoadError, match=r"nowhere\.py"):
        search(run="nowhere.py", isolation=None).main()
    assert list(Path().iterdir()) == []


def test_an_existing_file_is_not_touched():
    search().main()
    before = Path("results.h5").read_bytes()
    with pytest.raises(ResultsError, match=r"results\.h5 exists"):
        search().main()
    assert Path("results.h5").read_bytes() == before


def test_the_time_may_be_limited():
    found = search("threadPool", isolation=None, run=slow, max_evals=None, max_minutes=0.02).main()
    assert re.fullmatch(r"the time is over( for evaluations that take \S+ s)?", found.metadata.runs[0]["why"])
    assert {each.state for each in found.evaluations} <= {State.DONE, State.CANCELLED}
    assert not found.metadata.complete


def slow(config):
    import time

    time.sleep(0.1)
    return 1.0
