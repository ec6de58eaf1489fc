"""Importance of dimensions: how much of the differences between objectives each one explains by itself."""

from typing import Any, Literal, NamedTuple

import numpy as np

from dhmpi.analysis.unit_scales import Encoded, encoded
from dhmpi.errors import ResultsError
from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.columns import Array

Method = Literal["fanova", "ped-anova"]
MEANINGS: dict[str, str] = {
    "fanova": "share of the variance of a random forest's prediction that the dimension explains by itself (fANOVA)",
    "ped-anova": "how differently the best tenth of the evaluations is distributed along the dimension, as a share of "
    "all dimensions (PED-ANOVA)",
}
# Evaluations that importances are computed from, at most; and at least.
MOST_EVALUATIONS = 5000
FEWEST_EVALUATIONS = 10
NUM_TREES = 32
# Objectives beyond the quartiles by more than so many interquartile ranges count as if they were there (Tukey 1977).
FENCE = 3.0
# But not more of them than this share on either side.
MOST_FAR = 0.1
BEST_SHARE, FEWEST_BEST = 0.1, 5


class Importance(NamedTuple):
    """Importance of a dimension.

    Attributes:
        name: Name of the dimension.
        share: Its importance, 0 to 1.
        spread: Standard deviation over the trees; 0 without trees.
    """

    name: str
    share: float
    spread: float


def importances(results: Results, method: Method = "fanova", seed: int = 0) -> list[Importance]:
    """Return the importance of every dimension, the largest first; see `MEANINGS` for what it measures.

    fANOVA follows Hutter, Hoos and Leyton-Brown (2014): it averages over the whole space, so what interacts is in no
    share, and shares add up to at most 1. PED-ANOVA follows Watanabe, Bansal and Hutter (2023), with histograms.

    Args:
        results: The campaign.
        method: How it is measured.
        seed: Of the forest, and of the choice of evaluations if there are more than `MOST_EVALUATIONS`.

    Raises:
        ResultsError: Too few evaluations are DONE.
    """
    dimensions, objective = data(results, MOST_EVALUATIONS, seed)
    measured = _fanova if method == "fanova" else _ped_anova
    shares, spreads = measured(dimensions, fenced(objective), seed)
    found = [
        Importance(each.name, float(share), float(spread))
        for each, share, spread in zip(dimensions, shares, spreads, strict=True)
    ]
    return sorted(found, key=lambda each: -each.share)


def data(results: Results, most: int, seed: int = 0) -> tuple[list[Encoded], Array]:
    """Return points and objectives of evaluations that are DONE, a sample of them if there are many.

    Raises:
        ResultsError: There are too few.
    """
    rows = np.flatnonzero(results.columns.is_in(State.DONE))
    if len(rows) < FEWEST_EVALUATIONS or not results.metadata.space:
        raise ResultsError(f"importances need {FEWEST_EVALUATIONS} evaluations that are DONE, got {len(rows)}")
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return encoded(results, rows), results.columns.objective[rows]


def fence(objective: Array) -> tuple[float, float]:
    """Return between which objectives those are that are not far out: an absurd one would be all there is.

    At most a tenth is beyond on either side: of a search that has settled, most are nearly equal, and the others say
    what matters.
    """
    small = objective / 16  # differences of the largest numbers, and what reaches beyond these, are numbers
    low, high = np.quantile(small, (0.25, 0.75))
    least, most = np.quantile(small, MOST_FAR, method="lower"), np.quantile(small, 1 - MOST_FAR, method="higher")
    reach = FENCE * (high - low)
    if reach == 0.0:
        reach = FENCE * (float(small.std()) if np.abs(small).max() < 1e150 else 0.0)
    lower, upper = min(least, low - reach), max(most, high + reach)
    return 16 * max(float(small.min()), lower), 16 * min(float(small.max()), upper)


def fenced(objective: Array) -> Array:
    """Return objectives as numbers from 0 to 1, with those that are far out at the fence."""
    low, high = (bound / 4 for bound in fence(objective))
    kept: Array = np.clip(objective / 4, low, high)
    return (kept - low) / (high - low) if high > low else np.zeros(len(kept))


