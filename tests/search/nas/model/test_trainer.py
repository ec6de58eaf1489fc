import time

import numpy as np
import pytest
from sklearn.metrics import r2_score

from dhmpi.errors import ProblemError, TrainingError
from dhmpi.search.nas.model.backend import keras
from dhmpi.search.nas.model.preprocessing import minmaxstdscaler
from dhmpi.search.nas.model.trainer import names
from dhmpi.search.nas.model.trainer.classification import ClassificationTrainer
from dhmpi.search.nas.model.trainer.cost import flops, num_parameters
from dhmpi.search.nas.model.trainer.data import Data, Source, data_of
from dhmpi.search.nas.model.trainer.regression import RegressionTrainer
from dhmpi.search.nas.model.trainer.trainer import Hyperparameters
from dhmpi.support.training_session import num_threads, session

NUM, NUM_VALID = 90, 40
HYPERPARAMETERS = {
    "batch_size": 32,
    "learning_rate": 0.05,
    "optimizer": "adam",
    "num_epochs": 3,
    "loss_metric": "mean_squared_error",
    "metrics": ["mean_squared_error"],
}


def regression_parts():
    rng = np.random.default_rng(5)
    x = rng.uniform(-10, 10, (NUM + 2 * NUM_VALID, 3))
    y = np.stack([1000 * x.sum(axis=1), x[:, 0] - x[:, 1]], axis=1)
    return [(x[part], y[part]) for part in (slice(NUM), slice(NUM, NUM + NUM_VALID), slice(NUM + NUM_VALID, None))]


def class_parts(labels=lambda y: y):
    x = np.random.default_rng(6).normal(size=(NUM + NUM_VALID, 2))
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    return [(x[part], labels(y[part])) for part in (slice(NUM), slice(NUM, None))]


def make_data(parts, preprocessing=None, regression=True):
    return Data(Source(lambda: parts, {}, "{}", preprocessing, regression))


def perceptron(data, activation=None, hidden=8):
    inputs = keras.layers.Input(data.input_shape)
    outputs = keras.layers.Dense(data.output_shape[0], activation)(keras.layers.Dense(hidden, "relu")(inputs))
    return keras.Model(inputs, outputs)


def train(data=None, model=None, seed=1, deadline=None, reports=None, **changes):
    data = make_data(regression_parts(), minmaxstdscaler) if data is None else data
    with session(seed):
        model = perceptron(data) if model is None else model
        trainer = RegressionTrainer(model, data, Hyperparameters.of(HYPERPARAMETERS | changes), seed)
        return trainer, trainer.train(lambda *report: reports is None or reports.append(report), deadline)


# --- data


def test_shapes_are_those_of_a_sample():
    data = make_data(regression_parts())
    assert (data.input_shape, data.output_shape) == ((3,), (2,))
    assert (data.train.inputs[0].dtype, data.train.targets.dtype) == (np.float32, np.float32)
    assert (data.valid.original == regression_parts()[1][1]).all()


def test_targets_of_one_axis_become_a_column():
    parts = [(x, y[:, 0]) for x, y in regression_parts()]
    assert make_data(parts).output_shape == (1,)


def test_several_inputs_are_a_list_of_shapes():
    parts = [([x, x[:, :2], np.ones((len(x), 4, 4, 1))], y) for x, y in regression_parts()]
    data = make_data(parts, minmaxstdscaler)
    assert data.input_shape == [(3,), (2,), (4, 4, 1)]
    assert [each.shape for each in data.valid.inputs] == [(NUM_VALID, 3), (NUM_VALID, 2), (NUM_VALID, 4, 4, 1)]


@pytest.mark.parametrize("labels", [lambda y: y, lambda y: y[:, np.newaxis], lambda y: np.eye(3)[y]])
def test_labels_become_one_hot(labels):
    data = make_data(class_parts(labels), minmaxstdscaler, regression=False)
    assert data.output_shape == (3,)
    assert (data.train.targets.argmax(axis=1) == class_parts()[0][1]).all()
    assert (data.valid.targets.sum(axis=1) == 1).all()


