"""Evaluations on ranks that are paused when the time ends, and go on in the next job."""

import pytest

from dhmpi import results
from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(90)]

# Rank 0, which loads the problem, takes the time for over when both evaluations have taken some steps.
PROBLEM = """
import time
from pathlib import Path

from dhmpi.benchmark import HpProblem
from dhmpi.control.walltime import Pauses

Problem = HpProblem()
Problem.add_dim("x", (0, 9), 5)
if not Path("results.h5").exists():
    Pauses.is_due = lambda pauses: len(list(Path("results.h5.files").glob("evaluation-*/3"))) == NUM_WORKERS


def run(point, context):
    file = context.directory / "step"
    step = int(file.read_text()) if context.resumed else 0
    while step < 6:
        step += 1
        (context.directory / str(step)).touch(exist_ok=context.group_rank > 0)  # no step is taken twice
        if context.should_checkpoint and not context.group_rank:
            file.write_text(str(step))
        context.report(step, 1 / step)
        while step == 4 and not context.resumed and not context.group_rank and not context.should_checkpoint:
            time.sleep(0.01)
    return 1.0
"""


@pytest.fixture
def pause(launch, tmp_path):
    """Run a job at whose end as many evaluations are paused as there are workers; return how to go on."""

    def run(ranks, num_workers, *words):
        (tmp_path / "problem.py").write_text(PROBLEM.replace("NUM_WORKERS", str(num_workers)))
        words = ["hps-random", "--problem", "problem.py", "--max-evals", str(num_workers), "--quiet", *words]
        job = launch(*words, "--max-minutes", "5", ranks=ranks)
        assert job.wait(40) == 0, job.stderr
        paused = results.read(tmp_path / "results.h5").evaluations
        assert [each.state for each in paused] == [State.PAUSED] * num_workers
        assert {each.step for each in paused} <= {4.0, 5.0}
        return [*words, "--resume"]

    return run


@pytest.mark.parametrize(("isolation", "ranks", "later_ranks"), [("process", 3, 3), ("inline", 2, None)])
def test_what_is_paused_on_ranks_goes_on(launch, tmp_path, pause, isolation, ranks, later_ranks):
    words = pause(ranks, ranks - 1, "--isolation", isolation)
    job = launch(*words, ranks=later_ranks)
    assert job.wait(40) == 0, job.stderr
    assert {each.state for each in results.read(tmp_path / "results.h5").evaluations} == {State.DONE}


def test_ranks_that_evaluate_together_are_paused_at_the_same_report(tmp_path, pause):
    pause(3, 1, "--isolation", "inline", "--ranks-per-eval", "2", "--stopper", "median")
