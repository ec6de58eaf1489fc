import numpy as np
import pytest

from dhmpi.analysis.frame import load
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, ResultsStore


def test_load(tmp_path, metadata, running, ended):
    path = tmp_path / "results.h5"
    store = ResultsStore.create(path, metadata)
    evaluations = [
        ended(0, extra={"loss": 0.5}),
        ended(1, State.FAILED, error="boom", extra={"epochs": [1, 2], "loss": 1}),
    ]
    store.submitted([*evaluations, running(2)])
    store.finished(evaluations)
    store.commit()
    frame = load(path)
    last = ["objective", "state", "submitted", "started", "ended", "rank", "host", "error"]
    assert list(frame) == ["id", "x", "n", "act", "name", "flag", *last, "extra.loss", "extra.epochs"]
    assert frame["state"].tolist() == ["DONE", "FAILED", "RUNNING"]
    assert frame["act"].tolist() == ["relu", None, True]
    assert frame["objective"].isna().tolist() == [False, True, True]
    assert (frame["x"].dtype, frame["n"].dtype, frame["flag"].dtype) == (np.float64, np.int64, np.bool_)
    assert frame["extra.loss"].tolist()[:2] == [0.5, 1.0]
    assert frame["extra.epochs"][1] == [1, 2]
    assert frame.loc[frame["objective"].idxmin(), "id"] == 0


def test_names_that_collide(tmp_path):
    path = tmp_path / "results.h5"
    store = ResultsStore.create(path, Metadata("s", "p", {"rank": (0, 9), "extra.a": [1], "b": [1]}))
    store.submitted([Evaluation(0, {"rank": 5, "extra.a": 1, "b": 1})])
    store.close("end")
    frame = load(path)
    assert frame["point.rank"].tolist() == [5]
    assert frame["rank"].tolist() == [-1]
    assert "point.extra.a" in frame
    assert "b" in frame


@pytest.mark.parametrize("space", [{}, {"x": (0.0, 1.0)}])
def test_an_empty_campaign(tmp_path, space):
    path = tmp_path / "results.h5"
    ResultsStore.create(path, Metadata("s", "p", space)).close("end")
    frame = load(path)
    assert len(frame) == 0
    assert next(iter(frame)) == "id"
    assert frame["objective"].dtype == np.float64


def test_no_column_is_lost(tmp_path):
    names = ["id", "point.id", "point.point.id", "extra.a", "point.extra.a", "reward", "x"]
    metadata = Metadata("ambs", "pkg.Problem", dict.fromkeys(names, (0, 9)))
    store = ResultsStore.create(tmp_path / "r.h5", metadata)
    point = dict(zip(names, range(7), strict=True))
    evaluation = Evaluation(0, point, 0.5, State.DONE, 1.0, 1.0, 2.0, extra={"a": 1})
    store.submitted([evaluation])
    store.finished([evaluation])
    store.close("done", True)
    frame = load(tmp_path / "r.h5")
    columns = [name for name in frame.columns if name.startswith("point.") or name in ("reward", "x")]
    assert frame[columns].iloc[0].tolist() == list(range(7))
    assert frame["id"].tolist() == [0]
    assert frame["extra.a"].tolist() == [1]