def forest(dimensions: list[Encoded], objective: Array, seed: int, num_trees: int = NUM_TREES) -> Any:
    """Return a random forest of the objective, fitted to encoded points."""
    from sklearn.ensemble import RandomForestRegressor  # which takes longer to import than other methods to compute

    features = 1.0 if len(dimensions) <= 20 else 1 / 3
    leaf = max(2, len(objective) // 500)
    model = RandomForestRegressor(num_trees, min_samples_leaf=leaf, max_features=features, random_state=seed)
    return model.fit(np.column_stack([each.unit for each in dimensions]), objective)


def _fanova(dimensions: list[Encoded], objective: Array, seed: int) -> tuple[Array, Array]:
    num = len(dimensions)
    if float(np.ptp(objective)) == 0.0:
        return np.zeros(num), np.zeros(num)
    trees = [tree.tree_ for tree in forest(dimensions, objective, seed).estimators_]
    shares = np.array([tree_shares(tree, num) for tree in trees])
    shares[:, [each.is_constant for each in dimensions]] = 0.0
    return shares.mean(axis=0), shares.std(axis=0)


def tree_shares(tree: Any, num: int) -> Array:
    """Return the shares of a tree's variance over the unit cube that single dimensions explain, shape (num,)."""
    lower, upper, value = _leaves(tree, num)
    sides = upper - lower
    volume = sides.prod(axis=1)
    centred = value - (volume * value).sum()
    variance = float((volume * centred**2).sum())
    if variance <= 0:
        return np.zeros(num)
    shares = np.zeros(num)
    for place in range(num):
        edges = np.unique(np.concatenate([lower[:, place], upper[:, place]]))
        weight = centred * volume / sides[:, place]
        # The marginal prediction is constant between edges: each leaf adds its weight from its lower to its upper one.
        steps = np.zeros(len(edges))
        np.add.at(steps, np.searchsorted(edges, lower[:, place]), weight)
        np.add.at(steps, np.searchsorted(edges, upper[:, place]), -weight)
        marginal = np.cumsum(steps)[:-1]
        shares[place] = float((np.diff(edges) * marginal**2).sum()) / variance
    return shares


def _leaves(tree: Any, num: int) -> tuple[Array, Array, Array]:
    """Return the boxes of a tree's leaves in the unit cube, and their values."""
    lower, upper = np.zeros((tree.node_count, num)), np.ones((tree.node_count, num))
    for node in range(tree.node_count):  # parents come before their children
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0:
            continue
        for child in (left, right):
            lower[child], upper[child] = lower[node], upper[node]
        feature, threshold = tree.feature[node], min(max(tree.threshold[node], 0.0), 1.0)
        upper[left, feature] = lower[right, feature] = threshold
    is_leaf = tree.children_left < 0
    return lower[is_leaf], upper[is_leaf], tree.value[is_leaf, 0, 0]


def _ped_anova(dimensions: list[Encoded], objective: Array, _seed: int) -> tuple[Array, Array]:
    """Return shares of the Pearson divergence of the best from all, along each dimension."""
    num_best = min(len(objective), max(FEWEST_BEST, round(BEST_SHARE * len(objective))))
    # With all that are as good as the last of them.
    best = np.flatnonzero(objective <= np.sort(objective)[num_best - 1])
    divergences = np.zeros(len(dimensions))
    for place, each in enumerate(dimensions):
        num_bins = len(each.choices) or max(2, round(num_best**0.5))
        bins = np.minimum((each.unit * num_bins).astype(int), num_bins - 1)
        everywhere = np.bincount(bins, minlength=num_bins) + 1.0  # one more in each: none is empty
        there = np.bincount(bins[best], minlength=num_bins) + everywhere / everywhere.sum()
        share, wanted = everywhere / everywhere.sum(), there / there.sum()
        divergences[place] = 0.0 if each.is_constant else float(((wanted - share) ** 2 / share).sum())
    total = float(divergences.sum())
    zeros = np.zeros(len(dimensions))
    if total <= 0 or float(np.ptp(objective)) == 0.0:
        return zeros, zeros
    return divergences / total, zeros


class Surface(NamedTuple):
    """Prediction of a random forest over two dimensions, averaged over the others.

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


NUM_GRID = 24
NUM_AVERAGED = 40


def surface(results: Results, first: str, second: str, seed: int = 0) -> Surface:
    """Return what a random forest of the objective predicts over two dimensions (partial dependence).

    Args:
        results: The campaign.
        first: Name of a dimension.
        second: Name of another one.
        seed: Of the forest, and of the evaluations that are averaged over.

    Raises:
        ResultsError: Too few evaluations are DONE.
    """
    dimensions, objective = data(results, 2000, seed)
    model = forest(dimensions, fenced(objective), seed)
    places = [[each.name for each in dimensions].index(name) for name in (first, second)]
    grids = [_grid(dimensions[place]) for place in places]
    points = np.column_stack([each.unit for each in dimensions])
    chosen = np.random.default_rng(seed).choice(len(points), min(NUM_AVERAGED, len(points)), replace=False)
    x, y = np.meshgrid(*grids)
    asked = np.repeat(points[chosen], x.size, axis=0)
    asked[:, places[0]] = np.tile(x.ravel(), len(chosen))
    asked[:, places[1]] = np.tile(y.ravel(), len(chosen))
    low, high = fence(objective)
    value = low + model.predict(asked).reshape(len(chosen), *x.shape).mean(axis=0) * (high - low)
    one, other = (dimensions[place] for place in places)
    return Surface(one, other, one.of_unit(grids[0]), other.of_unit(grids[1]), value)


def _grid(dimension: Encoded) -> Array:
    num = len(dimension.choices)
    return (np.arange(num) + 0.5) / num if num else np.linspace(0.0, 1.0, NUM_GRID)
