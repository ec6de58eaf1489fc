"""The documented networks: every dimension matters, parts are apart, and they are what their problems say."""

import contextlib
import importlib
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from dhmpi.benchmark.datasets import cora
from dhmpi.benchmark.hps import network_training
from dhmpi.benchmark.hps.capsule.model_run import margin_loss
from dhmpi.benchmark.hps.gcn.graph_network import GraphNetwork, propagation
from dhmpi.benchmark.hps.network_data import SampleParts, Samples, split
from dhmpi.benchmark.hps.network_layers import augmenting_images
from dhmpi.benchmark.hps.network_problem import NetworkProblem
from dhmpi.benchmark.hps.network_training import Network, measure, train
from dhmpi.benchmark.keras_cmdline import fill_missing_defaults
from dhmpi.errors import DataError, InputError, ProblemError
from dhmpi.support.data_parallel import Replicas
from dhmpi.support.loader import check_problem

# Of Keras 3 with NumPy 2.
OF_KERAS = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CNN = {
    "epochs": ((5, 500), 5),
    "f1_size": ([1, 3, 5, 7], 1),
    "f2_size": ([1, 3, 5, 7], 1),
    "f1_units": ([8, 16, 32, 64], 8),
    "f2_units": ([8, 16, 32, 64], 8),
    "p_size": ([2, 3, 4], 2),
    "nunits": ((1, 1000), 1),
}
RNN_TYPE = (["LSTM", "GRU", "SimpleRNN"], "LSTM")
COMMON = {
    "activation": (["relu", "elu", "selu", "tanh"], "relu"),
    "batch_size": ((8, 1024), 8),
    "dropout": ((0.0, 1.0), 0.0),
    "optimizer": (["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam"], "sgd"),
    "learning_rate": ((1e-4, 10.0), 1e-4),
}
# As documented: dimensions, their ranges and defaults.
OWN = {
    "b1": {"epochs": ((5, 500), 5), "rnn_type": RNN_TYPE, "nhidden": ((1, 100), 1), "nlayers": ((1, 30), 1)},
    "b2": {"epochs": ((5, 30), 5), "rnn_type": RNN_TYPE, "nhidden": ((1, 100), 1)},
    "b3": {
        "epochs": ((5, 500), 5),
        "rnn_type": RNN_TYPE,
        "embed_hidden_size": ((1, 100), 1),
        "sent_hidden_size": ((1, 100), 1),
        "query_hidden_size": ((1, 100), 1),
    },
    "capsule": {
        "epochs": ((5, 500), 5),
        "data_aug": ([False, True], False),
        "num_conv": ((1, 5), 1),
        "dim_capsule": ([4, 8, 16, 32, 64], 4),
        "routings": ((1, 5), 1),
        "share_weights": ([False, True], False),
    },
    "cifar10cnn": CNN,
    "mnistcnn": CNN,
    "mnistmlp": {"epochs": ((5, 500), 5), "nhidden": ((1, 100), 1), "nunits": ((1, 1000), 1)},
    "gcn": {
        "epochs": ((5, 500), 5),
        "sys_norm": ([False, True], False),
        "nunits": ([2, 4, 6, 8, 16, 32, 64], 2),
        "filter": (["localpool", "chebyshev"], "localpool"),
        "max_degree": ((1, 10), 1),
    },
}
# What a small training takes in place of the defaults, and what else to try than the second choice.
SMALL = {
    "epochs": 1,
    "batch_size": 8,
    "dropout": 0.2,
    "learning_rate": 0.01,
    "nhidden": 2,
    "nunits": 4,
    "embed_hidden_size": 3,
    "sent_hidden_size": 3,
    "query_hidden_size": 3,
}
OTHER = {
    "epochs": 2,
    "batch_size": 12,
    "dropout": 0.5,
    "learning_rate": 0.02,
    "nhidden": 3,
    "nlayers": 2,
    "nunits": 6,
    "embed_hidden_size": 4,
    "sent_hidden_size": 4,
    "query_hidden_size": 4,
    "num_conv": 2,
    "routings": 2,
    "max_degree": 2,
}


def benchmark(name):
    return importlib.import_module(f"dhmpi.benchmark.hps.{name}")


def small_point(name):
    problem = benchmark(name).Problem
    defaults = problem.starting_point_asdict
    small = {each: SMALL.get(each, value) for each, value in defaults.items()}
    return {**small, "data_source": "synthetic", "num_samples": 16}


HOW = ("epochs", "batch_size", "dropout", "optimizer", "learning_rate")


