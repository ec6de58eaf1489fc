import copy
import json
import pickle

import numpy as np
import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.results.schema import dimension as dataset
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.variation import crossed, mutated
from dhmpi.space.choices import Categorical, OrderedList, Ordinal
from dhmpi.space.dimension import dimension, stepped

SIZES = ["small", "medium", "large", "huge"]


def space_of(*words, **options):
    problem = HpProblem()
    problem.add_dim("x", *words, **options)
    return problem.dimensions


def test_models_see_the_order_of_a_list():
    space = space_of(SIZES, ordered=True)
    rows = Encoding(space).encode([{"x": size} for size in SIZES])
    assert rows.ravel().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert Encoding(space_of(SIZES)).num_columns == 4


@pytest.mark.parametrize("values", [[16, 32, 64], [1, 2, 1000], ["a", "b"], [0.1, None, True, "x"], [7]])
def test_values_come_back_as_they_were(values):
    space = space_of(values, ordered=True)
    points = space.sample(np.random.default_rng(0), 200)
    assert {repr(point["x"]) for point in points} == set(map(repr, values))
    encoding = Encoding(space)
    units = encoding.to_unit_cube(encoding.encode(points))
    assert space.from_unit(units) == points
    assert np.allclose(encoding.rows(units), encoding.encode(points))
    assert [space.canonical(point) for point in points] == points


def test_all_are_equally_probable():
    points = space_of([1, 10, 11, 500], ordered=True).sample(np.random.default_rng(0), 8000)
    counts = np.unique([point["x"] for point in points], return_counts=True)[1]
    assert counts.min() > 1800


def test_offspring_are_near_their_parents():
    dim = Ordinal(tuple(range(0, 1000, 10)))
    rng = np.random.default_rng(0)
    children = [mutated(dim, 500, 20.0, rng) for _ in range(300)]
    assert 500 not in children
    assert np.median(np.abs(np.array(children) - 500)) <= 100
    between = [crossed(dim, 200, 400, 15.0, rng) for _ in range(300)]
    assert set(between) <= set(dim.choices)
    assert 100 < np.median(between) < 500


@pytest.mark.parametrize("value", [0, 990])
def test_a_mutation_at_an_end_stays_in_the_list(value):
    dim = Ordinal(tuple(range(0, 1000, 10)))
    rng = np.random.default_rng(0)
    assert all(mutated(dim, value, 20.0, rng) in dim.choices for _ in range(100))


def test_a_list_with_an_order_is_none_without():
    plain, ordered = ["a", "b"], OrderedList(["a", "b"])
    assert ordered == OrderedList(["a", "b"])
    assert plain != ordered
    assert ordered != plain
    assert repr(ordered) == "ordered(['a', 'b'])"
    for copied in (copy.deepcopy(ordered), pickle.loads(pickle.dumps(ordered))):
        assert copied == ordered


def test_a_file_knows_that_there_is_an_order():
    written = dataset("x", space_of(SIZES, ordered=True).specs()["x"])
    assert json.loads(json.dumps(written.spec)) == {"choices": SIZES, "ordered": True}
    assert isinstance(dimension("x", written.documented), Ordinal)
    assert isinstance(dimension("x", dataset("x", SIZES).documented), Categorical)


@pytest.mark.parametrize(
    ("space", "step", "values"),
    [
        ((0, 5), 0.5, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]),
        ((0.0, 0.3), 0.1, [0.0, 0.1, 0.2, 0.3]),
        ((16, 64), 16, [16, 32, 48, 64]),
        ((-1, 1), 2, [-1, 1]),
        ((1e-3, 3e-3), 1e-3, [0.001, 0.002, 0.003]),
    ],
)
def test_steps(space, step, values):
    [dim] = space_of(space, step=step).dimensions
    assert list(map(repr, dim.choices)) == list(map(repr, values))


@pytest.mark.parametrize(
    ("space", "step", "reason"),
    [
        ((0, 5), 2, "dimension 'x': high must be low and a number of steps, got 5 with step=2; write 4"),
        ((0.0, 1.0), 0.3, "dimension 'x': high must be low and a number of steps, got 1.0 with step=0.3; write 0.9"),
        ((0, 5), 0, r"dimension 'x': low must be below high and step above 0, got \(0, 5\) and step=0; change them"),
        ((0, 5), "a", r"dimension 'x': low must be below high and step above 0, got \(0, 5\) and step='a'"),
        ((5, 0), 1, "low must be below high"),
        ((0, 10**6), 1, "a range must have at most 10,000 steps, got 1,000,000; leave step out"),
        ((1, 8, "log-uniform"), 1, r"a range with steps must be \(low, high\), got \(1, 8, 'log-uniform'\)"),
        ([1, 2], 1, r"a range with steps must be \(low, high\), got \[1, 2\]"),
    ],
)
def test_steps_that_make_no_sense(space, step, reason):
    with pytest.raises(ProblemError, match=reason):
        stepped("x", space, step)


def test_an_order_is_that_of_a_list():
    with pytest.raises(ProblemError, match=r"dimension 'x': ordered must go with a list, got \(1, 2\)"):
        space_of((1, 2), ordered=True)


@pytest.mark.parametrize("value", [3, 0.5, True])
def test_a_value_alone_is_a_constant(value):
    space = space_of(value)
    assert space.sample(np.random.default_rng(0), 2) == [{"x": value}] * 2
    assert space.size == 1


def test_a_tuple_of_several_numbers_is_led_to_a_list_that_keeps_its_order():
    with pytest.raises(ProblemError, match=r"write the list \[16, 32, 64, 128\] with ordered=True"):
        space_of((16, 32, 64, 128))
    with pytest.raises(ProblemError, match=r"write the list \['a', 'b'\] for categories"):
        space_of(("a", "b"))
