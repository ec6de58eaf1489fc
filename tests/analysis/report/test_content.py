import json
from dataclasses import replace

import pytest
from contracts.hostile_campaign import ATTACK, ERROR, hostile

from dhmpi.analysis.report import figures
from dhmpi.analysis.report.content import content_of
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.schema import PolicyRow


def campaign(results):
    (found,) = content_of([results]).campaigns
    json.dumps(found.data, allow_nan=False)
    return found


def of(evaluations, space=None, **fields):
    run = {"started": 0.0, "ended": 100.0, "num_workers": 2, "hosts": ["a"], "layout": "2 workers", "why": "done"}
    return Results.of(Metadata("ambs", "P", space or {"x": (0.0, 1.0)}, runs=[run], **fields), evaluations)


def done(id, value, x=0.5, **fields):
    times = {"submitted": id * 1.0, "started": id * 1.0, "ended": id + 0.5}
    return Evaluation(id, {"x": x}, value, State.DONE, rank=1, host="a", **({"order": id} | times | fields))


@pytest.fixture
def found(tmp_path):
    return campaign(hostile(tmp_path / "x.h5"))


def test_the_lead_says_what_was_searched_for_how_long_and_what_was_found(found):
    assert found.lead == (
        f"ambs searched 5 dimensions of {ATTACK} for the smallest objective: 100 evaluations in 101 s. "
        "The best objective is -1e+300, of evaluation 4, which ended 4.9 s after the beginning."
    )


def test_tiles_have_exact_totals(found):
    tiles = {tile.title: (tile.value, tile.detail) for tile in found.tiles}
    assert tiles == {
        "best objective": ("-1e+300", "evaluation 4"),
        "evaluations": ("100", "90 with a result"),
        "duration": ("101 s", "1 run, 3 workers"),
        "workers busy": ("26.4 %", "of their time"),
        "failures": ("10", "2 causes"),
    }


def test_rewards_have_the_sign_that_people_know():
    found = campaign(of([done(0, -2.0), done(1, -5.0)], maximises=True))
    assert found.tiles[0].title == "best reward"
    assert found.tiles[0].value == "5"
    assert found.data["rows"]["value"] == [2.0, 5.0]
    assert found.data["figures"]["incumbent"]["value"] == [2.0, 5.0]
    assert (found.data["word"], found.data["maximises"]) == ("reward", True)


def test_improvements_know_their_evaluations(found):
    steps = found.data["figures"]["incumbent"]
    ids = [found.data["rows"]["id"][place] for place in steps["place"]]
    assert ids == [0, 1, 2, 4]
    assert steps["count"] == [1, 2, 3, 5]
    assert steps["seconds"] == pytest.approx([0.9, 1.9, 2.9, 4.9])


def test_values_of_dimensions_are_numbers_or_places_of_labels(found):
    real, whole, log, choice, flag = found.data["dimensions"]
    assert real["values"][:3] == [0.0, 0.01, 0.02]
    assert whole["values"][1] == str(10**18 - 1)  # a browser would round it
    assert log["is_log"]
    assert choice["labels"] == [repr(ATTACK), "'b'", "None", "'None'"]
    assert choice["values"][:5] == [0, 1, 2, 3, 0]
    assert flag["labels"] == ["True", "False"]


def test_names_have_no_control_characters(found):
    names = [each["name"] for each in found.data["dimensions"]]
    assert names[3] == "quo\"te's & \\u2028\\u202e"


def test_results_besides_the_objective_are_columns(found):
    columns = {each["name"]: each["values"] for each in found.data["rows"]["columns"]}
    assert columns["accuracy"][99] == 0.99
    assert "curve" not in columns
    assert json.loads(found.data["rows"]["extra"][0])["curve"] == [1, 2, {"a": None}]


def test_failures_are_counted_over_time(found):
    failures = found.data["figures"]["failures"]
    assert [sum(each["counts"]) for each in failures["causes"]] == [9, 1]
    assert ERROR.split()[0] in found.data["rows"]["error"][5]


def test_idle_and_busy_time_are_all_of_it(found):
    idle = found.data["figures"]["idle"]
    assert sum(each["share"] for each in idle) == pytest.approx(1.0)
    assert idle[0]["seconds"] == pytest.approx(80.0)


