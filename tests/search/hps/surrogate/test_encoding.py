import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import active_values
from dhmpi.search.hps.surrogate.box import Box, Frame
from dhmpi.search.hps.surrogate.encoding import IMPUTED, Encoding
from dhmpi.space.space import Space


def encode(specs, *points):
    return Encoding(Space.from_specs(specs)).encode(points)


def column(spec, values):
    """The rows of a space of one dimension, as a list of lists."""
    return encode({"x": spec}, *({"x": value} for value in values)).tolist()


@pytest.mark.parametrize(
    ("spec", "values", "scaled"),
    [
        ((0.0, 4.0), [0.0, 1.0, 4.0], [0.0, 0.25, 1.0]),
        ((-2.0, 2.0), [-2.0, 0.0, 2.0], [0.0, 0.5, 1.0]),
        ((0, 4), [0, 1, 4], [0.0, 0.25, 1.0]),
        ((-3, -1), [-3, -2, -1], [0.0, 0.5, 1.0]),
        ((1e-4, 1.0, "log-uniform"), [1e-4, 1e-3, 1e-2, 1.0], [0.0, 0.25, 0.5, 1.0]),
        ((1, 16, "log-uniform"), [1, 2, 4, 16], [0.0, 0.25, 0.5, 1.0]),
    ],
)
def test_ranges_are_scaled_by_their_prior(spec, values, scaled):
    assert column(spec, values) == [[pytest.approx(each, abs=1e-9)] for each in scaled]


def test_categories_are_one_hot_whatever_their_types():
    choices = [True, 1, 1.0, None, "1", "None", 0.5]
    assert column(choices, choices) == np.eye(len(choices)).tolist()


def test_two_categories_are_told_apart():
    first, second = column(["relu", "tanh"], ["relu", "tanh"])
    assert first != second


def test_dimensions_are_in_the_order_of_the_space():
    specs = {"b": (0.0, 2.0), "c": ["x", "y", "z"], "a": (0, 10)}
    point = {"a": 10, "b": 1.0, "c": "y"}
    assert encode(specs, point).tolist() == [[0.5, 0.0, 1.0, 0.0, 1.0]]


@pytest.mark.parametrize("constant", [[7], [None], [True], ["only"], [0.5]])
def test_constants_are_left_out(constant):
    specs = {"before": constant, "x": (0.0, 2.0), "after": constant}
    point = {"before": constant[0], "x": 1.0, "after": constant[0]}
    assert encode(specs, point, point).tolist() == [[0.5], [0.5]]


def test_the_space_for_the_models_has_the_same_dimensions():
    encoding = Encoding(Space.from_specs({"x": (0.0, 1.0), "constant": [1], "c": ["x", "y", "z"]}))
    assert encoding.num_columns == 4


@pytest.mark.parametrize("num", [1, 2, 50])
def test_there_is_a_row_per_point(num):
    point = {"x": 0.5, "c": "y"}
    rows = encode({"x": (0.0, 1.0), "c": ["x", "y", "z"]}, *[point] * num)
    assert rows.shape == (num, 4)
    assert rows.dtype == np.float64


@pytest.mark.parametrize(
    ("spec", "middle"),
    [((-1e308, 1e308), 0.0), ((1e-200, 1e-150, "log-uniform"), 1e-175)],  # high - low or low * high has no float
)
def test_the_most_extreme_ranges_are_scaled_too(spec, middle):
    assert column(spec, [spec[0], middle, spec[1]]) == [[0.0], [pytest.approx(0.5)], [1.0]]


