import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model import deployment
from dhmpi.search.nas.model.backend import keras
from dhmpi.search.nas.model.preprocessing import minmaxstdscaler, stdscaler
from dhmpi.search.nas.model.run import alpha
from dhmpi.search.nas.model.trainer.data import AffineScaling
from dhmpi.search.nas.model.trainer.steps import as_called
from dhmpi.support.training_session import session

# Keras's own way of turning variables into arrays, on saving.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(1000, 5000, (90, 3))  # as they are: integers far from 0
COUNTS[:, 1] = 7  # a constant
IMAGES = RNG.integers(0, 256, (90, 4, 4, 2), dtype=np.uint8)
LINE = RNG.normal(1e6, 10, 90)  # one axis
TARGETS = np.column_stack([1e6 * COUNTS[:, 0] + LINE, 1e-3 * COUNTS[:, 2], np.full(90, 5.0)])
PARTS = (slice(0, 50), slice(50, 70), slice(70, 90))


def load_counts():
    return tuple((COUNTS[part], TARGETS[part, 0]) for part in PARTS)


def load_classes():
    return tuple((COUNTS[part], (COUNTS[part, 0] > 3000) * 1) for part in PARTS)


def load_several():
    return tuple(([COUNTS[part], IMAGES[part], LINE[part]], TARGETS[part]) for part in PARTS)


LOADS = (load_several, load_classes)


class Doubled(keras.layers.Layer):
    """A layer that is none of Keras's."""

    def call(self, inputs):
        return 2 * inputs


class Space:
    """A space of one architecture."""

    def __init__(self, input_shape, output_shape):
        self._inputs, self._outputs = input_shape, output_shape

    def set_ops(self, arch_seq):
        return self

    def canonical_key(self, arch_seq):
        return "one"

    def create_model(self, activation=None):
        is_list = isinstance(self._inputs, list)
        inputs = [keras.Input(shape) for shape in (self._inputs if is_list else [self._inputs])]
        flat = [keras.layers.Flatten()(each) for each in inputs]
        joined = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
        hidden = Doubled()(keras.layers.Dense(8, "relu")(joined)) if is_list else keras.layers.Dense(8, "relu")(joined)
        outputs = keras.layers.Dense(self._outputs[0], activation)(hidden)
        return keras.Model(inputs if is_list else inputs[0], outputs)


def config_of(load, make, regression=True):
    return {
        "regression": regression,
        "load_data": {"func": load},
        "preprocessing": {"func": make},
        "create_structure": {"func": Space},
        "hyperparameters": {
            "batch_size": 10,
            "learning_rate": 0.01,
            "optimizer": "adam",
            "num_epochs": 2,
            "loss_metric": "mean_squared_error" if regression else "categorical_crossentropy",
            "metrics": ["mean_absolute_error"] if regression else [],
        },
        "arch_seq": [0],
    }


def mirrored():
    return FunctionTransformer(lambda rows: 1 - rows, lambda rows: 1 - rows)


def raw_test(load):
    inputs = load()[2][0]
    if not isinstance(inputs, list):
        return inputs
    return [each.reshape(len(each), -1) if each.ndim == 1 else each for each in inputs]


@pytest.mark.parametrize(
    ("load", "make", "regression"),
    [
        (load_counts, minmaxstdscaler, True),
        (load_several, stdscaler, True),
        (load_several, mirrored, True),
        (load_classes, stdscaler, False),
    ],
)
def test_a_saved_model_makes_of_raw_data_what_the_trained_one_makes_of_scaled_data(load, make, regression, tmp_path):
    path = str(tmp_path / "model.keras")
    with session(1):
        config = config_of(load, make, regression)
        data = alpha.load_raw(config)
        trained = alpha.train(config, alpha.Standalone(1), data)
        deployment.save(trained.model, data.affine(), path)
        expected = trained.trainer.evaluate(data.test)
        found = deployment.measure(path, trained, is_raw=True)
        assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-3)

        scaled = trained.model(as_called(trained.model, data.test.inputs))
        exact = data.original(np.asarray(scaled))
        loaded = keras.models.load_model(path, custom_objects={"Doubled": Doubled})
        predicted = loaded.predict(raw_test(load), verbose=0)
        assert predicted == pytest.approx(exact, abs=1e-3 * np.abs(exact).max())

        # Without preprocessing, it is the model as it was trained.
        deployment.save(trained.model, None, path)
        assert deployment.measure(path, trained, is_raw=False) == pytest.approx(found, rel=1e-3)
        loaded = keras.models.load_model(path, custom_objects={"Doubled": Doubled})
        again = loaded.predict(as_called(loaded, data.test.inputs), verbose=0)
        assert again == pytest.approx(np.asarray(scaled), abs=1e-5)


def test_what_scales_nothing_stays_as_it_is():
    with session(1):
        model = Space([(3,), (4, 4, 2)], (1,)).create_model()
        assert deployment.with_scaling(model, AffineScaling([None, None], None)) is model


def test_only_what_is_scaled_gets_layers():
    several, classes = (alpha.load_raw(config_of(load, stdscaler, load is load_several)).affine() for load in LOADS)
    assert [each is None for each in several.inputs] == [False, True, False]
    assert several.original.center.shape == (3,)
    assert len(classes.inputs) == 1
    assert classes.original is None


@pytest.mark.parametrize(
    ("load", "make", "sentence"),
    [
        (load_several, lambda: QuantileTransformer(n_quantiles=9), r"got something else for X\[0\]\[:, 0\]"),
        (load_classes, lambda: PCA(2), r"must keep the shape of X, \(num, 3\), got \(num, 2\)"),
        (
            load_counts,
            lambda: FunctionTransformer(lambda x: x, lambda x: x**3, check_inverse=False),
            r"got something else for y\[:, 0\]",
        ),
    ],
)
def test_other_preprocessing_is_refused(load, make, sentence):
    data = alpha.load_raw(config_of(load, make, regression=load is not load_classes))
    with pytest.raises(ProblemError, match=sentence):
        data.affine()


def test_a_saved_model_loads_where_there_is_no_dhmpi(tmp_path):
    path = str(tmp_path / "model.keras")
    with session(1):
        model = Space((3,), (1,)).create_model()
        data = alpha.load_raw(config_of(load_counts, stdscaler))
        deployment.save(model, data.affine(), path)
        expected = keras.models.load_model(path).predict(COUNTS[:2], verbose=0).ravel().tolist()
    code = f"""if True:
        import sys
        sys.modules["dhmpi"] = None
        import keras, numpy
        print(*keras.models.load_model({path!r}).predict(numpy.array({COUNTS[:2].tolist()}), verbose=0).ravel())
    """
    printed = subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True, timeout=100)
    assert [float(word) for word in printed.split()] == pytest.approx(expected, rel=1e-4)
