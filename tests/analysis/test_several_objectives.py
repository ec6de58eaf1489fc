"""What people see of a campaign with several objectives, or of one that is to be large."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from contracts.campaigns import run
from matplotlib.figure import Figure

from dhmpi.analysis import export, pareto_table, plots, terminal
from dhmpi.analysis.comparison import compare
from dhmpi.analysis.deephyper_csv import export_deephyper
from dhmpi.analysis.frame import frame
from dhmpi.analysis.pareto_front import hypervolume_curve, pareto_front
from dhmpi.analysis.plots import View
from dhmpi.analysis.plots.kinds import panels
from dhmpi.analysis.report import overview
from dhmpi.analysis.timeline import Timeline
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Objective, State
from dhmpi.results import Metadata, Results
from dhmpi.support.hypervolume import hypervolume

TWO = (Objective("accuracy", True), Objective("latency"))
# Accuracy and latency; the second is dominated by the fourth, and the third has failed.
FOUND = [(0.5, 3.0), (0.9, 5.0), None, (0.9, 4.0), (0.2, 1.0)]


def ended(id, values):
    """The end of an evaluation, after `id + 1` seconds."""
    times = {"submitted": 0.0, "started": 0.0, "ended": id + 1.0, "rank": 1, "order": id}
    if values is None:
        return Evaluation(id, {"x": id / 10}, None, State.FAILED, error="ValueError: no", **times)
    accuracy, *others = values
    extra = {"latency": others[0], "loss": 7} if others else {"loss": 7}
    return Evaluation(id, {"x": id / 10}, -accuracy, State.DONE, extra=extra, **times)


def campaign(found=FOUND, objectives=TWO, **metadata):
    more = {"runs": [run(0.0, 10.0)], "maximises": objectives[0].maximises, "objectives": objectives} | metadata
    return Results.of(Metadata("s", "p", {"x": (0.0, 1.0)}, **more), [ended(*each) for each in enumerate(found)])


def printed(view, *arguments):
    stream = io.StringIO()
    view(*arguments, stream)
    return stream.getvalue()


def test_the_best_is_that_of_the_first_objective_and_not_dominated():
    assert printed(terminal.best, campaign()).splitlines() == [
        "2 objectives (accuracy, latency); the set: dhmpi best --pareto",
        "best accuracy 0.9, evaluation 3:",
        "  x        0.3",
        "its other results:",
        "  latency  4.0",
        "  loss     7",
    ]


def test_the_set_is_a_table():
    assert printed(pareto_table.print_pareto_set, campaign()).splitlines() == [
        "evaluation  accuracy  latency  x",
        "         3       0.9        4  0.3",
        "         0       0.5        3  0",
        "         4       0.2        1  0.4",
        "3 evaluations; hypervolume 1 (up to the worst: accuracy 0.2, latency 5)",
    ]


def test_show_says_what_is_better_and_how_good_the_front_is():
    text = printed(terminal.show, campaign())
    assert "problem     p (1 dimension, larger accuracy and smaller latency are better)\n" in text
    assert "Pareto set  3 evaluations; hypervolume 1 (up to the worst: accuracy 0.2, latency 5)\n" in text
    text = printed(terminal.report, campaign(complete=True), "r.h5")
    assert "Pareto set: 3 evaluations; hypervolume 1 (up to the worst: accuracy 0.2, latency 5)\n" in text


def test_a_single_one_is_called_by_its_name_and_has_its_sign():
    single = campaign([(0.5,), (0.75,)], TWO[:1])
    text = printed(terminal.show, single)
    assert "larger accuracy is better" in text
    assert "best accuracy 0.75, evaluation 1:" in text
    assert "Pareto" not in text
    assert "for the largest accuracy" in overview.lead(single, Timeline(single))
    assert View(single).measure == "accuracy"
    assert compare([single]).measure == "accuracy"
    assert export.header(single)[2:4] == ["objective", "accuracy"]


def test_other_objectives_cannot_be_compared():
    other = campaign([(0.5,)], (Objective("recall", True),))
    with pytest.raises(ResultsError, match=r"must look for the same, got 'accuracy' in .* and 'recall'"):
        compare([campaign([(0.5,)], TWO[:1]), other])


def test_csv_has_what_was_returned():
    stream = io.StringIO()
    export.export_csv(campaign(), stream)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert list(rows[0])[:6] == ["id", "x", "objective", "accuracy", "latency", "pareto"]
    assert [row["accuracy"] for row in rows] == ["0.5", "0.9", "", "0.9", "0.2"]
    assert [row["latency"] for row in rows] == ["3.0", "5.0", "", "4.0", "1.0"]
    assert [row["pareto"] for row in rows] == ["True", "False", "False", "True", "True"]
    assert [name for name in rows[0] if name.startswith("extra.")] == ["extra.loss"]


def test_names_of_other_columns_are_told_apart():
    strange = campaign(objectives=(Objective("error"), Objective("latency")))
    assert export.header(strange)[:6] == ["id", "x", "objective", "objective.error", "latency", "pareto"]
    point = Results.of(Metadata("s", "p", {"latency": (0.0, 1.0)}, objectives=TWO, maximises=True), [])
    assert export.point_columns(point) == ["point.latency"]


def test_a_frame_has_them():
    found = frame(campaign())
    assert found["pareto"].dtype == bool
    np.testing.assert_array_equal(found["latency"], [3.0, 5.0, np.nan, 4.0, 1.0])
    assert isinstance(frame(campaign([])), pd.DataFrame)


def test_json_has_them_by_name():
    stream = io.StringIO()
    export.export_json(campaign(), stream)
    found = json.loads(stream.getvalue())
    assert found["metadata"]["objectives"] == {"accuracy": True, "latency": False}
    assert found["evaluations"][0]["objectives"] == {"accuracy": 0.5, "latency": 3.0}
    assert found["evaluations"][2]["objectives"] == {"accuracy": None, "latency": None}


def test_points_of_the_set_are_json():
    stream = io.StringIO()
    results = campaign()
    export.export_points(results, stream, results.pareto_set)
    first, *_ = json.loads(stream.getvalue())
    expected = {"id": 3, "objective": -0.9, "accuracy": 0.9, "latency": 4.0, "pareto": True, "point": {"x": 0.3}}
    assert first == expected


def test_deephyper_numbers_them():
    stream = io.StringIO()
    export_deephyper(campaign(), stream)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert [row["objective_0"] for row in rows] == ["0.5", "0.9", "F", "0.9", "0.2"]
    assert [row["objective_1"] for row in rows] == ["-3.0", "-5.0", "F", "-4.0", "-1.0"]
    assert [row["pareto_efficient"] for row in rows] == ["True", "False", "False", "True", "True"]


def test_parquet_has_them(tmp_path):
    pytest.importorskip("pyarrow")
    from dhmpi.analysis.parquet import write_parquet

    write_parquet(campaign(), tmp_path / "r.parquet")
    found = pd.read_parquet(tmp_path / "r.parquet")
    assert found["pareto"].tolist() == [True, False, False, True, True]
    assert found["accuracy"].tolist()[:2] == [0.5, 0.9]


def test_a_study_has_directions(tmp_path):
    optuna = pytest.importorskip("optuna")
    from dhmpi.analysis.optuna_study import write_study

    url = f"sqlite:///{tmp_path}/study.db"
    assert write_study(campaign(), url, "s") == 5
    study = optuna.load_study(study_name="s", storage=url)
    assert [each.name for each in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["accuracy", "latency"]
    assert sorted(tuple(each.values) for each in study.best_trials) == [(0.2, 1.0), (0.5, 3.0), (0.9, 4.0)]


@pytest.mark.parametrize("axis", ["evaluations", "seconds"])
def test_the_hypervolume_grows_to_that_of_the_front(axis):
    curve = hypervolume_curve(campaign(), axis)
    assert (np.diff(curve.y) >= 0).all()
    assert curve.y[-1] == pytest.approx(pareto_front(campaign()).hypervolume)
    assert curve.at(np.array([1.0, 2.0, 3.0])) == pytest.approx([0.6, 0.6, 0.6])
    assert curve.x[-1] == (10.0 if axis == "seconds" else 5.0)


def test_of_three_objectives_it_is_that_of_the_vectors():
    three = (*TWO, Objective("size", True))
    rng = np.random.default_rng(0)
    vectors = rng.random((80, 3))
    evaluations = [
        ended(id, (first, second))._replace(extra={"latency": second, "size": third})
        for id, (first, second, third) in enumerate(vectors.tolist())
    ]
    found = Results.of(campaign(objectives=three).metadata, evaluations)
    small = vectors * [-1, 1, -1]
    curve = hypervolume_curve(found)
    assert curve.y[-1] == pytest.approx(hypervolume(small, small.max(axis=0)))
    assert len(panels([View(found)], ["pareto"])) == 3


def test_without_several_there_is_no_front():
    single = campaign([(0.5,), (0.75,)], TWO[:1])
    assert pareto_front(single) is None
    assert pareto_front(campaign([None])) is None
    assert len(hypervolume_curve(campaign([None])).x) == 0


@pytest.mark.parametrize("found", [FOUND, [None], [], FOUND[:1]])
@pytest.mark.parametrize("objectives", [TWO, TWO[:1]])
def test_pictures_are_drawn(found, objectives):
    view = View(campaign([None if each is None else each[: len(objectives)] for each in found], objectives))
    for panel in panels([view], ["pareto", "hypervolume"]):
        assert panel(Figure().add_subplot()).get_title(loc="left")


def test_the_front_is_in_the_signs_of_the_run_function():
    axes = plots.fronts.pareto(Figure().add_subplot(), View(campaign()))
    assert axes.get_xlabel() == "accuracy (larger is better)"
    [front] = axes.lines
    np.testing.assert_array_equal(front.get_xydata(), [[0.2, 1.0], [0.5, 3.0], [0.9, 4.0]])
    assert axes.get_title(loc="left") == "Pareto front: 3 of 4 evaluations"
