"""Campaigns in the executor of mpi4py.futures, which needs an mpirun of its own."""

import sys

import pytest

from dhmpi import results
from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(90)]

PROBLEM = """\
import os
import time

from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0, 1000), 1)


def run(point, context):
    if context.id == 2:
        time.sleep(60)
    if context.id == 5 and not os.path.exists("crashed"):
        open("crashed", "w").close()
        os._exit(3)
    return float(point["x"])
"""
ENGINE = ("--evaluator", "futures:executor=mpi4py.futures:MPIPoolExecutor")
SEARCH = ("-m", "mpi4py.futures", "-m", "dhmpi", "hps-random", "--problem", "my.py", "--quiet", *ENGINE)
WORDS = (*SEARCH, "--max-evals", "9", "--eval-timeout-minutes", "0.01")


def test_a_crash_ends_the_job_and_resume_goes_on(launch, tmp_path):
    (tmp_path / "my.py").write_text(PROBLEM)
    job = launch(*WORDS, ranks=3, program=sys.executable)
    assert job.wait(60) != 0  # MPI ends all ranks with one of them
    begun = results.read(tmp_path / "results.h5")
    assert not begun.metadata.complete
    job = launch(*WORDS, "--resume", ranks=3, program=sys.executable)
    assert job.wait(60) == 0, job.stderr
    found = results.read(tmp_path / "results.h5")
    assert found.metadata.complete
    assert found.metadata.runs[-1]["num_workers"] == 2
    assert [each.state for each in found.evaluations] == [
        State.TIMEOUT if each.id == 2 else State.DONE for each in found.evaluations
    ]
    assert len(found.evaluations) == 9
