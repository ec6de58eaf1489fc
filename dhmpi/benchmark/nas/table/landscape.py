"""Rewards and training times of architectures, generated from a seed, with a known optimum."""

import math
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.nas.table.table_structure import NUM_OPTIONS

Array = npt.NDArray[np.float64]
Architecture = tuple[int, ...]

# Shares of the variance of the merit over all architectures.
SINGLE, PAIRS, TRIPLES = 0.4, 0.4, 0.2
SIZE_SHARE = 0.2  # of what single decisions contribute, the share that goes with the size of the option


class TableOptimum(NamedTuple):
    """The best architecture and its reward."""

    arch: Architecture
    reward: float


class Table:
    """Rewards, larger is better, and training times of all architectures of a space.

    The decisions stand in a chain of random order. What an architecture is worth, its merit, is a sum over the chain:
    each decision contributes, each pair of neighbours, and each three in a row. All contributions are normal random
    numbers whose means over each of their decisions are removed, so the shares of the variance add up to 1, and no pair
    can be guessed from its single decisions. A chain has an optimum that dynamic programming finds exactly.

    The reward is (1 + merit / best merit) / 2: on average 0.5, with a standard deviation of about 0.5 / best merit,
    and 1 at the optimum.

    Training times are log-normal over the architectures; each option has a size, and the logarithm of the time is the
    sum of the sizes. Larger options have a slightly larger merit, too.

    Args:
        seed: Seed of all of it.
        median_seconds: Median of the training times [s].
        sigma: Standard deviation of the logarithm of the training times.
        num_options: Number of options of every decision; at least three decisions.

    Attributes:
        order: The decisions in the order of the chain.
        best_merit: Merit of the optimum.
        optimum: The best architecture and its reward.
    """

    def __init__(
        self,
        seed: int = 0,
        median_seconds: float = 60.0,
        sigma: float = 0.5,
        num_options: tuple[int, ...] = NUM_OPTIONS,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.num_options = num_options
        self.order = rng.permutation(len(num_options)).tolist()
        lengths = [num_options[decision] for decision in self.order]
        sizes = _contributions([(num,) for num in lengths], 1.0, rng)
        own = _contributions([(num,) for num in lengths], SINGLE * (1 - SIZE_SHARE), rng)
        singles = [one + math.sqrt(SINGLE * SIZE_SHARE) * size for one, size in zip(own, sizes, strict=True)]
        pairs = _contributions(list(pairwise(lengths)), PAIRS, rng)
        triples = _contributions(list(zip(lengths, lengths[1:], lengths[2:], strict=False)), TRIPLES, rng)
        self._terms = _merge(singles, pairs, triples)
        # Plain lists: numpy takes several times as long to look up one number.
        self._merits = [term.ravel().tolist() for term in self._terms]
        self._strides = [(term.shape[1] * term.shape[2], term.shape[2]) for term in self._terms]
        self._log_seconds = [(math.log(median_seconds) / len(lengths) + sigma * size).tolist() for size in sizes]
        best = _best(self._terms)
        best_arch = tuple(best[self.order.index(decision)] for decision in range(len(best)))
        self.best_merit = self._merit(best_arch)
        self.optimum = TableOptimum(best_arch, self.reward(best_arch))

    def reward(self, arch: Architecture) -> float:
        """Return the reward of an architecture, given as an option for every decision; it is not checked."""
        return 0.5 + 0.5 * self._merit(arch) / self.best_merit

    def seconds(self, arch: Architecture) -> float:
        """Return how long a training would take [s]."""
        total = 0.0
        for decision, terms in zip(self.order, self._log_seconds, strict=True):
            total += terms[arch[decision]]
        return math.exp(total)

    def rewards(self, archs: npt.NDArray[np.int64]) -> Array:
        """Return the rewards of many architectures, shape (num, num_decisions)."""
        columns = archs[:, self.order].T
        merits: Array = sum(
            (term[a, b, c] for term, a, b, c in zip(self._terms, columns, columns[1:], columns[2:], strict=False)),
            start=np.zeros(len(archs)),
        )
        return 0.5 + 0.5 * merits / self.best_merit

    def quantile(self, q: float, num: int, rng: np.random.Generator) -> float:
        """Return the reward that a share q of random architectures stays below.

        Args:
            q: The share, from 0 to 1.
            num: Number of architectures that are drawn to find out.
            rng: Where they are drawn from.
        """
        return float(np.quantile(self.rewards(rng.integers(self.num_options, size=(num, len(self.num_options)))), q))

    def _merit(self, arch: Architecture) -> float:
        options = [arch[decision] for decision in self.order]
        merit = 0.0
        for term, (far, near), a, b, c in zip(
            self._merits, self._strides, options, options[1:], options[2:], strict=False
        ):
            merit += term[a * far + b * near + c]
        return merit


def _contributions(shapes: list[tuple[int, ...]], variance: float, rng: np.random.Generator) -> list[Array]:
    """Return random contributions with means of 0 along each axis, whose variances add up to a given one."""
    terms = []
    for shape in shapes:
        draws = rng.standard_normal(shape)
        terms.append(reduce(lambda term, axis: term - term.mean(axis, keepdims=True), range(len(shape)), draws))
    scale = math.sqrt(variance / sum(float(np.square(term).mean()) for term in terms))
    return [scale * term for term in terms]


def _merge(singles: list[Array], pairs: list[Array], triples: list[Array]) -> list[Array]:
    """Add the contributions of single decisions and pairs to those of the threes that begin with them."""
    first = zip(triples, pairs, singles, strict=False)
    merged = [triple + pair[:, :, np.newaxis] + single[:, np.newaxis, np.newaxis] for triple, pair, single in first]
    merged[-1] += pairs[-1] + singles[-2][:, np.newaxis] + singles[-1]
    return merged


def _best(terms: list[Array]) -> list[int]:
    """Return the options with the largest sum, by dynamic programming from the end of the chain (Viterbi)."""
    rest = np.zeros(terms[-1].shape[1:])  # best sum of what follows two neighbours
    choices = []
    for term in reversed(terms):
        sums = term + rest
        choices.append(sums.argmax(axis=2))
        rest = sums.max(axis=2)
    options = [int(option) for option in np.unravel_index(rest.argmax(), rest.shape)]
    for choice in reversed(choices):
        options.append(int(choice[options[-2], options[-1]]))
    return options
