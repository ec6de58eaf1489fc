"""Cells: blocks side by side, with inputs and one output."""

from collections.abc import Sequence
from typing import Any

import networkx as nx

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.block import Block, chosen
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.basic import Operation
from dhmpi.search.nas.model.space.op.op1d import Concatenate


class Cell:
    """Blocks side by side, which take outputs of other cells and give one output.

    Args:
        inputs: Nodes that its nodes may take: inputs of the structure and outputs of earlier cells.

    Attributes:
        graph: The inputs and the nodes of the blocks, with edges; add those that lead into a block or between blocks.
        blocks: The blocks.
        output: The node that gives the output; None before `set_outputs`.
    """

    def __init__(self, inputs: Sequence[Node] | None = None) -> None:
        self.graph = nx.DiGraph()
        self.blocks: list[Block] = []
        self.output: Node | None = None
        self._inputs: list[Node] = []
        self.set_inputs(inputs or ())

    @property
    def inputs(self) -> list[Node]:
        """Nodes that its nodes may take."""
        return list(self._inputs)

    def set_inputs(self, inputs: Sequence[Node]) -> None:
        """Replace the nodes that its nodes may take."""
        self.graph.remove_nodes_from(self._inputs)
        self._inputs = list(inputs)
        self.graph.add_nodes_from(self._inputs)

    def add_block(self, block: Block) -> None:
        """Add a block that is complete: it cannot be changed afterwards."""
        self.blocks.append(block)
        self.graph.add_nodes_from(block.graph)
        self.graph.add_edges_from(block.graph.edges)
        nx.freeze(block.graph)

    def set_outputs(self, node: Node | None = None) -> None:
        """Set the node that gives the output, when all blocks have been added.

        Args:
            node: A node of a block; or another one, which takes the outputs of all blocks unless its operations name
                their sources. None makes one that concatenates them.

        Raises:
            ProblemError: If there is an output already, or no block.
        """
        if self.output is not None:
            raise ProblemError(f"a cell must have one output, got {self.output} and another one")
        if not self.blocks:
            raise ProblemError("a cell must have at least one block before its outputs are set, got none; add a block")
        self.output = Node("Output", [Concatenate()], index=0) if node is None else node
        if self.output not in self.graph:
            self.graph.add_node(self.output)
            if not any(op.sources for op in self.output.get_ops()):
                outputs = [each for block in self.blocks for each in block.outputs]
                self.graph.add_edges_from((each, self.output) for each in outputs)

    @property
    def nodes(self) -> list[Node]:
        """Nodes of the blocks, one block after the other, then other ones, as the output."""
        of_blocks = [node for block in self.blocks for node in block.nodes]
        known = {*of_blocks, *self._inputs}
        return of_blocks + [node for node in self.graph if node not in known]

    @property
    def action_nodes(self) -> list[Node]:
        """Nodes that are decisions, in the same order."""
        return [node for node in self.nodes if node.is_decision]

    @property
    def num_nodes(self) -> int:
        """Number of decisions."""
        return len(self.action_nodes)

    def max_num_ops(self) -> int:
        """Return the largest number of operations of a decision; 0 without decisions."""
        return max((node.num_ops() for node in self.action_nodes), default=0)

    def set_ops(self, indexes: Sequence[Any]) -> dict[Node, Operation]:
        """Return the operation of every decision; the cell stays as it is.

        Args:
            indexes: A choice for each of the `action_nodes`.

        Raises:
            ProblemError: If there are more or fewer choices, or one stands for no operation.
        """
        return chosen(self.action_nodes, indexes)
