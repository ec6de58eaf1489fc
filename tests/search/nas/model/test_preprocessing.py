import numpy as np
import pytest

from dhmpi.search.nas.model.preprocessing import Scaling, minmaxstdscaler, stdscaler

RNG = np.random.default_rng(0)
TRAIN = RNG.normal(5, 3, (200, 4))
TARGETS = RNG.normal(1e8, 1e7, (200, 2))
SCALERS = (stdscaler, minmaxstdscaler)


@pytest.mark.parametrize(
    ("make", "steps"), [(stdscaler, ["StandardScaler"]), (minmaxstdscaler, ["MinMaxScaler", "StandardScaler"])]
)
def test_a_scaler_is_the_documented_pipeline(make, steps):
    assert [type(step).__name__ for _, step in make().steps] == steps


@pytest.mark.parametrize("make", SCALERS)
def test_what_is_trained_on_has_mean_0_and_deviation_1(make):
    scaling = Scaling(make, [TRAIN], TARGETS)
    for scaled in (scaling.inputs([TRAIN])[0], scaling.targets(TARGETS)):
        assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-9)
        assert scaled.std(axis=0) == pytest.approx(1)


@pytest.mark.parametrize("make", SCALERS)
def test_a_scaler_has_seen_the_training_part_only(make):
    scaling = Scaling(make, [TRAIN], TARGETS)
    far = TRAIN + 3
    assert scaling.inputs([far])[0] - scaling.inputs([TRAIN])[0] == pytest.approx(
        np.tile(3 / TRAIN.std(axis=0), (200, 1))
    )


@pytest.mark.parametrize("make", SCALERS)
def test_inputs_and_targets_are_scaled_apart(make):
    alone = Scaling(make, [TRAIN], TARGETS).inputs([TRAIN])[0]
    with_others = Scaling(make, [TRAIN], TARGETS * 1000).inputs([TRAIN])[0]
    assert (alone == with_others).all()


@pytest.mark.parametrize("make", SCALERS)
def test_predictions_come_back_in_the_units_of_the_targets(make):
    scaling = Scaling(make, [TRAIN], TARGETS)
    assert scaling.original(scaling.targets(TARGETS)) == pytest.approx(TARGETS, rel=1e-12)


def test_each_of_several_inputs_has_its_scaler_and_images_have_none():
    images = RNG.normal(3, 2, (200, 5, 5, 1))
    first, second, third = Scaling(stdscaler, [TRAIN, images, 7 * TRAIN], None).inputs([TRAIN, images, 7 * TRAIN])
    assert second is images
    assert first == pytest.approx(third)


def test_without_a_scaler_nothing_changes():
    scaling = Scaling(None, [TRAIN], TARGETS)
    assert scaling.inputs([TRAIN])[0] is TRAIN
    assert scaling.targets(TARGETS) is TARGETS
    assert scaling.original(TARGETS) is TARGETS


def test_labels_stay_as_they_are():
    scaling = Scaling(stdscaler, [TRAIN], None)
    assert scaling.targets(TARGETS) is TARGETS
    assert scaling.original(TARGETS) is TARGETS


def test_a_column_that_does_not_vary_becomes_0():
    constant = np.full((50, 1), 3.0)
    for make in SCALERS:
        assert (Scaling(make, [constant], None).inputs([constant])[0] == 0).all()
