"""Multilayer perceptrons of one layer in each cell, with skip connections: the space of most benchmarks.

Each cell has three decisions: which of the inputs and outputs of earlier cells to take, which layer of 5 to 320 units,
and which dropout. 56 i choices in cell i: 6,272 with 2 cells, 66,087,813,120 with 5.
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

LAYERS = (Identity(), *(Dense(units, "relu") for units in (5, 10, 20, 40, 80, 160, 320)))


def create_cell(inputs: list[Node]) -> Cell:
    """Return a cell that takes one of its inputs."""
    cell = Cell(inputs)
    cell.add_block(create_chain(create_connection(cell, "N_0"), Node("N_1", LAYERS), Node("N_2", dropout_ops)))
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
