"""Job scripts on a real Slurm; each of them asks for fewer nodes than the site would give it, and is not edited."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(150)]

JOBS = Path(__file__).resolve().parents[2] / "jobs"
MINE = {"PROBLEM": "problem.py", "RUN": "problem.py", "RANKS_PER_NODE": "2", "ARGUMENTS": "--isolation inline"}
NAS_TABLE = {"PROBLEM": "dhmpi.benchmark.nas.table.problem.Problem", "RUN": "dhmpi.benchmark.nas.table.evaluate.run"}


def test_perlmutter(minute, slurm):
    job = slurm.submit(JOBS / "perlmutter_ambs.sh", "-A", "me", "--nodes=2", **MINE, MAX_EVALS="30", OUTPUT="pm.h5")
    assert slurm.wait(job) == 0, slurm.output(job)
    found = slurm.read("pm.h5")
    assert found.metadata.complete
    assert len(found.evaluations) == 30
    assert found.metadata.runs[0]["num_workers"] == 3
    assert "complete: 30 evaluations, 30 of them ended in this run" in slurm.output(job)


def test_frontier(minute, slurm):
    variables = {**MINE, **NAS_TABLE, "MAX_EVALS": "8", "OUTPUT": "frontier.h5"}
    job = slurm.submit(JOBS / "frontier_nas_random.sh", "-A", "me", "--nodes=1", **variables)
    assert slurm.wait(job) == 0, slurm.output(job)
    assert len(slurm.read("frontier.h5").evaluations) == 8


def test_any_cluster_with_open_mpi(minute, slurm):
    """By mpirun; the job of a minute is started by srun, for MPICH."""
    variables = MINE | {"MODULE": "deephyper/openmpi", "MAX_EVALS": "12", "OUTPUT": "openmpi.h5"}
    job = slurm.submit(JOBS / "slurm_ambs.sh", "--nodes=2", **variables)
    assert slurm.wait(job) == 0, slurm.output(job)
    assert "mpirun --allow-run-as-root --with-ft ulfm" in slurm.output(job)
    found = slurm.read("openmpi.h5")
    assert len(found.evaluations) == 12
    assert found.metadata.runs[0]["num_workers"] == 3


def test_somebody_ends_a_job_and_submits_it_again(minute, slurm, until):
    """That costs what was running, and a chain has ended: nobody wants a successor."""
    script = slurm.script("perlmutter", "hps-random", nodes=2, ranks_per_node=2, run="problem.py:hang", max_evals=5)
    variables = {"OUTPUT": "ended.h5", "ARGUMENTS": "--isolation inline", "CHAIN": "1"}
    job = slurm.submit(script, **variables)
    until(lambda: len(list(slurm.home.glob("hanging-*"))) == 3, 30, lambda: slurm.output(job))
    slurm.run("scancel", job)
    slurm.wait(job)
    assert "Submitted batch job" not in slurm.output(job)
    running = slurm.read("ended.h5").evaluations
    assert len(running) == 3
    assert {each.state for each in running} <= {State.RUNNING, State.CANCELLED}
    (slurm.home / "go").touch()
    job = slurm.submit(script, **variables)
    assert slurm.wait(job) == 0, slurm.output(job)
    found = slurm.read("ended.h5").evaluations
    assert [each.state for each in found] == [State.DONE] * 5
    assert [each.point for each in found[:3]] == [each.point for each in running]


def test_a_chain_without_progress_ends(minute, slurm):
    """The end comes before the first evaluation has ended, so another job would fare no better."""
    script = slurm.script("slurm", "hps-random", nodes=1, ranks_per_node=2, run="problem.py:forever", chain=True)
    job = slurm.submit(script, OUTPUT="stuck.h5", MODULE="deephyper", ARGUMENTS="--max-minutes 0.01")
    assert slurm.wait(job) == 3, slurm.output(job)
    assert "the chain ends: nothing has come of this job, and nothing would of the next one" in slurm.output(job)
    assert "Submitted batch job" not in slurm.output(job)
    assert not slurm.read("stuck.h5").metadata.complete


def test_what_cannot_be_read_ends_with_the_searchs_status(minute, slurm):
    script = slurm.script("frontier", "hps-random", nodes=1, ranks_per_node=2, run="no_such.py", chain=True)
    job = slurm.submit(script, OUTPUT="none.h5")
    assert slurm.wait(job) == 2, slurm.output(job)
    assert "no_such.py" in slurm.output(job)
    assert not (slurm.home / "none.h5").exists()


def test_ranks_that_do_not_find_each_other_are_noticed(minute, slurm):
    """The mistake in many a job script: without PMI, each rank would be a campaign of its own."""
    command = "module load deephyper; dhmpi hps-random --problem problem.py --run problem.py"
    printed = slurm.run("srun", "--mpi=none", "-n", "2", "bash", "-lc", command, status=1)
    assert "the launcher started 2 processes, but each sees an MPI job of 1 rank" in printed
    assert not (slurm.home / "results.h5").exists()


def test_a_job_ends_by_itself_before_its_walltime_and_its_successor_ends_the_campaign(minute, slurm, until):
    job, num_evals = minute
    assert slurm.wait(job, 90) == 0, slurm.output(job)
    printed = slurm.output(job)
    assert slurm.state(job)[0] == "COMPLETED", printed
    begun, ended = (datetime.fromisoformat(slurm.show(job)[name]) for name in ("StartTime", "EndTime"))
    assert timedelta(seconds=40) < ended - begun < timedelta(seconds=60)
    assert f"(Slurm job {job})" in printed
    [expected] = re.findall(r"the time is over for evaluations that take (\S+) s", printed)
    assert float(expected) >= 1  # what an evaluation sleeps; more on a busy machine
    assert "\nnot complete: " in printed
    [successor] = [line.split()[-1] for line in printed.splitlines() if line.startswith("Submitted batch job")]
    assert slurm.wait(successor, 60) == 0, slurm.output(successor)
    found = slurm.read("minute.h5")
    assert found.metadata.complete
    assert [each.id for each in found.evaluations] == list(range(num_evals))
    assert {each.state for each in found.evaluations} == {State.DONE}
    first, second = found.metadata.runs
    # Nothing was cancelled: what the second run did, it began itself.
    assert all(each.submitted > second["started"] for each in found.evaluations if each.ended > first["ended"])
    assert second["why"] == f"{num_evals} evaluations are complete"
