"""Callbacks for Keras: trainings that report, end when they are told, and go on from their checkpoints."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import dhmpi
from dhmpi.evaluation import State
from dhmpi.execution.context import Channel, Link, Notice
from dhmpi.execution.runner import Runner, Task
from dhmpi.support.place import GroupPart

# Keras 3 saves weights in a way that numpy 2 does not like.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NUM_EPOCHS = 6
X = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
Y = X.sum(axis=1)


class Wire(Channel):
    """A channel that keeps what is sent, and says from a step on that the evaluation is to stop, or to save."""

    def __init__(self, stop_at=99, save_at=99):
        self.reports, self.stop_at, self.save_at = [], stop_at, save_at

    def send(self, reports):
        self.reports += reports

    def notice(self, id):
        last = max((report.step for report in self.reports), default=-1)
        return Notice(id, 99, last >= self.stop_at, last >= self.save_at)


class Training:
    """A run function that trains a small network."""

    def __init__(self, report=dhmpi.callbacks.Report, every=None, **fit):
        self.report, self.every, self.fit = report, every, {"validation_split": 0.25} | fit
        self.weights, self.iterations = [], []

    def __call__(self, point):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
        # Eagerly, since networks as small as this one take longer to compile than to train.
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"], run_eagerly=True)
        callbacks = [self.report()] if self.report is not None else []
        fit = {"epochs": NUM_EPOCHS, "batch_size": 16, "verbose": 0, "shuffle": False} | self.fit
        if self.every is not None:
            checkpoint = dhmpi.callbacks.Checkpoint(self.every)
            callbacks.append(checkpoint)
            fit["initial_epoch"] = checkpoint.epoch
        self.history = model.fit(X, Y, callbacks=callbacks, **fit)
        self.weights = model.get_weights()
        self.iterations = int(model.optimizer.iterations)
        return float(model.evaluate(X, Y, verbose=0)[0])


def evaluate(training, files, wire=None, **task):
    return Runner(training, None, str(files), link=Link(wire or Wire()))(Task(3, **{"point": {}, "seed": 1} | task))


def test_each_epoch_is_reported(tmp_path):
    training, wire = Training(), Wire()
    outcome = evaluate(training, tmp_path, wire)
    assert outcome.state is State.DONE
    assert [report.step for report in wire.reports] == list(range(1, NUM_EPOCHS + 1))
    assert [report.value for report in wire.reports] == pytest.approx(training.history.history["val_loss"])


@pytest.mark.parametrize(
    ("report", "name", "factor"),
    [
        (lambda: dhmpi.callbacks.Report(), "loss", 1),
        (lambda: dhmpi.callbacks.Report("mae", sign=-1), "mae", -1),
        (lambda: dhmpi.callbacks.Report(lambda logs: 2 * logs["loss"]), "loss", 2),
    ],
)
def test_what_is_reported_is_chosen(tmp_path, report, name, factor):
    training, wire = Training(report, validation_split=0.0), Wire()
    evaluate(training, tmp_path, wire)
    expected = [factor * value for value in training.history.history[name]]
    assert [report.value for report in wire.reports] == pytest.approx(expected)


def test_what_is_not_there_cannot_be_reported(tmp_path):
    outcome = evaluate(Training(lambda: dhmpi.callbacks.Report("val_mea")), tmp_path)
    assert outcome.state is State.FAILED
    assert "monitor must be a value in Keras' logs, got 'val_mea'; did you mean 'val_mae'?" in outcome.error


def test_epochs_without_validation_report_nothing_of_it(tmp_path):
    wire = Wire()
    evaluate(Training(lambda: dhmpi.callbacks.Report("val_loss"), validation_freq=3), tmp_path, wire)
    assert [report.step for report in wire.reports] == [3, 6]


def test_epochs_of_several_fits_are_counted_on(tmp_path):
    def run(point):
        training = Training(lambda: report, epochs=2)
        training(point)
        training(point)
        return training(point)

    report, wire = dhmpi.callbacks.Report(), Wire()
    evaluate(run, tmp_path, wire)
    assert [report.step for report in wire.reports] == [1, 2, 3, 4, 5, 6]


def test_training_ends_in_order_when_it_is_told_to_stop(tmp_path):
    training, wire = Training(), Wire(stop_at=2)
    outcome = evaluate(training, tmp_path, wire)
    assert (outcome.state, outcome.error) == (State.STOPPED, "")
    assert len(wire.reports) == 2
    assert training.weights  # it has come to its end


def test_outside_of_an_evaluation_callbacks_do_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Training(every=1)({}) > 0
    assert list(tmp_path.iterdir()) == []


def test_what_is_paused_goes_on_as_if_it_had_never_ended(tmp_path):
    whole, first, second = Training(every=4), Training(every=4), Training(every=4)
    evaluate(whole, tmp_path / "whole")
    wire = Wire(save_at=2)
    outcome = evaluate(first, tmp_path, wire)
    assert (outcome.state, outcome.objective, len(wire.reports)) == (State.PAUSED, None, 2)
    wire = Wire()
    outcome = evaluate(second, tmp_path, wire, is_again=True, step=2.0)
    assert outcome.state is State.DONE
    assert [report.step for report in wire.reports] == [3, 4, 5, 6]
    assert second.iterations == whole.iterations
    for ours, theirs in zip(second.weights, whole.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_what_is_complete_is_not_trained_again(tmp_path):
    first, second, wire = Training(every=1), Training(every=1), Wire(save_at=NUM_EPOCHS)
    assert evaluate(first, tmp_path, wire).state is State.DONE  # it was told too late
    outcome = evaluate(second, tmp_path, wire, is_again=True, step=6.0)
    assert outcome.state is State.DONE
    assert len(wire.reports) == NUM_EPOCHS
    np.testing.assert_allclose(second.weights[0], first.weights[0])


def test_a_kill_while_it_is_saved_leaves_the_checkpoint_before(tmp_path):
    first, second, wire = Training(every=2), Training(every=2), Wire()
    evaluate(first, tmp_path)
    directory = tmp_path / "evaluation-000003"
    assert [file.name for file in directory.iterdir()] == ["epoch-000006.weights.h5"]
    (directory / "epoch-000006.weights.h5").rename(directory / "epoch-000004.weights.h5")
    (directory / "new.weights.h5").write_bytes(b"torn")
    assert evaluate(second, tmp_path, wire, is_again=True, step=5.0).state is State.DONE
    assert [report.step for report in wire.reports] == [5, 6]
    assert [file.name for file in directory.iterdir()] == ["epoch-000006.weights.h5"]


def test_a_new_evaluation_does_not_take_what_another_one_has_left(tmp_path):
    evaluate(Training(every=1), tmp_path)
    wire = Wire(stop_at=2)
    evaluate(Training(every=1), tmp_path, wire)
    assert [report.step for report in wire.reports] == [1, 2]
    assert [file.name for file in (tmp_path / "evaluation-000003").iterdir()] == ["epoch-000002.weights.h5"]


def test_of_several_ranks_the_first_one_saves(tmp_path):
    evaluate(Training(every=1), tmp_path, part=GroupPart(1, 2, 1, 2, ()))
    assert not list(tmp_path.rglob("*.h5"))


def test_an_initial_epoch_must_be_given(tmp_path):
    def run(point):
        return Training(lambda: dhmpi.callbacks.Checkpoint())(point)

    outcome = evaluate(run, tmp_path)
    assert "fit must know where to go on, got no initial_epoch; give initial_epoch=checkpoint.epoch" in outcome.error


def test_checkpoints_need_a_number():
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        dhmpi.callbacks.Checkpoint(0)


@pytest.mark.parametrize("name", ["keras_training", "torch_training"])
def test_the_examples_go_on_as_documented(tmp_path, name):
    if name == "torch_training":
        pytest.importorskip("torch")  # the lane of Keras 2 has none
    page = (Path(__file__).parents[1] / "docs" / "reporting.md").read_text()
    [code] = re.findall(rf"^```python\n(# {name}\.py\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    scope = {}
    exec(code, scope)
    wire = Wire(save_at=3)
    first = evaluate(scope["run"], tmp_path, wire, point={"units": 4, "learning_rate": 0.01})
    assert (first.state, first.error) == (State.PAUSED, "")
    last = wire.reports[-1].step
    assert last < 10
    wire = Wire()
    more = {"point": {"units": 4, "learning_rate": 0.01}, "is_again": True, "step": last}
    second = evaluate(scope["run"], tmp_path, wire, **more)
    assert (second.state, second.error) == (State.DONE, "")
    assert [report.step for report in wire.reports] == list(range(int(last) + 1, 11))