def test_the_final_test_is_a_part_of_its_own():
    assert make_data(class_parts(), regression=False).test is None
    parts = regression_parts()
    assert (make_data(parts).test.original == parts[2][1]).all()
    broken = make_data([*parts[:2], (["no numbers"], parts[2][1])])
    with pytest.raises(ProblemError, match="test_X must be an array of numbers"):
        _ = broken.test


X, Y = np.ones((4, 2)), np.ones((4, 1))


@pytest.mark.parametrize(
    ("parts", "regression", "message"),
    [
        ([(X, Y)], True, r"load_data must return \(\(train_X, train_y\), \(valid_X, valid_y\)\), .* got list"),
        (7, True, "got int 7"),
        ([(X, Y), (X, Y, Y)], True, "got list"),
        ([(X, Y[:3]), (X, Y)], True, r"same number of samples, at least 1, got \[\(4, 2\), \(3, 1\)\]"),
        ([(X, Y), (X[:0], Y[:0])], True, "valid_X and valid_y must have the same number of samples, at least 1"),
        (
            [(X, Y), (X[:, :1], Y)],
            True,
            r"valid_X must have samples of the shapes \[\(2,\)\] of train_X, got \[\(1,\)\]",
        ),
        ([(X, Y), (X, np.ones((4, 2)))], True, r"valid_y must have samples of the shape \(1,\) of train_y, got \(2,\)"),
        ([(X, np.ones((4, 2, 2))), (X, Y)], True, r"train_y must have the shape \(num,\) or \(num, dim\)"),
        ([(X, Y), (X * np.nan, Y)], True, "valid_X must be finite, got 8 values that are not, of 8"),
        ([(np.full((4, 2), "a"), Y), (X, Y)], True, "train_X must be an array of numbers, got dtype <U1"),
        ([(X, Y), (X, 2 * Y)], False, "valid_y must be one-hot, or integers from 0 to 1 as in train_y, got 2 to 2"),
        ([(X, Y / 2), (X, Y)], False, "train_y must be one-hot, or integers"),
        ([(X, -Y), (X, Y)], False, "train_y must be one-hot, or integers"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(parts, regression, message):
    with pytest.raises(ProblemError, match=message):
        make_data(parts, regression=regression)


def test_data_are_loaded_once():
    calls = []

    def load(size):
        calls.append(size)
        return regression_parts()

    def source(size):
        return Source(load, {"size": size}, str(size), minmaxstdscaler, True)

    assert data_of(source(1)) is data_of(source(1))
    assert data_of(source(2)) is not data_of(source(1))
    assert calls == [1, 2]


# --- the steps


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_are_those_of_keras(optimizer):
    # Targets far from 0: gradients that vanish would be rounding errors, of which Adam makes steps as of others.
    data = make_data([(x / 10, x.sum(axis=1) / 10 + 2) for x, _ in regression_parts()])
    inputs = keras.layers.Input((3,))
    hidden = keras.layers.Dense(8, "tanh", kernel_regularizer=keras.regularizers.L2(0.1))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.BatchNormalization()(hidden)))
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile(names.optimizer(optimizer, 0.05), "mean_squared_error")
    # Of one batch per epoch, the order does not matter.
    expected = twin.fit(data.train.inputs[0], data.train.targets, batch_size=NUM, epochs=4, verbose=0)
    _, training = train(data, model, optimizer=optimizer, batch_size=NUM, num_epochs=4)
    assert [record["loss"] for record in training.records] == pytest.approx(expected.history["loss"], rel=1e-4)
    for weights, others in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert weights == pytest.approx(others, rel=1e-3, abs=1e-4)


def test_every_sample_is_trained_on_once_per_epoch():
    # Each sample has an input of its own, and gradients of 1 count how often that has been seen.
    parts = [(np.eye(10), np.zeros(10))] * 2
    data = make_data(parts)
    inputs = keras.layers.Input((10,))
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(inputs, layer(inputs))
    train(
        data, model, optimizer="sgd", learning_rate=1e-3, loss_metric="mean_absolute_error", batch_size=1, num_epochs=2
    )
    assert 1 - layer.get_weights()[0] == pytest.approx(2e-3, rel=1e-3)
    model.set_weights([np.ones((10, 1))])
    train(
        data, model, optimizer="sgd", learning_rate=1e-3, loss_metric="mean_absolute_error", batch_size=4, num_epochs=1
    )
    changes = np.sort((1 - layer.get_weights()[0])[:, 0])
    assert changes == pytest.approx([1e-3 / 4] * 8 + [1e-3 / 2] * 2, rel=1e-2)  # batches of 4, 4 and 2


def test_the_order_of_the_samples_changes_from_epoch_to_epoch_and_with_the_seed():
    def first_batches(seed):
        data = make_data(regression_parts())
        with session(seed):
            trainer = RegressionTrainer(perceptron(data), data, Hyperparameters.of(HYPERPARAMETERS), seed)
            seen = []
            steps = trainer._steps
            trainer._steps = lambda rows: seen.append(rows) or steps(rows)
            trainer.train(lambda *_: None)
        return np.concatenate(seen).reshape(3, NUM)

    orders = first_batches(1)
    assert (np.sort(orders) == np.arange(NUM)).all()
    assert (orders[0] != orders[1]).any()
    assert (orders == first_batches(1)).all()
    assert (orders != first_batches(2)).any()


def test_a_training_learns():
    data = make_data(class_parts(), minmaxstdscaler, regression=False)
    with session(3):
        settings = HYPERPARAMETERS | {"loss_metric": "sparse_categorical_crossentropy", "metrics": ["acc"]}
        settings["num_epochs"] = 20
        trainer = ClassificationTrainer(perceptron(data, "softmax"), data, Hyperparameters.of(settings), 3)
        training = trainer.train(lambda *_: None)
    assert training.records[0]["loss"] > 3 * training.records[-1]["loss"]
    assert training.records[-1]["val_accuracy"] > 0.85
    assert training.reward == training.records[-1]["val_accuracy"]


def test_models_of_several_inputs_are_trained():
    data = make_data([([x, x[:, :2]], y) for x, y in regression_parts()], minmaxstdscaler)
    inputs = [keras.layers.Input(shape) for shape in data.input_shape]
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(inputs)))
    _, training = train(data, model, num_epochs=30)
    assert training.records[-1]["val_r2"] > 0.9


