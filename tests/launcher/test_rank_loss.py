"""A worker rank that dies costs nothing, where the launcher lets the others live."""

import pytest

from dhmpi import results
from dhmpi.campaign.replay import first_difference
from dhmpi.results.table import STATES

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(60)]

RUN = """\
def run(point, context):
    for step in range(1, 6):
        context.report(step, context.id / step)
        time.sleep(0.01)
    if context.id == 5 and not (here / "killed").exists():
        parent = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]
        (here / "pids.new").write_text(f"{os.getpid()} {parent}")
        (here / "pids.new").rename(here / "pids")
        time.sleep(30)
    time.sleep(0.05)
    return 1.0
"""


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_a_dead_rank_is_replaced_by_the_others(campaign, evaluations, tmp_path, until, send, isolation):
    words = ["--max-evals", "20", "--isolation", isolation]
    job = campaign(RUN, *words, ranks=4, launcher_options=["--with-ft", "ulfm"])
    until((tmp_path / "pids").exists, 20, "it did not get there")
    (tmp_path / "killed").touch()
    own, grandparent = map(int, (tmp_path / "pids").read_text().split())
    send(own if isolation == "inline" else grandparent, "SIGKILL")
    assert job.wait(30) == 0, job.stderr
    assert "is no longer used: it is gone" in job.stderr
    assert "20 evaluations are complete" in job.stdout
    found = evaluations()
    assert sorted(found) == list(range(20))
    assert {evaluation.state for evaluation in found.values()} == {"DONE"}
    whole = results.read(tmp_path / "results.h5")
    [earlier] = whole.columns.earlier.rows()
    assert (earlier.evaluation, STATES[earlier.state], earlier.rank > 0) == (5, "LOST", True)
    assert earlier.ended - earlier.started > 0.05
    assert earlier.rank != found[5].rank
    assert 5 in whole.report_history.superseded.evaluation
    assert first_difference(whole) is None
