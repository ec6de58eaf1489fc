"""Data-parallel training by Horovod: groups of two processes, and of two ranks, that train together."""

import subprocess
import sys

import pytest

pytest.importorskip("horovod", reason="Horovod is compiled for the lane with Keras 2: scripts/test --keras2")

from contracts.evaluator import collect
from contracts.examples import check_examples, write_example

from dhmpi.benchmark.hps.mnistmlp import run as train_network
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.factory import make
from dhmpi.execution.context import Notice
from dhmpi.execution.executor import Setup
from dhmpi.results import read
from dhmpi.search.nas.model.run.alpha import run as train_architecture
from dhmpi.support.resources import SlotOptions

pytestmark = pytest.mark.timeout(300)

RUN = """
import os, signal
import numpy as np
import tensorflow as tf
from dhmpi.benchmark.hps.mnistmlp import run as train_network
from dhmpi.search.nas.model.run.alpha import run as train_architecture
from dhmpi.support.data_parallel import replicas


def difference(group):
    # between the average gradient of all parts and the gradient of the whole batch, relative
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(40, 5)), rng.normal(size=(40, 1))
    weights = [tf.Variable(rng.normal(size=shape)) for shape in ((5, 3), (3, 1), (4, 3))]

    def gradients(rows):
        with tf.GradientTape() as tape:
            words = tf.gather(weights[2], rows % 4)  # its gradient is one of rows with numbers
            hidden = tf.tanh(tf.gather(inputs, rows) @ weights[0] + words)
            loss = tf.reduce_mean((hidden @ weights[1] - tf.gather(targets, rows)) ** 2)
        return tape.gradient(loss, weights)

    averages = tf.function(lambda: group.averaged(gradients(group.share(np.arange(40), 10))))()
    pairs = zip(averages, gradients(np.arange(40)))
    return max(np.abs(tf.convert_to_tensor(one) / tf.convert_to_tensor(other) - 1).max() for one, other in pairs)


def again(context, comm):
    # each of the ranks is the last one now and then
    import time, horovod.tensorflow as hvd
    total = 0.0
    for number in range(8):
        time.sleep(0.1 * (number % 3 == context.group_rank))
        with replicas(context, comm):
            total += float(hvd.allreduce(np.ones(1), op=hvd.Sum, name="ones"))
    return total


def stopped(context, comm):
    # one that misses the other waits for it for ever
    import horovod.tensorflow as hvd
    with replicas(context, comm):
        for step in range(1, 2000):
            hvd.allreduce(np.ones(1), op=hvd.Sum, name="ones")
            with open(context.directory / f"steps-{context.group_rank}", "a") as log:
                log.write(f"{step}\\n")
            context.report(step, 1 / step)


def run(point, context, comm=None):
    if point["what"] == "stopped":
        return stopped(context, comm)
    if point["what"] == "network":
        return train_network(point["config"], context, comm)
    if point["what"] == "architecture":
        return train_architecture(point["config"], context, comm)
    if point["what"] == "again":
        return again(context, comm)
    with replicas(context, comm) as group:
        what = point["what"]
        if what == "raises" and group.rank == 1:
            raise ValueError("bad luck")
        if what == "killed" and group.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        weight = tf.Variable(float(group.rank + 5))
        group.broadcast([weight])
        return {
            "objective": 0.0,
            "size": group.size,
            "average": group.average([context.id + group.rank])[0],
            "gathered": group.gather(np.full((group.rank + 1, 1), context.id + group.rank)).tolist(),
            "any": [group.any(group.rank == 1), group.any(False)],
            "weight": float(weight),
            "difference": float(difference(group)),
            "has_comm": comm is not None,
        }
"""
NETWORK = {
    **{"data_source": "synthetic", "nhidden": 1, "nunits": 32, "activation": "tanh"},
    **{"epochs": 8, "batch_size": 16, "optimizer": "adam", "learning_rate": 0.003, "dropout": 0.1},
}
ARCHITECTURE = {
    "regression": False,
    "load_data": {"func": "dhmpi.benchmark.nas.digitsNas.load_data:load_data"},
    "create_structure": {
        "func": "dhmpi.search.nas.model.baseline.anl_mlp_2:create_structure",
        "kwargs": {"num_cells": 2},
    },
    "hyperparameters": {
        **{"batch_size": 32, "learning_rate": 0.005, "optimizer": "adam", "num_epochs": 8},
        **{"loss_metric": "categorical_crossentropy", "metrics": ["acc"]},
    },
    "arch_seq": [0, 2, 0, 1, 3, 1],
}
POINTS = [
    {"what": "numbers"},
    {"what": "killed"},
    {"what": "network", "config": NETWORK},
    {"what": "numbers"},
    {"what": "architecture", "config": ARCHITECTURE},
    {"what": "raises"},
    {"what": "again"},
    {"what": "numbers"},
    {"what": "stopped"},
    {"what": "numbers"},
]
STOPPED = 8


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Evaluate all points on two groups of two processes, which import TensorFlow once; by id."""
    folder = tmp_path_factory.mktemp("horovod")
    (folder / "user.py").write_text(RUN)
    setup = Setup(f"{folder}/user.py:run", None, str(folder / "files"), slot=SlotOptions(ranks_per_eval=2))
    evaluator, found = make("processPool", setup, 2), []
    evaluator.on_reports = lambda reports: [
        evaluator.tell(Notice(each.id, must_stop=True)) for each in reports if each.id == STOPPED and each.step >= 3
    ]
    try:
        evaluator.start()
        for id, point in enumerate(POINTS):
            evaluator.submit(Evaluation(id, point))
            while not evaluator.num_idle:
                found += collect(evaluator, 1, limit=120)
        found += collect(evaluator, len(POINTS) - len(found), limit=120)
    finally:
        evaluator.shutdown()
    logs = sorted(folder.glob(f"files/evaluation-{STOPPED:06d}/steps-*"))
    return sorted(found), [list(map(int, log.read_text().split())) for log in logs]


@pytest.fixture
def ended(evaluated):
    return evaluated[0]


def check_numbers(evaluation, has_comm):
    id, extra = evaluation.id, evaluation.extra
    assert evaluation.state is State.DONE, evaluation.error
    assert (extra["size"], extra["average"], extra["any"]) == (2, id + 0.5, [True, False])
    assert extra["gathered"] == [[id], [id + 1], [id + 1]]
    assert extra["weight"] == 5
    assert extra["difference"] < 1e-12  # in double precision
    assert extra["has_comm"] is has_comm


def test_gradients_are_those_of_the_whole_batch_and_groups_are_independent(ended):
    for evaluation in ended:
        if evaluation.point["what"] == "numbers":
            check_numbers(evaluation, has_comm=False)


def test_a_member_that_dies_costs_one_evaluation(ended):
    assert [each.id for each in ended if each.state is State.FAILED] == [1, 5]
    assert "on rank 1 of 2: the process was killed by signal 9" in ended[1].error
    assert "bad luck" in ended[5].error


def test_two_ranks_train_as_well_as_one(ended):
    for id, train in ((2, train_network), (4, train_architecture)):
        together, alone = ended[id], train({**ended[id].point["config"], "seed": 3})
        objectives = together.objective, alone["objective"]
        assert abs(objectives[0] - objectives[1]) < 0.1, objectives
        assert min(map(abs, objectives)) > 0.5  # by chance it is 0.1
        assert together.extra["num_epochs"] == alone["num_epochs"] == 8


def test_they_can_be_entered_again(ended):
    assert (ended[6].error, ended[6].objective) == ("", 16.0)


def test_a_stop_frees_all_of_them_at_the_same_report(evaluated):
    ended, (of_leader, of_other) = evaluated
    assert (ended[STOPPED].state, ended[STOPPED].error) == (State.STOPPED, "")
    assert 3 <= ended[STOPPED].step == of_leader[-1] < 1999
    assert of_other[-1] <= of_leader[-1]
    assert ended[STOPPED + 1].state is State.DONE, "the processes go on"


ALONE = """
from dhmpi.support.data_parallel import replicas
with replicas(None):
    import numpy as np, horovod.tensorflow as hvd
    print(hvd.size(), hvd.allreduce(np.ones(1), name="ones").numpy())
