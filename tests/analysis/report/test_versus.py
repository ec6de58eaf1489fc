from dataclasses import replace

import pytest
from contracts.hostile_campaign import ATTACK, hostile

from dhmpi.analysis.report.content import content_of
from dhmpi.analysis.report.versus import versus
from dhmpi.analysis.timeline import Timeline
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results


def campaign(search, values, name, problem="P", **fields):
    run = {"started": 0.0, "ended": 1.0 * len(values), "num_workers": 1, "hosts": ["a"], "layout": "", "why": ""}
    metadata = Metadata(search, problem, {"x": (0.0, 1.0)}, runs=[run], **fields)
    times = [{"submitted": id * 1.0, "started": id * 1.0, "ended": id + 0.5} for id in range(len(values))]
    evaluations = [
        Evaluation(id, {"x": 0.5}, value, State.DONE, rank=1, order=id, **times[id]) for id, value in enumerate(values)
    ]
    return replace(Results.of(metadata, evaluations), path=name)


@pytest.fixture
def four(tmp_path):
    names = [tmp_path / f"{letter}.h5" for letter in "abcd"]
    return [
        campaign("ambs", [9.0, 3.0, 1.0], names[0]),
        campaign("ambs", [8.0, 2.0, 2.0, 0.0], names[1]),
        campaign("hps-random", [9.0, 7.0, 6.0, 5.0], names[2]),
        campaign("hps-random", [9.0, 8.0, 7.0], names[3]),
    ]


def test_campaigns_are_compared_at_equal_budgets(four):
    found = content_of(four).versus
    first, *_, last = found.tables
    assert first.titles[-2:] == ["best in 3 evaluations", "best in 3 s"]
    assert [row[0] for row in first.rows] == ["a.h5", "b.h5", "c.h5", "d.h5"]
    assert [row[-2] for row in first.rows] == ["1", "2", "6", "7"]
    assert "ambs has the best median objective: 1.5." in found.sentences[1]
    assert last.rows[0][0] == "ambs and hps-random"
    assert last.rows[0][2] == "no difference is shown"


def test_searches_reach_the_target(four):
    _, searches, _ = content_of(four).versus.tables
    assert "reached 6.5" in searches.titles
    assert [row[5] for row in searches.rows] == ["2 of 2", "1 of 2"]
    assert [row[6] for row in searches.rows] == ["2", "never"]


def test_curves_of_searches_have_medians_and_quartiles(four):
    curves = content_of(four).versus.data["curves"]
    assert [curve["name"] for curve in curves["count"]] == ["ambs, 2 campaigns", "hps-random, 2 campaigns"]
    assert curves["count"][0]["x"] == [1.0, 2.0, 3.0]
    assert curves["count"][0]["median"] == [8.5, 2.5, 1.5]
    assert curves["count"][0]["low"] == [8.25, 2.25, 1.25]


def test_single_campaigns_have_curves_of_their_own(four):
    curves = content_of(four[1:3]).versus.data["curves"]
    assert [curve["name"] for curve in curves["count"]] == ["b.h5 (ambs)", "c.h5 (hps-random)"]
    assert curves["count"][0]["median"] == [8.0, 2.0, 0.0]


def test_rewards_are_compared_as_people_see_them(four):
    turned = [replace(each, metadata=replace(each.metadata, maximises=True)) for each in four]
    found = content_of(turned).versus
    assert "hps-random has the best median reward" not in found.sentences[1]
    assert found.data["maximises"]
    assert found.figure.title == "Best reward so far"


def test_campaigns_of_other_problems_have_a_report_that_says_so(four, tmp_path):
    other = campaign("ambs", [1.0], tmp_path / "e.h5", problem=ATTACK)
    found = content_of([four[0], other]).versus
    assert found.figure is None
    assert found.sentences[0].startswith("These campaigns cannot be compared: ")
    assert [row[3] for row in found.tables[0].rows] == ["1", "1"]


def test_campaigns_without_any_result_are_compared(tmp_path):
    found = content_of([campaign("ambs", [], tmp_path / "a.h5"), campaign("ga", [], tmp_path / "b.h5")]).versus
    assert found.tables[0].rows[0][3] == "none"
    assert found.data["curves"] == {"count": [], "seconds": []}


def test_many_campaigns_share_the_room(tmp_path):
    found = content_of([hostile(tmp_path / f"{number}.h5") for number in range(4)])
    assert sum(len(each.data["rows"]["id"]) for each in found.campaigns) == 400


def test_values_of_different_problems_say_what_they_are(tmp_path):
    one = campaign("ambs", [1.0], tmp_path / "a.h5")
    other = campaign("ppo", [-2.0], tmp_path / "b.h5", problem="Q", maximises=True)
    (table,) = versus([one, other], list(map(Timeline, (one, other))), ["a", "b"]).tables
    assert [row[table.titles.index("best")] for row in table.rows] == ["objective 1", "reward 2"]
    same = versus([one, one], list(map(Timeline, (one, one))), ["a", "b"]).tables[0]
    assert "best objective" in same.titles
