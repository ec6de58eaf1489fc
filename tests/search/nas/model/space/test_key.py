import subprocess
import sys
from collections import defaultdict
from functools import partial

import networkx as nx
import numpy as np
import pytest
from contracts.networks import of_cells

from dhmpi.search.nas.model.baseline import anl_conv_mlp_1, anl_mlp_1, anl_mlp_2, combo_mlp, google_nas_net
from dhmpi.search.nas.model.baseline.util.struct import create_chain, create_connection, create_struct_full_skipco
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import MirrorNode, Node
from dhmpi.search.nas.model.space.op.basic import Add, Connect, Kind
from dhmpi.search.nas.model.space.op.op1d import Activation, Concatenate, Conv1D, Dense, Dropout, Identity
from dhmpi.search.nas.model.space.structure import KerasStructure


def skipping(ops, num_cells, is_residual=False):
    """Return a structure of cells that take any earlier output, and may add it to what an operation makes of it."""

    def create_cell(inputs):
        cell = Cell(inputs)
        connection, output = create_connection(cell, "connection"), Node("output", [Add()], 0)
        cell.add_block(create_chain(connection, Node("op", ops)))
        cell.set_outputs(output)
        if is_residual:
            cell.graph.add_edge(connection, output)
        return cell

    return create_struct_full_skipco((3,), (1,), create_cell, num_cells)


def of_blocks(ops, num_blocks, output, after=None, num_inputs=2):
    """Return a structure of one cell of blocks, each of which takes any input, and what comes after their outputs."""
    structure = KerasStructure([(3,)] * num_inputs, (1,))
    cell = Cell(structure.input_nodes)
    for number in range(num_blocks):
        connection, node = create_connection(cell, f"connection_{number}"), Node(f"op_{number}", ops)
        cell.add_block(create_chain(connection, node))
    merged = Node("merged", [output()], 0)
    if after is None:
        cell.set_outputs(merged)
    else:
        outputs = [block.outputs[0] for block in cell.blocks]
        cell.graph.add_edges_from((node, merged) for node in outputs)
        last = Node("after", [after], 0)
        cell.graph.add_edge(merged, last)
        cell.set_outputs(last)
    structure.add_cell(cell)
    return structure


def mirrored():
    """Return a structure in which a node has the weights of another one or its own."""
    structure = KerasStructure([(3,), (3,)], (1,))
    cell = Cell(structure.input_nodes)
    original, own = Node("original", [Dense(2), Dense(4), Identity()]), Node("own", [Dense(2), Dense(4), Identity()])
    mirror = MirrorNode(original, "mirror")
    for source, node in zip((0, 1, 1), (original, mirror, own), strict=True):
        cell.graph.add_edge(structure.input_nodes[source], node)
        cell.add_block(create_chain(node))
    choice = Node("choice")
    for other in (mirror, own):
        choice.add_op(Connect(cell.graph, [original, other], choice))
    cell.add_block(create_chain(choice))
    cell.output = choice
    structure.add_cell(cell)
    return structure


def mirrored_after_concatenations():
    """Return a structure in which the same layer takes two concatenations, each in any order."""
    structure = KerasStructure([(3,), (3,)], (1,))
    one, other = structure.input_nodes
    cell, original = Cell(structure.input_nodes), Node("layer", [Dense(2)])
    for number, layer in enumerate((original, MirrorNode(original, "mirror"))):
        joined = Node(f"joined_{number}")
        for sources in [one, other], [other, one], [one, one]:
            joined.add_op(Concatenate(cell.graph, joined, sources))
        cell.add_block(create_chain(joined, layer))
    cell.set_outputs()
    structure.add_cell(cell)
    return structure


