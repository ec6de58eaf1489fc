"""Blocks: small graphs of nodes."""

from collections.abc import Sequence
from typing import Any

import networkx as nx

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.basic import Operation


class Block:
    """A graph of nodes without cycles.

    Attributes:
        graph: The nodes, and an edge from each to those that take its output.
    """

    def __init__(self) -> None:
        self.graph = nx.DiGraph()

    def add_node(self, node: Node) -> None:
        """Add a node without edges."""
        self._check_open()
        self.graph.add_node(node)

    def add_edge(self, node1: Node, node2: Node) -> bool:
        """Let a node take the output of another one.

        Args:
            node1: Node that gives its output.
            node2: Node that takes it.

        Returns:
            Whether the edge was added; it is not if it closed a cycle.

        Raises:
            ProblemError: If one of them is not in the block.
        """
        self._check_open()
        for node in (node1, node2):
            if node not in self.graph:
                raise ProblemError(f"an edge must join nodes of the block, got {node}; add it with add_node")
        if nx.has_path(self.graph, node2, node1):
            return False
        self.graph.add_edge(node1, node2)
        return True

    @property
    def inputs(self) -> list[Node]:
        """Nodes that no edge of the block leads to."""
        return [node for node, degree in self.graph.in_degree if not degree]

    @property
    def outputs(self) -> list[Node]:
        """Nodes that no edge of the block leaves."""
        return [node for node, degree in self.graph.out_degree if not degree]

    @property
    def nodes(self) -> list[Node]:
        """Nodes in the order in which they were added."""
        return list(self.graph)

    @property
    def action_nodes(self) -> list[Node]:
        """Nodes that are decisions, in the order in which they were added."""
        return [node for node in self.nodes if node.is_decision]

    def num_nodes(self) -> int:
        """Return the number of decisions."""
        return len(self.action_nodes)

    def max_num_ops(self) -> int:
        """Return the largest number of operations of a decision; 0 without decisions."""
        return max((node.num_ops() for node in self.action_nodes), default=0)

    def set_ops(self, indexes: Sequence[Any]) -> dict[Node, Operation]:
        """Return the operation of every decision; the block stays as it is.

        Args:
            indexes: A choice for each of the `action_nodes`.

        Raises:
            ProblemError: If there are more or fewer choices, or one stands for no operation.
        """
        return chosen(self.action_nodes, indexes)

    def _check_open(self) -> None:
        if nx.is_frozen(self.graph):
            raise ProblemError("a block must be complete before it is added to a cell, got another node or edge after")


def chosen(nodes: Sequence[Node], indexes: Sequence[Any]) -> dict[Node, Operation]:
    """Return the operation of each node.

    Raises:
        ProblemError: If there are more or fewer choices than nodes, or one stands for no operation.
    """
    if len(indexes) != len(nodes):
        raise ProblemError(f"there must be one choice for each of the {len(nodes)} decisions, got {len(indexes)}")
    return {node: node.get_op(index) for node, index in zip(nodes, indexes, strict=True)}
