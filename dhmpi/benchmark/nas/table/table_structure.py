"""The space of the table's architectures: decisions without operations."""

import math
import operator
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.errors import ProblemError

# As in the space for the Combo benchmark of Balaprakash et al., Scalable Reinforcement-Learning-Based Neural
# Architecture Search for Cancer Deep Learning Research, SC19: twelve operations and one set of skip connections.
NUM_OPTIONS = (13,) * 12 + (9,)


class TableStructure:
    """Decisions by number; there is nothing to build.

    Attributes:
        num_options: Number of options of every decision.
        decision_names: Their names.
        num_nodes: Number of decisions.
        max_num_ops: Largest number of options.
        size: Number of architectures.
        mask: Which options there are, bool, shape (num_nodes, max_num_ops).
    """

    def __init__(self, num_options: tuple[int, ...] = NUM_OPTIONS) -> None:
        self.num_options = num_options
        self.num_nodes = len(num_options)
        self.decision_names = (*(f"node_{number}" for number in range(self.num_nodes - 1)), "skip")
        self.max_num_ops = max(num_options)
        self.size = math.prod(num_options)
        self.mask: npt.NDArray[np.bool_] = np.arange(self.max_num_ops) < np.array(num_options)[:, np.newaxis]

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Return an architecture, each as likely as any other."""
        return tuple(rng.integers(self.num_options).tolist())

    def decode(self, arch_seq: Iterable[Any]) -> tuple[int, ...]:
        """Return the decisions as plain integers.

        Raises:
            ProblemError: If they are not an integer for each decision, below its number of options.
        """
        try:
            arch = tuple([operator.index(option) for option in arch_seq])
        except TypeError:
            raise ProblemError(self._sentence(arch_seq)) from None
        if len(arch) != self.num_nodes:
            raise ProblemError(self._sentence(arch_seq))
        for name, option, num in zip(self.decision_names, arch, self.num_options, strict=True):
            if not 0 <= option < num:
                raise ProblemError(f"decision {name!r} must be an integer from 0 to {num - 1}, got {option}")
        return arch

    def _sentence(self, arch_seq: object) -> str:
        return f"an architecture must be a list of {self.num_nodes} integers, got {reprlib.repr(arch_seq)}"

    def canonical_key(self, arch_seq: Iterable[Any]) -> str:
        """Return the decisions as text; no two architectures are equal."""
        return ",".join(map(str, self.decode(arch_seq)))


def create_structure(input_shape: Any = (2,), output_shape: Any = (1,)) -> TableStructure:
    """Return the space of 13**12 * 9 = 2.1e14 architectures.

    Args:
        input_shape: As other spaces have it; it does not matter.
        output_shape: As other spaces have it; it does not matter.
    """
    return TableStructure()
