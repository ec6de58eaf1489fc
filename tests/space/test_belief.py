import math

import numpy as np
import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.space.belief import DOUBT, read_belief
from dhmpi.space.choices import OrderedList
from dhmpi.space.dimension import dimension

SURE = 1 - DOUBT
EVEN = np.linspace(0.0, 1.0, 20_001)[:-1] + 0.5 / 20_000
CASES = {
    "real": ((0.0, 10.0), ("normal", 3.0, 1.0)),
    "logarithmic": ((1e-5, 1e-1, "log-uniform"), ("normal", 1e-3, 0.5)),
    "integer": ((1, 64), ("normal", 20, 5.0)),
    "logarithmic integer": ((1, 1024, "log-uniform"), ("normal", 64, 0.3)),
    "at an end": ((0.0, 10.0), ("normal", 10.0, 2.0)),
    "narrow": ((0.0, 1e6), ("normal", 5e5, 1e-3)),
    "huge": ((-1.7e308, 1.7e308), ("normal", 0.0, 1e307)),
    "categories": (["a", "b", "c"], [0.6, 0.3, 0.1]),
    "ordered": (OrderedList([16, 32, 64]), ("normal", 32, 10)),
}


def believed(spec, prior):
    dim = dimension("x", spec)
    return dim, read_belief("x", prior, dim)


def values(spec, prior):
    """Values of an even row of random numbers, all that a belief draws."""
    dim, belief = believed(spec, prior)
    return dim.from_unit(belief.draw(EVEN))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_draws_are_legal_and_distributed_by_the_density(case):
    dim, belief = believed(*case)
    assert all(map(dim.holds, (value for value in values(*case) if value != 0.0)))
    drawn = np.histogram(belief.draw(EVEN), bins=50, range=(0.0, 1.0))[0] / len(EVEN)
    fine = np.linspace(0.0, 1.0, 1_000_001)[:-1] + 5e-7
    expected = np.exp(belief.log_density(fine)).reshape(50, -1).mean(axis=1) / 50
    if case is not CASES["narrow"]:  # whose peak is no wider than the distance of these
        assert drawn == pytest.approx(expected, abs=2e-3)
        assert expected.sum() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_beliefs_come_back_from_their_specs(case):
    dim, belief = believed(*case)
    assert read_belief("x", belief.spec(), dim) == belief


def test_a_normal_prior_is_in_the_units_of_its_dimension():
    drawn = np.array(values(*CASES["real"]))
    near = np.abs(drawn - 3.0) <= 1.0
    assert near.mean() == pytest.approx(SURE * 0.683 + DOUBT * 0.2, abs=5e-3)


def test_on_a_logarithmic_scale_the_deviation_is_in_orders_of_magnitude():
    logs = np.log10(values(*CASES["logarithmic"]))
    assert (np.abs(logs + 3.0) <= 0.5).mean() == pytest.approx(SURE * 0.683 + DOUBT * 0.25, abs=5e-3)


def test_integers_are_drawn_about_the_mean():
    drawn = np.array(values(*CASES["integer"]))
    assert np.median(drawn) == 20
    assert (np.abs(drawn - 20) <= 5).mean() == pytest.approx(SURE * 0.729 + DOUBT * 11 / 64, abs=5e-3)
    logs = np.log10(values(*CASES["logarithmic integer"]))
    assert 10 ** np.median(logs) == pytest.approx(64, rel=0.03)


def test_weights_are_shares_of_their_sum():
    for prior in ([6, 3, 1], [0.6, 0.3, 0.1], (6.0, 3.0, 1.0), {"c": 1, "a": 6, "b": 3}, [6e307, 3e307, 1e307]):
        drawn = values(["a", "b", "c"], prior)
        shares = [drawn.count(each) / len(drawn) for each in "abc"]
        assert shares == pytest.approx([SURE * share + DOUBT / 3 for share in (0.6, 0.3, 0.1)], abs=1e-3)


def test_ordered_numbers_may_have_a_normal_prior():
    _, belief = believed(OrderedList([16, 32, 64]), ("normal", 32, 16))
    assert belief.shares[1] / belief.shares[0] == pytest.approx(math.exp(0.5))
    assert belief.shares[1] / belief.shares[2] == pytest.approx(math.exp(2.0))


@pytest.mark.parametrize("case", ["real", "logarithmic", "integer", "at an end", "categories"])
def test_slopes_are_those_of_the_density(case):
    _, belief = believed(*CASES[case])
    for u in (0.05, 0.21, 0.31, 0.55, 0.93):
        low, high = belief.log_density(np.array([u - 1e-6, u + 1e-6]))
        assert belief.slope(u) == pytest.approx((high - low) / 2e-6, rel=1e-4, abs=1e-6)


