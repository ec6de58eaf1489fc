import copy
import gc
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dhmpi.errors import ProblemError, TrainingError
from dhmpi.evaluation import State
from dhmpi.execution.context import Channel, Feedback, Link, Notice
from dhmpi.execution.runner import Runner, Task
from dhmpi.search.nas.model.backend import keras
from dhmpi.search.nas.model.preprocessing import minmaxstdscaler
from dhmpi.search.nas.model.run import alpha
from dhmpi.support.data_parallel import Replicas
from dhmpi.support.training_session import Standalone, session

CELLS = "dhmpi.search.nas.model.baseline.anl_mlp_2:create_structure"
HYPERPARAMETERS = {
    "batch_size": 50,
    "learning_rate": 0.02,
    "optimizer": "adam",
    "num_epochs": 4,
    "loss_metric": "mean_squared_error",
    "metrics": ["mean_squared_error"],
}


def load_data(size=200, test=False):
    """Return numbers to add up."""
    x = np.random.default_rng(0).uniform(0, 100, (size + size // 2, 4))
    y = x.sum(axis=1)
    parts = (x[:size], y[:size]), (x[size:], y[size:])
    return (*parts, (None, None)) if test else parts


def load_classes():
    """Return points, and in which quadrant they are."""
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = 2 * (x[:, 0] > 0) + (x[:, 1] > 0)
    return (x[:150], y[:150]), (x[150:], y[150:])


def load_three_inputs():
    """Return what the space for Combo takes: three inputs, of which the last two are alike."""
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(60, dim)) for dim in (3, 5, 5)]
    y = sum(each.sum(axis=1) for each in inputs)
    return ([each[:40] for each in inputs], y[:40]), ([each[40:] for each in inputs], y[40:])


def regression(**changes):
    return {
        "regression": True,
        "load_data": {"func": load_data, "kwargs": {"size": 100}},
        "preprocessing": {"func": minmaxstdscaler},
        "create_structure": {"func": CELLS, "kwargs": {"num_cells": 2}},
        "hyperparameters": dict(HYPERPARAMETERS),
        "arch_seq": [0, 2, 0, 1, 3, 1],
        "seed": 11,
    } | changes


def classification():
    hyperparameters = HYPERPARAMETERS | {"loss_metric": "categorical_crossentropy", "metrics": ["acc"]}
    return regression(regression=False, load_data={"func": load_classes}, hyperparameters=hyperparameters)


def test_a_regression_is_rewarded_with_minus_the_mean_squared_error_of_its_last_epoch():
    result = alpha.run(regression())
    last, best = result["metrics"]["last"], result["metrics"]["best"]
    assert result["objective"] == -last["val_mse"] < 0
    assert last["epoch"] == result["num_epochs"] == 4
    assert best["val_mse"] == pytest.approx(min(result["history"]["val_mse"]), rel=1e-5)
    assert result["history"].keys() == {"epoch", "loss", "mse", "r2", "val_loss", "val_mse", "val_r2"}
    assert all(len(series) == 4 for series in result["history"].values())
    assert result["stopped"] == "epochs"
    assert result["training_seconds"] > 0
    assert json.loads(json.dumps(result)) == result


def test_what_is_known_of_the_architecture_is_returned():
    result = alpha.run(regression(arch_seq=[0, 2, 0, 0, 0, 0]))
    # Dense 10 on 4 inputs; then the output on these 10 and on what is connected to the input or to that.
    assert result["parameters"] >= 4 * 10 + 10 + 10 + 1
    assert result["parameters"] < result["flops"] < 2 * result["parameters"]
    assert "Dense_10_relu" in result["architecture"]
    assert isinstance(result["canonical_key"], str)
    assert alpha.run(regression(arch_seq=np.array([0, 2, 0, 0, 0, 0])))["canonical_key"] == result["canonical_key"]


def test_a_classification_is_rewarded_with_its_accuracy():
    result = alpha.run(classification())
    assert result["objective"] == result["metrics"]["last"]["val_accuracy"]
    assert 0.25 < result["objective"] <= 1


