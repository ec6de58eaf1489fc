import math
import sys
from collections import Counter, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dhmpi.errors import InputError, ProblemError
from dhmpi.space.space import Categorical, Integer, Real, Space, dimension

LAST = math.nextafter(1.0, 0.0)  # largest number below 1

int64s = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
categories = st.one_of(st.booleans(), st.none(), st.text(max_size=3), st.integers(-3, 3), st.floats(-3, 3), floats)


@st.composite
def ranges(draw, numbers):
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    return (low, high, draw(st.sampled_from(["uniform", "log-uniform"] if low > 0 else ["uniform"])))


def lists(max_size=6):
    return st.lists(categories, min_size=1, max_size=max_size, unique_by=lambda choice: (type(choice), choice))


specs = st.one_of(
    ranges(int64s), ranges(st.integers(1, 2**63 - 1)), ranges(floats), ranges(st.floats(1e-300, 1e300)), lists()
)
spaces = st.lists(specs, min_size=1, max_size=4).map(
    lambda items: Space.from_specs({f"x{i}": spec for i, spec in enumerate(items)})
)
small_specs = st.one_of(st.tuples(st.integers(-3, 0), st.integers(1, 3)), lists(max_size=4))
small_spaces = st.lists(small_specs, min_size=1, max_size=3).map(
    lambda items: Space.from_specs({f"x{i}": spec for i, spec in enumerate(items)})
)


def identity(point):
    """What tells True, 1 and 1.0 apart."""
    return [(name, type(value), value) for name, value in point.items()]


# --- every point is legal


@settings(deadline=None)
@given(spaces, st.integers(0, 2**32 - 1))
def test_sampled_points_are_canonical(space, seed):
    for point in space.sample(np.random.default_rng(seed), 8):
        assert identity(space.canonical(point)) == identity(point)


@settings(deadline=None)
@given(spaces)
def test_ends_of_the_unit_interval_stay_inside(space):
    for end in (0.0, LAST):
        (point,) = space.from_unit(np.full((1, len(space.names)), end))
        assert identity(space.canonical(point)) == identity(point)


@settings(deadline=None)
@given(spaces)
def test_specs_round_trip(space):
    specs = space.specs()
    again = Space.from_specs(specs)
    assert again.dimensions == space.dimensions
    assert again.specs() == specs
    assert list(again.names) == list(specs)


@pytest.mark.parametrize(
    ("spec", "first", "last"),
    [
        ((10, 20), 10, 20),
        ((-5, 5, "uniform"), -5, 5),
        ((1, 1000, "log-uniform"), 1, 1000),
        ((-(2**63), 2**63 - 1), -(2**63), 2**63 - 1),
        ((0.0, 1.0), 0.0, LAST),
        ((1, 10.0, "log-uniform"), 1.0, 10.0),
        ((-sys.float_info.max, sys.float_info.max), -sys.float_info.max, sys.float_info.max),
        (["a", None, 3], "a", 3),
    ],
)
def test_ends(spec, first, last):
    values = dimension("x", spec).from_unit(np.array([0.0, LAST]))
    assert [type(value) for value in values] == [type(first), type(last)]
    assert values == [pytest.approx(first), pytest.approx(last)] if isinstance(last, float) else [first, last]


@pytest.mark.parametrize("spec", [(1, 4), ["a", "b", "c", "d"]])
def test_values_have_equal_weight(spec):
    values = dimension("x", spec).from_unit((np.arange(400) + 0.5) / 400)
    assert set(Counter(values).values()) == {100}


def test_log_uniform_integers_have_weight_one_over_k():
    weights = Counter(Integer(1, 8, "log-uniform").from_unit((np.arange(100_000) + 0.5) / 100_000))
    assert weights[2] / weights[8] == pytest.approx(4, rel=0.05)
    assert set(weights) == set(range(1, 9))


@pytest.mark.parametrize("spec", [(0, 4), (-3, 3), (1, 64, "log-uniform"), (2, 5, "log-uniform")])
def test_bins_are_those_of_from_unit(spec):
    dim = dimension("n", spec)
    ends = [dim.bin_of(value) for value in range(dim.low, dim.high + 1)]
    assert ends[0][0] == pytest.approx(0)
    assert ends[-1][1] == pytest.approx(1)
    for value, (low, high) in enumerate(ends, start=dim.low):
        assert dim.from_unit(np.array([low + 1e-9, (low + high) / 2, high - 1e-9])) == [value] * 3


def test_log_uniform_reals_have_equal_weight_in_each_decade():
    values = Real(1e-4, 1.0, "log-uniform").from_unit((np.arange(400) + 0.5) / 400)
    assert Counter(math.floor(math.log10(value)) for value in values) == dict.fromkeys((-4, -3, -2, -1), 100)


def test_same_seed_same_points():
    space = Space.from_specs({"i": (1, 9), "r": (0.0, 1.0), "c": ["a", "b"]})
    assert space.sample(np.random.default_rng(3), 5) == space.sample(np.random.default_rng(3), 5)


