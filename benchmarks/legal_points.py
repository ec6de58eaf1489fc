"""Proposals of all searches in random spaces with conditions and constraints: how many of them are not allowed.

    python benchmarks/legal_points.py [--spaces 50] [--proposals 10000] [--modelled 200] [--minutes 60]

Each space has two to eight dimensions that depend on those before them, and up to three constraints. Each point is
checked by rules that Python itself evaluates, not by those that the searches have. A million proposals of random search
and the genetic algorithm, and 10,000 of models (`auto` and RF in turns), are the defaults.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.search import Search
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.random import RandomSearch
from dhmpi.space.space import Choices

SPACES: tuple[Any, ...] = (
    (0, 9),
    (0.0, 1.0),
    (1e-3, 1.0, "log-uniform"),
    ["a", "b", None, 3],
    [True, False],
    (1, 1000),
)


class RandomSpace(NamedTuple):
    """A random problem, and what its points must fulfil.

    Attributes:
        problem: The problem.
        conditions: What must be true where a dimension is active, and only there; by name, in Python.
        constraints: What must be true of the dimensions it names if all of them are active, in Python.
    """

    problem: HpProblem
    conditions: dict[str, str]
    constraints: list[str]

    def has(self, point: Point) -> bool:
        """Return whether a point has what is active, no more and no less, and fulfils the constraints."""
        for name in self.problem.space:
            if name in self.conditions and holds(self.conditions[name], point, False) != (name in point):
                return False
            if name not in self.conditions and name not in point:
                return False
        return all(holds(each, point, True) for each in self.constraints)


def holds(text: str, point: Point, otherwise: bool) -> bool:
    """Return whether an expression is true of a point; what is said otherwise if it names what is inactive."""
    try:
        return bool(eval(text, {"__builtins__": {}}, dict(point)))
    except NameError:
        return otherwise


def random_space(rng: np.random.Generator) -> RandomSpace:
    """Return a random space in which at least one point in a thousand is allowed."""
    while True:
        problem, conditions, constraints = HpProblem(), {}, []
        num = int(rng.integers(2, 9))
        for index in range(num):
            problem.add_dim(f"x{index}", SPACES[int(rng.integers(len(SPACES)))])
        for index in range(1, num):
            if rng.random() < 0.5:
                name, parent = f"x{index}", f"x{int(rng.integers(index))}"
                conditions[name] = condition(problem, parent, name, rng)
        numbers = [name for name, dim in problem.dimensions.by_name.items() if not isinstance(dim, Choices)]
        for _ in range(int(rng.integers(4)) if len(numbers) > 1 else 0):
            one, other = rng.choice(numbers, 2, replace=False)
            text = [f"{one} + {other} < 5", f"{one} * {other} <= 1.0", f"not {one} > {other}"][int(rng.integers(3))]
            problem.add_constraint(text)
            constraints.append(text)
        try:
            if problem.dimensions.acceptance > 1e-3:
                return RandomSpace(problem, conditions, constraints)
        except ProblemError:
            continue


def condition(problem: HpProblem, parent: str, name: str, rng: np.random.Generator) -> str:
    """Add a condition to a dimension; return it in Python."""
    dim = problem.dimensions.by_name[parent]
    if isinstance(dim, Choices):
        values = [each for each in dim.choices if rng.random() < 0.5] or [dim.choices[0]]
        problem.add_condition(name, when=parent, is_in=values)
        return f"{parent} in {values!r}"
    bound = float(rng.choice([0.3, 0.6]))
    problem.add_condition(name, when=f"{parent} > {bound}")
    return f"{parent} > {bound}"


def converse(search: Search, num: int, space: RandomSpace) -> tuple[int, int, list[float]]:
    """Ask and tell; return how many points there were, how many were not allowed, and how long asking took [s]."""
    rng, num_asked, num_wrong, seconds = np.random.default_rng(num), 0, 0, []
    while num_asked < num:
        begun = time.perf_counter()
        points = search.ask(min(10, num - num_asked))
        seconds.append((time.perf_counter() - begun) / max(len(points), 1))
        if not points:
            break
        num_asked += len(points)
        num_wrong += sum(not space.has(point) for point in points)
        values = rng.random(len(points)).tolist()
        search.tell([Evaluation(num_asked, *pair, State.DONE) for pair in zip(points, values, strict=True)])
    return num_asked, num_wrong, seconds


def main() -> None:
    """Count proposals that are not allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", type=int, default=50, help="number of random spaces")
    parser.add_argument("--proposals", type=int, default=10_000, help="of random search and of GA in each space")
    parser.add_argument("--modelled", type=int, default=200, help="proposals of models in each space")
    parser.add_argument("--minutes", type=float, default=60.0, help="for how long spaces are begun")
    options = parser.parse_args()
    makers: dict[str, tuple[Callable[..., Search], int]] = {
        "hps-random": (RandomSearch, options.proposals),
        "ga": (GA, options.proposals),
        "ambs": (AMBS, options.modelled),
    }
    counts = {name: [0, 0] for name in makers}
    times: dict[str, list[float]] = {name: [] for name in makers}
    end = time.monotonic() + 60 * options.minutes
    for seed in range(options.spaces):
        if time.monotonic() > end:
            break
        space = random_space(np.random.default_rng(seed))
        for name, (make, num) in makers.items():
            more = {"learner": "RF"} if name == "ambs" and seed % 2 else {}
            asked, wrong, seconds = converse(make(space.problem, seed=seed, **more), num, space)
            counts[name][0] += asked
            counts[name][1] += wrong
            times[name] += seconds
        print(f"space {seed}: {counts}", flush=True)
    for name, (asked, wrong) in counts.items():
        found = 1e3 * np.array(times[name])
        print(
            f"{name}: {wrong} of {asked:,} points are not allowed; a point took {np.median(found):.3g} ms, "
            f"99 % of them at most {np.quantile(found, 0.99):.3g} ms"
        )


if __name__ == "__main__":
    main()