class BegunError(Exception):
    """A training has begun; says with what."""


@pytest.fixture
def plan(monkeypatch, capfd):
    """Return what a point makes of the model, its optimizer and its training, up to the first step."""

    def fit(model, inputs, classes, batch_size, epochs, **others):
        weights = [float(np.abs(weight).sum()) for weight in model.get_weights()]
        raise BegunError(repr([model.to_json(), model.optimizer.get_config(), weights, batch_size, epochs]))

    def plan_of(name, point):
        keras.backend.clear_session()  # other tests have made layers, and names count up
        with pytest.raises(BegunError) as begun:
            benchmark(name).run(dict(point))
        return str(begun.value)

    monkeypatch.setattr(keras.Model, "fit", fit)
    return plan_of


@pytest.mark.parametrize("name", OWN)
def test_problems_are_the_documented_ones(name):
    problem = benchmark(name).Problem
    documented = {**OWN[name], **COMMON}
    assert problem.space == {each: space for each, (space, _) in documented.items()}
    assert list(problem.space) == list(documented)
    assert problem.starting_point_asdict == {each: default for each, (_, default) in documented.items()}
    assert importlib.import_module(f"dhmpi.benchmark.hps.{name}.problem").Problem is problem


def flipped(name, point):
    """Yield the names of dimensions, each with a point in which only its value is another one."""
    for each, space in benchmark(name).Problem.space.items():
        other = OTHER.get(each) or next(value for value in space if value != point[each])
        yield each, {**point, each: other}


@pytest.mark.parametrize("name", OWN)
def test_every_dimension_changes_the_model_or_its_training(name, plan):
    point = small_point(name)
    default = plan(name, point)
    assert plan(name, point) == default
    assert [each for each, other in flipped(name, point) if plan(name, other) == default] == []


def test_how_a_network_is_trained_changes_what_it_learns(capfd):
    run, point = benchmark("mnistmlp").run, {**small_point("mnistmlp"), "activation": "tanh"}
    loss = run(point)["valid_loss"]
    losses = {each: run(other)["valid_loss"] for each, other in flipped("mnistmlp", point) if each in HOW}
    assert all(math.isfinite(other) and other != loss for other in losses.values()), losses


@pytest.mark.parametrize("name", OWN)
def test_an_evaluation_reports_its_parts(name, capfd):
    reports = []

    class Context:
        seed = 3
        deadline = None

        def report(self, step, value):
            reports.append((step, value))

    run, point = benchmark(name).run, {**small_point(name), "epochs": 2}
    result = run(point, Context())
    assert list(result) == [
        *("objective", "valid_loss", "test_accuracy", "test_loss", "num_epochs", "stopped", "training_seconds"),
        *("parameters", "data_source"),
    ]
    assert -1 <= result["objective"] <= 0 <= result["test_accuracy"] <= 1
    assert (result["num_epochs"], result["stopped"], result["data_source"]) == (2, "epochs", "synthetic")
    assert [step for step, _ in reports] == [1, 2]
    assert reports[-1][1] == result["objective"]
    again = run({**point, "seed": 3})
    assert {**again, "training_seconds": 0} == {**result, "training_seconds": 0}
    said = capfd.readouterr().out
    assert said.count("TIMER stage in: ") == said.count("TIMER model training: ") == 2


@pytest.mark.parametrize("name", OWN)
def test_parts_are_apart(name):
    load = importlib.import_module(f"dhmpi.benchmark.hps.{name}.model_run").load
    train, valid, test, num_classes, _ = load("synthetic", "")
    inputs = [part.inputs if isinstance(part.inputs, list) else [part.inputs] for part in (train, valid, test)]
    assert all(len(part.classes) >= 100 for part in (train, valid, test))
    assert all(part.classes.min() >= 0 and part.classes.max() < num_classes for part in (train, valid, test))
    if name in ("b2", "b3"):
        return  # another story may be told with the same words
    rows = [{tuple(each[i].tobytes() for each in part) for i in range(len(part[0]))} for part in inputs]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]


# --- the training


def tiny_network(**others):
    def load(source, stage_in):
        inputs = np.random.default_rng(0).random((200, 3), np.float32)
        whole = Samples(inputs, (inputs[:, 0] > 0.5).astype(np.int64))
        return split(whole.rows(slice(150)), whole.rows(slice(150, 200)), 2)

    def build(params, data):
        layers = [keras.layers.InputLayer((3,)), keras.layers.Dense(2, activation="softmax")]
        return keras.Sequential(layers)

    def augment_parser(parser):
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--num_samples", type=int, default=0)

    return Network("tiny", augment_parser, load, build, **others)


