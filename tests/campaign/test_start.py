import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dhmpi import results
from dhmpi.benchmark import HpProblem
from dhmpi.campaign import start
from dhmpi.campaign.start import run_search
from dhmpi.errors import CampaignError, DataError, LoadError, OptionError, ResultsError
from dhmpi.evaluation import State
from dhmpi.evaluator import HandDrivenEvaluator
from dhmpi.evaluator.pool import SerialEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.results import ResultsStore
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.random import RandomSearch
from dhmpi.support.environment import END_SIGNALS
from dhmpi.support.loader import load_run
from dhmpi.support.options import as_flag


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ranks(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")


def problem():
    made = HpProblem()
    made.add_dim("x", (0, 99))
    return made


def objective(point):
    return float(point["x"])


def search(search_class=RandomSearch, evaluator=None, run=objective, **options):
    return search_class(problem(), run, evaluator, **{"isolation": "inline", "quiet": True, "max_evals": 6} | options)


class Watched(SerialEvaluator):
    """Evaluates in this process, and keeps what it was told to do."""

    def __init__(self, num_workers=1):
        super().__init__(InlineExecutor(Setup(objective), load_run))
        self.calls, self._num_workers = [], num_workers

    num_workers = property(lambda self: self._num_workers)

    def start(self):
        self.calls.append("start")
        super().start()

    def shutdown(self):
        self.calls.append("shutdown")
        super().shutdown()


class Broken(RandomSearch):
    """Has no idea after four points."""

    def _propose(self):
        if len(self._seen) == 4:
            raise RuntimeError("no idea")
        return super()._propose()


def refused(error, act):
    with pytest.raises(error) as caught:
        act()
    return str(caught.value)


@pytest.mark.parametrize(("spell", "dashes"), [(str, ""), (as_flag, "--")])
def test_options_are_called_as_they_were_given(spell, dashes):
    lock = threading.Lock()

    def hidden(point):
        return lock

    with pytest.raises(OptionError) as error:
        start.run(search, hidden, None, CampaignOptions())
    assert error.value.spelled(spell) == (
        f"{dashes}run must be importable or picklable, got {hidden!r}: cannot pickle '_thread.lock' "
        f"object; define it at the top of a module, or set {dashes}isolation to 'inline' or {dashes}evaluator to "
        "threadPool"
    )


@pytest.mark.parametrize(("there", "wanted"), [(1, 4), (3, 4), (3, 1)])
def test_another_number_of_workers_is_refused(there, wanted):
    evaluator = Watched(there)
    sentence = refused(OptionError, search(evaluator=evaluator, num_workers=wanted).main)
    assert sentence == (
        f"num_workers must be {there} here (1 rank, which searches and evaluates), got {wanted}; "
        "start another number of ranks, or leave it out"
    )
    assert evaluator.calls == ["shutdown"]


def test_resume_and_overwrite_exclude_each_other():
    sentence = refused(OptionError, search(resume=True, overwrite=True).main)
    assert sentence == "resume and overwrite exclude each other; give one"


def test_nothing_starts_before_the_results_have_a_place():
    Path("results.h5").write_bytes(b"somebody's")
    evaluator = Watched()
    refused(ResultsError, search(evaluator=evaluator).main)
    assert evaluator.calls == ["shutdown"]
    assert Path("results.h5").read_bytes() == b"somebody's"


def failing(point):
    import a_module_that_is_missing  # noqa: F401  # as people forget to install one


@pytest.mark.parametrize("search_class", [RandomSearch, GA])
@pytest.mark.parametrize(
    ("evaluator", "options"),
    [
        (None, {}),
        (None, {"isolation": "process"}),
        ("threadPool", {"num_workers": 2}),
        ("processPool", {"num_workers": 2, "isolation": None}),
    ],
)
def test_a_campaign_in_which_nothing_is_done_is_given_up(evaluator, options, search_class):
    with pytest.raises(CampaignError) as caught:
        search(search_class, evaluator, failing, max_evals=90, **options).main()
    found = results.read("results.h5")
    assert 10 <= sum(each.state is State.FAILED for each in found.evaluations) <= 11
    assert not found.metadata.complete
    why = "of them: ModuleNotFoundError: No module named 'a_module_that_is_missing'"
    assert found.metadata.runs[-1]["why"].endswith(why)
    assert str(caught.value).endswith(f"{why}; mend that, then dhmpi redo results.h5, and continue with resume=True")
    assert caught.value.results.metadata == found.metadata
    assert caught.value.results.best is None


@pytest.mark.parametrize(("body", "num"), [("exit 127", 10), ("cat no_such_file", 10), ("exit 3", 15)])
def test_a_program_that_is_not_found_is_no_points_fault(body, num):
    Path("run.sh").write_text(f"#!/bin/sh\n{body}\n")
    Path("run.sh").chmod(0o755)
    with pytest.raises(CampaignError, match=f"got {num} failures, {num} of them: the program ended with exit status"):
        search(run="exec:./run.sh", isolation=None, max_evals=15).main()
    assert len(results.read("results.h5").evaluations) == num


def test_what_is_mended_can_be_resumed():
    refused(CampaignError, search(run=failing, max_evals=40, max_failures=6).main)
    found = search(max_evals=40, resume=True).main()
    assert found.metadata.complete
    assert [each.state for each in found.evaluations] == [State.FAILED] * 6 + [State.DONE] * 34


def odd_fail(point):
    if point["x"] % 2:
        raise ValueError("odd")
    return float(point["x"])


@pytest.mark.parametrize("search_class", [RandomSearch, GA, AMBS])
def test_what_is_redone_is_evaluated_again_with_its_points(search_class, monkeypatch):
    before = search(search_class, run=odd_fail, max_evals=30).main()
    failed = {each.id for each in before.evaluations if each.state is State.FAILED}
    assert before.metadata.complete
    assert failed
    assert set(results.redo("results.h5")) == failed
    told = []
    monkeypatch.setattr(search_class, "_learn", lambda self, evaluations: told.extend(evaluations))
    after = search(search_class, max_evals=30, resume=True).main()
    assert after.metadata.complete
    assert [each.point for each in after.evaluations] == [each.point for each in before.evaluations]
    assert {each.state for each in after.evaluations} == {State.DONE}
    assert sorted(each.id for each in told) == list(range(30))
    assert {each.state for each in told} == {State.DONE}
    again = search(search_class, max_evals=31, resume=True).main()
    assert len(again.evaluations) == 31


def test_a_campaign_in_which_all_has_failed_can_be_redone():
    refused(CampaignError, search(run=failing).main)
    refused(CampaignError, search(resume=True).main)  # nothing is left of the budget
    results.redo("results.h5")
    found = search(resume=True).main()
    assert found.metadata.complete
    assert [each.state for each in found.evaluations] == [State.DONE] * 6


def test_a_run_function_that_cannot_be_loaded_leaves_no_file():
    assert "no_such" in refused(LoadError, search(run="math.no_such").main)
    assert list(Path().iterdir()) == []


def test_a_problem_is_asked_before_anything_starts():
    evaluator, asked = Watched(), []

    class Lacking(HpProblem):
        def check(self):
            asked.append(self)
            raise DataError("the data must be there, got none")

    made = Lacking()
    made.add_dim("x", (0, 99))
    target = RandomSearch(made, objective, evaluator, quiet=True)
    assert refused(DataError, target.main) == "the data must be there, got none"
    assert asked == [made]
    assert evaluator.calls == ["shutdown"]
    assert list(Path().iterdir()) == []


def test_missing_data_are_found_without_tensorflow():
    code = """if True:
        import sys
        from dhmpi.cli import main
        status = main(["nas-random", "--problem", "dhmpi.benchmark.nas.mnist1D.problem.Problem", "--quiet"])
        assert "tensorflow" not in sys.modules
        sys.exit(status)
    """
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(
        f"dhmpi nas-random: error: mnist.npz must be in {Path('data').resolve()}, got no such directory; get it from "
    )
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("run", [objective, "math.no_such", 7])
@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_other_ranks_have_nothing_to_do_without_mpi(ranks, run, isolation):
    def never(options):
        pytest.fail("only rank 0 makes the search")

    assert start.run(never, run, "serial", CampaignOptions(isolation=isolation)) is None
    assert list(Path().iterdir()) == []


def test_rank_0_is_enough_without_mpi(ranks, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    found = search(evaluator="serial").main()
    assert len(found.evaluations) == 6
    assert found.metadata.runs[0]["layout"] == "1 of 3 ranks, which searches and evaluates"
    assert found.metadata.runs[0]["roles"]["spare"] == "1-2"


def test_other_ranks_leave_an_evaluator_of_somebodys_own_alone(ranks):
    evaluator = Watched()
    assert search(evaluator=evaluator).main() is None
    assert evaluator.calls == []
    evaluator.shutdown()


def test_an_evaluator_of_somebodys_own_is_used():
    evaluator = Watched()
    found = search(evaluator=evaluator, seed=77).main()
    assert [each.state for each in found.evaluations] == [State.DONE] * 6
    assert evaluator.calls == ["start", "shutdown"]
    assert evaluator.seed == 77


def test_an_evaluator_that_is_driven_by_hand_may_be_given():
    evaluator = Watched()
    found = search(evaluator=HandDrivenEvaluator(evaluator), seed=77).main()
    assert [each.state for each in found.evaluations] == [State.DONE] * 6
    assert evaluator.calls == ["start", "shutdown"]


def test_an_evaluator_of_somebodys_own_needs_no_run_function():
    assert len(RandomSearch(problem(), None, Watched(), max_evals=3, quiet=True).main().evaluations) == 3


def test_a_search_that_fails_leaves_a_file_that_says_why_and_can_be_continued():
    evaluator = Watched()
    assert refused(RuntimeError, search(Broken, evaluator, max_evals=9).main) == "no idea"
    assert evaluator.calls == ["start", "shutdown"]
    found = results.read("results.h5")
    assert [each.state for each in found.evaluations] == [State.DONE] * 4
    assert found.metadata.runs[-1]["why"] == "RuntimeError: no idea"
    assert found.metadata.runs[-1]["ended"] is not None
    assert not found.metadata.complete
    resumed = search(max_evals=9, resume=True).main()
    whole = search(max_evals=9, output="whole.h5").main()
    assert [each.point for each in resumed.evaluations] == [each.point for each in whole.evaluations]
    assert resumed.metadata.complete


def test_a_run_leaves_nothing_but_its_file():
    search().main()
    assert [path.name for path in Path().iterdir()] == ["results.h5"]


@pytest.mark.parametrize("signum", END_SIGNALS)
def test_a_campaign_that_is_stopped_before_the_first_evaluation_leaves_no_file(signum, caplog):
    class Stopping(Watched):
        def start(self):
            signal.raise_signal(signum)
            pytest.fail("the signal ends a start that takes long")

    before, evaluator = [signal.getsignal(each) for each in END_SIGNALS if each != signum], Stopping()
    assert search(evaluator=evaluator).main() is None
    assert evaluator.calls == ["shutdown"]
    assert list(Path().iterdir()) == []
    assert caplog.messages == [f"stopped by {signum.name} before the first evaluation"]
    assert [signal.getsignal(each) for each in END_SIGNALS if each != signum] == before


def test_a_campaign_that_is_stopped_can_be_continued():
    class Stopping(RandomSearch):
        def _propose(self):
            if len(self._seen) == 3:
                signal.raise_signal(signal.SIGTERM)
            return super()._propose()

    stopped = search(Stopping).main()
    assert stopped.metadata.runs[-1]["why"] == "stopped by SIGTERM"
    assert not stopped.metadata.complete
    resumed = search(resume=True).main()
    assert [each.state for each in resumed.evaluations] == [State.DONE] * 6
    assert [run["why"] for run in resumed.metadata.runs] == ["stopped by SIGTERM", "6 evaluations are complete"]


def test_the_file_says_what_ran():
    search(seed=77).main()
    metadata = results.read("results.h5").metadata
    assert (metadata.search, metadata.problem, metadata.seed) == ("hps-random", "HpProblem", 77)
    assert metadata.space == {"x": (0, 99)}
    assert metadata.options["isolation"] == "inline"
    assert {"ask_seconds", "tell_seconds", "store_seconds", "busy_share"} <= set(metadata.statistics)
    assert {"lost_idle_seconds", "lost_cancelled_seconds"} <= set(metadata.statistics)
    assert metadata.runs[0]["layout"] == "1 rank, which searches and evaluates"
    assert metadata.runs[0]["roles"]["groups"] == [{"leader": 0, "workers": ""}]
    assert len(metadata.runs[0]["hosts"]) == metadata.runs[0]["num_workers"] == 1


def test_what_is_returned_is_what_the_file_says():
    found, read = run_search(search()), results.read("results.h5")
    assert found.evaluations == read.evaluations
    assert found.metadata == read.metadata


def test_the_seed_of_the_file_holds_when_none_is_given():
    search(seed=77, max_evals=3).main()
    resumed = search(resume=True).main()
    whole = search(seed=77, output="whole.h5").main()
    assert [each.point for each in resumed.evaluations] == [each.point for each in whole.evaluations]
    sentence = refused(OptionError, search(resume=True, seed=78).main)
    assert sentence == "seed must be 77 as in the file, got 78"


def test_a_placeholder_of_a_program_must_name_a_dimension():
    sentence = refused(LoadError, search(run="exec:echo {xx}", evaluator="subprocess", isolation=None).main)
    assert "'xx'" in sentence
    assert list(Path().iterdir()) == []


def test_overwriting_a_campaign_removes_what_its_evaluations_wrote():
    search().main()
    old = Path("results.h5.files") / "evaluation-000003"
    old.mkdir(parents=True)
    (old / "model.txt").write_text("old")
    (old.parent / "evaluation-000001.log").write_text("old")
    (old.parent / "notes.txt").write_text("somebody's")
    search(overwrite=True).main()
    assert [path.name for path in old.parent.iterdir()] == ["notes.txt"]


def test_the_end_of_the_allocation_counts(monkeypatch, capsys):
    monkeypatch.setenv("COBALT_JOBID", "7")
    monkeypatch.setenv("COBALT_ENDTIME", str(time.time() + 2.0))
    begun = time.monotonic()
    found = search(max_evals=None, max_minutes=1.0, run=slow, quiet=False).main()
    assert 1.0 < time.monotonic() - begun < 30.0  # it was given a minute
    assert "the time ends at " in capsys.readouterr().err
    assert found.metadata.runs[-1]["why"].startswith("the time is over for evaluations that take 0.1")
    assert {each.state for each in found.evaluations} == {State.DONE}


def test_nothing_begins_in_the_last_seconds_that_were_asked_for():
    found = search(end_time=time.time() + 60, drain_seconds=70).main()
    assert found.evaluations == []
    assert not found.metadata.complete


def slow(point):
    time.sleep(0.1)
    return 1.0


def test_a_signal_ends_the_wait_for_a_writer_on_another_host(tmp_path, monkeypatch):
    words = [sys.executable, "-m", "dhmpi", "hps-random", "--max-evals", "3", "--isolation", "inline"]
    subprocess.run(words, check=True, cwd=tmp_path, capture_output=True, timeout=120)
    path = tmp_path / "results.h5"
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "elsewhere")
        ResultsStore.resume(path, results.read(path).metadata)
    before = path.read_bytes()
    with subprocess.Popen([*words, "--resume"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as waiting:
        assert "which cannot be asked from here" in waiting.stderr.readline()
        begun = time.monotonic()
        waiting.terminate()
        assert "stopped by SIGTERM before the first evaluation" in waiting.stderr.read()
    assert waiting.returncode == 0
    assert time.monotonic() - begun < 20
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["results.h5", "results.h5.journal"]
