"""The space of ten numbers, and its reward: DeepHyper's environment for debugging."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dhmpi.benchmark.nas.table.table_structure import TableStructure

NUM_DECISIONS, NUM_OPTIONS, LARGEST, SEED = 10, 10, 50.0, 22
BEST = -NUM_DECISIONS * (LARGEST / (NUM_OPTIONS - 1)) ** 2


def _shuffled() -> list[list[float]]:
    """Return the numbers of each decision, in an order of its own."""
    rng = np.random.default_rng(SEED)
    return [rng.permutation(np.linspace(-LARGEST, LARGEST, NUM_OPTIONS)).tolist() for _ in range(NUM_DECISIONS)]


NUMBERS = _shuffled()


def create_structure(input_shape: Any = (2,), output_shape: Any = (1,)) -> TableStructure:
    """Return the space of 1e10 choices.

    Args:
        input_shape: As other spaces have it; it does not matter.
        output_shape: As other spaces have it; it does not matter.
    """
    return TableStructure((NUM_OPTIONS,) * NUM_DECISIONS)


STRUCTURE = create_structure()


def run(config: Mapping[str, Any]) -> float:
    """Return minus the sum of the squares of the numbers that were chosen, to be maximised.

    Args:
        config: `arch_seq`, the decisions.
    """
    chosen = STRUCTURE.decode(config["arch_seq"])
    return -sum(numbers[option] ** 2 for numbers, option in zip(NUMBERS, chosen, strict=True))