POINT = {"epochs": 3, "batch_size": 16, "learning_rate": 0.1, "data_source": "synthetic"}


def test_the_objective_is_of_the_validation_part(monkeypatch, capfd):
    seen = []

    def noted(network, model, part, group):
        seen.append((len(part.classes), measure(network, model, part, group).accuracy))
        return measure(network, model, part, group)

    monkeypatch.setattr("dhmpi.benchmark.hps.network_training.measure", noted)
    result = train(tiny_network(), POINT)
    assert [num for num, _ in seen] == [45, 45, 45, 50]  # the validation part after each epoch, the test part once
    assert (result["objective"], result["test_accuracy"]) == (-seen[2][1], seen[3][1])


def test_a_training_ends_at_its_time_limit(capfd):
    result = train(tiny_network(), {**POINT, "timeout": 0.0, "epochs": 500})
    assert (result["num_epochs"], result["stopped"]) == (1, "time")
    assert train(tiny_network(), {**POINT, "timeout": -1})["stopped"] == "epochs"


def test_a_training_ends_before_the_deadline_of_its_evaluation(capfd):
    class Context:
        seed = 0
        deadline = time.time() + 4

        def report(self, step, value):
            time.sleep(0.05)

    result = train(tiny_network(), {**POINT, "epochs": 100_000}, Context())
    assert result["stopped"] == "time"
    assert time.time() < Context.deadline + 30  # a busy machine takes its time for what follows


def test_a_training_ends_when_it_diverges(capfd):
    result = train(tiny_network(), {**POINT, "learning_rate": 3e38, "epochs": 10})
    assert result["stopped"] == "diverged"
    assert result["num_epochs"] < 10


def test_what_is_not_finite_predicts_nothing():
    network = tiny_network()
    model = network.build({}, None)
    model.set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    score = measure(network, model, Samples(np.ones((4, 3), np.float32), np.zeros(4, np.int64)))
    assert score.accuracy == 0  # though numpy takes the first of several NaN for the largest
    assert math.isnan(score.loss)


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("batch_size", 0), ("num_samples", -1)])
def test_there_must_be_something_to_train(name, value):
    with pytest.raises(ProblemError, match=f"{name} must be at least .*, got {value}"):
        train(tiny_network(), {**POINT, name: value})


def test_a_training_ends_when_nothing_changes(capfd):
    result = train(tiny_network(patience=3), {**POINT, "epochs": 50, "learning_rate": 1e-9})
    assert (result["num_epochs"], result["stopped"]) == (4, "patience")


@OF_KERAS
def test_a_model_is_trained_on(tmp_path, capfd):
    point = {**POINT, "model_path": str(tmp_path)}
    first = train(tiny_network(), point)
    more = train(tiny_network(), {**point, "epochs": 5})
    assert more["num_epochs"] == 5
    assert more["valid_loss"] < first["valid_loss"]
    with pytest.raises(InputError, match="epochs must be more than the 5"):
        train(tiny_network(), {**point, "epochs": 5})


@OF_KERAS
@pytest.mark.parametrize("name", ["capsule", "gcn"])
def test_models_with_layers_of_their_own_are_trained_on(name, tmp_path, capfd):
    point = {**small_point(name), "model_path": str(tmp_path)}
    benchmark(name).run(point)
    assert benchmark(name).run({**point, "epochs": 2})["num_epochs"] == 2


@pytest.mark.parametrize("name", ["mnistmlp", "gcn"])
def test_everything_may_be_dropped(name, capfd):
    assert benchmark(name).run({**small_point(name), "dropout": 1.0})["stopped"] == "epochs"


def test_a_graph_is_no_parameter(capfd):
    found = benchmark("gcn").run({**small_point("gcn"), "nunits": 4})
    assert found["parameters"] == (cora.NUM_SYNTHETIC_WORDS + cora.NUM_CLASSES) * 4


# --- parts of models


def test_the_margin_loss():
    lengths = np.array([[0.95, 0.05], [0.9, 0.3], [0.4, 0.0]], np.float32)
    losses = margin_loss(np.array([0, 0, 0]), tf.constant(lengths))
    np.testing.assert_allclose(losses, [0, 0.5 * 0.2**2, 0.5**2], atol=1e-6)


def path_of_three():
    return np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)


