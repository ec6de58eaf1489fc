"""Forests that take in points by the statistics of their leaves.

A point changes the count, the sum and the sum of squares of the leaf that it falls into, one leaf per tree, and so the
predictions at the candidates that share the leaf: O(trees), without growing anything. A lie moves the mean of its leaf
and makes it surer of it; it adds nothing to the variance, or what is pending would look worth another visit.
"""

import numpy as np
from skopt.learning import ExtraTreesRegressor, RandomForestRegressor

from dhmpi.search.hps.surrogate.background import checkpoint
from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.learner import Learner, Places, Posterior

KINDS = {"RF": RandomForestRegressor, "ET": ExtraTreesRegressor}
NUM_TREES = 48
PORTION = 8  # trees grown at a time
# Not 3 as in scikit-optimize: larger leaves blur the best point, and are uncertain where the objective is bad.
SMALLEST_LEAF = 1
# What a lie weighs beside a truth; as much as a truth, it would keep everybody away from the best point's leaf.
LIE_WEIGHT = 0.1


class Forest(Learner):
    """A random forest or extra trees, as scikit-optimize defines them.

    Args:
        kind: RF or ET.
        seed: What its random choices depend on.
    """

    max_rows, num_candidates = 3000, 4096
    num_parents, is_smooth = 20, False
    relative_turn = 0.1

    def __init__(self, kind: str, seed: int) -> None:
        self._model = KINDS[kind](min_samples_leaf=SMALLEST_LEAF, random_state=seed, n_jobs=1, warm_start=True)

    def fit(self, rows: Matrix, values: Matrix) -> None:
        """Grow the trees; see `Learner`."""
        for num in range(PORTION, NUM_TREES + 1, PORTION):
            checkpoint()
            self._model.set_params(n_estimators=num).fit(rows, values)
        self._trees = [each.tree_ for each in self._model.estimators_]
        self._offsets = np.cumsum([0, *(tree.node_count for tree in self._trees)])
        count = np.concatenate([tree.weighted_n_node_samples for tree in self._trees])
        mean = np.concatenate([tree.value[:, 0, 0] for tree in self._trees])
        variance = np.concatenate([tree.impurity for tree in self._trees])
        # Number, sum and sum of squares of the values in each node; weight and weighted sum of the lies. Those of one
        # node are neighbours in memory.
        none = np.zeros_like(count)
        self._leaves = np.stack([count, count * mean, count * (variance + mean**2), none, none], axis=1)
        # What the predictions are made from, and the leaves that have changed since.
        self._moments = _moments(self._leaves)
        self._changed: list[Places] = []

    def locate(self, rows: Matrix) -> Places:
        """Return the leaf of each row in each tree, shape (num, num_trees); nodes are numbered through all trees."""
        single = rows.astype(np.float32)  # what scikit-learn's trees compare
        leaves = [tree.apply(single) + start for tree, start in zip(self._trees, self._offsets, strict=False)]
        return np.stack(leaves, axis=1)

    def predict(self, places: Places) -> Posterior:
        """Return the mean and the standard deviation over all trees and their leaves; see `Learner`."""
        if self._changed:
            self._predict_again()
        return _posterior(self._moments[places].mean(axis=1).T)

    def watch(self, places: Places) -> None:
        """Note which candidates fall into which leaf; see `Learner`."""
        flat = places.ravel()
        order = np.argsort(flat, kind="stable")
        # As small as they can be: when points come rarely, fetching them from memory is what takes time.
        self._members = (order // places.shape[1]).astype(np.min_scalar_type(len(places)))
        self._bounds = np.searchsorted(flat[order], np.arange(self._offsets[-1] + 1)).astype(np.int32)
        self._predicted: Matrix = self._moments[places].mean(axis=1).T

    @property
    def posterior(self) -> Posterior:
        """The predictions at the candidates."""
        if self._changed:
            self._predict_again()
        return _posterior(self._predicted)

    def add(self, places: Places, values: Matrix) -> None:
        """Take in points; see `Learner`."""
        self._shift(places, _amounts(1.0, values, 0.0, 0.0))

    def add_pending(self, places: Places, lies: Matrix) -> None:
        """Take in pending points; see `Learner`."""
        self._shift(places, _amounts(0.0, np.zeros_like(lies), LIE_WEIGHT, lies))

    def replace(self, places: Places, lies: Matrix, values: Matrix) -> None:
        """Replace lies by results; see `Learner`."""
        self._shift(places, _amounts(1.0, values, -LIE_WEIGHT, lies))

    def _shift(self, places: Places, amounts: Matrix) -> None:
        """Change the statistics of the leaves at places, shape (num, num_trees), by amounts, shape (num, 5)."""
        for leaves, amount in zip(places, amounts, strict=True):
            self._leaves[leaves] += amount
        self._changed += list(places)

    def _predict_again(self) -> None:
        """Change the predictions of the candidates that share a leaf with what has come; of all of it at once."""
        leaves = np.sort(np.concatenate(self._changed))
        leaves = leaves[np.concatenate([[True], leaves[1:] != leaves[:-1]])]  # `np.unique` takes longer for so few
        self._changed = []
        moments = _moments(self._leaves[leaves])
        shares = (moments - self._moments[leaves]) / NUM_TREES
        self._moments[leaves] = moments
        starts = self._bounds[leaves]
        sizes = self._bounds[leaves + 1] - starts
        ends = sizes.cumsum()
        positions = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
        members = self._members[positions]
        num = self._predicted.shape[1]
        changes = [np.bincount(members, np.repeat(share, sizes), num) for share in shares.T]
        # A new array: callers of `posterior` keep the old one.
        self._predicted = self._predicted + np.array(changes)


def _amounts(num: float, values: Matrix, lie_weight: float, lies: Matrix | float) -> Matrix:
    """Return how the statistics of leaves change, shape (num_points, 5).

    Args:
        num: How many results each point brings.
        values: The results, shape (num_points,).
        lie_weight: Weight of the lie of each point.
        lies: The lies, shape (num_points,).
    """
    amounts = np.empty((len(values), 5))
    amounts[:, 0], amounts[:, 1], amounts[:, 2] = num, values, values**2
    amounts[:, 3], amounts[:, 4] = lie_weight, lie_weight * lies
    return amounts


def _moments(leaves: Matrix) -> Matrix:
    """Return the mean and the second moment of leaves, shape (num, 2), from their statistics, shape (num, 5)."""
    count, total, squares, lie_weight, lies = leaves.T
    weight = count + lie_weight
    moments = np.empty((len(leaves), 2))
    moments[:, 0] = mean = (total + lies) / weight
    moments[:, 1] = (squares - total**2 / count) / weight + mean**2
    return moments


def _posterior(moments: Matrix) -> Posterior:
    """Return the law of total variance over the trees.

    Args:
        moments: Means over the trees of the means and of the second moments of the leaves, shape (2, num).
    """
    mean, second = moments
    return Posterior(mean, np.sqrt(np.maximum(second - mean**2, 0.0)))