# --- what is measured


def test_metrics_are_in_the_units_of_the_data():
    data = make_data(regression_parts(), minmaxstdscaler)
    model = perceptron(data)
    trainer, training = train(data, model, metrics=["mse", "mean_absolute_error"])
    (_, train_y), (_, valid_y), (_, test_y) = regression_parts()
    scaler = minmaxstdscaler().fit(train_y)
    for part, targets in ((data.valid, valid_y), (data.test, test_y)):
        predicted = scaler.inverse_transform(model.predict(part.inputs[0], verbose=0))
        record = trainer.evaluate(part)
        assert record["mse"] == pytest.approx(np.mean((predicted - targets) ** 2), rel=1e-4)
        assert record["mean_absolute_error"] == pytest.approx(np.mean(np.abs(predicted - targets)), rel=1e-4)
        assert record["r2"] == pytest.approx(r2_score(targets, predicted), rel=1e-4)
    last = training.records[-1]
    assert {f"val_{name}": value for name, value in trainer.evaluate(data.valid).items()}.items() <= last.items()
    assert training.rewards[-1] == training.reward == -last["val_mse"]
    assert {"loss", "mse", "r2", "mean_absolute_error"} < last.keys()


def test_the_metrics_of_the_training_part_are_those_of_the_predictions_on_the_way():
    data = make_data(regression_parts(), minmaxstdscaler)
    model = perceptron(data)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    _, training = train(data, model, batch_size=NUM, num_epochs=1)
    predicted = data.original(twin.predict(data.train.inputs[0], verbose=0))
    assert training.records[0]["mse"] == pytest.approx(np.mean((predicted - data.train.original) ** 2), rel=1e-4)


