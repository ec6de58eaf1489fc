"""Operations on vectors and sequences."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.op.basic import Concat, Identity, Kind, Operation, check_counts
from dhmpi.search.nas.model.space.op.tensors import KerasTensor, layer, with_rank

if TYPE_CHECKING:
    from dhmpi.search.nas.model.space.node import Node

__all__ = [
    "Activation",
    "Concatenate",
    "Conv1D",
    "Dense",
    "Dropout",
    "Flatten",
    "Identity",
    "MaxPooling1D",
    "dropout_ops",
]

ActivationFunction = str | Callable[..., Any] | None


class Concatenate(Concat):
    """Concatenates tensors, the features unless `axis` says otherwise; see `Concat` for the arguments."""

    def __init__(
        self,
        graph: nx.DiGraph | None = None,
        node: "Node | None" = None,
        stacked_nodes: "Sequence[Node] | None" = None,
        axis: int = -1,
    ) -> None:
        super().__init__(graph, node, stacked_nodes, axis)


class Dense(Operation):
    """Fully connected layer on the last axis, with Keras's initialisers.

    Args:
        units: Number of its outputs, at least 1.
        activation: Name or function; None is linear.
    """

    kind = Kind.MIX

    def __init__(self, units: int, activation: ActivationFunction = None) -> None:
        check_counts(units=units)
        self.units, self.activation = units, activation or "linear"

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the outputs of a new layer."""
        return layer("Dense", units=self.units, activation=self.activation)(self.only(inputs))

    def __str__(self) -> str:
        return f"Dense_{self.units}_{_name(self.activation)}"


class Dropout(Operation):
    """Sets inputs to zero at random, in training.

    Args:
        rate: Share of the inputs, at least 0 and below 1.
    """

    def __init__(self, rate: float) -> None:
        if not 0 <= rate < 1:
            raise ProblemError(f"rate must be a number of at least 0 and below 1, got {rate}")
        self.rate = float(rate)
        self.kind = Kind.EACH if rate else Kind.PASS

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return what is left."""
        return layer("Dropout", rate=self.rate)(self.only(inputs))

    def __str__(self) -> str:
        return f"Dropout({self.rate:g})"


dropout_ops = [Dropout(rate) for rate in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]


class Activation(Operation):
    """Activation function.

    Args:
        activation: Name or function; None is linear.
    """

    def __init__(self, activation: ActivationFunction) -> None:
        self.activation = activation or "linear"
        self.kind = Kind.OTHER
        if isinstance(self.activation, str):
            self.kind = Kind.PASS if self.activation == "linear" else Kind.EACH

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return its values."""
        return layer("Activation", activation=self.activation)(self.only(inputs))

    def __str__(self) -> str:
        return f"Activation_{_name(self.activation)}"


class Conv1D(Operation):
    """Convolution of a sequence, without activation; a vector is taken as a sequence of one feature.

    Args:
        filter_size: Length of the filters.
        num_filters: Number of the filters.
        strides: Distance from one place of a filter to the next.
        padding: `same` or `valid`.
    """

    def __init__(self, filter_size: int, num_filters: int = 1, strides: int = 1, padding: str = "same") -> None:
        check_counts(filter_size=filter_size, num_filters=num_filters, strides=strides)
        self.filter_size, self.num_filters, self.strides, self.padding = filter_size, num_filters, strides, padding

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the sequence of what the filters give."""
        convolution = layer(
            "Conv1D",
            filters=self.num_filters,
            kernel_size=self.filter_size,
            strides=self.strides,
            padding=self.padding,
        )
        return convolution(with_rank(self.only(inputs), 2))

    def __str__(self) -> str:
        return f"Conv1D_{self.filter_size}_{self.num_filters}"


class MaxPooling1D(Operation):
    """Maximum over windows of a sequence; a vector is taken as a sequence of one feature.

    Args:
        pool_size: Length of the windows.
        strides: Distance from one window to the next.
        padding: `same` or `valid`.
        data_format: `channels_last` or `channels_first`.
    """

    def __init__(
        self, pool_size: int, strides: int = 1, padding: str = "valid", data_format: str = "channels_last"
    ) -> None:
        check_counts(pool_size=pool_size, strides=strides)
        self.pool_size, self.strides, self.padding, self.data_format = pool_size, strides, padding, data_format

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the sequence of the maxima."""
        pooling = layer(
            "MaxPooling1D",
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )
        return pooling(with_rank(self.only(inputs), 2))

    def __str__(self) -> str:
        return f"MaxPooling1D_{self.pool_size}"


class Flatten(Operation):
    """Makes a vector of a tensor.

    Args:
        data_format: `channels_last` or `channels_first`; None is Keras's setting.
    """

    kind = Kind.EACH

    def __init__(self, data_format: str | None = None) -> None:
        self.data_format = data_format

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the vector."""
        return layer("Flatten", data_format=self.data_format)(self.only(inputs))


def _name(activation: str | Callable[..., Any]) -> str:
    return activation if isinstance(activation, str) else getattr(activation, "__name__", type(activation).__name__)
