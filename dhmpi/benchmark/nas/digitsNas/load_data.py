"""Data of digitsNas."""

import numpy as np

from dhmpi.benchmark.datasets.images import one_hot
from dhmpi.benchmark.nas.classification_problem import Part


def load_data(test: bool = False) -> tuple[Part, ...]:
    """Return scikit-learn's digits as rows of 64 pixels, in the parts of `dhmpi.benchmark.hps.digits`.

    Args:
        test: Whether to append a third part, for a final test.

    Returns:
        (inputs, labels) for training (1078), validation (359) and, if asked for, test (360), each with the same mix of
        digits; inputs in [0, 1], float32, shape (num, 64); labels one-hot, shape (num, 10).
    """
    from dhmpi.benchmark.hps.digits.digits_mlp import load_parts  # imports scikit-learn

    parts = load_parts() if test else load_parts()[:2]
    return tuple((part.images.astype(np.float32), one_hot(part.digits)) for part in parts)
