import pytest

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.block import Block
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import Node
from dhmpi.search.nas.model.space.op.basic import Add, Connect
from dhmpi.search.nas.model.space.op.op1d import Concatenate, Dense, Identity


@pytest.fixture
def nodes():
    return [Node(f"N{number}", [Dense(units) for units in range(1, number + 2)]) for number in range(4)]


@pytest.fixture
def block(nodes):
    made = Block()
    for node in nodes:
        made.add_node(node)
    return made


def test_a_node_without_edges_is_an_input_and_an_output(block, nodes):
    assert block.inputs == block.outputs == nodes


def test_edges_take_nodes_out_of_inputs_and_outputs(block, nodes):
    assert block.add_edge(nodes[0], nodes[2])
    assert block.add_edge(nodes[2], nodes[1])
    assert block.inputs == [nodes[0], nodes[3]]
    assert block.outputs == [nodes[1], nodes[3]]


def test_an_edge_that_closes_a_cycle_is_not_added(block, nodes):
    block.add_edge(nodes[0], nodes[1])
    block.add_edge(nodes[1], nodes[2])
    assert not block.add_edge(nodes[2], nodes[0])
    assert not block.add_edge(nodes[1], nodes[1])
    assert block.outputs == [nodes[2], nodes[3]]


def test_an_edge_joins_nodes_of_the_block(block, nodes):
    with pytest.raises(ProblemError, match="an edge must join nodes of the block, got other"):
        block.add_edge(nodes[0], Node("other", [Identity()]))


def test_only_what_is_open_is_a_decision(block, nodes):
    nodes[3].set_op(0)
    assert block.num_nodes() == 3
    assert block.action_nodes == nodes[:3]
    assert block.max_num_ops() == 3
    assert Block().max_num_ops() == 0


def test_setting_operations_leaves_the_block_as_it_is(block, nodes):
    for _ in range(2):
        chosen = block.set_ops([0, 1.0, [0, 0, 1], 3])
        assert [chosen[node].units for node in nodes] == [1, 2, 3, 4]
        assert all(node.index is None for node in nodes)
    with pytest.raises(ProblemError, match="one choice for each of the 4 decisions, got 3"):
        block.set_ops([0, 0, 0])


@pytest.fixture
def inputs():
    return [Node("Input_0", [Identity()], 0), Node("Input_1", [Identity()], 0)]


def test_a_cell_concatenates_the_outputs_of_its_blocks(block, nodes, inputs):
    cell, other = Cell(inputs), Block()
    other.add_node(last := Node("last", [Identity()]))
    block.add_edge(nodes[0], nodes[1])
    cell.add_block(block)
    cell.add_block(other)
    cell.set_outputs()
    assert list(cell.graph.predecessors(cell.output)) == [*nodes[1:], last]
    assert isinstance(cell.output.get_op(0), Concatenate)
    assert cell.num_nodes == 5
    assert cell.max_num_ops() == 4
    assert cell.action_nodes == [*nodes, last]
    assert cell.inputs == inputs
    chosen = cell.set_ops([0, 1, 2, 3, 0])
    assert [chosen[node].units for node in nodes] == [1, 2, 3, 4]


def test_the_output_of_a_cell_may_be_another_node(block, nodes, inputs):
    cell = Cell(inputs)
    cell.add_block(block)
    cell.set_outputs(Node("sum or all", [Add(), Concatenate()]))
    assert list(cell.graph.predecessors(cell.output)) == nodes
    assert cell.num_nodes == 5


def test_an_output_may_name_its_sources(block, nodes, inputs):
    cell = Cell(inputs)
    cell.add_block(block)
    output = Node("some", [], None)
    output.add_op(Add(cell.graph, output, nodes[:2]))
    cell.set_outputs(output)
    assert list(cell.graph.predecessors(output)) == []
    assert output.get_op(0).sources == tuple(nodes[:2])


def test_inputs_of_a_cell_can_be_replaced(inputs):
    cell = Cell()
    cell.set_inputs(inputs[:1])
    cell.set_inputs(inputs[1:])
    assert list(cell.graph) == cell.inputs == inputs[1:]


def test_a_connection_comes_from_the_cells_graph(inputs):
    cell = Cell(inputs[:1])
    node = Node("N")
    assert Connect(cell.graph, inputs[0], node).sources == (inputs[0],)
    assert Connect(cell.graph, None, node).sources == ()
    assert Connect(None, inputs, node).sources == tuple(inputs)
    with pytest.raises(ProblemError, match="Connect must take nodes of the cell's graph, got Input_1"):
        Connect(cell.graph, inputs[1], node)


def test_what_is_complete_stays_so(block, nodes, inputs):
    cell = Cell(inputs)
    with pytest.raises(ProblemError, match="at least one block before its outputs are set"):
        cell.set_outputs()
    cell.add_block(block)
    cell.set_outputs()
    with pytest.raises(ProblemError, match="a cell must have one output"):
        cell.set_outputs()
    with pytest.raises(ProblemError, match="a block must be complete before it is added to a cell"):
        block.add_edge(nodes[0], nodes[1])


def test_the_axis_of_the_samples_is_no_axis_to_concatenate_along():
    with pytest.raises(ProblemError, match="axis must not be 0"):
        Concatenate(axis=0)
