"""Evaluations as steps of a job; a stand-in for mpirun starts their ranks on this machine, which plays all nodes."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from contracts.evaluator import (
    TEXTS,
    StoppableEvaluatorContract,
    collect,
    drive,
    evaluate,
)

from dhmpi.errors import EvaluatorError, LoadError, OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import create
from dhmpi.evaluator.factory import make
from dhmpi.evaluator.launch_steps import launch_evaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.step_control import StepControl
from dhmpi.support.options import as_flag
from dhmpi.support.resources import Resources, SlotOptions

CONTRACTS = Path(__file__).parents[1] / "contracts"
BEHAVE = f"{CONTRACTS / 'behaviour.py'}:behave"
# Of a job of any scheduler that the tests may run in.
JOB = ("SLURM_JOB_NODELIST", "FLUX_URI", "COBALT_JOBID", "COBALT_NODEFILE", "PBS_JOBID")


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job of PBS with three nodes; returns the directory of its commands."""
    commands = tmp_path / "commands"
    commands.mkdir()
    shutil.copy(CONTRACTS / "mpirun.py", commands / "mpirun")
    (tmp_path / "nodes").write_text("node1\nnode2\nnode3\n")
    for name in JOB:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PBS_NODEFILE", str(tmp_path / "nodes"))
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    return commands


@pytest.fixture
def made(job, files):
    """Makes evaluators that have been started, and shuts them down."""
    evaluators = []

    def make_one(run=BEHAVE, timeout=None, num_workers=None, **resources):
        evaluators.append(launch_evaluator(Setup(run, timeout, str(files), Resources(**resources)), num_workers))
        evaluators[-1].start()
        return evaluators[-1]

    yield make_one
    for evaluator in evaluators:
        evaluator.shutdown()


def launched(job):
    """The ids of steps of programs, and the nodes of each."""
    return [line.split() for line in (job / "state" / "log").read_text().splitlines()]


class TestLaunch(StoppableEvaluatorContract):
    test_what_is_saving_when_the_time_ends_is_paused = None  # a step does not say that it knows

    many = 12  # an interpreter and a launcher each

    @pytest.fixture
    def evaluator(self, made):
        return made()

    def test_the_killing_of_a_child_costs_one_evaluation(self, evaluator, files):
        """A rank that is killed is a program's failure, as its launcher says."""
        evaluator.submit(Evaluation(0, {"do": "announce"}))
        path, end = files / "evaluation-000000" / "pid", time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < end
            assert evaluator.gather(0.01) == []
        os.kill(int(path.read_text()), signal.SIGTERM)
        [found] = collect(evaluator, 1)
        assert found.state is State.FAILED
        assert "the step ended with exit status 143, as after signal 15 (SIGTERM)" in found.error

    def test_texts_arrive_unchanged(self, evaluator):
        point = {"do": "echo", "texts": TEXTS}
        assert evaluate(evaluator, **point).extra["point"] == point

    def test_what_is_no_number_is_a_failure(self, evaluator):
        found = evaluate(evaluator, do="return", value="0.5")
        assert (found.state, found.error) == (State.FAILED, "the objective must be a finite number, got '0.5'")

    def test_a_time_out_kills(self, made):
        """The launch counts, too: the other tests have no time limit."""
        evaluator = made(timeout=3.0)
        found = evaluate(evaluator, do="stubborn", value=60)
        assert (found.state, found.error.partition("\n")[0]) == (State.TIMEOUT, "ran longer than 3 s")

    @pytest.mark.parametrize(
        ("how", "reason"), [("raise", "IndexError: list index out of range"), ("die", "exit status 3")]
    )
    def test_a_failure_has_the_last_output(self, evaluator, how, reason):
        error, _, output = evaluate(evaluator, do="fail", value=how).error.partition("\n--- last output ---\n")
        assert reason in error
        assert "line 2998\nline 2999\nlast words é" in output


def program(job, text):
    """A program for steps."""
    path = job / "program.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"exec:{path}"


