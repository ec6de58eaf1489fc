"""Nodes: decisions between operations."""

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.op.basic import Operation


class Node:
    """A decision between operations, or one operation that is fixed.

    Args:
        name: Name; it should differ from those of the other nodes of its block, and must not contain `/`.
        ops: Operations to decide between.
        index: Which of them is fixed; None makes the node a decision.

    Attributes:
        id: Number in its structure, from 1; None before its cell is in one.

    Raises:
        ProblemError: If the name, an operation or the index does not fit.
    """

    def __init__(self, name: str = "", ops: Iterable[Operation] = (), index: int | None = None) -> None:
        if not isinstance(name, str) or "/" in name:
            raise ProblemError(f"a node's name must be a string without '/', got {name!r}")
        self.name = name
        self.id: int | None = None
        self.index: int | None = None
        self._ops: list[Operation] = []
        for op in ops:
            self.add_op(op)
        if index is not None:
            self.set_op(index)

    def add_op(self, op: Operation) -> None:
        """Add an operation after the present ones.

        Raises:
            ProblemError: If it is no Operation, or the node is part of a structure already.
        """
        if not isinstance(op, Operation):
            raise ProblemError(f"an operation must be an instance of a subclass of Operation, got {op!r}")
        self._check_open()
        self._ops.append(op)

    def num_ops(self) -> int:
        """Return the number of operations."""
        return len(self._ops)

    def get_ops(self) -> list[Operation]:
        """Return the operations."""
        return list(self._ops)

    def get_op(self, index: Any) -> Operation:
        """Return the operation that an index stands for.

        Args:
            index: As in `choice`.
        """
        return self._ops[choice(index, len(self._ops), str(self))]

    def set_op(self, index: Any) -> Operation:
        """Fix the operation, so that there is nothing to decide, and return it.

        Args:
            index: As in `choice`.
        """
        self._check_open()
        self.index = choice(index, len(self._ops), str(self))
        return self._ops[self.index]

    @property
    def is_decision(self) -> bool:
        """Whether there is something to decide; one operation that is not fixed is a decision, too."""
        return self.index is None

    def _check_open(self) -> None:
        if self.id is not None:
            raise ProblemError(f"operations must be set before the cell is in a structure, got {self} of a structure")

    def __str__(self) -> str:
        text = self.name if self.id is None else f"{self.name}({self.id})"
        return text if self.index is None else f"{text}[{self._ops[self.index]}]"


class MirrorNode(Node):
    """A node that has the operation of another one, and its weights, too.

    Args:
        node: The other node.
        name: Name; None takes the other's.
    """

    def __init__(self, node: Node, name: str | None = None) -> None:
        self.original: Node = node.original if isinstance(node, MirrorNode) else node
        super().__init__(node.name if name is None else name, node.get_ops(), node.index)

    @property
    def is_decision(self) -> bool:
        """False: the other node decides."""
        return False


def choice(value: Any, num_options: int, name: str) -> int:
    """Return the number of the option that a value stands for.

    Args:
        value: The number itself, from 0; or a float in [0, 1], of which 0 stands for the first option and 1 for the
            last; or a row of zeros and a single one, at the option's place.
        num_options: Number of options.
        name: What the choice is called in an error.

    Raises:
        ProblemError: If it stands for no option.
    """
    number = value if type(value) is int else _number(value, num_options)
    if not 0 <= number < num_options:
        raise ProblemError(
            f"the choice of {name} must be an integer from 0 to {num_options - 1}, a float from 0 to 1, "
            f"or a row of zeros and a single one, got {value!r}"
        )
    return number


def is_row(value: Any) -> bool:
    """Return whether a value is a list, a tuple or an array, rather than a number or a text."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _number(value: Any, num_options: int) -> int:
    """Return the number that something else than an int stands for, or -1."""
    if isinstance(value, float | np.floating):
        # Rounded half up, as documented: the first and the last option have half as much room as the others.
        return math.floor(value * (num_options - 1) + 0.5) if 0 <= value <= 1 else -1
    if is_row(value):
        row = value.tolist() if isinstance(value, np.ndarray) else list(value)
        is_one_hot = len(row) >= num_options and row.count(1) == 1 and row.count(0) == len(row) - 1
        return row.index(1) if is_one_hot else -1
    if isinstance(value, bool | np.bool_):
        return -1
    try:
        return operator.index(value)
    except TypeError:
        return -1
