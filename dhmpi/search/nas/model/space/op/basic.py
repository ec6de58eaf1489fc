"""Contract of operations, and operations on tensors of any rank."""

from collections.abc import Sequence
from enum import Enum
from numbers import Integral
from typing import TYPE_CHECKING

import networkx as nx

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.op.tensors import KerasTensor, layer, padded

if TYPE_CHECKING:
    from dhmpi.search.nas.model.space.node import Node


class Kind(Enum):
    """Kind of an operation: what may be assumed of it when architectures are simplified and compared."""

    SOURCE = "takes no inputs"
    PASS = "gives its only input as it is"
    JOIN = "puts the features (last axis) of its inputs one after the other"
    SUM = "adds its inputs, in any order"
    EACH = "treats all features of its only input alike: if they change places, so do those of its output"
    MIX = "weights all features of its only input: if they change places, its weights can do so, too"
    OTHER = "nothing may be assumed"


class Operation:
    """Operation of a node: makes a tensor of the tensors that it gets.

    Subclasses define `__call__` and keep their settings as attributes; they may define `kind` and `__str__`.

    Attributes:
        kind: What may be assumed of it; OTHER, the default, is never wrong.
        sources: Nodes that give it inputs, after those that edges bring.
    """

    kind: Kind = Kind.OTHER
    sources: "tuple[Node, ...]" = ()

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return a Keras tensor, made by new layers.

        Args:
            inputs: Tensors of the nodes before it; at least one, unless the kind is SOURCE.
        """
        raise NotImplementedError(f"operation must define __call__, got {type(self).__name__}; define it")

    def __str__(self) -> str:
        return type(self).__name__

    @property
    def label(self) -> str:
        """Text that two operations share, in any process, only if they do the same to the same inputs."""
        settings = [f"{name}={_text(value)}" for name, value in sorted(vars(self).items()) if name != "sources"]
        return f"{type(self).__module__}.{type(self).__qualname__}({', '.join(settings)})"

    def only(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the only input.

        Raises:
            ProblemError: If there are several.
        """
        if len(inputs) != 1:
            raise ProblemError(f"{self} must have one input, got {len(inputs)}; merge them before, by Add or Concat")
        return inputs[0]


def check_counts(**counts: int) -> None:
    """Raise a ProblemError if one of the settings is no integer of at least 1."""
    for name, value in counts.items():
        if not isinstance(value, Integral) or value < 1:
            raise ProblemError(f"{name} must be an integer of at least 1, got {value!r}")


def _text(value: object) -> str:
    name = getattr(value, "__qualname__", "<")  # of functions, but not of lambdas: those differ by their address
    return f"{getattr(value, '__module__', '')}.{name}" if callable(value) and "<" not in name else repr(value)


class Input(Operation):
    """Input of a structure.

    Args:
        shape: Shape without the axis of the samples.
        name: Name of the tensor.
    """

    kind = Kind.SOURCE

    def __init__(self, shape: tuple[int, ...], name: str) -> None:
        self.shape, self.name = shape, name

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return a new input tensor."""
        return layer("Input", shape=self.shape, name=self.name)


class Tensor(Operation):
    """A tensor that is there already.

    Args:
        tensor: What it gives.
    """

    kind = Kind.SOURCE

    def __init__(self, tensor: KerasTensor) -> None:
        self.tensor = tensor

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the tensor."""
        return self.tensor


class Identity(Operation):
    """Gives its input as it is."""

    kind = Kind.PASS

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the input."""
        return self.only(inputs)


class Add(Operation):
    """Adds tensors; smaller ones are padded with zeros around their middle, in all axes.

    Args:
        graph: Graph of the cell; the stacked nodes must be in it. None leaves that unchecked.
        node: Node that the operation is for.
        stacked_nodes: Nodes that give it inputs, after those that edges bring.

    Raises:
        ProblemError: If a node is not in the graph.
    """

    kind = Kind.SUM

    def __init__(
        self,
        graph: nx.DiGraph | None = None,
        node: "Node | None" = None,
        stacked_nodes: "Sequence[Node] | None" = None,
    ) -> None:
        self.sources = tuple(stacked_nodes or ())
        for source in self.sources:
            if graph is not None and source not in graph:
                raise ProblemError(
                    f"{type(self).__name__} must take nodes of the cell's graph, got {source}; "
                    "add its block to the cell first, or give it to the cell as an input"
                )

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the sum."""
        return inputs[0] if len(inputs) == 1 else layer("Add")(padded(inputs))

    @property
    def label(self) -> str:
        """The name: where the inputs come from is told elsewhere."""
        return type(self).__name__


class Concat(Add):
    """Concatenates tensors; smaller ones are padded with zeros around their middle, in all other axes.

    Args:
        graph: Graph of the cell; the stacked nodes must be in it. None leaves that unchecked.
        node: Node that the operation is for.
        stacked_nodes: Nodes that give it inputs, after those that edges bring.
        axis: Axis along which they are put one after the other, counting that of the samples, which is 0.
        last: Whether this is the last axis, whatever `axis` says.

    Raises:
        ProblemError: If the axis is that of the samples, or a node is not in the graph.
    """

    def __init__(
        self,
        graph: nx.DiGraph | None = None,
        node: "Node | None" = None,
        stacked_nodes: "Sequence[Node] | None" = None,
        axis: int = -1,
        last: bool = False,
    ) -> None:
        super().__init__(graph, node, stacked_nodes)
        self.axis = -1 if last else axis
        if self.axis == 0:
            raise ProblemError("axis must not be 0, which is that of the samples, got 0; take -1, that of the features")
        self.kind = Kind.JOIN if self.axis == -1 else Kind.OTHER

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the concatenation."""
        return inputs[0] if len(inputs) == 1 else layer("Concatenate", axis=self.axis)(padded(inputs, but=self.axis))

    @property
    def label(self) -> str:
        """The name and the axis: where the inputs come from is told elsewhere."""
        return f"Concat({self.axis})"


class Connect(Concat):
    """Gives the output of another node; of several, their concatenation; of none, nothing.

    Args:
        graph: Graph of the cell; the sources must be in it. None leaves that unchecked.
        n1: Source: a node, a list of nodes, or None.
        n2: Node that the operation is for.

    Raises:
        ProblemError: If a source is not in the graph.
    """

    def __init__(self, graph: nx.DiGraph | None, n1: "Node | Sequence[Node] | None", n2: "Node") -> None:
        super().__init__(graph, n2, n1 if n1 is None or isinstance(n1, Sequence) else [n1])
        self.node = n2

    def __str__(self) -> str:
        return f"Connect_{','.join(str(source.id) for source in self.sources)}->{self.node.id}"


class Merge(Concat):
    """Concatenates tensors and flattens the result to a vector; see `Concat` for the arguments."""

    def __init__(self, graph: nx.DiGraph | None, node: "Node", stacked_nodes: "Sequence[Node]", axis: int = -1) -> None:
        super().__init__(graph, node, stacked_nodes, axis)
        self.kind = Kind.OTHER

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the vector."""
        return layer("Flatten")(super().__call__(inputs))

    @property
    def label(self) -> str:
        """The name and the axis: where the inputs come from is told elsewhere."""
        return f"Merge({self.axis})"