def test_no_node_has_two_steps_at_a_time(made, job):
    """The stand-in refuses a node that is in use."""
    run = program(job, "sleep 0.2; echo DH-OUTPUT: 1")
    evaluator = made(run)
    assert evaluator.num_workers == 3
    found = drive(evaluator, [{}] * 9)
    assert {each.state for each in found} == {State.DONE}
    assert sorted(node for _, node in launched(job)) == sorted(3 * ["node1", "node2", "node3"])
    assert {each.host for each in found} == {"node1", "node2", "node3"}


def test_a_step_may_have_several_nodes(made, job):
    evaluator = made(
        program(job, "[ $OMPI_COMM_WORLD_RANK = 3 ] && echo DH-OUTPUT: 4; true"), num_nodes=2, ranks_per_node=2
    )
    found = drive(evaluator, [{}] * 2)
    assert [(each.objective, each.host) for each in found] == [(4.0, "node[1-2]")] * 2
    assert "mpirun starts each evaluation, 4 ranks on 2 of 3 nodes, 1 at the same time" in evaluator.layout


def test_a_program_knows_its_nodes_and_its_threads(made, job, monkeypatch):
    run = program(job, 'echo "DH-OUTPUT: $DHMPI_ID$OMP_NUM_THREADS"; echo "$DHMPI_NODES" > "$DHMPI_DIRECTORY/nodes"')
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    evaluator = made(run, num_nodes=3)
    evaluator.submit(Evaluation(7, {}))
    [found] = collect(evaluator, 1)
    assert found.objective == 75.0


def test_a_templates_copy_is_what_runs(made, job, files):
    path = job / "template.sh"
    path.write_text("#!/bin/sh\necho DH-OUTPUT: {{x}}\n")
    assert evaluate(made(f"template:{path}", ranks_per_node=2), x=3).objective == 3.0


@pytest.fixture
def module(job):
    def write(text):
        path = job / "module.py"
        path.write_text(text)
        return str(path)

    return write


def test_a_run_function_runs_on_all_ranks(made, module):
    run = module(
        "def run(point, context):\n"
        "    (context.directory / str(context.group_rank)).touch()\n"
        "    place = context.group_rank, context.group_size, context.local_rank\n"
        "    return {'objective': point['x'] + context.group_rank, 'place': place}\n"
    )
    found = evaluate(made(run, num_nodes=2, ranks_per_node=2), x=1)
    assert (found.state, found.objective, found.extra) == (State.DONE, 1.0, {"place": [0, 4, 0]})


def test_a_rank_that_raises_ends_the_others(made, module, files):
    run = module(
        "import time\n"
        "def run(point, context):\n"
        "    if context.group_rank == 2:\n"
        "        raise ValueError('two')\n"
        "    time.sleep(60)\n"
    )
    found = evaluate(made(run, ranks_per_node=3), x=1)
    assert found.state is State.FAILED
    assert found.error.startswith("on rank 2 of 3: Traceback (most recent call last):")
    assert "ValueError: two" in found.error
    assert [path.name for path in files.iterdir() if "step" in path.name] == []


@pytest.mark.parametrize("command", ["['sleep', '60']", "['sh', '-c', 'sleep 60 & sleep 60 &']"])
def test_what_a_rank_leaves_behind_ends_with_it(made, module, command):
    """A launcher would wait for what has its output open."""
    run = module(f"import subprocess\ndef run(point):\n    return subprocess.Popen({command}).pid")
    begun = time.monotonic()
    found = evaluate(made(run), x=1)
    assert found.state is State.DONE
    assert time.monotonic() - begun < 40
    assert not Path(f"/proc/{int(found.objective)}").exists()


def test_a_rank_that_ends_too_early_has_failed(made, module):
    found = evaluate(made(module("import os\ndef run(point):\n    os._exit(0)")), x=1)
    assert found.state is State.FAILED
    assert "rank 0 of a step must leave its answer, got none: it has ended before the run function" in found.error


