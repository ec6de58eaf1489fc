import os

import numpy as np
import pytest
from contracts.networks import a_step_changes_all_weights, of_cells, outputs

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.baseline import anl_mlp_2
from dhmpi.search.nas.model.baseline.util.struct import create_chain
from dhmpi.search.nas.model.space.cell import Cell
from dhmpi.search.nas.model.space.node import MirrorNode, Node
from dhmpi.search.nas.model.space.op.basic import Add, Connect, Operation
from dhmpi.search.nas.model.space.op.op1d import Concatenate, Conv1D, Dense, Dropout, Identity, MaxPooling1D
from dhmpi.search.nas.model.space.structure import KerasStructure

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")


def structure_of(*chains, input_shape=(4,), output_shape=(1,), output=None):
    """Return a structure of one cell of chains of operations, each of which begins at the input of its number."""
    structure = KerasStructure(input_shape, output_shape)
    cell = Cell(structure.input_nodes)
    for number, ops in enumerate(chains):
        nodes = [Node(f"chain_{number}_{position}", [op]) for position, op in enumerate(ops)]
        cell.graph.add_edge(structure.input_nodes[min(number, len(structure.input_nodes) - 1)], nodes[0])
        cell.add_block(create_chain(*nodes))
    cell.set_outputs(None if output is None else Node("merged", [output], 0))
    structure.add_cell(cell)
    return structure


def model_of(structure, activation=None):
    structure.set_ops([0] * structure.num_nodes)
    return structure.create_model(activation)


def test_the_weights_are_those_counted_by_hand():
    structure = anl_mlp_2.create_structure((10,), (1,), num_cells=5)
    # Dense 5 of the input; Dense 20 of it; Dense 40 of the input; nothing but dropout of that; Dense 10 of Dense 20.
    structure.set_ops(of_cells([0, 1, 0], [1, 3, 0], [0, 4, 2], [3, 0, 1], [2, 2, 0]))
    merged = 40 + 10
    expected = (10 * 5 + 5) + (5 * 20 + 20) + (10 * 40 + 40) + (20 * 10 + 10) + (merged + 1)
    assert structure.create_model().count_params() == expected


@pytest.mark.parametrize("output_shape", [(), (1,), (3,), (2, 3)])
def test_outputs_have_the_shape_of_the_targets(output_shape):
    model = model_of(structure_of([Dense(5)], output_shape=output_shape))
    assert outputs(model, np.ones((2, 4))).shape == (2, *output_shape)
    assert a_step_changes_all_weights(keras, model)


@pytest.mark.parametrize("output_shape", [(3,), (2, 3)])
def test_outputs_have_the_activation(output_shape):
    model = model_of(structure_of([Dense(5)], output_shape=output_shape), "softmax")
    assert outputs(model, np.ones((2, 4))).sum(axis=-1) == pytest.approx(np.ones((2, *output_shape[:-1])))
    assert a_step_changes_all_weights(keras, model)


def test_sequences_and_images_are_flattened_before_the_output():
    model = model_of(structure_of([Conv1D(3, 2)], input_shape=(6, 3), output_shape=(2,)))
    assert model.count_params() == (3 * 3 * 2 + 2) + (6 * 2 * 2 + 2)


def test_several_inputs_are_taken_in_order():
    structure = structure_of([Identity()], [Identity()], input_shape=[(2,), (3,)])
    model = model_of(structure)
    assert [tuple(tensor.shape) for tensor in model.inputs] == [(None, 2), (None, 3)]
    kernel, bias = (weight.numpy() for weight in model.trainable_weights)
    ones, twos = np.ones((1, 2)), np.full((1, 3), 2.0)
    assert outputs(model, ones, twos) == pytest.approx(np.concatenate([ones, twos], axis=1) @ kernel + bias)


def test_an_input_that_nothing_takes_stays_an_input():
    structure = KerasStructure([(2,), (3,)], (1,))
    cell = Cell(structure.input_nodes)
    node = Node("N")
    node.add_op(Connect(cell.graph, structure.input_nodes[1], node))
    cell.add_block(create_chain(node))
    cell.set_outputs()
    structure.add_cell(cell)
    model = structure.set_ops([0]).create_model()
    assert outputs(model, np.ones((4, 2)), np.ones((4, 3))).shape == (4, 1)
    assert model.count_params() == 4