def test_steps_along_edges():
    mean = propagation(path_of_three(), "localpool", symmetric=False)
    np.testing.assert_allclose(mean, [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]])
    symmetric = propagation(path_of_three(), "localpool", symmetric=True)
    np.testing.assert_allclose(symmetric, symmetric.T)
    np.testing.assert_allclose(symmetric[0], [1 / 2, 6**-0.5, 0], rtol=1e-6)
    laplacian = propagation(path_of_three(), "chebyshev", symmetric=True)
    np.testing.assert_allclose(np.linalg.eigvalsh(laplacian), [-1, 0, 1], atol=1e-6)
    assert np.isfinite(propagation(np.zeros((2, 2), np.float32), "chebyshev", symmetric=True)).all()


@pytest.mark.parametrize("max_degree", [1, 2, 3])
def test_chebyshev_polynomials_are_summed(max_degree):
    step = propagation(path_of_three(), "chebyshev", symmetric=True)
    layer = GraphNetwork((3, 2, 2), 2, "linear", 0.0, "chebyshev", max_degree)
    layer.build((None,))
    rng = np.random.default_rng(0)
    inputs = rng.random((3, 2), np.float32)
    layer.assign(inputs, step)
    polynomials = [np.eye(3), step]
    while len(polynomials) <= max_degree:
        polynomials.append(2 * step @ polynomials[-1] - polynomials[-2])
    expected = sum(
        polynomial @ inputs @ kernel.numpy() for polynomial, kernel in zip(polynomials, layer.hidden, strict=False)
    )
    assert len(layer.hidden) == max_degree + 1
    np.testing.assert_allclose(layer._convolve(tf.constant(inputs), layer.hidden), expected, rtol=1e-4, atol=1e-5)


# --- before a campaign begins


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("b2", "babi-tasks-v1-2.tar.gz"),
        ("b3", "babi-tasks-v1-2.tar.gz"),
        ("capsule", "cifar-10-python.tar.gz"),
        ("cifar10cnn", "cifar-10-python.tar.gz"),
        ("mnistcnn", "mnist.npz"),
        ("mnistmlp", "mnist.npz"),
        ("gcn", "cora.content and cora.cites"),
    ],
)
def test_missing_files_are_found_before(name, files, tmp_path, monkeypatch):
    problem = benchmark(name).Problem
    monkeypatch.setenv("DHMPI_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"^{files} must be in {tmp_path}, got none; get it from http.* or to '"):
        check_problem(problem)
    monkeypatch.setenv("DHMPI_DATA", "synthetic")
    check_problem(problem)


def test_a_dimension_may_say_where_data_come_from(tmp_path, monkeypatch):
    seen = []
    problem = NetworkProblem(seen.append)
    problem.add_dim("data_source", ["synthetic"], "synthetic")
    check_problem(problem)
    assert seen == ["synthetic"]
    benchmark("b1").Problem.check()


@pytest.mark.parametrize("name", ["data_source", "num_samples", "seed", "timeout", "dropout2", "momentum"])
def test_an_option_may_be_a_dimension(name):
    problem = NetworkProblem()
    problem.add_dim("nunits", (1, 9), 3)
    problem.add_dim(name, [2], 2)
    point = fill_missing_defaults(augmenting_images(problem, {"nunits": 4}), {name: 2})
    assert (point["nunits"], point[name], point["dropout"]) == (4, 2, 0)


def test_tensorflow_is_missed_before(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="tensorflow must be installed"):
        check_problem(benchmark("b1").Problem)


@pytest.mark.parametrize("name", OWN)
def test_a_problem_comes_without_tensorflow(name):
    code = f"import sys, dhmpi.benchmark.hps.{name} as it; it.Problem; print('tensorflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_graph_has_no_more_papers_than_it_has():
    load = importlib.import_module("dhmpi.benchmark.hps.gcn.model_run").load
    parts: SampleParts = load("synthetic", "")
    assert [len(part.classes) for part in parts[:3]] == [140, 300, 500]
    assert parts.test.inputs.max() == cora.NUM_SYNTHETIC - 1


def test_each_replica_needs_a_sample(monkeypatch):
    group = Replicas()
    group.size = 20
    monkeypatch.setattr(network_training, "replicas", lambda *_, **__: contextlib.nullcontext(group))
    with pytest.raises(ProblemError, match="at least as many as replicas, which are 20, got 10; give more samples"):
        benchmark("mnistmlp").run({**SMALL, "data_source": "synthetic", "num_samples": 10})
