"""Searches by agents as they are started: `mpirun dhmpi ppo-async` and `ppo-sync`, and what may befall an agent."""

import sys
import time

import h5py
import numpy as np
import pytest

from dhmpi import results

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(90)]

TABLE = ["--problem", "dhmpi.benchmark.nas.table.Problem", "--run", "dhmpi.benchmark.nas.table.run"]
# Slow enough that all ranks get something to do.
SLOW = """\
import time
from dhmpi.benchmark.nas.table import run as evaluate


def run(config):
    time.sleep(0.03)
    return evaluate(config)
"""
# A space whose key is computed on the agents' ranks, where it can go wrong; and training times.
PROBLEM = """\
import os, pathlib, signal, time
from dhmpi.benchmark import Problem as _Problem
from dhmpi.benchmark.nas.table.table_structure import TableStructure

here = pathlib.Path(__file__).parent
rank = os.environ.get("OMPI_COMM_WORLD_RANK", "0")


class Structure(TableStructure):
    num_keys = 0

    def canonical_key(self, arch_seq):
        self.num_keys += 1
        if self.num_keys == 12 and rank == "2":
            (here / "pid").write_text(str(os.getpid()))
            {mishap}
        return super().canonical_key(arch_seq)


def create_structure(input_shape=(2,), output_shape=(1,)):
    return Structure()


Problem = _Problem()
Problem.add_dim("create_structure", {{"func": create_structure}})


def run(config):
    time.sleep(0.02)
    return float(sum(config["arch_seq"]))
"""
MISHAPS = {"raises": "raise RuntimeError('out of luck')", "dies": "os.kill(os.getpid(), signal.SIGKILL)"}


@pytest.fixture
def agents(launch, tmp_path):
    """Start a search in which something happens to the agent on rank 2."""

    def start(command, mishap, *words, ranks=4, **arguments):
        (tmp_path / "unlucky.py").write_text(PROBLEM.format(mishap=MISHAPS.get(mishap, mishap)))
        words = ["--problem", "unlucky.py", "--run", "unlucky.py:run", *words]
        return launch(command, *words, ranks=ranks, **arguments)

    return start


@pytest.mark.parametrize(
    ("ranks", "words", "layout"),
    [
        (2, ["ppo-async"], "2 ranks: rank 0 serves parameters; rank 1 is the agent; it evaluates itself"),
        (
            7,
            ["ppo-async", "--agents", "2"],
            "7 ranks: rank 0 serves parameters; ranks 1 to 2 are agents; "
            "evaluating: ranks 3 to 4 for 1; ranks 5 to 6 for 2",
        ),
        (
            2,
            ["ppo-sync", "--isolation", "inline", "--gpus-per-eval", "1"],
            "2 ranks: rank 0 coordinates; ranks 0 to 1 are agents; each evaluates itself; 1 GPU for each evaluation",
        ),
        (
            5,
            ["ppo-sync", "--agents", "2", "--isolation", "inline"],
            "5 ranks: rank 0 coordinates; ranks 0 to 1 are agents; evaluating: rank 2 for 0; ranks 3 to 4 for 1",
        ),
        (None, ["ppo-sync"], "1 rank: rank 0 coordinates, and is the agent; it evaluates itself"),
    ],
)
def test_it_searches(launch, tmp_path, ranks, words, layout):
    variables = {"CUDA_VISIBLE_DEVICES": "0,1"} if "--gpus-per-eval" in words else {}
    (tmp_path / "slow.py").write_text(SLOW)
    job = launch(*words, *TABLE, "--run", "slow.py:run", "--max-evals", "60", ranks=ranks, **variables)
    assert job.wait(60) == 0, job.stderr
    assert layout in job.stderr
    assert "60 evaluations are complete" in job.stdout
    found = results.read(tmp_path / "results.h5")
    assert found.metadata.runs[0]["layout"].startswith(layout)
    assert [each.id for each in found.evaluations] == list(range(60))
    assert {each.state for each in found.evaluations} == {"DONE"}
    assert found.metadata.complete
    size, server = ranks or 1, words[0] == "ppo-async"
    num_agents = 2 if "--agents" in words else size - server
    has_groups = size > num_agents + server
    evaluate = range(num_agents + server, size) if has_groups else range(server, size)
    assert {each.rank for each in found.evaluations} == set(evaluate)
    roles = found.metadata.runs[0]["roles"]
    assert [group["leader"] for group in roles["groups"]] == list(range(server, server + num_agents))
    assert [node["ranks"] for node in roles["nodes"]] == ([f"0-{size - 1}"] if size > 1 else [])
    with h5py.File(tmp_path / "results.h5") as file:
        assert file["policy/entropy"].shape == file["policy/agent"].shape == (len(found.policy),)
        assert np.isfinite(file["policy/state/parameters"][()]).all()


