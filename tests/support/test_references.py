import json

import pytest
from contracts.object_problem import LAYERS, Adam, Color, double

from dhmpi.errors import LoadError
from dhmpi.support.references import reference, resolved, texts


@pytest.mark.parametrize("value", [(0.1, 2e-300, "a"), *LAYERS, Adam, Color.BLUE, double, abs, json.dumps, dict])
def test_objects_travel_as_json(value):
    travelled = json.loads(json.dumps({"x": reference(value, "text"), "y": {"func": "name"}, "z": 3}))
    assert resolved(travelled) == {"x": value, "y": {"func": "name"}, "z": 3}
    assert type(resolved(travelled)["x"]) is type(value)
    assert texts(travelled) == {"x": "text", "y": {"func": "name"}, "z": 3}


def test_each_evaluation_gets_a_list_of_its_own():
    point = {"x": reference([1, 2], "[1,2]")}
    resolved(point)["x"].append(3)
    assert resolved(point) == {"x": [1, 2]}


def test_what_cannot_be_imported_is_refused():
    class Local:
        pass

    with pytest.raises(LoadError, match="must be one that another interpreter can import, got Local; define it at"):
        reference(Local, "Local")
