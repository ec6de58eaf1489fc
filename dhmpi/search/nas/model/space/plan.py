"""All nodes of a structure, numbered, with every way in which they can be joined."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import networkx as nx

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import MirrorNode, Node
from dhmpi.search.nas.model.space.op.basic import Kind, Operation


class Option(NamedTuple):
    """One operation that a node may have.

    Attributes:
        op: The operation.
        label: Its label; here since it is needed often.
        kind: Its kind; here since it is needed often.
        inputs: Places whose outputs it takes.
    """

    op: Operation
    label: str
    kind: Kind
    inputs: tuple[int, ...]


class PlanNode(NamedTuple):
    """A node of a structure.

    Attributes:
        name: Unique name, as `cell_0/N_1`.
        node: The node.
        options: What it may do; one option if the operation is fixed.
        decision: Which choice decides, or -1 if none does.
        original: PlanNode whose weights it uses; its own unless it is a mirror.
        block: Numbers of its cell and of its block in there, as far as it has them.
    """

    name: str
    node: Node
    options: tuple[Option, ...]
    decision: int
    original: int
    block: tuple[int, ...]


class Plan(NamedTuple):
    """A whole structure.

    Attributes:
        places: All nodes; none takes the output of one that comes later.
        decisions: PlanNode of each decision, in the order of the choices.
        num_options: Number of options of each decision.
        decision_names: Name of each decision.
        inputs: Places of the structure's inputs.
        outputs: Places of the outputs of the cells.
        output_op: Operation that merges the outputs that no node takes.
        output_shape: Shape of the structure's output, without the axis of the samples.
    """

    places: tuple[PlanNode, ...]
    decisions: tuple[int, ...]
    num_options: tuple[int, ...]
    decision_names: tuple[str, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output_op: Operation
    output_shape: tuple[int, ...]

    def chosen(self, choices: Sequence[int]) -> list[Option]:
        """Return the option of each place."""
        return [place.options[choices[place.decision] if place.decision >= 0 else 0] for place in self.places]


def make_plan(
    inputs: Sequence[Node], cells: Sequence[Cell], output_op: Operation, output_shape: tuple[int, ...]
) -> Plan:
    """Return the plan of a structure.

    Raises:
        ProblemError: If a node has no operation or takes what is not there, or if choices could close a cycle.
    """
    edges: dict[Node, list[Node]] = {node: [] for node in inputs}
    edges |= {node: list(cell.graph.predecessors(node)) for cell in cells for node in cell.nodes}
    taken = {node: [_distinct(edges[node], op.sources) for op in _operations(node)] for node in edges}
    order = _order(taken)
    place_of = {node: place for place, node in enumerate(order)}
    decisions = [node for cell in cells for node in cell.action_nodes]
    decision_of = {node: number for number, node in enumerate(decisions)}
    names, blocks = _names(inputs, cells), _blocks(cells)

    def place(node: Node) -> PlanNode:
        original = node.original if isinstance(node, MirrorNode) else node
        options = [
            Option(op, op.label, op.kind, tuple(place_of[each] for each in sources))
            for op, sources in zip(_operations(node), taken[node], strict=True)
        ]
        decision = decision_of.get(original, -1)
        return PlanNode(names[node], node, tuple(options), decision, place_of[original], blocks.get(node, ()))

    return Plan(
        places=tuple(place(node) for node in order),
        decisions=tuple(place_of[node] for node in decisions),
        num_options=tuple(node.num_ops() for node in decisions),
        decision_names=tuple(names[node] for node in decisions),
        inputs=tuple(place_of[node] for node in inputs),
        outputs=tuple(place_of[cell.output] for cell in cells if cell.output is not None),
        output_op=output_op,
        output_shape=output_shape,
    )


def _operations(node: Node) -> list[Operation]:
    operations = node.get_ops()
    if not operations:
        raise ProblemError(f"a node must have at least one operation, got none for {node.name!r}; add one with add_op")
    return operations if node.index is None else [operations[node.index]]


def _distinct(*groups: Sequence[Node]) -> list[Node]:
    return list(dict.fromkeys(node for group in groups for node in group))


def _order(taken: dict[Node, list[list[Node]]]) -> list[Node]:
    """Return the nodes, each after all that it may take."""
    graph = nx.DiGraph()
    graph.add_nodes_from(taken)
    for node, options in taken.items():
        originals = [node.original] if isinstance(node, MirrorNode) else []
        for source in _distinct(originals, *options):
            if source not in taken:
                raise ProblemError(f"{node} must take nodes that are in the structure, got {source}")
            graph.add_edge(source, node)
    try:
        position = {node: number for number, node in enumerate(taken)}
        return list(nx.lexicographical_topological_sort(graph, key=position.__getitem__))
    except nx.NetworkXUnfeasible:
        cycle = " -> ".join(str(edge[0]) for edge in nx.find_cycle(graph))
        raise ProblemError(f"no choice of operations may close a cycle, got {cycle}") from None


def _blocks(cells: Sequence[Cell]) -> dict[Node, tuple[int, ...]]:
    found: dict[Node, tuple[int, ...]] = {}
    for number, cell in enumerate(cells):
        found |= dict.fromkeys(cell.nodes, (number,))
        for position, block in enumerate(cell.blocks):
            found |= dict.fromkeys(block.nodes, (number, position))
    return found


def _names(inputs: Sequence[Node], cells: Sequence[Cell]) -> dict[Node, str]:
    """Return unique names: those of the nodes in their cell, with the block and a number where these are needed."""
    names = {node: node.name for node in inputs}
    blocks = _blocks(cells)
    for number, cell in enumerate(cells):
        short = {node: f"cell_{number}/{node.name or 'node'}" for node in cell.nodes}
        middle = {node: "".join(f"/block_{position}" for position in blocks[node][1:]) for node in cell.nodes}
        long = {node: f"cell_{number}{middle[node]}/{node.name or 'node'}" for node in cell.nodes}
        num_short, num_long = Counter(short.values()), Counter(long.values())
        for position, node in enumerate(cell.nodes):
            if num_short[short[node]] == 1:
                names[node] = short[node]
            else:
                names[node] = long[node] if num_long[long[node]] == 1 else f"{long[node]}#{position}"
    return names
