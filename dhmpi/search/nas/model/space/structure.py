"""Structures: whole spaces of architectures."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from os import PathLike
from typing import Any, overload

import networkx as nx
import numpy as np
import numpy.typing as npt

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.architecture import Architecture
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.key import canonical_key
from dhmpi.search.nas.model.space.network import make_network
from dhmpi.search.nas.model.space.node import Node, choice, is_row
from dhmpi.search.nas.model.space.op.basic import Input, Operation
from dhmpi.search.nas.model.space.op.op1d import Concatenate
from dhmpi.search.nas.model.space.plan import Plan, make_plan

Shape = Sequence[int]


class KerasStructure:
    """A space of neural networks: cells, each of which takes inputs of the structure and outputs of cells before it.

    A dense layer of the output's shape follows the outputs that no cell takes.

    Args:
        input_shape: Shape of the input without the axis of the samples; or a list of shapes of several inputs.
        output_shape: Shape of the output without the axis of the samples; `()` is one number per sample.
        output_op: What merges the outputs of cells that no cell takes; None concatenates them.

    Attributes:
        input_nodes: A node for each input.
        cells: The cells.

    Raises:
        ProblemError: If a shape is not made of integers of at least 1, or there is no input.
    """

    def __init__(
        self, input_shape: Shape | Sequence[Shape], output_shape: Shape, output_op: Operation | None = None
    ) -> None:
        shapes = _shapes(input_shape)
        names = ["Input"] if len(shapes) == 1 else [f"Input_{number}" for number in range(len(shapes))]
        self.input_nodes = [
            Node(name, [Input(shape, name)], index=0) for name, shape in zip(names, shapes, strict=True)
        ]
        self.cells: list[Cell] = []
        self._num_ids = 0
        self._give_ids(self.input_nodes)
        self._output_op = Concatenate() if output_op is None else output_op
        self._output_shape = _shape("output_shape", output_shape)
        self._architecture: Architecture | None = None
        self.plan = self._make_plan([])

    def add_cell_f(self, func: Callable[..., Cell], num: int | None = 1) -> None:
        """Add the cell that a function makes.

        Args:
            func: Function of a list of nodes that the cell may take. For the first cell it is called without arguments.
            num: How many nodes it gets, the last ones of the inputs and the outputs of the cells; None is all.

        Raises:
            ProblemError: If the cell does not fit.
        """
        self.add_cell(func(self._candidates(num)) if self.cells else func())

    def add_cell(self, cell: Cell) -> None:
        """Add a cell, which is complete: it cannot be changed afterwards.

        Raises:
            ProblemError: If it has no output or no decisions, or a node is in a structure already, lacks operations, or
                takes what is not there.
        """
        if not isinstance(cell, Cell):
            raise ProblemError(f"a structure must be made of instances of Cell, got {cell!r}")
        if cell.output is None:
            raise ProblemError("a cell must have an output, got none; call its set_outputs()")
        for node in cell.nodes:
            if node.id is not None:
                raise ProblemError(f"a node must be in one structure only, got {node} again; make new nodes")
        self.plan = self._make_plan([*self.cells, cell])
        self.cells.append(cell)
        self._give_ids(cell.nodes)
        nx.freeze(cell.graph)
        self._architecture = None

    @property
    def num_options(self) -> tuple[int, ...]:
        """Number of options of each decision."""
        return self.plan.num_options

    @property
    def decision_names(self) -> tuple[str, ...]:
        """Unique name of each decision, as `cell_0/N_1`."""
        return self.plan.decision_names

    @property
    def num_nodes(self) -> int:
        """Number of decisions."""
        return len(self.plan.decisions)

    @property
    def max_num_ops(self) -> int:
        """Largest number of options of a decision; 0 without decisions."""
        return max(self.num_options, default=0)

    @property
    def num_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | list[Cell]:
        return self.cells[index]

    def num_nodes_cell(self, i: int | None = None) -> list[int]:
        """Return the number of decisions of a cell, or of all cells, as a list.

        Args:
            i: Number of the cell; None is all.
        """
        return [cell.num_nodes for cell in (self.cells if i is None else [self.cells[i]])]

    @property
    def size(self) -> int:
        """Number of sequences of choices, of which some make equal architectures."""
        return math.prod(self.num_options)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Whether a decision has an option, shape (num_nodes, max_num_ops)."""
        mask: npt.NDArray[np.bool_] = np.arange(self.max_num_ops) < np.array(self.num_options, dtype=int)[:, None]
        return mask

    def decode(self, arch_seq: Sequence[Any] | npt.NDArray[Any]) -> tuple[int, ...]:
        """Return the number of an option for each decision.

        Args:
            arch_seq: For each decision: that number; or a float in [0, 1], of which 0 stands for the first option and 1
                for the last; or a row of zeros and a single one, at the option's place.

        Raises:
            ProblemError: If there are more or fewer elements than decisions, or one stands for no option.
        """
        options, names = self.num_options, self.decision_names
        if not is_row(arch_seq) or len(arch_seq) != len(options):
            got = f"{len(arch_seq)} elements" if is_row(arch_seq) else repr(arch_seq)
            raise ProblemError(f"arch_seq must have one element for each of {len(options)} decisions, got {got}")
        return tuple([choice(value, num, name) for value, num, name in zip(arch_seq, options, names, strict=True)])

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Return the number of an option for each decision, all of them equally likely."""
        return tuple(rng.integers(self.num_options).tolist())

    def enumerate(self) -> Iterator[tuple[int, ...]]:
        """Yield all sequences of choices, the last choice changing fastest."""
        return product(*map(range, self.num_options))

    def set_ops(self, arch_seq: Sequence[Any] | npt.NDArray[Any]) -> Architecture:
        """Return a new architecture, which `create_model` and `draw_graphviz` use until the next one is made.

        Args:
            arch_seq: As in `decode`.

        Raises:
            ProblemError: If it does not fit, or the structure has no cells.
        """
        if not self.cells:
            raise ProblemError("a structure must have at least one cell, got none; add one with add_cell_f")
        self._architecture = Architecture(self.plan, self.decode(arch_seq))
        return self._architecture

    def create_model(self, activation: str | None = None) -> Any:
        """Return a new Keras model of the architecture that was set last, untrained.

        Args:
            activation: Activation of the output; None is linear.

        Raises:
            ProblemError: If no architecture has been set, or it cannot be built.
        """
        if self._architecture is None:
            raise ProblemError("operations must be set before a model is created, got none; call set_ops(arch_seq)")
        return self._architecture.create_model(activation)

    def canonical_key(self, arch_seq: Sequence[Any] | npt.NDArray[Any]) -> str:
        """Return a text that equal architectures have in common, and no others.

        Args:
            arch_seq: As in `decode`.
        """
        return canonical_key(make_network(self.plan, self.decode(arch_seq)))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Texts of all operations that can be chosen, each once."""
        ops = (option.op for place in self.plan.decisions for option in self.plan.places[place].options)
        return tuple(dict.fromkeys(map(str, ops)))

    def get_hash(self, node_index: int, op_index: Any) -> list[int]:
        """Return the binary digits of an operation's number in the vocabulary, counted from 1.

        Args:
            node_index: Number of the decision.
            op_index: Its choice, as in `decode`.
        """
        node = self.plan.places[self.plan.decisions[node_index]].node
        number = self.vocabulary.index(str(node.get_op(op_index))) + 1
        return [int(digit) for digit in f"{number:0{len(self.vocabulary).bit_length()}b}"]

    def draw_graphviz(self, path: str | PathLike[str]) -> None:
        """Write a picture of the architecture that was set last; of the whole space if none was.

        Args:
            path: File ending in `.dot`; or in `.png`, `.svg` or `.pdf` if Graphviz is installed.

        Raises:
            OptionError: If the ending is another one, the file cannot be written, or Graphviz is needed and missing.
        """
        from dhmpi.search.nas.model.draw import draw_space

        if self._architecture is None:
            draw_space(self.plan, path)
        else:
            self._architecture.draw_graphviz(path)

    def _candidates(self, num: int | None) -> list[Node]:
        """Return the last nodes of the inputs and the outputs of the cells."""
        nodes = self.input_nodes + [cell.output for cell in self.cells if cell.output is not None]
        if num is not None and num < 1:
            raise ProblemError(f"num must be None or an integer of at least 1, got {num}")
        return nodes if num is None else nodes[-num:]

    def _make_plan(self, cells: Sequence[Cell]) -> Plan:
        return make_plan(self.input_nodes, cells, self._output_op, self._output_shape)

    def _give_ids(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._num_ids += 1
            node.id = self._num_ids


class SequentialStructure(KerasStructure):
    """Cells one after the other: each takes the output of the one before; see `KerasStructure` for the arguments."""

    def add_cell_f(self, func: Callable[..., Cell], num: int | None = 1) -> None:
        """Add the cell that a function makes.

        Args:
            func: Function of a list of nodes: the output of the last cell; the inputs, for the first cell.
            num: Nothing but 1.

        Raises:
            ProblemError: If the cell does not fit, or `num` is not 1.
        """
        if num != 1:
            raise ProblemError(f"num must be 1 in a sequence of cells, got {num}; take KerasStructure instead")
        self.add_cell(func(self._candidates(1) if self.cells else list(self.input_nodes)))


def _shapes(input_shape: Any) -> list[tuple[int, ...]]:
    several = isinstance(input_shape, Sequence) and any(isinstance(each, Sequence) for each in input_shape)
    shapes = [_shape("input_shape", each) for each in (input_shape if several else [input_shape])]
    if not all(shapes):
        raise ProblemError(f"input_shape must have at least one axis, got {input_shape!r}; make the data a column")
    return shapes


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    is_shape = isinstance(shape, Sequence) and all(isinstance(size, int | np.integer) and size > 0 for size in shape)
    if not is_shape:
        raise ProblemError(f"{name} must be made of integers of at least 1, got {shape!r}")
    return tuple(int(size) for size in shape)
