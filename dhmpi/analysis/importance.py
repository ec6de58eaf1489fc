"""Importance of dimensions: how much of the differences between objectives each one explains by itself."""

from typing import Literal, NamedTuple

import numpy as np

from dhmpi.analysis.declustering import cells
from dhmpi.analysis.foretold import num_foretold, objectives, telling_rows
from dhmpi.analysis.gaussian_process import Axis, GaussianProcess, fitted
from dhmpi.analysis.unit_scales import Encoded, encoded
from dhmpi.errors import ResultsError
from dhmpi.results import Results
from dhmpi.results.columns import Array

Method = Literal["fanova", "ped-anova"]
NAMES: dict[Method, str] = {"fanova": "fANOVA", "ped-anova": "PED-ANOVA"}
MEANINGS: dict[Method, str] = {
    "fanova": "fANOVA: how much of the variance over the whole space each dimension explains by itself",
    "ped-anova": "PED-ANOVA: how much each dimension sets the best tenth apart from the rest",
}
# Evaluations that importances are computed from, at most; and at least.
MOST_EVALUATIONS = 5000
FEWEST_EVALUATIONS = 10
# Of them, evaluations that a Gaussian process is fitted to, and values of its kernels.
MOST_FITTED, MOST_VALUES = 300, 1_000_000
# Halves of the evaluations, or samples of them, that spreads are computed from.
NUM_HALVES, NUM_SAMPLES = 10, 30
# Objectives beyond the quartiles by more than so many interquartile ranges count as if they were there (Tukey 1977).
FENCE = 3.0
# But not more of them than this share on either side.
MOST_FAR = 0.1
BEST_SHARE, FEWEST_BEST = 0.1, 5
# Places of a surface along a range.
NUM_GRID = 32


class Importance(NamedTuple):
    """Importance of a dimension.

    Attributes:
        name: Name of the dimension.
        share: Its importance, 0 to 1.
        spread: Its standard error: by halves of the evaluations for fANOVA, by the bootstrap for PED-ANOVA.
    """

    name: str
    share: float
    spread: float

    @property
    def text(self) -> str:
        """The share and its spread [%], for people."""
        return f"{100 * self.share:.0f} ± {100 * self.spread:.0f} %"


def meaning(results: Results, method: Method) -> str:
    """Return what importances of a campaign measure, and how much of what they are computed from is foretold."""
    num = num_foretold(results)
    return f"{MEANINGS[method]}; {num:,} STOPPED ones with their probable ends" if num else MEANINGS[method]


def importances(results: Results, method: Method = "fanova", seed: int = 0) -> list[Importance]:
    """Return the importance of every dimension, the largest first; see `MEANINGS` for what it measures.

    fANOVA is the decomposition of Hutter, Hoos and Leyton-Brown (2014), with a Gaussian process in place of the forest:
    it averages over the whole space, so what interacts is in no share, and shares add up to about 1 at most. PED-ANOVA
    follows Watanabe, Bansal and Hutter (2023), with histograms. What was STOPPED counts with what it would probably
    have come to: without it, only what is good would be compared with itself.

    Args:
        results: The campaign.
        method: How it is measured.
        seed: Of the choice of evaluations if there are more than `MOST_EVALUATIONS`, of halves and of samples.

    Raises:
        ResultsError: Too few evaluations are DONE or STOPPED.
    """
    dimensions, objective = data(results, MOST_EVALUATIONS, seed)
    measured = _fanova if method == "fanova" else _ped_anova
    shares, spreads = measured(dimensions, objective, seed)
    found = [
        Importance(each.name, float(share), float(spread))
        for each, share, spread in zip(dimensions, shares, spreads, strict=True)
    ]
    return sorted(found, key=lambda each: -each.share)


