import json
import subprocess
import sys

import numpy as np
import pytest
from contracts.networks import of_cells

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.baseline import anl_mlp_1, anl_mlp_2
from dhmpi.search.nas.model.baseline.util.struct import create_chain, create_connection
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import MirrorNode, Node
from dhmpi.search.nas.model.space.op.basic import Connect
from dhmpi.search.nas.model.space.op.op1d import Dense, Identity
from dhmpi.search.nas.model.space.structure import KerasStructure, SequentialStructure


@pytest.fixture
def structure():
    return anl_mlp_2.create_structure(num_cells=5)


def a_cell(inputs, *nodes):
    cell = Cell(inputs)
    cell.add_block(create_chain(*nodes))
    cell.set_outputs()
    return cell


def test_the_documented_attributes(structure):
    assert structure.num_nodes == 15
    assert structure.max_num_ops == 8
    assert structure.num_cells == len(structure) == 5
    assert structure.num_nodes_cell(2) == [3]
    assert structure.num_nodes_cell() == [3] * 5
    assert structure[0] is structure.cells[0]
    assert structure[1:3] == structure.cells[1:3]
    assert structure.num_options == (1, 8, 7, 2, 8, 7, 3, 8, 7, 4, 8, 7, 5, 8, 7)
    assert structure.size == 66_087_813_120
    assert structure.decision_names[:4] == ("cell_0/N_0", "cell_0/N_1", "cell_0/N_2", "cell_1/N_0")


def test_the_mask_tells_which_options_there_are(structure):
    mask = structure.mask
    assert mask.shape == (15, 8)
    assert mask.dtype == bool
    assert mask.sum(axis=1).tolist() == list(structure.num_options)
    assert mask[3].tolist() == [True, True, False, False, False, False, False, False]


def test_the_vocabulary_holds_all_operations(structure):
    assert len(structure.vocabulary) == 30
    assert structure.vocabulary[:3] == ("Connect_1->2", "Identity", "Dense_5_relu")
    assert structure.get_hash(0, 0) == [0, 0, 0, 0, 1]
    assert structure.get_hash(1, 7) == [0, 1, 0, 0, 1]
    assert structure.get_hash(14, 1.0) == structure.get_hash(2, 6)


def test_names_tell_nodes_apart():
    names = anl_mlp_1.create_structure(num_cells=2).decision_names
    assert names[:6] == tuple(f"cell_0/block_{block}/N{number}" for block in (0, 1) for number in (1, 2, 3))
    structure = KerasStructure((2,), (1,))
    structure.add_cell(a_cell(structure.input_nodes, *(Node(name, [Identity()]) for name in ("", "", "a", "a", "b"))))
    names = structure.decision_names
    assert len(set(names)) == 5
    assert names[4] == "cell_0/b"


def test_every_form_of_choices_is_decoded(structure):
    choices = structure.sample(np.random.default_rng(0))
    rows = np.zeros(structure.mask.shape)
    rows[np.arange(15), choices] = 1
    short = [
        [int(number == choice) for number in range(num)]
        for choice, num in zip(choices, structure.num_options, strict=True)
    ]
    floats = [choice / max(1, num - 1) for choice, num in zip(choices, structure.num_options, strict=True)]
    for form in (choices, list(choices), np.array(choices), rows, rows.tolist(), rows.astype(int), short, floats):
        assert structure.decode(form) == choices
    assert structure.decode(json.loads(json.dumps(choices))) == choices
    assert all(type(choice) is int for choice in structure.decode(np.array(choices)))


def test_the_last_operation_can_be_reached(structure):
    largest = tuple(num - 1 for num in structure.num_options)
    assert structure.decode([1.0] * 15) == largest
    assert structure.set_ops(largest).graph.nodes["cell_4/N_1"]["op"].units == 320