def test_a_rank_that_dies_after_rank_0_has_returned_is_a_failure(made, module):
    run = module(
        "import os, time\n"
        "def run(point, context):\n"
        "    time.sleep(0.5 * context.group_rank)\n"
        "    os._exit(5) if context.group_rank else None\n"
        "    return 1.0\n"
    )
    found = evaluate(made(run, ranks_per_node=2), x=1)
    assert (found.state, found.error) == (State.FAILED, "the step ended with exit status 5")


def test_a_run_function_that_cannot_be_loaded_ends_the_campaign(made, module):
    evaluator = made(module("def run(point: return 1"))
    evaluator.submit(Evaluation(0, {}))
    with pytest.raises(LoadError, match=r"module\.py"):
        collect(evaluator, 1)


def test_a_step_whose_launcher_is_killed_is_lost(made, job):
    evaluator = made(program(job, "kill -KILL $PPID; sleep 60"))
    found = evaluate(evaluator, x=1)
    assert (found.state, found.host) == (State.LOST, "node1")
    assert "its launcher is gone: the process was killed by signal 9 (SIGKILL)" in found.error


PRRTE = "echo '  Remote daemon: [prterun-node1-34@0,1] on node node1' >&2"


def test_what_was_lost_with_a_node_is_begun_again_elsewhere(made, job, caplog):
    evaluator = made(program(job, f"case $DHMPI_NODES in node1) {PRRTE};; *) echo DH-OUTPUT: 1;; esac"))
    for _ in range(3):
        found = evaluate(evaluator, x=1)
        if found.state is State.DONE:
            break
    assert [nodes for _, nodes in launched(job)] == ["node1", "node2"]
    assert "node node1 has failed, and is not used any more" in caplog.text
    assert evaluator.num_workers == evaluator.num_idle == 2
    assert {each.host for each in drive(evaluator, [{}] * 4)} == {"node2", "node3"}


def test_a_campaign_without_nodes_ends(made, job):
    evaluator = made(program(job, PRRTE), num_nodes=3)
    assert evaluate(evaluator, x=1).state is State.LOST
    assert evaluator.num_idle == 0
    with pytest.raises(EvaluatorError, match="an evaluation must find 3 nodes, got 2 that have not failed; submit"):
        evaluator.gather(0.0)


class Steps(StepControl):
    """Steps that outlive their launchers until they are told to end."""

    outlives = True

    def __init__(self, num_looks):
        self.num_looks, self.cancelled, self.names = num_looks, [], []

    def ids(self, name):
        self.names.append(name)
        self.num_looks -= 1
        return ["39.0"] if self.num_looks >= 0 else []

    def cancel(self, id):
        self.cancelled.append(id)


def test_nodes_are_free_when_the_step_is_gone(made, job):
    """The launcher was killed, and what it has started is still there."""
    evaluator = made(program(job, "kill -KILL $PPID; exec sleep 60"))
    evaluator.launching.control = control = Steps(num_looks=3)
    begun = time.monotonic()
    assert evaluate(evaluator, x=1).state is State.LOST
    assert evaluator.num_idle == 2
    while evaluator.num_idle < 3:
        assert time.monotonic() < begun + 30
        evaluator.gather(1.0)
    assert control.cancelled == ["39.0"] * 3
    assert len(set(control.names)) == 1


def test_a_cancelled_steps_node_is_free_a_little_later(made, job):
    evaluator = made(program(job, "exec sleep 60"))
    for id in range(3):
        evaluator.submit(Evaluation(id, {}))
    end = time.monotonic() + 20
    while not all((job / "state" / f"node{number}").exists() for number in (1, 2, 3)):
        assert time.monotonic() < end
        assert evaluator.gather(0.1) == []
    assert {each.state for each in evaluator.cancel(10.0)} == {State.CANCELLED}
    while evaluator.num_idle < 3:
        assert time.monotonic() < end
        assert evaluator.gather(1.0) == []
    assert [path.name for path in (job / "state").iterdir()] == ["log"]


