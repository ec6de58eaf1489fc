"""`dhmpi check --problem` under mpirun."""

import pytest

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(100)]

PROBLEM = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("n", (1, 4), 2)


def run(point, context):
    if point["n"] == 3:
        raise ValueError("three")
    return context.seed + point["n"]
"""


def test_ranks_evaluate(launch, tmp_path):
    (tmp_path / "mine.py").write_text(PROBLEM)
    job = launch("check", "--problem", "mine.py", "-n", "3", ranks=3)
    assert job.wait(80) != 0, job.stderr
    assert "3 ranks" in job.stdout
    assert "evaluations  3 of 4 are DONE" in job.stdout
    assert "1 of 4 are FAILED: ValueError: three; the first of them with {'n': 3}" in job.stdout
    assert "the same objective again" in job.stdout
    assert not list(tmp_path.glob("*.h5*"))
