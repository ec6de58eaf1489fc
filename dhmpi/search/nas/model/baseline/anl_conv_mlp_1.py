"""Convolutions of a sequence, or of a vector taken as one, and then a multilayer perceptron of one layer.

Each cell has four decisions: a connection to the last cell, which has one option; a convolution; an activation; and
pooling. The perceptron, a cell of its own, decides on a connection, a layer of 5 to 320 units and a dropout, as
`anl_mlp_2` does: 84^n * 56 choices with n cells of convolutions. Pooling pads, so all fit sequences of any length.
"""

from collections.abc import Sequence

from dhmpi.search.nas.model.baseline.anl_mlp_2 import LAYERS
from dhmpi.search.nas.model.baseline.util.struct import Shape, create_chain, create_connection, create_seq_struct
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.op1d import (
    Activation,
    Conv1D,
    Flatten,
    Identity,
    MaxPooling1D,
    dropout_ops,
)
from dhmpi.search.nas.model.space.structure import SequentialStructure

CONVOLUTIONS = (Identity(), *(Conv1D(size, filters) for size in (3, 5, 7) for filters in (2, 8)))
ACTIVATIONS = (Identity(), Activation("relu"), Activation("tanh"))
POOLINGS = (Identity(), *(MaxPooling1D(size, strides=size, padding="same") for size in (2, 3, 5)))


def create_convolution_cell(inputs: list[Node]) -> Cell:
    """Return a cell with a convolution."""
    cell = Cell(inputs)
    connection = create_connection(cell, "N1")
    cell.add_block(create_chain(connection, Node("N2", CONVOLUTIONS), Node("N3", ACTIVATIONS), Node("N4", POOLINGS)))
    cell.set_outputs()
    return cell


def create_perceptron_cell(inputs: list[Node]) -> Cell:
    """Return a cell with a dense layer."""
    cell = Cell(inputs)
    connection, flatten = create_connection(cell, "N1"), Node("Flatten", [Flatten()], index=0)
    cell.add_block(create_chain(connection, flatten, Node("N2", LAYERS), Node("N3", dropout_ops)))
    cell.set_outputs()
    return cell


def create_structure(
    input_shape: Shape | Sequence[Shape] = (2,), output_shape: Shape = (1,), num_cells: int = 2
) -> SequentialStructure:
    """Return the space.

    Args:
        input_shape: Shape of the input without the axis of the samples: (length,) or (length, features).
        output_shape: Shape of the output without the axis of the samples.
        num_cells: Number of cells with convolutions, at least 1.

    Raises:
        ProblemError: If an argument does not fit.
    """
    structure = create_seq_struct(input_shape, output_shape, create_convolution_cell, num_cells)
    structure.add_cell_f(create_perceptron_cell)
    return structure
