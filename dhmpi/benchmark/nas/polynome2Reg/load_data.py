"""Data of polynome2Reg."""

from dhmpi.benchmark.benchmark_functions_wrappers import polynome_2
from dhmpi.benchmark.nas.regression_problem import Part, draw


def load_data(dim: int = 10, size: int = 100_000, seed: int = 2018, test: bool = False) -> tuple[Part, ...]:
    """Return points of the box [-50, 50], and minus the sum of squares of the inputs there.

    Args:
        dim: Number of inputs, at least 1.
        size: Number of points for training (the first 80 %) and validation (the rest), at least 2.
        seed: Seed of the points; with the defaults the data are those of DeepHyper 0.0.5.
        test: Whether to append a third part, of a tenth of the size, for a final test.

    Returns:
        (inputs, targets) for training, validation and, if asked for, test; shapes (num, dim) and (num, 1).

    Raises:
        ProblemError: If the dimension or the size is too small.
    """
    return draw(polynome_2(), dim, size, seed, test)
