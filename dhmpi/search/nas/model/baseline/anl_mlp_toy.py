"""Perceptrons of one layer: the smallest example.

A cell has two decisions: a connection to the last cell, which has one option, and a layer of 5 to 320 units.
"""

from collections.abc import Sequence

from dhmpi.search.nas.model.baseline.util.struct import Shape, create_chain, create_connection, create_seq_struct
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.op1d import Dense
from dhmpi.search.nas.model.space.structure import SequentialStructure

LAYERS = tuple(Dense(units, "relu") for units in (5, 10, 20, 40, 80, 160, 320))


def create_cell(inputs: list[Node]) -> Cell:
    """Return a cell that takes the last of its inputs."""
    cell = Cell(inputs[-1:])
    cell.add_block(create_chain(create_connection(cell, "N1"), Node("N2", LAYERS)))
    cell.set_outputs()
    return cell


def create_structure(
    input_shape: Shape | Sequence[Shape] = (2,), output_shape: Shape = (1,), num_cells: int = 1
) -> SequentialStructure:
    """Return the space.

    Args:
        input_shape: Shape of the input without the axis of the samples.
        output_shape: Shape of the output without the axis of the samples.
        num_cells: Number of cells, at least 1.

    Raises:
        ProblemError: If an argument does not fit.
    """
    return create_seq_struct(input_shape, output_shape, create_cell, num_cells)