# --- reading


Bounds = namedtuple("Bounds", "low high")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ((1, 5), Integer(1, 5)),
        (Bounds(1, 5), Integer(1, 5)),
        ((np.int32(1), np.uint8(5)), Integer(1, 5)),
        ((1, 5.0), Real(1.0, 5.0)),
        ((np.float32(1), 5), Real(1.0, 5.0)),
        ((1, 5, "log-uniform"), Integer(1, 5, "log-uniform")),
        ([2, 8], Categorical((2, 8))),
        ([7], Categorical((7,))),
        ([np.int64(2), np.str_("a"), np.bool_(True), np.float64(0.5)], Categorical((2, "a", True, 0.5))),
    ],
)
def test_reading(spec, expected):
    read = dimension("x", spec)
    assert read == expected
    plain = read.choices if isinstance(read, Categorical) else (read.low, read.high)
    assert {type(value) for value in plain} <= {int, float, str, bool}


BAD_SPECS = [
    ((5, 1), "low must be below high, got (5, 1); swap the bounds"),
    ((2.5, 2.5), "low must be below high, got (2.5, 2.5); write the list [2.5] for a constant"),
    ((3, 3), "low must be below high, got (3, 3); write the list [3] for a constant"),
    ((1,), "a range must be (low, high) or (low, high, prior), got (1,); write the list [1] for categories"),
    ((), "a range must be (low, high) or (low, high, prior), got (); write"),
    ((1, 2, "uniform", 4), "a range must be (low, high) or (low, high, prior), got (1, 2, 'uniform', 4)"),
    (("a", "b"), "bounds must be numbers, got ('a', 'b'); write the list ['a', 'b'] for categories"),
    ((False, True), "bounds must be numbers, got (False, True); write the list [False, True] for categories"),
    ((1, None), "bounds must be numbers, got (1, None)"),
    ((1j, 2), "bounds must be numbers"),
    ((2, 4, 8), "prior must be a string, got (2, 4, 8); write the list [2, 4, 8] with ordered=True"),
    ((1, 2, "log-unifrom"), "prior must be known, got 'log-unifrom'; did you mean 'log-uniform'?"),
    ((0, 10, "log-uniform"), "low must be above 0 for the prior 'log-uniform', got (0, 10, 'log-uniform'); raise low"),
    ((-1.0, 10.0, "log-uniform"), "low must be above 0"),
    ((0.0, math.inf), "bounds must be finite, got (0.0, inf); write the extreme values worth trying"),
    ((math.nan, 1.0), "bounds must be finite, got (nan, 1.0)"),
    ((1.0, 10**400), "bounds must be finite"),
    ((0, 2**63), "integer bounds must fit into 64 bits, got (0, 9223372036854775808); write floats instead"),
    ((-(10**400), 0), "integer bounds must fit into 64 bits"),
    ([], "categories must be at least one, got []; list the values to choose from"),
    (["a", "b", "a"], "categories must differ, got 'a' twice; remove one"),
    ([1, np.int8(1)], "categories must differ, got 1 twice; remove one"),
    ([[1, 2], [3]], "a category must be a string, bool, None or number, got [1, 2], a list; name it by a string"),
    ([{"a": 1}], "a dict; name it by a string and look the object up in the run function"),
    ([print], "a category must be a string"),
    ([math.nan], "a category must be finite, got nan; name it by a string"),
    ([-math.inf, 1.0], "a category must be finite, got -inf"),
    ("abc", "a space must be a tuple (low, high) or a list of categories, got 'abc'; write one of these"),
    ({1, 2}, "a space must be a tuple (low, high) or a list of categories, got {1, 2}"),
    (None, "a space must be a tuple (low, high) or a list of categories, got None"),
]


@pytest.mark.parametrize(("spec", "sentence"), BAD_SPECS, ids=[repr(spec)[:30] for spec, _ in BAD_SPECS])
def test_bad_specs(spec, sentence):
    with pytest.raises(ProblemError) as error:
        dimension("width", spec)
    assert str(error.value).startswith("dimension 'width': ")
    assert sentence in str(error.value)
    assert isinstance(error.value, InputError)


# --- canonical


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        ((1, 5), 3.0, 3),
        ((1, 5), np.int64(5), 5),
        ((1, 5), np.float32(1), 1),
        ((1.0, 5.0), 3, 3.0),
        ((1.0, 5.0), np.float64(5), 5.0),
        ((0.0, 1.0), np.int8(1), 1.0),
        ([True, 1, 1.0], 1, 1),
        ([1.0, 1, True], np.bool_(True), True),
        (["a", None], None, None),
        (["a", None], np.str_("a"), "a"),
    ],
)
def test_canonical(spec, value, expected):
    canonical = dimension("x", spec).canonical(value)
    assert canonical == expected
    assert type(canonical) is type(expected)


def test_negative_zero_is_zero():
    assert math.copysign(1, Real(-1.0, 1.0).canonical(-0.0)) == 1
    assert math.copysign(1, Real(-0.0, 1.0).low) == 1


