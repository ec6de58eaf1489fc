from dataclasses import replace

import pytest
from contracts.campaigns import begun_again

from dhmpi.analysis.summary import run_windows, summarise
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results
from dhmpi.results.columns import Columns

METADATA = Metadata("s", "p", {})


def run(started, ended, num_workers=2):
    return {"started": started, "ended": ended, "num_workers": num_workers}


def evaluation(number, started, ended, objective=None, state=State.DONE):
    return Evaluation(number, {}, objective, state, started, started, ended)


def test_figures():
    evaluations = [
        evaluation(0, 0.0, 6.0, 3.0),
        evaluation(1, 0.0, 4.0, 1.0),
        evaluation(2, 6.0, None, None, State.RUNNING),
    ]
    found = summarise(Results.of(replace(METADATA, runs=[run(0.0, 10.0)]), evaluations))
    assert found.counts == {State.DONE: 2, State.RUNNING: 1}
    assert found.best == evaluations[1]
    assert found.utilisation == pytest.approx(10 / 20)
    assert (found.duration, found.num_runs) == (10.0, 1)


def test_nothing():
    found = summarise(Results.of(METADATA, []))
    assert (found.counts, found.best, found.utilisation, found.duration, found.num_runs) == ({}, None, None, 0.0, 0)


@pytest.mark.parametrize("skew", [-3600.0, 0.0, 3600.0])
def test_clocks_of_other_hosts_may_be_wrong(skew):
    evaluations = [Evaluation(0, {}, 1.0, State.DONE, 1.0, 1.0 + skew, 6.0 + skew)]
    assert summarise(Results.of(replace(METADATA, runs=[run(0.0, 10.0, 1)]), evaluations)).utilisation == pytest.approx(
        0.5
    )
    assert run_windows([run(0.0, None)], Columns.of_evaluations((), evaluations)) == [(0.0, 6.0)]


def test_no_clock_makes_the_utilisation_impossible():
    back = [Evaluation(0, {}, 1.0, State.DONE, 1.0, 9.0, 2.0)]
    assert summarise(Results.of(replace(METADATA, runs=[run(0.0, 10.0, 1)]), back)).utilisation == 0.0
    ahead = [Evaluation(0, {}, 1.0, State.DONE, 1.0, 1.0, 3601.0)]
    assert summarise(Results.of(replace(METADATA, runs=[run(0.0, 10.0, 1)]), ahead)).utilisation == 1.0


def test_a_killed_run_ends_with_its_last_evaluation():
    runs = [run(0.0, None), run(20.0, None)]
    evaluations = [evaluation(0, 1.0, 8.0, 1.0), evaluation(1, 21.0, 24.0, 1.0)]
    assert run_windows(runs, Columns.of_evaluations((), evaluations)) == [(0.0, 8.0), (20.0, 24.0)]
    assert run_windows(runs, Columns.of_evaluations((), evaluations), now=30.0) == [(0.0, 8.0), (20.0, 30.0)]
    assert run_windows(runs, Columns.of_evaluations((), [])) == [(0.0, 0.0), (20.0, 20.0)]


@pytest.mark.parametrize("is_killed", [False, True])
def test_workers_were_busy_with_what_began_again(is_killed):
    assert summarise(begun_again(is_killed)).utilisation == 1.0


def test_a_killed_run_lasted_until_what_began_again():
    found = begun_again(is_killed=True)
    assert run_windows(found.metadata.runs, found.columns) == [(0.0, 10.0), (100.0, 110.0)]


def test_best_is_the_first_of_equals_and_done():
    evaluations = [evaluation(2, 0, 1, 1.0), evaluation(1, 0, 1, 1.0), evaluation(0, 0, 1, None, State.FAILED)]
    assert Results.of(METADATA, evaluations).best.id == 1