@pytest.mark.parametrize(
    ("epochs", "choose"), [("best", max), ("last", lambda r: r[-1]), (3, lambda r: np.mean(r[-3:]))]
)
def test_the_reward_can_be_of_other_epochs(epochs, choose):
    changes = {"reward": "-log_mse", "reward_epochs": epochs}
    result = alpha.run(regression(hyperparameters=HYPERPARAMETERS | changes))
    rewards = [-np.log(mse) for mse in result["history"]["val_mse"]]
    assert result["objective"] == pytest.approx(choose(rewards), rel=1e-4)


@pytest.mark.parametrize("epochs", ["best", "last", 3])
def test_what_is_reported_is_the_reward_if_training_ended_there(epochs):
    config = regression(hyperparameters=HYPERPARAMETERS | {"reward": "-log_mse", "reward_epochs": epochs})
    outcome = Runner(alpha.run, None, "files")(Task(0, config, 1))
    rewards = [-np.log(mse) for mse in outcome.extra["history"]["val_mse"]]
    choose = {"best": max, "last": lambda r: r[-1], 3: lambda r: np.mean(r[-3:])}[epochs]
    chosen = [choose(rewards[:end]) for end in (1, 2)]
    assert [each.value for each in outcome.reports[:2]] == pytest.approx(chosen, rel=1e-4)
    assert outcome.reports[-1].value == outcome.objective


def test_a_training_that_is_told_to_stop_ends_at_once_and_leaves_the_next_one_alone():
    class Strict(Channel):
        """Tells the first evaluation to stop at its second report."""

        def __init__(self):
            self.reports = []

        def send(self, reports):
            self.reports += reports

        def notice(self, id):
            return Notice(id, len(self.reports), must_stop=id == 0 and len(self.reports) == 2)

    channel = Strict()
    runner = Runner(alpha.run, None, "files", link=Link(channel, Feedback(has_answers=True)))
    first, second = (runner(Task(id, regression(), 1)) for id in (0, 1))
    assert (first.state, first.objective, first.error) == (State.STOPPED, None, "")
    assert [each.step for each in channel.reports if each.id == 0] == [1, 2]
    alone = Runner(alpha.run, None, "files")(Task(1, regression(), 1))
    assert (second.state, second.objective) == (State.DONE, alone.objective)


def test_models_of_several_inputs_are_trained():
    space = "dhmpi.search.nas.model.baseline.combo_mlp:create_structure"
    config = regression(
        load_data={"func": load_three_inputs}, create_structure={"func": space}, arch_seq=[1] + [0] * 12
    )
    assert alpha.run(config)["parameters"] > 300


def test_functions_may_be_given_by_name():
    path = Path(__file__)
    named = regression(
        load_data={"func": f"{path}:load_data", "kwargs": {"size": 100}},
        preprocessing={"func": "dhmpi.search.nas.model.preprocessing.minmaxstdscaler"},
    )
    assert alpha.run(named)["objective"] == alpha.run(regression())["objective"]


def test_the_config_stays_as_it_is():
    config = regression()
    before = copy.deepcopy(config)
    alpha.run(config)
    assert config == before


def test_the_part_for_a_final_test_is_not_looked_at():
    data = {"func": load_data, "kwargs": {"size": 100, "test": True}}
    assert alpha.run(regression(load_data=data))["objective"] == alpha.run(regression())["objective"]


def load_with_draws():
    """Return numbers to add up, and leave all generators in another state."""
    random.seed(1)
    np.random.seed(1)  # what many do
    keras.utils.set_random_seed(2)
    return load_data(100)


def test_what_loading_draws_does_not_matter():
    config = regression(load_data={"func": load_with_draws})
    loaded, kept = alpha.run(config), alpha.run(config)
    assert loaded["history"] == kept["history"] == alpha.run(regression())["history"]


def test_the_same_seed_gives_the_same_result():
    results = [alpha.run(regression(seed=seed)) for seed in (3, 3, 4)]
    results.append(alpha.run(regression(seed=3), alpha.Standalone(seed=4)))
    for result in results:
        del result["training_seconds"]
    assert results[0] == results[1]
    assert results[2] == results[3]
    assert results[0]["objective"] != results[2]["objective"]


