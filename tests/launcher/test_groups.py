"""Campaigns in which several ranks do an evaluation together."""

import sys
from pathlib import Path

import pytest
from contracts.examples import check_examples, write_example

from dhmpi.results import read

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(90)]

ROOT = Path(__file__).parents[2]
TORCH = """
import os
import torch, torch.distributed as dist

def run(point, context):
    dist.init_process_group("gloo")
    try:
        if context.id == 1 and dist.get_rank() == 1:
            os._exit(9)
        total = torch.tensor([1.0 + dist.get_rank()])
        dist.all_reduce(total)
        return {"objective": 0.0, "total": total.item()}
    finally:
        dist.destroy_process_group()
"""
COMM = """
import time
from mpi4py import MPI

def run(point, context, comm):
    if context.id == 1 and comm.rank == 1:
        raise ValueError("bad luck")
    if context.id == 2:
        time.sleep(60)
    total = comm.allreduce(1.0 + comm.rank) if context.id != 1 else time.sleep(60)
    return {"objective": 0.0, "total": total, "is_one": isinstance(comm, MPI.Intracomm)}
"""
# The other one waits in MPI, where no signal reaches it.
BLOCKED = """
def run(point, context, comm):
    if context.id == 1 and comm.rank == 1:
        raise ValueError("bad luck")
    return 0.0 * comm.allreduce(1)
"""


@pytest.fixture
def search(launch, tmp_path):
    """Start a search in which pairs of ranks evaluate."""

    def start(text, *words, ranks=5, max_evals=6, **more):
        (tmp_path / "user.py").write_text(text)
        problem = ["--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "user.py:run"]
        words = ["hps-random", *problem, "--max-evals", str(max_evals), "--ranks-per-eval", "2", *words]
        if more.get("mpich"):
            return launch("-m", "dhmpi", *words, ranks=ranks, program=sys.executable, **more)
        return launch(*words, ranks=ranks, **more)

    return start


@pytest.fixture
def found(tmp_path):
    return lambda: {each.id: each for each in read(tmp_path / "results.h5").evaluations}


def test_the_documented_example_of_torch_runs(launch, tmp_path):
    write_example("digits_torch.py", tmp_path)
    job = launch("ambs", "--problem", "digits_torch.py", "--ranks-per-eval", "2", "--max-evals", "2", ranks=3)
    assert job.wait(80) == 0, job.stderr
    check_examples(tmp_path)


def test_torch_distributed_needs_no_mpi_and_a_crash_costs_one_evaluation(search, found):
    job = search(TORCH)
    assert job.wait(80) == 0, job.stderr
    assert "; 2 ranks for each evaluation; " in job.stderr
    rows = [line.split() for line in job.stderr.splitlines() if " evaluates " in line]
    assert [(row[0], row[3]) for row in rows] == [("1", "0"), ("2", "0"), ("3", "1"), ("4", "1")]
    evaluations = found()
    assert [evaluations[id].state for id in range(6)] == ["DONE", "FAILED", *["DONE"] * 4]
    assert "on rank 1 of 2: the process ended with exit status 9" in evaluations[1].error
    assert all(each.extra["total"] == 3.0 for each in evaluations.values() if each.state == "DONE")


def test_inline_they_have_a_communicator(search, found, mpich):
    job = search(COMM, "--isolation", "inline", "--eval-timeout-minutes", "0.03", mpich=mpich)
    assert job.wait(60) == 0, job.stderr
    evaluations = found()
    assert [evaluations[id].state for id in range(6)] == ["DONE", "FAILED", "TIMEOUT", *["DONE"] * 3]
    assert "on rank 1 of 2: Traceback" in evaluations[1].error
    assert "ran longer than 1.8 s" in evaluations[2].error
    assert {(each.extra["total"], each.extra["is_one"]) for each in evaluations.values() if each.extra} == {(3.0, True)}


def test_a_group_that_cannot_agree_is_lost_and_the_search_goes_on(search, found):
    """Its leader is blocked; tests/execution has one whose leader is not."""
    job = search(BLOCKED, "--isolation", "inline", "--retries", "0", max_evals=8)
    assert job.wait(60) is not None
    assert "is no longer used" in job.stderr
    assert "ValueError: bad luck" in job.stderr
    evaluations = found()
    assert len(evaluations) == 8
    assert evaluations[1].state == "FAILED"  # it is not begun again
    assert "did not stop within 10 s" in evaluations[1].error
    assert [each.state for id, each in sorted(evaluations.items()) if id != 1] == ["DONE"] * 7


def test_a_communicator_needs_user_code_in_the_rank(search):
    job = search(COMM)
    assert job.wait(60) == 2
    assert "--isolation inline" in job.stderr
    assert "Traceback" not in job.stderr