@pytest.mark.parametrize("module", ["ppo_a3c_async", "ppo_a3c_sync"])
def test_the_documented_modules(launch, module):
    words = ["-m", f"dhmpi.search.nas.{module}", *TABLE, "--num-episodes", "30", "--evaluator", "serial", "--quiet"]
    job = launch(*words, ranks=3, program=sys.executable)
    assert job.wait(60) == 0, job.stderr
    assert "30 episodes are complete" in job.stdout


def test_agents_with_pools_of_their_own(launch, tmp_path):
    job = launch("ppo-async", *TABLE, "--evaluator", "processPool", "--num-workers", "2", "--max-evals", "30", ranks=3)
    assert job.wait(60) == 0, job.stderr
    found = results.read(tmp_path / "results.h5")
    assert len(found.evaluations) == 30
    assert found.metadata.runs[0]["num_workers"] == 4
    assert {each.rank for each in found.evaluations} == {1, 2}


def test_ranks_without_a_gpu_sleep(launch, tmp_path):
    """A variable stands in for GPUs: two of three ranks that could evaluate would share two."""
    words = ["--agents", "1", "--gpus-per-eval", "2", "--max-evals", "20"]
    job = launch("ppo-async", *TABLE, *words, ranks=4, CUDA_VISIBLE_DEVICES="0,1")
    assert job.wait(60) == 0, job.stderr
    found = results.read(tmp_path / "results.h5")
    assert found.metadata.runs[0]["num_workers"] == 1
    assert found.metadata.runs[0]["roles"]["spare"] == "3"
    assert {each.rank for each in found.evaluations} == {2}


def test_an_asynchronous_agent_that_raises_is_replaced_by_the_others(agents, evaluations):
    job = agents("ppo-async", "raises", "--max-evals", "60")
    assert job.wait(60) == 0, job.stderr
    assert "agent 2 is given up: RuntimeError: out of luck; the others go on" in job.stderr
    assert "in canonical_key" in job.stderr
    found = evaluations()
    assert sorted(found) == list(range(60))
    assert {each.state for each in found.values()} == {"DONE"}


def test_an_asynchronous_agent_that_dies_is_replaced_by_the_others(agents, evaluations):
    job = agents("ppo-async", "dies", "--max-evals", "60", launcher_options=["--with-ft", "ulfm"])
    assert job.wait(60) == 0, job.stderr
    assert "agent 2 is given up: it is gone; the others go on" in job.stderr
    found = evaluations()
    assert sorted(found) == list(range(60))
    assert {each.state for each in found.values()} == {"DONE"}


def test_an_asynchronous_agent_that_hangs_is_replaced_by_the_others(agents, evaluations):
    words = ["--max-evals", "60", "--agent-timeout", "8"]  # a busy machine lets living ones be silent for a while
    job = agents("ppo-async", "time.sleep(600)", *words)
    job.wait(60)
    assert "agent 2 is given up: it has been silent for 8 s; the others go on" in job.stderr
    assert "60 evaluations are complete" in job.stdout
    found = evaluations()
    assert sorted(found) == list(range(60))
    assert {each.state for each in found.values()} == {"DONE"}


@pytest.mark.parametrize("mishap", ["raises", "dies"])
def test_synchronous_agents_stop_with_one_sentence(agents, tmp_path, until, evaluations, mishap):
    options = ["--with-ft", "ulfm"] if mishap == "dies" else []
    job = agents("ppo-sync", mishap, "--max-evals", "500", launcher_options=options)
    until((tmp_path / "pid").exists, 30, "it did not get there")
    begun = time.monotonic()
    assert job.wait(30) == 1
    assert time.monotonic() - begun < 10
    reason = "RuntimeError: out of luck" if mishap == "raises" else "it is gone"
    sentence = "dhmpi ppo-sync: error: all agents must go on where they search in step, but agent 2 is given up: "
    assert f"{sentence}{reason}; continue with --resume" in job.stderr
    found = evaluations()
    assert len(found) >= 20
    (tmp_path / "unlucky.py").write_text(PROBLEM.format(mishap="pass"))
    words = [*job.process.args[job.process.args.index("dhmpi") + 1 :], "--resume", "--max-evals", str(len(found) + 20)]
    again = job.__class__(words, tmp_path, 3, {})
    assert again.wait(60) == 0, again.stderr
    after = evaluations()
    assert {each.state for each in after.values()} == {"DONE"}
    assert len(after) == len(found) + 20
    assert all(after[id].point == each.point for id, each in found.items())