@pytest.mark.parametrize(
    ("resources", "num_workers", "sentence"),
    [
        (
            {"num_nodes": 4},
            None,
            "--evaluator launch:nodes must be at most the nodes that there are, got 4 with 3 in this job of PBS; ask",
        ),
        (
            {"num_nodes": 2},
            2,
            "--num-workers must be at most 1, as many as find 2 of the 3 nodes here, got 2; leave it out",
        ),
        ({"launcher": "mpiexec"}, None, "--evaluator launch must find mpiexec in PATH in a job of PBS, got none; load"),
        (
            {"launcher": "srun"},
            None,
            "--evaluator launch:launcher must be one that starts ranks here, got srun outside of a job of Slurm;",
        ),
    ],
)
def test_what_there_is_no_room_for_is_one_sentence(job, monkeypatch, resources, num_workers, sentence):
    monkeypatch.setenv("PATH", str(job))
    with pytest.raises(OptionError) as caught:
        launch_evaluator(Setup("exec:true", resources=Resources(**resources)), num_workers)
    assert caught.value.spelled(as_flag).startswith(sentence)


def test_a_launcher_of_nobody_is_refused(job):
    (job / "mpirun").write_text("#!/bin/sh\necho mine\n")
    with pytest.raises(OptionError, match=r"must be of Open MPI, MPICH, Intel MPI or PALS, got .*/mpirun, whose"):
        launch_evaluator(Setup("exec:true"))


def test_a_launcher_of_nobody_is_passed_by(job, files):
    (job / "mpiexec").write_text("#!/bin/sh\necho mine\n")
    (job / "mpiexec").chmod(0o755)
    evaluator = launch_evaluator(Setup("exec:true", files=str(files)))
    assert "; mpirun starts each evaluation" in evaluator.layout
    evaluator.shutdown()


def test_several_ranks_are_refused(job, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(OptionError, match=r"launch must be used on one rank, .*got 4; start dhmpi without mpirun"):
        launch_evaluator(Setup("exec:true"))


@pytest.mark.parametrize(
    ("slot", "remedy"),
    [
        (SlotOptions(ranks_per_eval=2), "give --evaluator launch:ranks_per_node=2"),
        (SlotOptions(gpus_per_eval=1.0), "give --evaluator launch:gpus-per-rank=1"),
    ],
)
def test_options_of_workers_have_their_own_names_here(job, slot, remedy):
    with pytest.raises(OptionError) as caught:
        make("launch", Setup("exec:true", slot=slot), None)
    assert caught.value.spelled(as_flag).endswith(remedy)


def test_ranks_get_gpus_where_the_launcher_has_none_for_them(made, job, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    run = program(job, '[ "$OMPI_COMM_WORLD_RANK" = 1 ] && echo "DH-OUTPUT: $CUDA_VISIBLE_DEVICES"; true')
    assert evaluate(made(run, ranks_per_node=2, gpus_per_rank=1), x=1).objective == 1.0
    with pytest.raises(OptionError, match="launch:gpus-per-rank must be at most 2 for 2 ranks on each node and 4 GPUs"):
        made(run, ranks_per_node=2, gpus_per_rank=3)


@pytest.mark.parametrize(
    ("method", "layout"),
    [
        (
            "launch:nodes=2,ranks_per_node=4,gpus_per_rank=0,launcher=mpirun",
            "8 ranks on 2 of 3 nodes, 1 at the same time",
        ),
        ("launch:ranks=3", "3 ranks on 1 of 3 nodes, 3 at the same time"),
    ],
)
def test_settings_may_be_in_the_method(job, files, method, layout):
    with create(program(job, "echo DH-OUTPUT: 1"), method=method, files=str(files)) as evaluator:
        assert layout in evaluator.evaluator.layout
        evaluator.add_eval_batch([{"x": x} for x in range(4)])
        assert len(list(evaluator.await_evals([{"x": x} for x in range(4)]))) == 4