@pytest.mark.parametrize(
    ("spec", "value", "sentence"),
    [
        ((1, 5), 6, "value must be an integer from 1 to 5, got 6; change it or the range"),
        ((1, 5), 2.5, "an integer from 1 to 5, got 2.5"),
        ((1, 5), True, "an integer from 1 to 5, got True"),
        ((1, 5), "3", "an integer from 1 to 5, got '3'"),
        ((1, 5), math.nan, "got nan"),
        ((1, 5), math.inf, "got inf"),
        ((1, 5), None, "got None"),
        ((0.0, 1.0), 1.1, "value must be a number from 0.0 to 1.0, got 1.1; change it or the range"),
        ((0.0, 1.0), math.nan, "got nan"),
        ((0.0, 1.0), 10**400, "got 1000"),
        ((0.0, 1.0), False, "got False"),
        (["a", "b"], "c", "value must be one of ['a', 'b'], got 'c'; change it or add the category"),
        ([1, 2], 1.0, "one of [1, 2], got 1.0"),
        ([True], 1, "one of [True], got 1"),
        (["a"], ["a"], "got ['a']"),
    ],
)
def test_illegal_values(spec, value, sentence):
    space = Space.from_specs({"width": spec})
    with pytest.raises(ProblemError) as error:
        space.canonical({"width": value})
    assert str(error.value).startswith("dimension 'width': ")
    assert sentence in str(error.value)


def test_canonical_points_are_in_the_order_of_the_dimensions():
    space = Space.from_specs({"a": (1, 5), "b": (0.0, 1.0)})
    assert list(space.canonical({"b": 1, "a": 2.0}).items()) == [("a", 2), ("b", 1.0)]


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"width": 1}, "a point must have a value for every dimension, got none for depth, length; add them"),
        ({"widht": 1, "depth": 1}, "a point must name dimensions only, got 'widht'; did you mean 'width'?"),
        ({3: 1}, "a point must name dimensions only, got 3; choose from depth, length, width"),
        ([1, 2, 3], "a point must map names to values, got [1, 2, 3]; write a dict"),
    ],
)
def test_illegal_points(point, sentence):
    space = Space.from_specs({"width": (1, 5), "depth": (1, 5), "length": (1, 5)})
    with pytest.raises(ProblemError) as error:
        space.canonical(point)
    assert str(error.value) == sentence


def test_a_space_has_a_dimension():
    with pytest.raises(ProblemError, match="a space must have at least one dimension, got none"):
        Space({})


# --- keys and finite spaces


@settings(deadline=None)
@given(small_spaces, st.integers(0, 2**32 - 1))
def test_keys_are_equal_for_identical_points_only(space, seed):
    points = space.sample(np.random.default_rng(seed), 8)
    for one in points:
        for other in points:
            assert (space.key(one) == space.key(other)) == (identity(one) == identity(other))


@settings(deadline=None)
@given(small_spaces, st.integers(0, 2**32 - 1))
def test_unseen_finds_every_point_and_then_none(space, seed):
    rng = np.random.default_rng(seed)
    seen = set()
    while (point := space.unseen(seen, rng)) is not None:
        assert identity(space.canonical(point)) == identity(point)
        assert space.key(point) not in seen
        seen.add(space.key(point))
    assert len(seen) == space.size


def test_unseen_in_a_huge_space_starts_anywhere():
    space = Space.from_specs({f"x{i}": (-(2**63), 2**63 - 1) for i in range(10)})
    assert space.size == 2**640
    rng = np.random.default_rng(0)
    point = space.unseen(set(), rng)
    assert point == space.canonical(point)
    assert space.unseen({space.key(point)}, rng) != point


def test_keys_of_another_space_do_not_end_the_walk():
    space = Space.from_specs({"x": ["a", "b"]})
    assert space.unseen({("c",), ("d",), ("e",), ("a",)}, np.random.default_rng(0)) == {"x": "b"}


def test_infinite_spaces_cannot_be_walked():
    space = Space.from_specs({"i": (1, 2), "r": (0.0, 1.0)})
    assert space.size is None
    with pytest.raises(ProblemError, match="a space must be finite to be walked"):
        space.unseen(set(), np.random.default_rng(0))


def test_points_just_below_the_largest_float_are_inside():
    low, high = 1.7976931348621712e308, 1.7976931348621714e308
    values = dimension("x", (low, high, "log-uniform")).from_unit(np.linspace(0, LAST, 1000))
    assert all(low <= value <= high for value in values)


@pytest.mark.parametrize(
    "spec",
    [
        (0.0, 5e-324),
        (1e10, math.nextafter(1e10, math.inf), "log-uniform"),
        (2**63 - 2, 2**63 - 1, "log-uniform"),
        (-sys.float_info.max, sys.float_info.max),
    ],
)
def test_bounds_of_extreme_ranges_have_units(spec):
    units = dimension("x", spec).to_unit(spec[:2])
    assert ((units >= 0) & (units <= 1)).all()
