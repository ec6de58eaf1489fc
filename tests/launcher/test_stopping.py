"""Evaluations on ranks that are told to stop."""

import pytest

from dhmpi import results
from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(90)]

TRAINING = """
def run(point, context):
    value = sum(float(number) for number in point.values())
    for step in range(1, 10):
        context.report(step, value + 1 / step)
    return value
"""


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_ranks_stop_what_is_bad(campaign, tmp_path, isolation):
    words = ["--stopper", "asha:reduction=2,min-steps=1", "--max-evals", "20", "--isolation", isolation, "--quiet"]
    job = campaign(TRAINING, *words, ranks=3)
    assert job.wait(60) == 0, job.stderr
    found = results.read(tmp_path / "results.h5")
    assert found.metadata.complete
    assert {each.state for each in found.evaluations} == {State.DONE, State.STOPPED}
    assert {each.rank for each in found.evaluations} == {1, 2}
    for each in found.evaluations:
        value = sum(each.point.values())
        if each.state is State.STOPPED:
            assert each.step < 9
            assert each.objective == pytest.approx(value + 1 / each.step)
    assert found.best.state is State.DONE