def test_further_metrics_of_keras_are_recorded():
    data = make_data(class_parts(), regression=False)
    with session(0):
        settings = HYPERPARAMETERS | {"loss_metric": "categorical_crossentropy"}
        settings |= {"metrics": ["acc", "AUC", "top_k_categorical_accuracy"], "num_epochs": 1}
        trainer = ClassificationTrainer(perceptron(data, "softmax"), data, Hyperparameters.of(settings), 0)
        (record,) = trainer.train(lambda *_: None).records
    assert 0 <= record["val_AUC"] <= 1
    assert record["val_top_k_categorical_accuracy"] == 1  # of three classes, the five best
    assert "val_acc" not in record


def test_targets_that_do_not_vary_leave_nothing_to_explain():
    parts = [(x, np.full(len(x), 3.0)) for x, _ in regression_parts()]
    _, training = train(make_data(parts), num_epochs=1, reward="r2")
    assert training.reward == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "rmsprob"}, r"optimizer must be one that Keras knows, got 'rmsprob'; did you mean 'rmsprop'\?"),
        ({"optimizer": "optimizer"}, "optimizer must be one that Keras knows"),
        ({"loss_metric": "mean_sqared_error"}, "loss_metric must be one that Keras knows, .* 'mean_squared_error'"),
        ({"metrics": ["cosine_similarty"]}, "a metric must be one that Keras knows, .* 'CosineSimilarity'"),
        ({"reward": "accuracy"}, "the reward of a regression must be a known one"),
        ({"reward_epochs": "first"}, "reward_epochs must be"),
        ({"num_epochs": 0}, "num_epochs must be"),
        ({"epochs": 3}, "keys must be known, got 'epochs'"),
    ],
)
def test_names_and_numbers_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ProblemError, match=message):
        train(**changes)


@pytest.mark.parametrize("name", ["SGD", "rmsprop", "Adagrad", "adam", "adamw", "Nadam", "adadelta", "Adamax", "ftrl"])
def test_optimizers_of_keras_have_their_learning_rate(name):
    optimizer = names.optimizer(name, 0.125)
    assert type(optimizer).__name__.lower() == name.lower()
    assert float(optimizer.learning_rate.numpy()) == 0.125


# --- when a training ends


def test_a_training_that_diverges_fails():
    with pytest.raises(TrainingError, match=r"must (stay|be) finite, got .*; lower the learning rate"):
        train(learning_rate=1e30, optimizer="sgd", num_epochs=20)


def test_without_progress_patience_ends_a_training():
    reports = []
    _, training = train(learning_rate=1e-30, optimizer="sgd", num_epochs=50, patience=3, reports=reports)
    assert (training.stopped, len(training.records)) == ("patience", 4)
    assert reports == [(epoch, training.rewards[0]) for epoch in (1, 2, 3, 4)]


def test_as_long_as_the_reward_gets_better_patience_lasts():
    _, training = train(learning_rate=1e-3, num_epochs=6, patience=1)
    assert (training.stopped, len(training.records)) == ("epochs", 6)


def test_before_the_deadline_a_training_stops_with_what_there_is():
    _, training = train(num_epochs=1_000_000, deadline=time.time() + 4)
    assert training.stopped == "time"
    assert 1 <= len(training.records) < 1_000_000
    assert training.reward == training.rewards[-1]


def test_a_deadline_before_the_first_epoch_is_over_is_a_failure():
    with pytest.raises(TrainingError, match=r"the first epoch must end before the time-out, got none in \d"):
        train(deadline=time.time() - 10)


def test_every_epoch_is_reported():
    reports = []
    _, training = train(reports=reports, reward="-log_mse")
    assert reports == list(enumerate(training.rewards, start=1))