def test_tensors_of_unlike_shapes_can_be_merged():
    chains = [Conv1D(3, 2)], [Dense(7)], [MaxPooling1D(2)]
    for output in (Add(), Concatenate()):
        model = model_of(structure_of(*chains, input_shape=(5,), output=output))
        assert a_step_changes_all_weights(keras, model)


def mirroring(first, second, shapes):
    structure = KerasStructure(shapes, (1,))
    cell = Cell(structure.input_nodes)
    for number, node in enumerate((first, second)):
        cell.graph.add_edge(structure.input_nodes[number], node)
        cell.add_block(create_chain(node))
    cell.set_outputs()
    structure.add_cell(cell)
    return structure


def test_mirrors_share_weights():
    original = Node("original", [Dense(6), Identity(), Dropout(0.5)])
    structure = mirroring(original, MirrorNode(original), [(4,), (4,)])
    assert structure.num_options == (3,)
    model = structure.set_ops([0]).create_model()
    assert model.count_params() == (4 * 6 + 6) + (12 + 1)
    assert a_step_changes_all_weights(keras, model)
    kernel = model.trainable_weights[-2]
    kernel.assign(np.concatenate([np.ones((6, 1)), -np.ones((6, 1))]).astype("float32"))
    same = np.random.default_rng(0).normal(size=(3, 4))
    bias = model.trainable_weights[-1].numpy()
    assert outputs(model, same, same) == pytest.approx(np.tile(bias, (3, 1)), abs=1e-5)
    assert [structure.set_ops([choice]).create_model().count_params() for choice in (1, 2)] == [9, 9]


def test_mirrors_need_inputs_of_the_same_shape():
    original = Node("original", [Dense(6)])
    structure = mirroring(original, MirrorNode(original, "mirror"), [(4,), (5,)])
    with pytest.raises(ProblemError, match=r"cell_0/mirror: Dense_6_linear must fit its input, got shape \(5,\)"):
        structure.set_ops([0]).create_model()


def test_an_operation_that_does_not_fit_says_where_and_why():
    structure = structure_of([Conv1D(3, 2), MaxPooling1D(5)], input_shape=(4,))
    with pytest.raises(
        ProblemError, match=r"cell_0/chain_0_1: MaxPooling1D_5 must fit its input, got shape \(4, 2\); "
    ):
        model_of(structure)


def test_a_users_operation_that_fails_says_where_and_why():
    class Broken(Operation):
        def __call__(self, inputs):
            return inputs[7]

    with pytest.raises(ProblemError, match=r"cell_0/chain_0_0: Broken must fit its input, .* list index out of range"):
        model_of(structure_of([Broken()]))


def test_an_architecture_without_anything_is_refused():
    structure = KerasStructure((2,), (1,))
    cell, node = Cell(structure.input_nodes), Node("N")
    node.add_op(Connect(cell.graph, None, node))
    cell.add_block(create_chain(node, Node("after", [Dense(3)])))
    cell.set_outputs()
    structure.add_cell(cell)
    architecture = structure.set_ops([0, 0])
    assert architecture.describe() == "output  Dense (1,)  of nothing"
    with pytest.raises(ProblemError, match="operations that reach its output, got none"):
        architecture.create_model()


def test_each_model_has_weights_of_its_own():
    structure = structure_of([Dense(5)])
    one, two = model_of(structure), model_of(structure)
    one.trainable_weights[0].assign(np.zeros((4, 5), dtype="float32"))
    assert two.trainable_weights[0].numpy().any()


def test_equal_architectures_have_models_of_equal_size():
    structure = anl_mlp_2.create_structure((3,), (1,), num_cells=3)
    equal = (of_cells([0, 3, 0], [1, 0, 0], [2, 4, 1]), of_cells([0, 3, 0], [1, 4, 1], [2, 0, 0]))
    first, second = (structure.set_ops(choices) for choices in equal)
    assert first.canonical_key == second.canonical_key
    assert first.create_model().count_params() == second.create_model().count_params()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras, with NumPy 2
def test_saved_models_load_without_this_package(tmp_path):
    structure = structure_of([Conv1D(3, 2)], [Dense(7)], input_shape=(5,), output=Add())
    model = model_of(structure)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    points = np.random.default_rng(0).normal(size=(3, 5))
    assert outputs(loaded, points) == pytest.approx(outputs(model, points))
    modules = {type(layer).__module__.partition(".")[0] for layer in loaded.layers}
    assert modules == {"keras"}