@pytest.mark.parametrize("command", ["ppo-async", "ppo-sync"])
def test_a_signal_ends_it_and_it_is_continued(launch, tmp_path, until, command, send):
    slow = "import time\ndef run(config):\n    time.sleep(0.05)\n    return float(sum(config['arch_seq']))\n"
    (tmp_path / "slow.py").write_text(slow)
    words = [command, "--problem", TABLE[1], "--run", "slow.py:run", "--agents", "2", "--max-evals", "2000"]
    job = launch(*words, ranks=6)
    until((tmp_path / "results.h5").exists, 30, "it did not begin")
    until(lambda: len(results.read(tmp_path / "results.h5").evaluations) > 30, 30, "it did not go on")
    begun = time.monotonic()
    send(job.process.pid, "SIGUSR1")
    assert job.wait(20) == 0, job.stderr
    assert time.monotonic() - begun < 5 + 1
    assert "stopped by SIGUSR1" in job.stdout
    first = results.read(tmp_path / "results.h5")
    states = {each.state for each in first.evaluations}
    assert states <= {"DONE", "CANCELLED"}
    assert first.policy.version > 0
    num = len(first.evaluations)
    again = launch(*words[:-1], str(num + 30), "--resume", ranks=5)
    assert again.wait(60) == 0, again.stderr
    found = results.read(tmp_path / "results.h5")
    assert len(found.evaluations) == num + 30
    assert {each.state for each in found.evaluations} == {"DONE"}
    assert found.policy.version > first.policy.version


BAD = {
    "too few ranks": (2, ["ppo-async", "--agents", "2"], ["--agents must be at most 1 on 2 ranks, got 2"]),
    "no server": (None, ["ppo-async"], ["at least 2 ranks, got 1", "ppo-sync"]),
    "idle ranks": (4, ["ppo-sync", "--agents", "3"], ["none, or at least one for each of the 3 agents, got 1"]),
    "mpi without ranks": (2, ["ppo-sync", "--evaluator", "mpi"], ["--evaluator mpi must have ranks that evaluate"]),
    "rule": (2, ["ppo-sync", "--reward-rule", "reward"], ["--reward-rule", "reward_for_final_timestep"]),
    "discount": (2, ["ppo-sync", "--gamma", "1.5"], ["--gamma", "at most 1", "got 1.5"]),
    "run": (3, ["ppo-async", "--run", "nowhere.py"], ["'nowhere.py'"]),
    "unloadable": (3, ["ppo-sync", "--run", "broken.py"], ["'broken.py'", "No module named 'no_such_library'"]),
    "unloadable in groups": (
        4,
        ["ppo-async", "--agents", "1", "--run", "broken.py"],
        ["'broken.py'", "No module named 'no_such_library'"],
    ),
    "exists": (3, ["ppo-async", "--output", "there.h5"], ["there.h5 exists", "--resume"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_sentence(launch, tmp_path, case):
    ranks, words, parts = BAD[case]
    (tmp_path / "there.h5").write_text("somebody's")
    (tmp_path / "broken.py").write_text("import no_such_library\n")
    words = [*words, *(TABLE if "--run" not in words else TABLE[:2])]
    job = launch(*words, "--max-evals", "5", ranks=ranks)
    assert job.wait(30) == 2, job.stderr
    [sentence] = [line for line in job.stderr.splitlines() if line.startswith("dhmpi ppo-")]
    for part in parts:
        assert part in sentence
    assert (tmp_path / "there.h5").read_text() == "somebody's"
    assert not (tmp_path / "results.h5").exists()


CURVE = """\
import time

def run(config, context):
    worth = float(sum(config["arch_seq"]))
    for step in range(1, 10):
        time.sleep(0.01)
        context.report(step, worth * step / 9)
    return worth
"""


def test_agents_that_evaluate_themselves_hear_from_rank_0_while_they_do(launch, tmp_path):
    """Rank 0 evaluates, too, and answers the others meanwhile."""
    (tmp_path / "curve.py").write_text(CURVE)
    words = ["--isolation", "inline", "--stopper", "asha", "--max-steps", "9", "--max-evals", "30", "--seed", "1"]
    job = launch("ppo-sync", *TABLE[:2], "--run", "curve.py", *words, ranks=3)
    assert job.wait(60) == 0, job.stderr
    found = results.read(tmp_path / "results.h5")
    assert {each.rank for each in found.evaluations} == {0, 1, 2}
    for each in found.evaluations:
        curve = found.reports.of(each.id)
        assert (curve.step[-1], curve.value[-1]) == (each.step, each.objective)
    stopped = [each for each in found.evaluations if each.state == "STOPPED"]
    assert len(stopped) >= 10
    # All but what a busy machine lets wait for longer than an answer may take.
    assert sum(each.step in (1.0, 3.0) for each in stopped) >= len(stopped) - 2