def test_the_best_epoch_is_the_first_one_with_the_best_reward():
    _, training = train()
    assert training._replace(rewards=[1.0, 3.0, 3.0, 2.0]).best == 1


# --- repeatable, within its cores


def test_the_same_seed_gives_the_same_training():
    def records(seed):
        data = make_data(regression_parts(), minmaxstdscaler)
        with session(seed):
            inputs = keras.layers.Input((3,))
            hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, "relu")(inputs))
            model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
            return RegressionTrainer(model, data, Hyperparameters.of(HYPERPARAMETERS), 1).train(lambda *_: None).records

    first = records(2**40 + 7)
    assert first == records(2**40 + 7)
    assert first != records(8)


@pytest.mark.parametrize(("variable", "threads"), [("3", 3), ("2,4", 2), (" 1 ", 1)])
def test_tensorflow_gets_the_threads_of_openmp(monkeypatch, variable, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert num_threads() == threads


def test_without_openmp_tensorflow_gets_all_cores(monkeypatch):
    monkeypatch.setattr("dhmpi.support.environment.num_cores", lambda: 8)
    for absent in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", absent)
        assert num_threads() == 8


# --- cost


def layered(shape, *layers):
    inputs = keras.layers.Input(shape)
    tensor = inputs
    for layer in layers:
        tensor = layer(tensor)
    return keras.Model(inputs, tensor)


LAYERS = keras.layers


@pytest.mark.parametrize(
    ("shape", "layers", "parameters", "expected"),
    [
        ((10,), [LAYERS.Dense(20, "relu"), LAYERS.Dropout(0.5)], 10 * 20 + 20, 2 * 10 * 20 + 20),
        ((10,), [LAYERS.Dense(20, use_bias=False), LAYERS.Dense(1)], 200 + 21, 2 * 200 + 2 * 20 + 1),
        ((6, 3), [LAYERS.Dense(4)], 3 * 4 + 4, 6 * (2 * 3 * 4 + 4)),
        ((6, 3), [LAYERS.Conv1D(4, 5, padding="same")], 5 * 3 * 4 + 4, 6 * (2 * 5 * 3 * 4 + 4)),
        ((8, 8, 3), [LAYERS.Conv2D(4, (3, 5))], 3 * 5 * 3 * 4 + 4, 6 * 4 * (2 * 3 * 5 * 3 * 4 + 4)),
        ((8, 8, 3), [LAYERS.Conv2D(4, 3, strides=2, padding="same")], 112, 4 * 4 * (2 * 3 * 3 * 3 * 4 + 4)),
        (
            (8, 8, 3),
            [LAYERS.SeparableConv2D(4, 3, padding="same")],
            3 * 3 * 3 + 3 * 4 + 4,
            8 * 8 * (2 * 3 * 3 * 3 + 2 * 3 * 4 + 4),
        ),
        ((8, 8, 3), [LAYERS.DepthwiseConv2D(3, padding="same")], 27 + 3, 8 * 8 * (2 * 3 * 3 * 3 + 3)),
        ((8, 8, 3), [LAYERS.BatchNormalization()], 4 * 3, 8 * 8 * 4 * 3),
        ((8, 8, 3), [LAYERS.MaxPooling2D(2), LAYERS.Flatten(), LAYERS.Activation("relu")], 0, 0),
    ],
)
def test_parameters_and_operations_are_those_counted_by_hand(shape, layers, parameters, expected):
    model = layered(shape, *layers)
    assert (num_parameters(model), flops(model)) == (parameters, expected)


def test_a_layer_that_is_used_twice_costs_twice():
    first, second = keras.layers.Input((4,)), keras.layers.Input((4,))
    shared = keras.layers.Dense(3)
    model = keras.Model([first, second], keras.layers.Concatenate()([shared(first), shared(second)]))
    assert (num_parameters(model), flops(model)) == (15, 2 * (2 * 12 + 3))