@pytest.mark.parametrize(("num", "method"), [(100, "fANOVA"), (figures.MOST_EVALUATIONS + 1, "PED-ANOVA")])
def test_importances_say_how_they_were_measured(num, method):
    found = campaign(of([done(id, (id % 10) ** 2.0, x=id % 10 / 10) for id in range(num)]))
    (figure,) = (each for each in found.figures if each.name == "importance")
    assert figure.caption.startswith(f"{method}: how much ")
    assert figure.caption.endswith("The most important ones, with standard errors: x 100 ± 0 %.")
    assert found.data["figures"]["importance"][0]["dimension"] == 0


def test_bars_are_of_workers_in_time(found):
    timeline = found.data["figures"]["timeline"]
    assert len(timeline["workers"]) == 3
    assert len(timeline["bars"]) == 100
    worker, start, end, _, num, place = timeline["bars"][0]
    assert (worker, num, found.data["rows"]["rank"][place]) == (0, 1, 1)
    assert end - start == pytest.approx(0.8)


def test_many_short_evaluations_of_a_worker_are_drawn_together():
    found = campaign(of([done(id, float(id), started=id / 100, ended=id / 100 + 0.01) for id in range(9000)]))
    bars = found.data["figures"]["timeline"]["bars"]
    assert len(bars) <= 4000
    assert sum(bar[4] for bar in bars) == 9000
    assert all(bar[5] == -1 for bar in bars if bar[4] > 1)


def test_what_agents_learned_is_drawn():
    policy = PolicyLog()
    row = PolicyRow(*([0.0] * len(PolicyRow._fields)))
    policy.append(row._replace(agent=1, update=n, ended=float(n), reward_median=n * 1.0) for n in range(1000))
    found = campaign(replace(of([done(0, -1.0)], maximises=True), policy=policy))
    drawn = found.data["figures"]["policy"]
    assert len(drawn["seconds"]) == 300
    assert drawn["reward_median"][0] == 1.5
    assert {"rewards", "policy"} <= {figure.name for figure in found.figures}


@pytest.mark.parametrize(
    "results",
    [
        of([]),
        Results.of(Metadata("ambs", "P", {}), []),
        of([done(0, 1.0)]),
        of([done(id, 1.0) for id in range(30)]),
        of([Evaluation(id, {"x": 0.1}, None, State.FAILED, error="") for id in range(3)]),
        of([Evaluation(0, {"x": 0.1}, state=State.RUNNING, submitted=1.0), Evaluation(1, {"x": 0.2})]),
        of([done(id, (-1.0) ** id * 1.7e308) for id in range(30)]),
        of([done(0, 1.0, order=-1, submitted=None)]),
        of([Evaluation(0, {"x": [1, {"a": None}]}, 1.0, State.DONE)], space={"x": [[1, {"a": None}], "b"]}),
    ],
    ids=["empty", "no run", "one", "constant", "all failed", "running", "extreme", "schema 1", "lists"],
)
def test_odd_campaigns_have_a_report(results):
    found = campaign(results)
    assert found.lead.startswith("ambs searched ")
    assert len(found.data["rows"]["id"]) == len(results.columns)


@pytest.mark.parametrize(
    ("now", "note"),
    [
        (None, "The campaign was killed, and goes on with --resume."),
        (9.0, "The campaign was running when this report was made: it says what was there then."),
    ],
)
def test_a_campaign_without_end_says_so(now, note):
    run = {"started": 0.0, "ended": None, "num_workers": 2, "hosts": [], "layout": "", "why": ""}
    results = Results.of(Metadata("ambs", "P", {}, runs=[run]), [], dropped="its journal is torn")
    (found,) = content_of([results], [now]).campaigns
    assert found.notes == [note, "Not all could be read: its journal is torn."]
    assert found.tiles[2].value == ("9 s" if now else "0 s")


def test_campaigns_of_the_same_file_name_are_told_apart(tmp_path):
    paths = [tmp_path / name / "x.h5" for name in ("a", "b", "b")]
    campaigns = [replace(of([done(0, 1.0)]), path=path) for path in paths]
    names = [each.name for each in content_of(campaigns).campaigns]
    assert names == [f"{number}. {path}" for number, path in enumerate(paths, 1)]


def test_what_did_not_change_stayed_and_statistics_say_whose_they_are():
    found = campaign(of([done(0, 2.0), done(1, 3.0)], statistics={"busy_share": 0.25}))
    (figure,) = (each for each in found.figures if each.name == "convergence")
    assert figure.caption == "The best objective stayed at 2, after 1 evaluation and 500 ms."
    assert ("share of the time that rank 0 was computing", "0.25") in found.environment
