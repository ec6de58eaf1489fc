"""Gaussian process of the objective over the whole space, and averages of what it predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dhmpi.analysis.unit_scales import Encoded
from dhmpi.results.columns import Array

# Places at which a range is averaged.
NUM_PLACES = 48
# Lengthscales of dimensions, and variances of the noise as multiples of that of the process.
LENGTHSCALES, NOISES = (0.05, 50.0), (1e-6, 100.0)
# Where fits begin, and how many steps they take.
START_NOISES, MOST_STEPS = (1e-3, 0.3), 45
# Standard deviation of the logarithms of lengthscales, before anything is known.
PRIOR_SPREAD = 1.5


class Axis(NamedTuple):
    """Axis of a dimension.

    Attributes:
        is_choice: Whether it has categories, any two of which are as far apart.
        data: Where the evaluations are on it, 0 to 1.
        places: Where it is averaged: places that are equally probable in the space.
    """

    is_choice: bool
    data: Array
    places: Array

    @classmethod
    def of(cls, dimension: Encoded) -> "Axis":
        """Return the axis of a dimension."""
        width = round(dimension.high - dimension.low) if dimension.is_whole else NUM_PLACES
        num = len(dimension.choices) or min(width, NUM_PLACES)
        return cls(bool(dimension.choices), dimension.unit, (np.arange(num) + 0.5) / num)

    def at(self, rows: Array) -> "Axis":
        """Return the axis with some of the evaluations."""
        return self._replace(data=self.data[rows])

    def distance(self, places: Array) -> Array:
        """Return the distances of the evaluations from places, shape (len(places), num)."""
        apart = np.abs(places[:, None] - self.data)
        found: Array = (apart > 1e-9).astype(np.float64) if self.is_choice else np.sqrt(3.0) * apart
        return found

    def kernel(self, scaled: Array) -> Array:
        """Return correlations at distances in lengthscales: Matérn's of order 3/2, or e^-1 of different categories."""
        found: Array = np.exp(-scaled) if self.is_choice else (1.0 + scaled) * np.exp(-scaled)
        return found

    def slope(self, scaled: Array) -> Array:
        """Return the derivatives of the logarithms of correlations by those of the lengthscale."""
        found: Array = scaled if self.is_choice else scaled**2 / (1.0 + scaled)
        return found


@dataclass(frozen=True)
class GaussianProcess:
    """Gaussian process with a constant mean, a product of kernels, and noise.

    A product of kernels can be averaged over any dimensions without drawing points (Oakley and O'Hagan 2004), so that
    it does not matter where most evaluations are.

    Attributes:
        axes: Of the dimensions.
        lengthscales: One for each.
        noise: Variance of the noise, as a multiple of that of the process.
        variance: Variance of the process.
        mean: Its mean.
        weights: Of the evaluations in what it predicts.
    """

    axes: Sequence[Axis]
    lengthscales: Array
    noise: float
    variance: float
    mean: float
    weights: Array

    @cached_property
    def _kernels(self) -> list[Array]:
        return [self._kernel(place, axis.places) for place, axis in enumerate(self.axes)]

    def _kernel(self, place: int, places: Array) -> Array:
        """Return the correlations of places of an axis with the evaluations."""
        axis = self.axes[place]
        return axis.kernel(axis.distance(places) / self.lengthscales[place])

    def _averaged(self, *kept: int) -> Array:
        """Return the weights of the evaluations, averaged over all dimensions but some."""
        others = [each.mean(axis=0) for place, each in enumerate(self._kernels) if place not in kept]
        averaged: Array = self.weights * np.prod(others, axis=0) if others else self.weights
        return averaged

    def shares(self) -> Array:
        """Return the shares of the variance over the space, noise included, that single dimensions explain.

        Those are Sobol's indices of the first order.
        """
        squares = np.ones((len(self.weights), len(self.weights)))
        for each in self._kernels:
            squares *= each.T @ each / len(each)
        middle = float(self._averaged().sum())
        predicted = max(0.0, float(self.weights @ squares @ self.weights) - middle**2)
        total = predicted + self.noise * self.variance
        if total <= 0:
            return np.zeros(len(self.axes))
        effects = [each @ self._averaged(place) - middle for place, each in enumerate(self._kernels)]
        return np.array([min(1.0, float((effect**2).mean()) / total) for effect in effects])

    def surface(self, first: int, second: int, x: Array, y: Array) -> Array:
        """Return what it predicts over places of two axes, averaged over the others, shape (len(y), len(x))."""
        one, other = (self._kernel(place, places) for place, places in ((first, x), (second, y)))
        found: Array = self.mean + (other * self._averaged(first, second)) @ one.T
        return found


