import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.space.mapping import PointMapping
from dhmpi.space.starting_point import defaults_of


def problem():
    made = HpProblem()
    made.add_dim("lr", (1e-4, 1e-1, "log-uniform"), formerly=["learning_rate", "rate"])
    made.add_dim("units", (8, 64), 32)
    made.add_dim("act", ["relu", None, True, 3], "relu")
    return made


def mapping(others, made=None):
    made = made or problem()
    return PointMapping(made.dimensions, others, defaults_of(made), made.formerly)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"lr": 0.01, "units": 8, "act": None}, {"lr": 0.01, "units": 8, "act": None}),
        ({"lr": "1e-2", "units": "8", "act": "None"}, {"lr": 0.01, "units": 8, "act": None}),
        ({"lr": "0.01", "units": "8.0", "act": "true"}, {"lr": 0.01, "units": 8, "act": True}),
        ({"lr": 0.01, "units": 8.0, "act": 3.0}, {"lr": 0.01, "units": 8, "act": 3}),
    ],
)
def test_values_and_texts_of_them(value, found):
    point = mapping(["lr", "units", "act"])(value)
    assert point == found
    assert [type(each) for each in point.values()] == [type(each) for each in found.values()]


def test_steps_that_were_added_up_and_integers_that_no_float_holds():
    made = HpProblem()
    made.add_dim("x", (0.0, 1.0), step=0.1)
    made.add_dim("n", (1, 2**62))
    found = mapping(["x", "n"], made)({"x": 0.1 + 0.2, "n": str(2**53 + 1)})
    assert found == {"x": 0.3, "n": 2**53 + 1}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"lr": 0.2}, "lr is not from 0.0001 to 0.1"),
        ({"lr": "much"}, "lr is not from 0.0001 to 0.1"),
        ({"units": 8.5}, "units is not an integer from 8 to 64"),
        ({"act": "tanh"}, "act is not one of its values"),
        ({"act": 1}, "act is not one of its values"),
    ],
)
def test_what_does_not_fit(change, why):
    assert mapping(["lr", "units", "act"])({"lr": 0.01, "units": 8, "act": "relu"} | change) == why


def test_a_former_name_counts_where_the_present_one_is_not_there():
    assert mapping(["rate", "units", "act"])({"rate": 0.02, "units": 9, "act": 3})["lr"] == 0.02
    both = mapping(["rate", "lr", "units", "act"])
    assert both({"rate": 0.02, "lr": 0.03, "units": 9, "act": 3})["lr"] == 0.03
    assert both.mapped.ignored == ("rate",)


def test_a_dimension_that_was_not_there_had_its_default():
    found = mapping(["lr", "momentum"])
    assert found({"lr": 0.01, "momentum": 0.9}) == {"lr": 0.01, "units": 32, "act": "relu"}
    assert found.mapped.assumed == {"units": 32, "act": "relu"}
    assert found.mapped.ignored == ("momentum",)


def test_without_a_default_nothing_is_assumed():
    found = mapping(["units", "act"])
    assert found.mapped.missing == ("lr",)
    assert found({"units": 8, "act": 3}) == "no value of lr"


def test_what_is_inactive_is_dropped_and_what_must_be_active_is_missed():
    made = problem()
    made.add_dim("degree", (1, 5))
    made.add_condition("degree", when="act", is_in=["relu"])
    found = mapping(["lr", "units", "act", "degree"], made)
    point = {"lr": 0.01, "units": 8}
    assert found({**point, "act": 3, "degree": 2}) == {**point, "act": 3}
    assert found({**point, "act": "relu", "degree": 2}) == {**point, "act": "relu", "degree": 2}
    assert found({**point, "act": "relu"}) == "no value of degree"


def test_constraints_hold():
    made = problem()
    made.add_constraint("units * lr <= 1")
    found = mapping(["lr", "units", "act"], made)
    assert found({"lr": 0.1, "units": 64, "act": 3}) == "the constraints do not allow it"


@pytest.mark.parametrize("formerly", [3, [""], [3]])
def test_former_names_are_names(formerly):
    with pytest.raises(ProblemError, match="formerly must be names"):
        HpProblem().add_dim("x", (0, 1), formerly=formerly)
