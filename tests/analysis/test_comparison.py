from dataclasses import replace

import numpy as np
import pytest

from dhmpi.analysis.comparison import compare
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results


def campaign(search, objectives, seconds=10.0, maximises=False, **metadata):
    fields = {"problem": "pkg.Problem", "space": {"x": (0.0, 1.0)}, **metadata}
    run = {"started": 0.0, "ended": seconds, "num_workers": 1}
    evaluations = [
        Evaluation(k, {"x": 0.5}, value, State.DONE, float(k), float(k), float(k + 1), order=k)
        for k, value in enumerate(objectives)
    ]
    return Results.of(Metadata(search, runs=[run], maximises=maximises, **fields), evaluations)


def test_searches_are_compared_at_equal_budgets():
    found = compare(
        [
            campaign("ambs", [5, 1, 0]),
            campaign("ambs", [4, 3], 8.0),
            campaign("random", [9, 7, 6, 0]),
            campaign("random", [9, 8]),
        ]
    )
    assert (found.num_evaluations, found.seconds, found.target) == (2, 8.0, 7.5)
    ambs, random = found.groups
    assert (ambs.name, ambs.finals.tolist(), random.finals.tolist()) == ("ambs", [1, 3], [7, 8])
    assert (ambs.finals_in_time.tolist(), random.finals_in_time.tolist()) == ([0, 3], [0, 8])
    assert ambs.by_evaluations.median.tolist() == [4.5, 2.0]
    assert ambs.evaluations_to_target.tolist() == [1, 1]
    assert random.evaluations_to_target.tolist() == [2, np.inf]
    assert random.seconds_to_target.tolist() == [2, np.inf]
    [test] = found.tests
    assert (test.first, test.second, test.statistic) == ("ambs", "random", 0.0)
    assert test.p_value == pytest.approx(1 / 3)  # 2 of the 6 orders are as extreme


def test_stoppers_of_one_search_are_told_apart_and_compared_by_steps():
    def stopped(steps, **options):
        run = campaign("ambs", [5, 1, 3], options=options)
        evaluations = [each._replace(step=step) for each, step in zip(run.evaluations, steps, strict=True)]
        return Results.of(run.metadata, evaluations)

    short, full = stopped([4, 2, None], stopper="asha"), stopped([4, 4, 4], stopper="none")
    found = compare([short, full, full, stopped([4, 2, 2], stopper="asha")])
    assert [(each.name, each.num_campaigns) for each in found.groups] == [("ambs, asha", 2), ("ambs", 2)]
    asha, none = (each.by_steps for each in found.groups)
    assert (asha.x[0], asha.x[-1], none.x[-1]) == (4.0, 6.0, 12.0)
    assert asha.median[-1] == none.median[-1] == 1.0
    assert found.has_steps
    assert not compare([short, campaign("ambs", [1])]).has_steps


def test_rewards_are_compared_as_rewards():
    found = compare([campaign("a", [-1, -2], maximises=True), campaign("b", [-4, -3], maximises=True)])
    assert [group.finals.tolist() for group in found.groups] == [[2], [4]]
    assert (found.target, found.tests) == (2.0, [])


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (campaign("s", [1], maximises=True), "must look for the same, got the smallest value .* the largest"),
        (campaign("s", [1], problem="q"), "must have the same problem, got pkg.Problem and q"),
        (campaign("s", [1], space={"x": (0.0, 2.0)}), "must have the same space, but"),
    ],
)
def test_what_cannot_be_compared(other, sentence):
    with pytest.raises(ResultsError, match=sentence):
        compare([campaign("s", [1]), other])


def test_a_problem_that_was_moved_is_the_same():
    source = {"attribute": "Problem", "module": "", "files": [["/a/p.py", "12ab"]]}
    first = campaign("s", [1], problem="p.py", source=source)
    moved = campaign("s", [1], problem="/b/p.py", source=source | {"files": [["/b/p.py", "12ab"]]})
    assert compare([first, moved]).num_evaluations == 1
    changed = replace(moved.metadata, source=source | {"files": [["/b/p.py", "34cd"]]})
    with pytest.raises(ResultsError, match="same problem"):
        compare([first, Results.of(changed, [])])


def test_campaigns_without_any_value():
    found = compare([campaign("s", []), campaign("t", [1, 2])])
    assert (found.num_evaluations, found.target, found.tests) == (0, None, [])
    assert [group.num_campaigns for group in found.groups] == [1, 1]