reals = st.floats(-1e300, 1e300)
positive = st.floats(1e-150, 1e300)
integers = st.integers(-(2**63), 2**63 - 1)
categories = st.lists(
    st.one_of(st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    min_size=1,
    max_size=6,
    unique_by=lambda value: (type(value), value),
)


def ranges(values, *prior):
    return st.tuples(values, values).filter(lambda ends: ends[0] < ends[1]).map(lambda ends: (*ends, *prior))


specs = st.one_of(
    ranges(reals),
    ranges(positive, "log-uniform"),
    ranges(integers),
    ranges(st.integers(1, 2**63 - 1), "log-uniform"),
    categories,
)


def ends(space):
    """The two points at the ends of all ranges."""
    units = np.array([[0.0] * len(space.names), [math.nextafter(1.0, 0.0)] * len(space.names)])
    return space.from_unit(units)


@settings(max_examples=60, deadline=None)
@given(st.lists(specs, min_size=1, max_size=4), st.integers(0, 2**32))
def test_rows_lie_in_the_unit_cube(chosen, seed):
    space = Space.from_specs({f"x{index}": spec for index, spec in enumerate(chosen)})
    if space.size == 1:
        return  # never modelled
    points = [*ends(space), *space.sample(np.random.default_rng(seed), 10)]
    encoding = Encoding(space)
    rows = encoding.encode(points)
    assert rows.shape == (len(points), encoding.num_columns)
    assert (rows >= 0).all()
    assert (rows <= 1).all()
    assert rows.tolist() == encoding.encode(points).tolist()
    # What a model's candidates are made of comes out the same, without points in between.
    units = np.random.default_rng(seed).random((10, len(chosen)))
    values, decoded = encoding.decode(units)
    points = space.from_unit(units)
    assert decoded.tolist() == encoding.encode(points).tolist()
    assert [dict(zip(space.names, row, strict=True)) for row in zip(*values, strict=True)] == points


@pytest.mark.parametrize(
    "spec", [(0.0, 4.0), (1e-4, 1.0, "log-uniform"), (0, 9), (1, 64, "log-uniform"), ["a", 1, None]]
)
def test_units_lead_back_to_their_points(spec):
    space = Space.from_specs({"constant": [7], "x": spec})
    encoding = Encoding(space)
    rows = encoding.encode(space.sample(np.random.default_rng(0), 200))
    again = encoding.decode(encoding.to_unit_cube(rows))[1]
    if isinstance(spec[0], float):
        assert again == pytest.approx(rows)
    else:
        assert again.tolist() == rows.tolist()


def test_every_row_is_a_point_of_its_own():
    space = Space.from_specs({"n": (1, 5, "log-uniform"), "constant": [7], "act": [True, 1, 1.0]})
    encoding = Encoding(space)
    rows = encoding.every_row()
    assert len({row.tobytes() for row in rows}) == len(rows) == space.size
    assert encoding.decode(encoding.to_unit_cube(rows))[1].tolist() == rows.tolist()


# --- what is inactive


def nested():
    problem = HpProblem()
    problem.add_dim("kind", ["a", "b"])
    problem.add_dim("x", (0.0, 4.0))
    problem.add_dim("mode", ["p", "q"])
    problem.add_dim("n", (0, 4))
    problem.add_condition("x", when="kind", is_in=["a"])
    problem.add_condition("mode", when="kind", is_in=["b"])
    problem.add_constraint("n < 4")
    return problem


def test_what_is_inactive_has_a_column_that_says_so():
    found = Encoding(nested().dimensions)
    rows = found.encode([{"kind": "a", "x": 4.0, "n": 0}, {"kind": "b", "mode": "q", "n": 4}])
    assert rows.tolist() == [[1, 0, 1.0, 1, 0, 0, 0.0], [0, 1, IMPUTED, 0, 0, 1, 1.0]]
    assert found.conditional.tolist() == [2]
    assert found.owners.tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_all_ways_to_rows_agree_on_what_is_inactive():
    found = Encoding(nested().dimensions)
    units = np.random.default_rng(0).random((50, 4))
    points = found.space.from_unit(units)
    values, rows = found.decode(units)
    assert (rows == found.encode(points)).all()
    assert np.allclose(found.rows(units), rows)
    for index, point in enumerate(points):
        decoded = zip(found.space.names, (column[index] for column in values), strict=True)
        assert active_values(decoded) == point
    back = found.space.from_unit(found.to_unit_cube(rows))
    assert [set(point) for point in back] == [set(point) for point in points]
    assert found.allowed(units).tolist() == [point["n"] < 4 for point in points]


def test_every_row_of_a_nested_space():
    problem = HpProblem()
    problem.add_dim("kind", ["a", "b"])
    problem.add_dim("n", (0, 4))
    problem.add_condition("n", when="kind", is_in=["a"])
    problem.add_constraint("n < 3")
    assert len(Encoding(problem.dimensions).every_row()) == 4


def test_in_the_frame_of_a_box_what_is_inactive_lies_in_the_middle():
    found = Encoding(nested().dimensions)
    frame = Frame(found, Box(np.array([0.5, 0.9, 0.5, 0.5]), np.array([0.5, 0.05, 0.5, 0.5])))
    rows = frame.rows(found.encode([{"kind": "a", "x": 3.8, "n": 0}, {"kind": "b", "mode": "q", "n": 4}]))
    assert rows[0, 2:4] == pytest.approx([1.0, 1.0])
    assert rows[1, 2:4].tolist() == [0.0, 0.0]