"""


def test_one_rank_has_a_horovod_of_its_own():
    ended = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=100)
    assert ended.stdout == "1 [1.]\n", ended.stderr


INLINE = (
    RUN
    + """
def by_id(point, context, comm=None):
    return run({"what": "raises" if context.id == 1 else "numbers"}, context, comm)
"""
)


@pytest.mark.launcher
def test_ranks_train_by_their_communicator(launch, tmp_path):
    (tmp_path / "user.py").write_text(INLINE)
    problem = ["--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "user.py:by_id"]
    words = ["hps-random", *problem, "--max-evals", "5", "--ranks-per-eval", "2", "--isolation", "inline"]
    job = launch(*words, ranks=5)
    assert job.wait(200) == 0, job.stderr
    found = {each.id: each for each in read(tmp_path / "results.h5").evaluations}
    assert (found[1].state, "bad luck" in found[1].error) == (State.FAILED, True)
    for id in (0, 2, 3, 4):
        check_numbers(found[id], has_comm=True)


def test_the_documented_example_runs(launch, tmp_path):
    write_example("digits_horovod.py", tmp_path)
    words = ["--problem", "digits_horovod.py", "--evaluator", "processPool", "--num-workers", "1"]
    job = launch("ambs", *words, "--ranks-per-eval", "2", "--max-evals", "2")
    assert job.wait(200) == 0, job.stderr
    check_examples(tmp_path)