def data(results: Results, most: int, seed: int = 0) -> tuple[list[Encoded], Array]:
    """Return points and objectives of evaluations, a sample of them if there are many.

    Raises:
        ResultsError: There are too few.
    """
    rows = telling_rows(results)
    if len(rows) < FEWEST_EVALUATIONS or not results.metadata.space:
        raise ResultsError(
            f"importances need {FEWEST_EVALUATIONS} evaluations that are DONE or STOPPED, got {len(rows)}"
        )
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return encoded(results, rows), objectives(results, rows)


def fence(objective: Array, volume: Array | None = None) -> tuple[float, float]:
    """Return between which objectives those are that are not far out: an absurd one would be all there is.

    At most a tenth is beyond on either side: of a search that has settled, most are nearly equal, and the others say
    what matters.

    Args:
        objective: The objectives.
        volume: How much of the space each one stands for. Default: all for as much.
    """
    small = objective / 16  # differences of the largest numbers, and what reaches beyond these, are numbers
    least, low, high, most = _quantiles(small, volume, (MOST_FAR, 0.25, 0.75, 1 - MOST_FAR))
    reach = FENCE * (high - low)
    if reach == 0.0:
        reach = FENCE * (float(small.std()) if np.abs(small).max() < 1e150 else 0.0)
    lower, upper = min(least, low - reach), max(most, high + reach)
    return 16 * max(float(small.min()), lower), 16 * min(float(small.max()), upper)


