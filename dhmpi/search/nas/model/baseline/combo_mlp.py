"""Multilayer perceptrons of three inputs, for the response of a tumour cell line to a pair of drugs.

Source: Balaprakash et al. 2019, Scalable Reinforcement-Learning-Based Neural Architecture Search for Cancer Deep
Learning Research, arXiv 1909.00311: the smaller of its two spaces for the problem Combo of CANDLE.

The inputs are the gene expression of the cell line and the descriptors of both drugs. Twelve decisions have 13 options
each, one has 9: 13^12 * 9 = 209,682,766,102,329 choices. The first cell has three layers for each input, the same for
both drugs; the second one has three layers, and beside them a skip connection; the third one has three layers.
"""

from collections.abc import Sequence

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.baseline.util.struct import Shape, create_chain
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import MirrorNode, Node
from dhmpi.search.nas.model.space.op.basic import Connect
from dhmpi.search.nas.model.space.op.op1d import Dense, Dropout, Identity
from dhmpi.search.nas.model.space.structure import KerasStructure

# Sizes of the gene expression and of the descriptors of a drug in the data of Combo.
INPUT_SHAPE = ((942,), (3820,), (3820,))
ACTIVATIONS = ("relu", "tanh", "sigmoid")
LAYERS = (
    Identity(),
    *(Dense(100, activation) for activation in ACTIVATIONS),
    Dropout(0.05),
    *(Dense(500, activation) for activation in ACTIVATIONS),
    Dropout(0.1),
    *(Dense(1000, activation) for activation in ACTIVATIONS),
    Dropout(0.2),
)


def create_layers() -> list[Node]:
    """Return three decisions between layers."""
    return [Node(f"N{number}", LAYERS) for number in (1, 2, 3)]


def add_chain(cell: Cell, source: Node, nodes: Sequence[Node]) -> None:
    """Add a block to a cell: nodes one after the other, the first of which takes a source."""
    cell.graph.add_edge(source, nodes[0])
    cell.add_block(create_chain(*nodes))


def create_input_cell(inputs: Sequence[Node]) -> Cell:
    """Return the first cell."""
    cell_line, drug_1, drug_2 = inputs
    drug_layers = create_layers()
    cell = Cell(inputs)
    add_chain(cell, cell_line, create_layers())
    add_chain(cell, drug_1, drug_layers)
    add_chain(cell, drug_2, [MirrorNode(node) for node in drug_layers])
    cell.set_outputs()
    return cell


def create_skip_cell(inputs: Sequence[Node]) -> Cell:
    """Return the second cell, of the inputs and the output of the first cell."""
    cell_line, drug_1, drug_2, before = inputs
    cell = Cell(inputs)
    add_chain(cell, before, create_layers())
    skip = Node("SkipCo")
    one = [cell_line, drug_1, drug_2, before]
    two = [[cell_line, drug_1], [drug_1, drug_2], [cell_line, drug_2]]
    for source in [None, *one, [cell_line, drug_1, drug_2], *two]:
        skip.add_op(Connect(cell.graph, source, skip))
    cell.add_block(create_chain(skip))
    cell.set_outputs()
    return cell


def create_last_cell(inputs: Sequence[Node]) -> Cell:
    """Return the third cell."""
    cell = Cell(inputs)
    add_chain(cell, inputs[0], create_layers())
    cell.set_outputs()
    return cell


def create_structure(input_shape: Sequence[Shape] = INPUT_SHAPE, output_shape: Shape = (1,)) -> KerasStructure:
    """Return the space.

    Args:
        input_shape: Shapes of the gene expression and of the descriptors of each drug, without the axis of the samples.
        output_shape: Shape of the output without the axis of the samples.

    Raises:
        ProblemError: If a shape does not fit.
    """
    structure = KerasStructure(input_shape, output_shape)
    if len(structure.input_nodes) != 3 or input_shape[1] != input_shape[2]:
        raise ProblemError(f"input_shape must be three shapes, the last two of them the same, got {input_shape!r}")
    structure.add_cell_f(lambda: create_input_cell(structure.input_nodes))
    structure.add_cell_f(create_skip_cell, num=None)
    structure.add_cell_f(create_last_cell)
    return structure