def fitted(axes: Sequence[Axis], objective: Array, like: GaussianProcess | None = None) -> GaussianProcess:
    """Return the process under which the objectives of evaluations are most probable.

    Args:
        axes: Of the dimensions.
        objective: The objectives, numbers about as large as 1.
        like: A process to begin with, that of other evaluations. Default: several beginnings.
    """
    from scipy.optimize import minimize  # slow to import

    likelihood, num = _Likelihood(axes, objective), len(axes)
    bounds = [(np.log(low), np.log(high)) for low, high in (*[LENGTHSCALES] * num, NOISES)]
    if like is not None:
        starts = [np.log(np.append(like.lengthscales, like.noise))]
    else:
        starts = [np.append(np.full(num, likelihood.usual), np.log(noise)) for noise in START_NOISES]
    options = {"maxiter": MOST_STEPS if like is None else MOST_STEPS // 3}
    ways = [
        minimize(likelihood.loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        for start in starts
    ]
    best = min(ways, key=lambda way: float(way.fun)).x
    found = likelihood.solved(best)
    parameters = np.exp(best)
    return GaussianProcess(axes, parameters[:-1], float(parameters[-1]), found.variance, found.mean, found.weights)


class _Solved(NamedTuple):
    kernel: Array
    slopes: Sequence[Array]
    inverse: Array
    logdet: float
    mean: float
    weights: Array
    variance: float


class _Likelihood:
    """Likelihood of objectives, in which mean and variance of the process are the most probable ones."""

    def __init__(self, axes: Sequence[Axis], objective: Array) -> None:
        self._axes, self._objective = axes, objective
        self._distances = [axis.distance(axis.data) for axis in axes]
        # In more dimensions all points are further apart, and must not look unrelated (Hvarfner and others 2024).
        self.usual = float(np.log(0.5 * np.sqrt(len(axes))))

    def loss(self, logarithms: Array) -> tuple[float, Array]:
        """Return minus the logarithm of the likelihood, up to a constant, and its derivatives."""
        found, num = self.solved(logarithms), len(self._objective)
        prior = (logarithms[:-1] - self.usual) / PRIOR_SPREAD**2
        loss = 0.5 * (num * np.log(found.variance) + found.logdet + prior @ (logarithms[:-1] - self.usual))
        by_matrix = found.inverse - np.outer(found.weights, found.weights) / found.variance
        by_kernel = by_matrix * found.kernel
        own = [0.5 * float(np.vdot(by_kernel, slope)) for slope in found.slopes]
        return float(loss), np.append(own + prior, 0.5 * np.exp(logarithms[-1]) * np.trace(by_matrix))

    def solved(self, logarithms: Array) -> _Solved:
        """Return the process with some logarithms of lengthscales, and of the noise."""
        y, parameters = self._objective, np.exp(logarithms)
        scaled = [each / length for each, length in zip(self._distances, parameters[:-1], strict=True)]
        kernel = np.ones((len(y), len(y)))
        for axis, each in zip(self._axes, scaled, strict=True):
            kernel *= axis.kernel(each)
        factor = np.linalg.cholesky(kernel + parameters[-1] * np.eye(len(y)))
        half = np.linalg.inv(factor)
        inverse = half.T @ half
        sums = inverse.sum(axis=1)
        mean = float(sums @ y / sums.sum())
        weights = inverse @ (y - mean)
        variance = max(float((y - mean) @ weights) / len(y), 1e-12)
        slopes = [axis.slope(each) for axis, each in zip(self._axes, scaled, strict=True)]
        return _Solved(kernel, slopes, inverse, 2.0 * float(np.log(np.diag(factor)).sum()), mean, weights, variance)
