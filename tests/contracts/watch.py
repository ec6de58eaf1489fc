"""Conversations with a search whose every answer is checked, and what makes them hard."""

import math

import numpy as np
from contracts.search import done, ended
from hypothesis import strategies as st

from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import State


def problem_of(specs):
    problem = HpProblem()
    for name, spec in specs.items():
        problem.add_dim(name, spec)
    return problem


def identity(point):
    """What tells True, 1 and 1.0 apart; unlike `Space.key` it knows nothing of the space."""
    return tuple((name, type(value), value) for name, value in point.items())


def num_points(space):
    """Number of points of a space, its floats counted."""
    return math.prod(dim.size or ordinal(dim.high) - ordinal(dim.low) + 1 for dim in space.dimensions)


def ordinal(number):
    """Number of floats from 0 to a number, negative below 0."""
    return int(math.copysign(1, number)) * int(np.float64(abs(number)).view(np.int64))


# Ranges of fewer floats may have no new point left, though they count as infinite; some floats cannot be drawn.
FEW = 10**6


class Watch:
    """Asks and tells a search; every point must be legal and new, and fewer than asked for need a reason."""

    def __init__(self, search):
        self.search, self.space = search, search.space
        self.may_end = self.space.size is None and num_points(self.space) < FEW
        self.known = set()
        self.pending = []
        self.num_told = 0

    def ask(self, num=1):
        points = self.search.ask(num)
        assert len(points) <= num
        for point in points:
            assert identity(self.space.canonical(point)) == identity(point)
            assert identity(point) not in self.known
            self.known.add(identity(point))
        self.pending += points
        assert len(points) == num or self.pending or self.search.is_exhausted or self.may_end
        self.check()
        return points

    def fill(self, num):
        """Ask until so many points are pending, or there is none now."""
        while len(self.pending) < num and self.ask(num - len(self.pending)):
            pass

    def tell(self, *evaluations):
        for evaluation in evaluations:
            self.known.add(identity(evaluation.point))
            self.pending = [point for point in self.pending if identity(point) != identity(evaluation.point)]
            self.pending += [] if evaluation.state.is_final else [evaluation.point]
            self.num_told += evaluation.state.is_final
        self.search.tell(evaluations)
        self.check()

    def end(self, point, value):
        """Tell what became of a point: an objective, or None if it failed."""
        failure = State.FAILED if self.num_told % 2 else State.TIMEOUT
        id = self.num_told
        self.tell(ended(id, point, failure) if value is None else done(id, point, value))

    def drive(self, evaluate, num, num_workers=4):
        """Keep workers busy until so many evaluations have ended, or every point has been evaluated."""
        for _ in range(num):
            self.fill(num_workers)
            if not self.pending:
                break
            point = self.pending[0]
            self.end(point, evaluate(self.num_told, point))
        return self

    def check(self):
        assert self.search.num_pending == len(self.pending)
        assert self.search.is_exhausted == (len(self.known) == self.space.size)


# --- random spaces

floats = st.floats(allow_nan=False, allow_infinity=False)
int64s = st.integers(-(2**63), 2**63 - 1)
categories = st.one_of(st.booleans(), st.none(), st.text(max_size=2), st.integers(-2, 2), floats)


@st.composite
def ranges(draw, numbers):
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    return (low, high, draw(st.sampled_from(["uniform", "log-uniform"] if low > 0 else ["uniform"])))


specs = st.one_of(
    ranges(st.integers(-3, 3)),
    ranges(int64s),
    ranges(st.integers(1, 2**63 - 1)),
    ranges(floats),
    ranges(st.floats(0.0, 1.0)),
    ranges(st.floats(5e-324, 1e308)),
    st.lists(categories, min_size=1, max_size=5, unique_by=lambda choice: (type(choice), choice)),
)
problems = st.lists(specs, min_size=1, max_size=4).map(
    lambda items: problem_of({f"x{index}": spec for index, spec in enumerate(items)})
)

# --- random campaigns

objectives = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1e300, -1e300, 5e-324]), floats)