def _quantiles(values: Array, volume: Array | None, shares: tuple[float, ...]) -> list[float]:
    """Return the smallest values below or at which these shares of the volume are; shares above a half, the largest."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(np.full(len(values), 1.0) if volume is None else volume[order])
    below /= below[-1]
    places = [int(np.searchsorted(below, share + 1e-9 if share > 0.5 else share - 1e-9)) for share in shares]
    return [float(values[order[min(place, len(values) - 1)]]) for place in places]


def fenced(objective: Array, volume: Array | None = None) -> Array:
    """Return objectives as numbers from 0 to 1, with those that are far out at the fence; arguments as for `fence`."""
    low, high = (bound / 4 for bound in fence(objective, volume))
    kept: Array = np.clip(objective / 4, low, high)
    return (kept - low) / (high - low) if high > low else np.zeros(len(kept))


class SpaceModel(NamedTuple):
    """Model of the objective over the whole space.

    Attributes:
        process: The Gaussian process, of objectives from 0 to 1.
        objective: The objectives that it has been fitted to.
        kept: The dimensions that have several values, which are its axes.
        bounds: The objectives that are 0 and 1 in it.
    """

    process: GaussianProcess
    objective: Array
    kept: Array
    bounds: tuple[float, float]


def model_of(dimensions: list[Encoded], objective: Array, seed: int) -> SpaceModel | None:
    """Return a model of evaluations that are spread over the space; None if nothing differs."""
    kept = np.flatnonzero([not each.is_constant for each in dimensions])
    if not len(kept) or float(np.ptp(objective / 4)) == 0.0:
        return None
    varied = [dimensions[place] for place in kept.tolist()]
    found = cells(varied, seed)
    rows = found.chosen(min(MOST_FITTED, max(FEWEST_EVALUATIONS, int((MOST_VALUES / len(kept)) ** 0.5))))
    between = fenced(objective, found.volume)[rows]
    process = fitted([Axis.of(each).at(rows) for each in varied], between)
    return SpaceModel(process, between, kept, fence(objective, found.volume))


def _fanova(dimensions: list[Encoded], objective: Array, seed: int) -> tuple[Array, Array]:
    shares, spreads = np.zeros(len(dimensions)), np.zeros(len(dimensions))
    model = model_of(dimensions, objective, seed)
    if model is not None:
        shares[model.kept] = model.process.shares()
        spreads[model.kept] = _half_sample_errors(model, seed)
    return shares, spreads


def _half_sample_errors(model: SpaceModel, seed: int) -> Array:
    """Return the standard errors of shares: what halves of the evaluations say differs from all of them by so much."""
    rng, num = np.random.default_rng(seed), len(model.objective)
    halves = [np.sort(rng.permutation(num)[: -(-num // 2)]) for _ in range(NUM_HALVES)]
    shares = [
        fitted([axis.at(half) for axis in model.process.axes], model.objective[half], model.process).shares()
        for half in halves
    ]
    errors: Array = np.sqrt(((np.array(shares) - model.process.shares()) ** 2).mean(axis=0))
    return errors


def _ped_anova(dimensions: list[Encoded], objective: Array, seed: int) -> tuple[Array, Array]:
    rng, num = np.random.default_rng(seed), len(objective)
    volume = cells(dimensions, seed).volume
    samples = [rng.integers(num, size=num) for _ in range(NUM_SAMPLES)]
    shares = [_divergences(dimensions, objective, volume, sample) for sample in samples]
    return _divergences(dimensions, objective, volume, np.arange(num)), np.std(shares, axis=0)


def _divergences(dimensions: list[Encoded], objective: Array, volume: Array, rows: Array) -> Array:
    """Return shares of the Pearson divergence of the best of some evaluations from all of these, by dimension.

    Each counts as much as the part of the space that it stands for, and the best ones stand for a tenth of that.
    """
    objective, volume, num = objective[rows], volume[rows] / volume[rows].sum(), len(rows)
    fewest = np.partition(objective, min(num, FEWEST_BEST) - 1)[min(num, FEWEST_BEST) - 1]
    # With all that are as good as the last of them.
    best = np.flatnonzero(objective <= max(fewest, _quantiles(objective, volume, (BEST_SHARE,))[0]))
    weight = volume[best] / volume[best].sum() * min(len(best), BEST_SHARE * num)
    num_bins_of_range = max(2, round((BEST_SHARE * num) ** 0.5))
    divergences = np.zeros(len(dimensions))
    for place, each in enumerate(dimensions):
        num_bins = len(each.choices) or num_bins_of_range
        bins = np.minimum((each.unit[rows] * num_bins).astype(int), num_bins - 1)
        everywhere = np.bincount(bins, volume * num, minlength=num_bins) + 1.0  # one more in each: none is empty
        share = everywhere / everywhere.sum()
        there = np.bincount(bins[best], weight, minlength=num_bins) + share
        wanted = there / there.sum()
        divergences[place] = 0.0 if each.is_constant else float(((wanted - share) ** 2 / share).sum())
    total = float(divergences.sum())
    return divergences / total if total > 0 and objective.min() < objective.max() else np.zeros(len(dimensions))


class Surface(NamedTuple):
    """Prediction of a model over two dimensions, averaged over the others.

    Attributes:
        first: The dimension along x.
        second: The dimension along y.
        x: Places along the first one, in its own scale.
        y: Places along the second one.
        value: Predicted objectives, shape (len(y), len(x)).
    """

    first: Encoded
    second: Encoded
    x: Array
    y: Array
    value: Array


def surface(results: Results, first: str, second: str, seed: int = 0) -> Surface:
    """Return what a Gaussian process of the objective predicts over two dimensions (partial dependence).

    Args:
        results: The campaign.
        first: Name of a dimension that has several values.
        second: Name of another one.
        seed: Of the choice of evaluations.

    Raises:
        ResultsError: Too few evaluations are DONE or STOPPED.
    """
    dimensions, objective = data(results, MOST_EVALUATIONS, seed)
    named = [[each.name for each in dimensions].index(name) for name in (first, second)]
    one, other = (dimensions[place] for place in named)
    x, y = _grid(one), _grid(other)
    model = model_of(dimensions, objective, seed)
    if model is None:
        value = np.full((len(y), len(x)), objective[0])
    else:
        first_axis, second_axis = np.searchsorted(model.kept, named).tolist()
        low, high = model.bounds
        value = low + model.process.surface(first_axis, second_axis, x, y) * (high - low)
    return Surface(one, other, one.of_unit(x), other.of_unit(y), value)


def _grid(dimension: Encoded) -> Array:
    is_stepped = dimension.choices or dimension.is_whole
    return Axis.of(dimension).places if is_stepped else np.linspace(0.0, 1.0, NUM_GRID)
