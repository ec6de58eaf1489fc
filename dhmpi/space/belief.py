"""Beliefs of experts: which values of a dimension are probably good, as distributions over its range in the unit cube.

No belief is certain: a share of all that is drawn by it, `DOUBT`, is drawn as if there were none.
"""

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

from dhmpi.errors import ProblemError
from dhmpi.space.choices import Choices, Ordinal
from dhmpi.space.dimension import Dimension, Integer, Real
from dhmpi.space.values import Unit, finite_number, unit_row

DOUBT = 0.05
# The least and the largest probability of which a quantile is taken.
LEAST, LARGEST = 1e-15, 1 - 1e-15
# The least weight of a value of an ordered list, as a share of the largest one.
SLIGHTEST = 1e-6


class Belief(ABC):
    """Belief about one dimension: a distribution of the numbers in [0, 1) that `Dimension.from_unit` maps to values."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Return the belief as JSON values, which `read_belief` reads."""

    @abstractmethod
    def describe(self, dim: Dimension) -> str:
        """Return the belief about a dimension in words."""

    @abstractmethod
    def _quantiles(self, u: Unit) -> Unit:
        """Return the quantiles of the distribution, without doubt, shape (num,)."""

    @abstractmethod
    def _density(self, u: Unit) -> Unit:
        """Return the density of the distribution, without doubt, shape (num,)."""

    @abstractmethod
    def _relative_slope(self, u: float) -> float:
        """Return the derivative of the logarithm of the density, without doubt."""

    def draw(self, u: Unit) -> Unit:
        """Map random numbers in [0, 1), shape (num,), to others that are distributed by the belief, doubt included."""
        import numpy as np

        sure = (u - DOUBT) / (1 - DOUBT)
        drawn = np.where(u < DOUBT, u / DOUBT, self._quantiles(np.maximum(sure, 0.0)))
        below_one: Unit = np.clip(drawn, 0.0, np.nextafter(1.0, 0.0))
        return below_one

    def log_density(self, u: Unit) -> Unit:
        """Return the logarithm of the density, doubt included, shape (num,); without a belief it is 0."""
        import numpy as np

        logs: Unit = np.log((1 - DOUBT) * self._density(u) + DOUBT)
        return logs

    def slope(self, u: float) -> float:
        """Return the derivative of the logarithm of the density, doubt included."""
        sure = (1 - DOUBT) * float(self._density(unit_row([u]))[0])
        return sure / (sure + DOUBT) * self._relative_slope(u)


