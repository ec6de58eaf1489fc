"""Sobol sequence: points that are spread more evenly than random ones."""

from typing import TYPE_CHECKING, Any

from dhmpi.space.space import Unit

if TYPE_CHECKING:
    from numpy.random import Generator


class SobolSequence:
    """A scrambled Sobol sequence (Sobol 1967; Owen 1995), in blocks that a `Sampler` draws."""

    def __init__(self) -> None:
        self._engine: Any = None

    def __call__(self, rng: "Generator", num: int, num_dimensions: int) -> Unit:
        """Return the next numbers in [0, 1), shape (num, num_dimensions).

        Args:
            rng: What the scrambling is drawn from, the first time.
            num: How many points; a power of 2 the first time.
            num_dimensions: The same each time.
        """
        if self._engine is None:
            from scipy.stats import qmc  # slow to import, and hardly any campaign needs it

            self._engine = qmc.Sobol(num_dimensions, scramble=True, seed=rng)
        numbers: Unit = self._engine.random(num)
        return numbers
