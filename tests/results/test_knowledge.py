import h5py
import numpy as np
import pytest

from dhmpi.errors import ResultsError
from dhmpi.evaluation import Observation
from dhmpi.results import ResultsStore, read, redo
from dhmpi.results.knowledge import Knowledge

POINTS = [{"x": 0.5, "act": None}, {"x": 0.25, "act": "é"}]
KNOWN = Knowledge(
    [{"name": "old.h5", "found": 3, "used": 2, "left_out": {"failed": 1}}],
    [Observation(POINTS[0], 1.5), Observation(POINTS[1], -2.0)],
)


@pytest.fixture
def path(tmp_path, metadata, ended):
    store = ResultsStore.create(tmp_path / "r.h5", metadata, knowledge=KNOWN)
    store.submitted([ended(0)])
    store.finished([ended(0)])
    store.close("end")
    return tmp_path / "r.h5"


def test_it_stays_in_the_file_whatever_becomes_of_it(path, metadata):
    assert read(path).knowledge == KNOWN
    store = ResultsStore.resume(path, metadata)
    assert store.knowledge == KNOWN == store.results.knowledge
    store.close("again")
    redo(path, ids=[0])
    assert read(path).knowledge == KNOWN


@pytest.mark.parametrize(
    ("name", "values"), [("objective", [np.nan, 1.0]), ("source", [0, 1]), ("source", [-1, 0]), ("point", ["[]", "{}"])]
)
def test_what_cannot_be_is_noticed(path, name, values):
    with h5py.File(path, "r+") as file:
        file[f"knowledge/{name}"][...] = values
        file.flush()
        image = bytes(file.id.get_file_image())
    path.write_bytes(image)
    with pytest.raises(ResultsError, match="observations of its knowledge must be points of known sources"):
        read(path)