@dataclass(frozen=True)
class NormalBelief(Belief):
    """Normal distribution on the scale of a range, cut off at its ends.

    Args:
        mean: Mean, in the units of the dimension.
        std: Standard deviation: in the same units, on a logarithmic scale in orders of magnitude.
        center: The mean in the unit cube.
        width: The standard deviation there.
    """

    mean: float
    std: float
    center: float
    width: float

    def spec(self) -> dict[str, Any]:
        """Return the belief as JSON values."""
        return {"normal": [self.mean, self.std]}

    def describe(self, dim: Dimension) -> str:
        """Return the belief about a dimension in words."""
        unit = " orders of magnitude" if getattr(dim, "prior", "") == "log-uniform" else ""
        return f"about {self.mean:g}, standard deviation {self.std:g}{unit}"

    @cached_property
    def _normal(self) -> NormalDist:
        return NormalDist(self.center, self.width)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Probabilities below 0 and below 1; at least a third lies between these, where the mean is."""
        return self._normal.cdf(0.0), self._normal.cdf(1.0)

    def _quantiles(self, u: Unit) -> Unit:
        low, high = self._ends
        inverse = self._normal.inv_cdf
        return unit_row(inverse(min(max(low + each * (high - low), LEAST), LARGEST)) for each in u.tolist())

    def _density(self, u: Unit) -> Unit:
        import numpy as np

        low, high = self._ends
        z = (u - self.center) / self.width
        density: Unit = np.exp(-0.5 * z * z) / (math.sqrt(2 * math.pi) * self.width * (high - low))
        return density

    def _relative_slope(self, u: float) -> float:
        return (self.center - u) / self.width**2


@dataclass(frozen=True)
class WeightedBelief(Belief):
    """Weights of listed values.

    Args:
        weights: One for each value, above 0.
    """

    weights: tuple[float, ...]

    def spec(self) -> dict[str, Any]:
        """Return the belief as JSON values."""
        return {"weights": list(self.weights)}

    def describe(self, dim: Dimension) -> str:
        """Return the belief about a dimension in words."""
        assert isinstance(dim, Choices)
        pairs = zip(dim.choices, self.shares, strict=True)
        return ", ".join(f"{value!r} {share:.3g}" for value, share in pairs)

    @cached_property
    def shares(self) -> list[float]:
        """The weights, in shares of their sum."""
        largest = max(self.weights)  # their sum might overflow
        total = sum(each / largest for each in self.weights)
        return [each / largest / total for each in self.weights]

    def _quantiles(self, u: Unit) -> Unit:
        import numpy as np

        shares = np.array(self.shares)
        ends = np.cumsum(shares)
        index = np.minimum(np.searchsorted(ends, u, side="right"), len(shares) - 1)
        within = np.clip((u - (ends - shares)[index]) / shares[index], 0.0, np.nextafter(1.0, 0.0))
        quantiles: Unit = (index + within) / len(shares)
        return quantiles

    def _density(self, u: Unit) -> Unit:
        import numpy as np

        index = np.minimum((u * len(self.shares)).astype(int), len(self.shares) - 1)
        density: Unit = len(self.shares) * np.array(self.shares)[index]
        return density

    def _relative_slope(self, u: float) -> float:
        return 0.0  # within a value


def read_belief(name: str, prior: object, dim: Dimension) -> Belief:
    """Return the belief about a dimension as it is written in a problem, or as its JSON values.

    Args:
        name: Name of the dimension, for the error sentence.
        prior: `("normal", mean, std)`, or the weights of the values in a list, or by value in a dict.
        dim: The dimension.

    Raises:
        ProblemError: It is none about this dimension.
    """
    try:
        if isinstance(prior, Mapping) and set(prior) == {"normal"} and isinstance(prior["normal"], list):
            prior = ("normal", *prior["normal"])
        elif isinstance(prior, Mapping) and set(prior) == {"weights"} and isinstance(prior["weights"], list):
            prior = prior["weights"]
        if not isinstance(dim, Choices):
            return _normal(prior, dim)
        if isinstance(prior, tuple) and prior[:1] == ("normal",):
            return _normal_weights(prior, dim)
        return WeightedBelief(_weights(prior, dim))
    except ProblemError as error:
        raise ProblemError(f"dimension {name!r}: {error}") from None


def _normal(prior: object, dim: Integer | Real) -> NormalBelief:
    mean, std = _mean_and_std(prior, dim.low, dim.high)
    if isinstance(dim, Integer):
        start, end = dim.bin_of(mean)  # type: ignore[arg-type]  # it computes with any number in the range
        center = (start + end) / 2
        low, high = dim.low - 0.5, dim.high + 0.5
    else:
        center, low, high = float(dim.to_unit([mean])[0]), dim.low, dim.high
    if dim.prior == "log-uniform":
        width = std / ((math.log10(high) - math.log10(low)) or 1.0)  # neighbours may have the same logarithm
    else:
        width = 0.5 * std / (0.5 * high - 0.5 * low)  # by halves: the difference may overflow
    if not 0.0 < width < math.inf:
        raise ProblemError(f"the standard deviation of a prior must be comparable with the range, got {std}; change it")
    return NormalBelief(mean, std, min(max(center, 0.0), 1.0), width)


def _normal_weights(prior: object, dim: Choices) -> WeightedBelief:
    """Return a normal distribution over the values of an ordered list of numbers."""
    numbers = [finite_number(choice) for choice in dim.choices]
    known = [each for each in numbers if each is not None]
    if not isinstance(dim, Ordinal) or len(known) < len(numbers):
        need = "a normal prior must go with a range, or with an ordered list of numbers"
        raise ProblemError(f"{need}, got {reprlib.repr(prior)}; write a weight for each value")
    mean, std = _mean_and_std(prior, min(known), max(known))
    return WeightedBelief(tuple(max(math.exp(-0.5 * min((each - mean) / std, 1e9) ** 2), SLIGHTEST) for each in known))


def _mean_and_std(prior: object, low: float, high: float) -> tuple[float, float]:
    is_normal = isinstance(prior, tuple) and len(prior) == 3 and prior[0] == "normal"
    numbers = [finite_number(each) for each in prior[1:]] if isinstance(prior, tuple) and is_normal else [None]
    mean, std = numbers if len(numbers) == 2 else (None, None)
    if mean is None or std is None:
        raise ProblemError(f"the prior of numbers must be ('normal', mean, std), got {reprlib.repr(prior)}; write one")
    if not low <= mean <= high:
        raise ProblemError(f"the mean of a prior must be from {low} to {high}, got {mean}; change it or the range")
    if std <= 0:
        raise ProblemError(f"the standard deviation of a prior must be above 0, got {std}; write the mean as a default")
    return mean, std


def _weights(prior: object, dim: Choices) -> tuple[float, ...]:
    if isinstance(prior, Mapping):
        given = {dim.index(dim.canonical(value)): weight for value, weight in prior.items()}
        lacking = [repr(value) for index, value in enumerate(dim.choices) if index not in given]
        if lacking:
            raise ProblemError(f"a prior must have a weight for every value, got none for {', '.join(lacking)}; add it")
        prior = [given[index] for index in range(dim.size)]
    if not isinstance(prior, Sequence) or isinstance(prior, str) or len(prior) != dim.size:
        need = f"the prior of listed values must have a weight for each of the {dim.size}"
        raise ProblemError(f"{need}, got {reprlib.repr(prior)}; write a list of weights, or a dict of them by value")
    weights = [finite_number(each) for each in prior]
    wrong = [each for each, weight in zip(prior, weights, strict=True) if weight is None or weight <= 0]
    if wrong:
        raise ProblemError(f"a weight must be a number above 0, got {wrong[0]!r}; remove a value not worth trying")
    return tuple(float(each) for each in weights if each is not None)