def test_a_worker_runs_it_with_its_context(tmp_path):
    outcome = Runner(alpha.run, timeout=100, files=str(tmp_path))(Task(0, regression(), seed=5))
    assert outcome.state is State.DONE, outcome.error
    assert outcome.objective == alpha.run(regression(seed=5))["objective"]
    assert [each.step for each in outcome.reports] == [1, 2, 3, 4]
    assert outcome.reports[-1].value == outcome.objective
    assert outcome.extra["history"]["epoch"] == [1, 2, 3, 4]


def refuse(input_shape, output_shape):
    """Return a structure whose architectures cannot be built."""

    class Impossible:
        def set_ops(self, arch_seq):
            return self

        def create_model(self, activation=None):
            raise ValueError("negative dimension size")

    return Impossible()


def test_an_architecture_that_cannot_be_built_fails_with_its_reason(tmp_path):
    config = regression(create_structure={"func": refuse})
    with pytest.raises(
        TrainingError, match=r"must be one that Keras can build, got \[0, 2, .*: negative dimension size"
    ):
        alpha.run(config)
    outcome = Runner(alpha.run, timeout=None, files=str(tmp_path))(Task(0, config, seed=5))
    assert outcome.state is State.FAILED
    assert "ValueError: negative dimension size" in outcome.error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch_seq": [0, 1]}, "2"),
        ({"arch_seq": [0, 9, 0, 0, 0, 0]}, "9"),
        ({"load_data": {"func": lambda: None}}, "load_data must return"),
        ({"hyperparameters": {}}, "batch_size"),
    ],
)
def test_a_problem_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(ProblemError, match=message):
        alpha.run(regression(**changes))


def test_an_entry_that_is_missing_is_named():
    config = regression()
    del config["load_data"]
    with pytest.raises(
        ProblemError, match="a problem of networks to train must have 'load_data', got only regression, preprocessing"
    ):
        alpha.run(config)


def test_a_history_is_bounded():
    records = [{"loss": 1 / 3 + epoch, "val_mse": 2.0 * epoch} for epoch in range(1, 10_001)]
    history = alpha.history(records)
    assert len(history["epoch"]) == alpha.MAX_HISTORY
    assert history["epoch"][-1] == 10_000
    assert history["val_mse"] == [2.0 * epoch for epoch in history["epoch"]]
    assert len(json.dumps(history)) < 30_000
    assert alpha.history(records[:3]) == {
        "epoch": [1, 2, 3],
        "loss": [1.33333, 2.33333, 3.33333],
        "val_mse": [2.0, 4.0, 6.0],
    }


def test_a_model_can_be_kept_and_tested():
    with session(2):
        trained = alpha.train(regression(), alpha.Standalone(2))
    assert trained.trainer.evaluate(trained.data.valid)["mse"] == pytest.approx(-trained.training.reward)
    assert trained.model.count_params() > 0


def test_the_documented_example_runs(capsys):
    page = (Path(__file__).parents[4] / "docs" / "nas-training.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    exec(example, {})
    assert 0 < float(capsys.readouterr().out.split()[0]) <= 1


THREADS = """
import {module}, tensorflow as tf
{module}.alpha.run({module}.regression())
print(tf.config.threading.get_intra_op_parallelism_threads(), tf.config.threading.get_inter_op_parallelism_threads())
"""


def test_a_worker_keeps_to_its_threads():
    path = Path(__file__)
    env = os.environ | {"OMP_NUM_THREADS": "3", "PYTHONPATH": str(path.parent)}
    done = subprocess.run(
        [sys.executable, "-c", THREADS.format(module=path.stem)], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["3", "3"], done.stderr


def resident():
    """Return the memory of this process [bytes]."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_evaluations_leave_nothing_in_memory():
    config = regression(arch_seq=[0, 7, 3, 1, 7, 3], hyperparameters=HYPERPARAMETERS | {"num_epochs": 1})
    for _ in range(3):
        alpha.run(config)
    memory, objects, num = resident(), len(gc.get_objects()), 6
    for _ in range(num):
        alpha.run(config)
    # Keras by itself leaves the graph of each training: 5 MB, 4,000 objects.
    assert (len(gc.get_objects()) - objects) / num < 400
    assert (resident() - memory) / num < 2.5e6


def test_each_replica_needs_a_sample():
    group = Replicas()
    group.size = 10**9
    with pytest.raises(ProblemError, match="at least as many as replicas, which are 1000000000, got "):
        alpha.train(regression(), Standalone(0), group=group)