def test_choices_that_do_not_fit_are_refused(structure):
    with pytest.raises(ProblemError, match="one element for each of 15 decisions, got 14 elements"):
        structure.decode([0] * 14)
    for nonsense in (3, "0, 0, 0", None):
        with pytest.raises(ProblemError, match=f"one element for each of 15 decisions, got {nonsense!r}"):
            structure.decode(nonsense)
    with pytest.raises(ProblemError, match=r"the choice of cell_1/N_0 must be an integer from 0 to 1, .* got 2"):
        structure.decode([0, 0, 0, 2] + [0] * 11)


def test_samples_are_uniform_and_seeded():
    structure = anl_mlp_2.create_structure(num_cells=2)
    samples = [structure.sample(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert samples[0] == samples[1] != samples[2]
    rng = np.random.default_rng(0)
    many = np.array([structure.sample(rng) for _ in range(4000)])
    for column, num in zip(many.T, structure.num_options, strict=True):
        assert np.bincount(column, minlength=num) / 4000 == pytest.approx(np.full(num, 1 / num), abs=0.04)


def test_small_spaces_can_be_enumerated():
    structure = anl_mlp_2.create_structure(num_cells=1)
    every = list(structure.enumerate())
    assert len(every) == len(set(every)) == structure.size == 56
    assert every[:2] == [(0, 0, 0), (0, 0, 1)]


def test_setting_operations_can_be_repeated(structure):
    rng = np.random.default_rng(0)
    first, second = structure.sample(rng), structure.sample(rng)
    before = structure.set_ops(first)
    edges = sorted(before.graph.edges)
    structure.set_ops(second)
    assert sorted(structure.set_ops(first).graph.edges) == edges == sorted(before.graph.edges)
    assert len(before.graph) == len(structure.plan.places) + 1
    assert all(node.index is None for cell in structure.cells for node in cell.action_nodes)


def test_two_builds_are_the_same(structure):
    other = anl_mlp_2.create_structure(num_cells=5)
    assert other.vocabulary == structure.vocabulary
    assert [str(place.node) for place in other.plan.places] == [str(place.node) for place in structure.plan.places]
    choices = structure.sample(np.random.default_rng(0))
    assert other.canonical_key(choices) == structure.canonical_key(choices)
    assert other.set_ops(choices).describe() == structure.set_ops(choices).describe()


def test_outputs_that_no_cell_takes_are_merged(structure):
    choices = of_cells([0, 1, 0], [0, 2, 0], [1, 3, 0], [2, 4, 0], [0, 5, 0])
    graph = structure.set_ops(choices).graph
    assert list(graph.predecessors("Structure_Output")) == ["cell_2/Output", "cell_3/Output", "cell_4/Output"]


def test_an_architecture_is_described_by_what_matters(structure):
    choices = of_cells([0, 1, 0], [1, 0, 2], [0, 3, 0], [3, 4, 1], [0, 0, 0])
    assert structure.set_ops(choices).describe().splitlines() == [
        "cell_0/N_1        Dense_5_relu   of Input",
        "cell_1/N_2        Dropout(0.2)   of cell_0/N_1",
        "cell_2/N_1        Dense_20_relu  of Input",
        "cell_3/N_1        Dense_40_relu  of cell_2/N_1",
        "cell_3/N_2        Dropout(0.1)   of cell_3/N_1",
        "Structure_Output  Concatenate    of cell_1/N_2, cell_3/N_2, Input",
        "output            Dense (1,)     of Structure_Output",
    ]


def test_the_first_cell_is_made_without_arguments_and_others_of_the_last_nodes():
    structure = KerasStructure([(2,), (3,)], (1,))
    got = []

    def create_cell(inputs=None):
        got.append(inputs)
        return a_cell(inputs or structure.input_nodes, Node("N", [Identity()]))

    for num in (1, 1, 2, None):
        structure.add_cell_f(create_cell, num=num)
    outputs = [cell.output for cell in structure.cells]
    assert got == [None, outputs[:1], outputs[:2], [*structure.input_nodes, *outputs[:3]]]
    with pytest.raises(ProblemError, match="num must be None or an integer of at least 1, got 0"):
        structure.add_cell_f(create_cell, num=0)


def test_cells_of_a_sequence_take_the_one_before():
    structure = SequentialStructure((2,), (1,))
    got = []

    def create_cell(inputs):
        got.append(inputs)
        cell = Cell(inputs)
        cell.add_block(create_chain(create_connection(cell, "N")))
        cell.set_outputs()
        return cell

    for _ in range(3):
        structure.add_cell_f(create_cell)
    assert got == [structure.input_nodes, [structure.cells[0].output], [structure.cells[1].output]]
    assert structure.num_options == (1, 1, 1)
    with pytest.raises(ProblemError, match="num must be 1 in a sequence of cells, got 2"):
        structure.add_cell_f(create_cell, num=2)


@pytest.mark.parametrize(
    ("shapes", "constraint"),
    [
        (((0,), (1,)), "input_shape must be made of integers of at least 1, got \\(0,\\)"),
        ((3, (1,)), "input_shape must be made of integers of at least 1, got 3"),
        (((), (1,)), "input_shape must have at least one axis, got \\(\\); make the data a column"),
        (([(3,), (None,)], (1,)), "input_shape must be made of integers of at least 1, got \\(None,\\)"),
        (((2,), (1.5,)), "output_shape must be made of integers of at least 1, got \\(1.5,\\)"),
    ],
)
def test_shapes_are_checked(shapes, constraint):
    with pytest.raises(ProblemError, match=constraint):
        KerasStructure(*shapes)


def test_cells_are_checked():
    structure = KerasStructure((2,), (1,))
    with pytest.raises(ProblemError, match="at least one cell, got none"):
        structure.set_ops([])
    with pytest.raises(ProblemError, match="must be made of instances of Cell, got 5"):
        structure.add_cell(5)
    with pytest.raises(ProblemError, match="a cell must have an output"):
        structure.add_cell(Cell(structure.input_nodes))
    with pytest.raises(ProblemError, match="at least one operation, got none for 'empty'"):
        structure.add_cell(a_cell(structure.input_nodes, Node("empty")))
    elsewhere = Node("elsewhere", [Identity()])
    node = Node("N")
    node.add_op(Connect(None, elsewhere, node))
    with pytest.raises(ProblemError, match="N must take nodes that are in the structure, got elsewhere"):
        structure.add_cell(a_cell(structure.input_nodes, node))
    with pytest.raises(ProblemError, match="N must take nodes that are in the structure, got elsewhere"):
        structure.add_cell(a_cell(structure.input_nodes, MirrorNode(elsewhere, "N")))
    assert structure.num_cells == structure.num_nodes == 0


def test_no_choice_may_close_a_cycle():
    structure = KerasStructure((2,), (1,))
    first, second = Node("first", [Identity()]), Node("second", [Dense(2)])
    first.add_op(Connect(None, second, first))
    with pytest.raises(ProblemError, match=r"no choice of operations may close a cycle, got .*first.*second"):
        structure.add_cell(a_cell(structure.input_nodes, first, second))


def test_nodes_belong_to_one_structure_and_stay_as_they_are():
    structure, node = KerasStructure((2,), (1,)), Node("N", [Identity()])
    structure.add_cell(cell := a_cell(structure.input_nodes, node))
    with pytest.raises(ProblemError, match="a node must be in one structure only, got N\\(2\\) again"):
        structure.add_cell(cell)
    with pytest.raises(ProblemError, match="operations must be set before the cell is in a structure"):
        node.add_op(Dense(3))
    with pytest.raises(ProblemError, match="operations must be set before the cell is in a structure"):
        node.set_op(0)


def test_a_model_needs_an_architecture(structure):
    with pytest.raises(ProblemError, match="operations must be set before a model is created"):
        structure.create_model()


def test_spaces_know_no_keras():
    code = (
        "import sys, numpy as np; from dhmpi.search.nas.model.baseline.anl_mlp_2 import create_structure as create;"
        "s = create(num_cells=5); s.set_ops(s.sample(np.random.default_rng(0))).describe();"
        "print([name for name in ('keras', 'tensorflow', 'pydot', 'sklearn', 'scipy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
