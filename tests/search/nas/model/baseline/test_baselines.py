import os
from functools import partial

import numpy as np
import pytest
from contracts.networks import a_step_changes_all_weights, of_cells

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.baseline import (
    anl_conv_mlp_1,
    anl_mlp_1,
    anl_mlp_2,
    anl_mlp_toy,
    combo_mlp,
    google_nas_net,
)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CELL_OF_NAS_NET = [2, 2, 15, 15, 2] * 5


@pytest.mark.parametrize(
    ("structure", "num_options", "size"),
    [
        (anl_mlp_1.create_structure(num_cells=2), [1, 7, 7, 1, 7, 7, 2, 7, 7, 2, 7, 7], 23_059_204),
        (anl_mlp_1.create_structure(num_cells=3), None, 498_286_339_236),
        (anl_mlp_2.create_structure(), [1, 8, 7, 2, 8, 7], 6_272),
        (
            anl_mlp_2.create_structure(num_cells=5),
            [1, 8, 7, 2, 8, 7, 3, 8, 7, 4, 8, 7, 5, 8, 7],
            66_087_813_120,
        ),
        (anl_mlp_toy.create_structure(), [1, 7], 7),
        (anl_conv_mlp_1.create_structure(), [1, 7, 3, 4] * 2 + [1, 8, 7], 84**2 * 56),
        (combo_mlp.create_structure(), [13] * 9 + [9] + [13] * 3, 13**12 * 9),
        (google_nas_net.create_structure(), None, 15**50 * 2**25 * 2**20),
    ],
    ids=["mlp_1", "mlp_1, 3 cells", "mlp_2", "mlp_2, 5 cells", "toy", "conv_mlp_1", "combo", "nas_net"],
)
def test_the_spaces_have_their_published_sizes(structure, num_options, size):
    assert structure.size == size
    assert num_options is None or list(structure.num_options) == num_options


def test_ten_cells_of_anl_mlp_2_are_counted_exactly():
    assert f"{anl_mlp_2.create_structure(num_cells=10).size:.4e}" == "1.1006e+24"
    assert anl_mlp_2.create_structure(num_cells=10).max_num_ops == 10


@pytest.mark.parametrize("n_normal", [1, 2])
def test_cells_of_nas_net_take_what_has_their_size(n_normal):
    structure = google_nas_net.create_structure(n_normal=n_normal)
    first = [1, 1, 15, 15, 2] * 5
    repeated = CELL_OF_NAS_NET * (n_normal - 1)
    stage = [*CELL_OF_NAS_NET, *first, *repeated]
    assert list(structure.num_options) == [*first, *repeated, *stage, *stage]
    assert structure.num_cells == 3 * n_normal + 2
    assert structure.num_nodes_cell() == [25] * structure.num_cells


def test_both_drugs_share_their_layers():
    structure = combo_mlp.create_structure([(4,), (5,), (5,)])
    description = structure.set_ops([6] * 13).describe()
    assert description.count("Dense_500_tanh") == 15
    assert structure.plan.places[structure.plan.decisions[3]].name == "cell_0/block_1/N1"
    assert len(combo_mlp.LAYERS) == 13


@pytest.mark.parametrize(
    "create",
    [
        partial(anl_mlp_1.create_structure, num_cells=0),
        partial(anl_mlp_2.create_structure, num_cells=1.5),
        partial(anl_mlp_toy.create_structure, num_cells=-1),
        partial(anl_conv_mlp_1.create_structure, num_cells=0),
        partial(google_nas_net.create_structure, n_normal=0),
        partial(google_nas_net.create_structure, num_filters=0),
        partial(combo_mlp.create_structure, [(3,), (4,)]),
        partial(combo_mlp.create_structure, [(3,), (4,), (5,)]),
    ],
)
def test_arguments_are_checked(create):
    with pytest.raises(ProblemError, match="must be"):
        create()


CREATED = {
    "anl_mlp_1": (partial(anl_mlp_1.create_structure, (3,), (2,), num_cells=3), 6),
    "anl_mlp_2": (partial(anl_mlp_2.create_structure, (3,), (2,), num_cells=5), 6),
    "anl_mlp_2, several inputs": (partial(anl_mlp_2.create_structure, [(3,), (4,)], (2,), num_cells=3), 3),
    "anl_mlp_toy": (partial(anl_mlp_toy.create_structure, (3,), (2,)), 3),
    "anl_conv_mlp_1": (partial(anl_conv_mlp_1.create_structure, (3,), (2,)), 8),
    "anl_conv_mlp_1, features": (partial(anl_conv_mlp_1.create_structure, (9, 2), (2,)), 4),
    "combo_mlp": (partial(combo_mlp.create_structure, [(4,), (5,), (5,)], (2,)), 3),
    "google_nas_net": (partial(google_nas_net.create_structure, (5, 6, 3), (2,), num_filters=2), 2),
}


@pytest.mark.parametrize("name", CREATED)
def test_all_architectures_build_and_learn(name):
    keras = pytest.importorskip("keras")
    create, num = CREATED[name]
    structure, rng = create(), np.random.default_rng(0)
    last = tuple(options - 1 for options in structure.num_options)
    for number, choices in enumerate([last, *(structure.sample(rng) for _ in range(num))]):
        model = structure.set_ops(choices).create_model()
        assert tuple(model.outputs[0].shape) == (None, 2)
        if number == 1:
            gradient_reaches_the_output = a_step_changes_all_weights(keras, model)
            assert gradient_reaches_the_output
        keras.backend.clear_session()


def test_weights_counted_by_hand():
    pytest.importorskip("keras")
    mlp = anl_mlp_1.create_structure((3,), (1,), num_cells=2)
    # Dense 20 tanh and nothing of the input; Dense 5 relu of both, and nothing of the input.
    assert mlp.set_ops(of_cells([0, 6, 0, 0, 0, 0], [1, 1, 0, 0, 0, 3])).create_model().count_params() == (
        (3 * 20 + 20) + ((20 + 3) * 5 + 5) + (5 + 3 + 1)
    )
    convolutions = anl_conv_mlp_1.create_structure((8,), (1,), num_cells=1)
    # 3 x 8 filters, then windows of 2, then Dense 10 of 4 * 8 features.
    assert convolutions.set_ops(of_cells([0, 2, 1, 1], [0, 2, 0])).create_model().count_params() == (
        (3 * 8 + 8) + (4 * 8 * 10 + 10) + (10 + 1)
    )
    combo = combo_mlp.create_structure([(4,), (5,), (5,)], (1,))
    choices = of_cells([1, 0, 0], [5, 0, 0], [0, 4, 0], [1], [9, 12, 0])
    # Dense 100 of the cell line and 500 of each drug; the cell line again; Dense 1000.
    assert combo.set_ops(choices).create_model().count_params() == (
        (4 * 100 + 100) + (5 * 500 + 500) + ((100 + 2 * 500 + 4) * 1000 + 1000) + (1000 + 1)
    )
