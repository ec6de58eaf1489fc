"""Several objectives, by mpirun: run functions on other ranks return them by name."""

import pytest

from dhmpi import results
from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(90)]

PROGRAM = """\
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0), 0.5)
Problem.add_objective("accuracy", maximise=True)
Problem.add_objective("latency")


def run(point, context):
    return 1.0 if context.id == 5 else {"accuracy": point["x"], "latency": point["x"] ** 2}
"""


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_ranks_return_several_objectives(launch, tmp_path, isolation):
    (tmp_path / "two.py").write_text(PROGRAM)
    job = launch("ga", "--problem", "two.py", "--max-evals", "40", "--isolation", isolation, ranks=3)
    assert job.wait(60) == 0
    assert "Pareto set: 39 evaluations; hypervolume 0." in job.stdout
    found = results.read(tmp_path / "results.h5")
    assert {each.rank for each in found.evaluations} == {1, 2}
    assert [each.objectives for each in found.pareto_set] == sorted(
        (-each.point["x"], each.point["x"] ** 2) for each in found.evaluations if each.state is State.DONE
    )
    assert found.evaluations[5].error.startswith("the returned dict must have the keys 'accuracy' and 'latency', got 1")