LAYERS = [Identity(), Dense(5), Dense(10)]
SPACES = {
    "skip connections": partial(skipping, LAYERS, 4),
    "many of the same": partial(skipping, [Dense(5)], 6),
    "residual": partial(skipping, LAYERS[1:], 4, is_residual=True),
    "dropout": partial(skipping, [Dropout(0), Dropout(0.5), Dense(5)], 4),
    "blocks": partial(of_blocks, LAYERS, 3, Concatenate),
    "blocks, added": partial(of_blocks, LAYERS, 3, Add),
    "blocks, then activation": partial(of_blocks, LAYERS, 2, Concatenate, Activation("relu")),
    "blocks, in order": partial(of_blocks, LAYERS, 2, Concatenate, Conv1D(3)),
    "mirrors": mirrored,
    "mirrors after concatenations": mirrored_after_concatenations,
}


def drawn(steps):
    """Return a network as a graph: equal networks are isomorphic graphs."""
    graph = nx.DiGraph()
    first = {}
    for number, step in enumerate(steps):
        graph.add_node(number, label=step.label)
        for position, source in enumerate(step.inputs):
            between = (number, position)  # edges can be double, and have a place where the order matters
            graph.add_node(between, label=str(position) if is_ordered(steps, number) else "any")
            graph.add_edges_from([(source, between), (between, number)])
        graph.add_node(("weights", step.weights), label="weights")
        graph.add_edge(("weights", step.weights), number)
        first.setdefault(step.weights, number)
    return graph


def is_ordered(steps, number):
    """Whether the order of the inputs of a step matters, found from its successors one by one."""
    step = steps[number]
    if step.kind is Kind.SUM:
        return False
    return step.kind is not Kind.JOIN or features_are_ordered(steps, number)


def features_are_ordered(steps, number):
    takers = [taker for taker, step in enumerate(steps) if number in step.inputs]
    weights = [step.weights for step in steps]
    return any(
        features_are_ordered(steps, taker) if steps[taker].kind in (Kind.EACH, Kind.JOIN) else True
        for taker in takers
        if steps[taker].kind is not Kind.MIX or weights.count(weights[taker]) > 1
    )


def same(graph, other):
    return nx.is_isomorphic(graph, other, node_match=lambda one, two: one["label"] == two["label"])


@pytest.mark.parametrize("name", SPACES)
def test_keys_are_equal_if_and_only_if_networks_are_isomorphic(name):
    structure = SPACES[name]()
    graphs = defaultdict(list)
    for choices in structure.enumerate():
        graphs[structure.canonical_key(choices)].append(drawn(structure.set_ops(choices).network))
    assert 1 < len(graphs) <= structure.size
    alike = defaultdict(list)
    for first, *others in graphs.values():
        assert all(same(first, other) for other in others[:20])
        alike[nx.weisfeiler_lehman_graph_hash(first.to_undirected(), node_attr="label")].append(first)
    for group in alike.values():
        assert not any(same(one, two) for number, one in enumerate(group) for two in group[:number])


def test_cells_that_are_all_the_same_make_every_tree_once():
    structure = SPACES["many of the same"]()
    keys = {structure.canonical_key(choices) for choices in structure.enumerate()}
    assert len(keys) == 48  # rooted trees of 7 nodes, https://oeis.org/A000081


def key(structure, *cells):
    return structure.canonical_key(of_cells(*cells))


@pytest.fixture
def structure():
    return anl_mlp_2.create_structure(num_cells=3)


def test_identities_and_dropouts_of_nothing_do_not_matter(structure):
    # Cell 1 does nothing to cell 0, and cell 2 takes it from the one or the other.
    assert key(structure, [0, 3, 0], [1, 0, 0], [2, 4, 1]) == key(structure, [0, 3, 0], [1, 4, 1], [2, 0, 0])


def test_the_order_of_equal_cells_does_not_matter(structure):
    assert key(structure, [0, 1, 1], [0, 2, 2], [0, 3, 3]) == key(structure, [0, 3, 3], [0, 1, 1], [0, 2, 2])
    assert key(structure, [0, 1, 0], [0, 1, 0], [1, 2, 0]) == key(structure, [0, 1, 0], [0, 1, 0], [2, 2, 0])


