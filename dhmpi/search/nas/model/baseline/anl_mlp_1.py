"""Multilayer perceptrons of two layers side by side in each cell, with skip connections.

Each cell has two blocks of three decisions: which of the inputs and outputs of earlier cells to take, which layer of 5
to 20 units, and which dropout. (49 i)^2 choices in cell i: 23,059,204 with 2 cells, 498,286,339,236 with 3.
"""

from collections.abc import Sequence

from dhmpi.search.nas.model.baseline.util.struct import (
    Shape,
    create_chain,
    create_connection,
    create_struct_full_skipco,
)
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.op1d import Dense, Identity, dropout_ops
from dhmpi.search.nas.model.space.structure import KerasStructure

LAYERS = (Identity(), *(Dense(units, activation) for units in (5, 10, 20) for activation in ("relu", "tanh")))


def create_cell(inputs: list[Node]) -> Cell:
    """Return a cell that takes some of its inputs."""
    cell = Cell(inputs)
    for _ in range(2):
        cell.add_block(create_chain(create_connection(cell, "N1"), Node("N2", LAYERS), Node("N3", dropout_ops)))
    cell.set_outputs()
    return cell


def create_structure(
    input_shape: Shape | Sequence[Shape] = (2,), output_shape: Shape = (1,), num_cells: int = 2
) -> KerasStructure:
    """Return the space.

    Args:
        input_shape: Shape of the input, or shapes of the inputs, without the axis of the samples.
        output_shape: Shape of the output without the axis of the samples.
        num_cells: Number of cells, at least 1.

    Raises:
        ProblemError: If an argument does not fit.
    """
    return create_struct_full_skipco(input_shape, output_shape, create_cell, num_cells)
