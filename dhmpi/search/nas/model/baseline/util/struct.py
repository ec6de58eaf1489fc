"""Structures of cells that are all made by the same function."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from dhmpi.search.nas.model.space.block import Block
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.basic import Connect, check_counts
from dhmpi.search.nas.model.space.structure import KerasStructure, SequentialStructure

Shape = Sequence[int]
CellFunction = Callable[[list[Node]], Cell]


def create_struct_full_skipco(
    input_shape: Shape | Sequence[Shape], output_shape: Shape, create_cell: CellFunction, num_cells: int
) -> KerasStructure:
    """Return a structure in which every cell may take the inputs and the outputs of all cells before it.

    Args:
        input_shape: Shape of the input, or shapes of the inputs, without the axis of the samples.
        output_shape: Shape of the output without the axis of the samples.
        create_cell: Makes a cell out of the nodes that it may take.
        num_cells: Number of cells, at least 1.

    Raises:
        ProblemError: If the number or a shape does not fit.
    """
    check_counts(num_cells=num_cells)
    structure = KerasStructure(input_shape, output_shape)
    structure.add_cell_f(lambda: create_cell(structure.input_nodes))
    for _ in range(num_cells - 1):
        structure.add_cell_f(create_cell, num=None)
    return structure


def create_seq_struct(
    input_shape: Shape | Sequence[Shape], output_shape: Shape, create_cell: CellFunction, num_cells: int
) -> SequentialStructure:
    """Return a structure in which every cell takes the output of the one before it; see above for the arguments."""
    check_counts(num_cells=num_cells)
    structure = SequentialStructure(input_shape, output_shape)
    for _ in range(num_cells):
        structure.add_cell_f(create_cell)
    return structure


def create_chain(*nodes: Node) -> Block:
    """Return a block of nodes each of which takes the output of the one before it."""
    block = Block()
    for node in nodes:
        block.add_node(node)
    for before, node in pairwise(nodes):
        block.add_edge(before, node)
    return block


def create_connection(cell: Cell, name: str) -> Node:
    """Return a node that decides which input of a cell to take."""
    node = Node(name)
    for source in cell.inputs:
        node.add_op(Connect(cell.graph, source, node))
    return node