def test_everything_else_matters(structure):
    base = key(structure, [0, 1, 1], [1, 2, 2], [1, 3, 3])
    for choices in (
        ([0, 2, 1], [1, 2, 2], [1, 3, 3]),
        ([0, 1, 2], [1, 2, 2], [1, 3, 3]),
        ([0, 1, 1], [1, 2, 2], [2, 3, 3]),
    ):
        assert key(structure, *choices) != base


def test_shared_nodes_are_told_from_equal_ones():
    structure = skipping([Dense(5), Dense(10)], 4)
    shared = key(structure, [0, 0], [0, 0], [1, 1], [1, 1])  # both take cell 0; cell 1 is merged at the end
    apart = key(structure, [0, 0], [0, 0], [1, 1], [2, 1])
    assert shared != apart


def test_a_skip_connection_to_nothing_does_not_matter():
    structure = combo_mlp.create_structure([(4,), (5,), (5,)])
    identities = [0] * 13
    with_nothing, with_all_inputs, with_the_cell = (
        structure.canonical_key([*identities[:9], skip, *identities[10:]]) for skip in (0, 5, 4)
    )
    assert len({with_nothing, with_all_inputs}) == 2
    assert with_all_inputs == with_the_cell  # the first cell does nothing to the inputs
    assert structure.canonical_key([0] * 13) == structure.canonical_key([0.0] * 13)


def test_dead_branches_do_not_matter():
    structure = KerasStructure((3,), (1,))
    cell = Cell(structure.input_nodes)
    used, dead = Node("used", [Dense(2), Dense(3)]), Node("dead", [Dense(2), Dense(3)])
    for node in (used, dead):
        cell.graph.add_edge(structure.input_nodes[0], node)
        cell.add_block(create_chain(node))
    cell.set_outputs(used)
    structure.add_cell(cell)
    assert structure.canonical_key([0, 0]) == structure.canonical_key([0, 1])
    assert structure.canonical_key([0, 0]) != structure.canonical_key([1, 0])
    assert "dead" not in structure.set_ops([0, 0]).describe()


def test_features_keep_their_order_where_it_matters():
    free, fixed = (of_blocks([Dense(5)], 2, Concatenate, after) for after in (Dense(2), Conv1D(3)))
    orders = [0, 0, 1, 0], [1, 0, 0, 0]
    assert len({free.canonical_key(choices) for choices in orders}) == 1
    assert len({fixed.canonical_key(choices) for choices in orders}) == 2


def test_keys_are_the_same_in_every_process():
    code = (
        "from dhmpi.search.nas.model.baseline.anl_mlp_1 import create_structure as create;"
        "print(create(num_cells=2).canonical_key([0, 1, 2, 0, 3, 4, 1, 5, 6, 0, 1, 2]))"
    )
    keys = {subprocess.check_output([sys.executable, "-c", code], text=True).strip() for _ in range(2)}
    assert keys == {anl_mlp_1.create_structure(num_cells=2).canonical_key([0, 1, 2, 0, 3, 4, 1, 5, 6, 0, 1, 2])}
    assert len(keys.pop()) == 32


@pytest.mark.parametrize(
    ("structure", "share"),
    [
        (anl_mlp_1.create_structure(num_cells=2), 0.95),
        (anl_mlp_2.create_structure(num_cells=5), 0.95),
        (anl_conv_mlp_1.create_structure(), 0.5),
        (combo_mlp.create_structure(), 1.0),
        (google_nas_net.create_structure(), 1.0),
    ],
    ids=["anl_mlp_1", "anl_mlp_2", "anl_conv_mlp_1", "combo_mlp", "google_nas_net"],
)
def test_most_random_architectures_are_unlike(structure, share):
    rng = np.random.default_rng(0)
    samples = {structure.sample(rng) for _ in range(200)}
    assert len({structure.canonical_key(choices) for choices in samples}) >= share * len(samples)
