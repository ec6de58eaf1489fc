"""Convolutional networks of normal cells, which keep the size of the image, and reduction cells, which halve it.

Source: Zoph et al. 2018, Learning Transferable Architectures for Scalable Image Recognition, arXiv 1707.07012.

Each of the 3 n + 2 cells has 25 decisions: 5 blocks take two of the cell's inputs, apply one of 15 operations to each,
and add or concatenate the two. A cell may take the outputs of the two cells before it, and only the last one after a
reduction, since both must have the same size. As documented, and other than in the paper, cells are not repeated but
decided one by one, and blocks do not take outputs of other blocks.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from dhmpi.search.nas.model.baseline.util.struct import Shape, create_connection
from dhmpi.search.nas.model.space.block import Block
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.basic import Add, Concat, Operation, check_counts
from dhmpi.search.nas.model.space.op.cnn import (
    AvgPooling2D,
    Convolution2D,
    DepthwiseSeparable2D,
    Dilation2D,
    GlobalAverage,
    IdentityConv2D,
    MaxPooling2D,
)
from dhmpi.search.nas.model.space.structure import KerasStructure

NUM_BLOCKS = 5


def create_operations(stride: int, num_filters: int) -> list[Operation]:
    """Return the 15 operations."""
    settings: dict[str, Any] = {"stride": stride, "num_filters": num_filters}
    return [
        IdentityConv2D(**settings),
        Convolution2D(1, 7, **settings),
        Convolution2D(7, 1, **settings),
        AvgPooling2D(3, 3, **settings),
        MaxPooling2D(5, 5, **settings),
        Convolution2D(1, 1, **settings),
        DepthwiseSeparable2D(3, 3, **settings),
        DepthwiseSeparable2D(7, 7, **settings),
        Convolution2D(1, 3, **settings),
        Convolution2D(3, 1, **settings),
        Dilation2D(3, 3, **settings),
        MaxPooling2D(3, 3, **settings),
        MaxPooling2D(7, 7, **settings),
        Convolution2D(3, 3, **settings),
        DepthwiseSeparable2D(5, 5, **settings),
    ]


def create_block(cell: Cell, stride: int, num_filters: int) -> Block:
    """Return a block: twice an input and an operation, then what makes one of both."""
    combine = Node("Combine", [Add(), Concat(last=True)])
    hidden = [create_connection(cell, f"Hidden_{number}") for number in (1, 2)]
    ops = [Node(f"Op_{number}", create_operations(stride, num_filters)) for number in (1, 2)]
    block = Block()
    for node in (*hidden, *ops, combine):
        block.add_node(node)
    for source, op in zip(hidden, ops, strict=True):
        block.add_edge(source, op)
        block.add_edge(op, combine)
    return block


def create_cell(inputs: list[Node], stride: int, num_filters: int) -> Cell:
    """Return a cell: normal with stride 1, a reduction with stride 2."""
    cell = Cell(inputs)
    for _ in range(NUM_BLOCKS):
        cell.add_block(create_block(cell, stride, num_filters))
    cell.set_outputs()
    return cell


def create_structure(
    input_shape: Shape | Sequence[Shape] = (32, 32, 3),
    output_shape: Shape = (10,),
    n_normal: int = 1,
    num_filters: int = 32,
) -> KerasStructure:
    """Return the space: n normal cells, a reduction, n normal cells, a reduction, n normal cells.

    Args:
        input_shape: Shape of the images: (height, width, features).
        output_shape: Shape of the output without the axis of the samples.
        n_normal: Number of normal cells in a row, at least 1.
        num_filters: Number of features that each operation gives, at least 1.

    Raises:
        ProblemError: If an argument does not fit.
    """
    check_counts(n_normal=n_normal, num_filters=num_filters)
    normal = partial(create_cell, stride=1, num_filters=num_filters)
    reduction = partial(create_cell, stride=2, num_filters=num_filters)
    structure = KerasStructure(input_shape, output_shape, output_op=GlobalAverage())
    structure.add_cell_f(lambda: normal(structure.input_nodes))
    for _ in range(n_normal - 1):
        structure.add_cell_f(normal, num=2)
    for _ in range(2):
        structure.add_cell_f(reduction, num=2)
        structure.add_cell_f(normal, num=1)
        for _ in range(n_normal - 1):
            structure.add_cell_f(normal, num=2)
    return structure