def test_far_from_a_belief_doubt_is_left():
    _, belief = believed((0.0, 1.0), ("normal", 0.5, 1e-6))
    assert belief.log_density(np.array([0.0, 1.0])) == pytest.approx(math.log(DOUBT))
    assert belief.slope(0.0) == 0.0


@pytest.mark.parametrize(
    ("spec", "prior", "sentence"),
    [
        ((0, 9), 3, r"the prior of numbers must be \('normal', mean, std\), got 3; write one"),
        ((0, 9), ("normal", 3), r"must be \('normal', mean, std\), got \('normal', 3\)"),
        ((0, 9), ["normal", 3, 1], r"must be \('normal', mean, std\), got \['normal', 3, 1\]"),
        ((0, 9), ("normal", "3", 1), r"must be \('normal', mean, std\), got \('normal', '3', 1\)"),
        ((0, 9), ("normal", float("nan"), 1), r"must be \('normal', mean, std\), got"),
        ((0, 9), ("beta", 3, 1), r"must be \('normal', mean, std\), got \('beta', 3, 1\)"),
        ((0, 9), [0.1] * 10, r"must be \('normal', mean, std\), got \[0.1"),
        ((0, 9), ("normal", 10, 1), "the mean of a prior must be from 0 to 9, got 10; change it or the range"),
        ((1e-5, 1.0, "log-uniform"), ("normal", -3, 1), "the mean of a prior must be from 1e-05 to 1.0, got -3"),
        ((0, 9), ("normal", 3, 0), "the standard deviation of a prior must be above 0, got 0; write the mean as a def"),
        ((0.0, 1e300), ("normal", 0, 5e-324), "must be comparable with the range, got 5e-324"),
        (["a", "b"], [1], r"must have a weight for each of the 2, got \[1\]; write a list of weights, or a dict"),
        (["a", "b"], 3, "must have a weight for each of the 2, got 3"),
        (["a", "b"], "ab", "must have a weight for each of the 2, got 'ab'"),
        (["a", "b"], [1, 0], "a weight must be a number above 0, got 0; remove a value not worth trying"),
        (["a", "b"], [1, "2"], "a weight must be a number above 0, got '2'"),
        (["a", "b"], [1, float("inf")], "a weight must be a number above 0, got inf"),
        (["a", "b"], {"a": 1}, "a prior must have a weight for every value, got none for 'b'; add it"),
        (["a", "b"], {"a": 1, "c": 2}, r"value must be one of \['a', 'b'\], got 'c'"),
        ([1, 2], ("normal", 1, 1), "a normal prior must go with a range, or with an ordered list of numbers, got"),
        (OrderedList(["s", "m"]), ("normal", 1, 1), "a normal prior must go with a range, or with an ordered list"),
    ],
)
def test_what_is_no_belief_is_a_sentence_and_adds_nothing(spec, prior, sentence):
    problem = HpProblem()
    with pytest.raises(ProblemError, match=f"dimension 'x': .*{sentence}"):
        problem.add_dim("x", spec, ordered=isinstance(spec, OrderedList), prior=prior)
    assert problem.space == problem.beliefs == {}


def test_problems_are_printed_with_their_beliefs():
    problem = HpProblem()
    problem.add_dim("rate", (1e-5, 1e-1, "log-uniform"), prior=("normal", 1e-3, 0.5))
    problem.add_dim("units", (1, 64), prior=("normal", 20, 5))
    problem.add_dim("act", ["relu", None], prior={None: 1, "relu": 3})
    lines = [
        "Beliefs",
        "  rate: about 0.001, standard deviation 0.5 orders of magnitude",
        "  units: about 20, standard deviation 5",
        "  act: 'relu' 0.75, None 0.25",
    ]
    assert "\n".join(lines) in str(problem)


def test_objects_have_weights_by_themselves():
    problem = HpProblem()
    problem.add_dim("betas", [(0.9, 0.999), (0.8, 0.99)], prior={(0.8, 0.99): 1, (0.9, 0.999): 4})
    assert problem.beliefs["betas"].spec() == {"weights": [4, 1]}


def test_dimensions_without_a_belief_are_drawn_as_ever():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    problem.add_dim("y", (0.0, 1.0), prior=("normal", 0.5, 0.1))
    units = np.random.default_rng(0).random((100, 2))
    drawn = problem.dimensions.believed(units)
    assert (drawn[:, 0] == units[:, 0]).all()
    assert drawn[:, 1].std() < 0.2
