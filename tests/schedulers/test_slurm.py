"""Job scripts on a real Slurm; each of them asks for fewer nodes than the site would give it, and is not edited."""

import itertools
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(300)]

JOBS = Path(__file__).resolve().parents[2] / "jobs"
MINE = {"PROBLEM": "problem.py", "RUN": "problem.py", "RANKS_PER_NODE": "2", "ARGUMENTS": "--isolation inline"}
NAS_TABLE = {"PROBLEM": "dhmpi.benchmark.nas.table.problem.Problem", "RUN": "dhmpi.benchmark.nas.table.evaluate.run"}

# Five evaluations at the same time start a step of the job, and an MPI program; the objective is the step's job.
NUM_STEPS = 5
STEP = """\
#!/bin/sh
touch step-$DHMPI_ID
while [ $(ls step-* | wc -l) -lt {num} ]; do sleep 0.1; done
job=$(srun --overlap -n 1 printenv SLURM_JOB_ID) || exit
[ $({mpiexec} -n 2 {python} pair.py | wc -w) = 2 ] || exit
echo "DH-OUTPUT: $job"
"""
STEP_RUN = """\
import os, subprocess
def run(point, context):
    env = os.environ | {"DHMPI_ID": str(context.id)}
    printed = subprocess.run(["./step.sh"], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(printed.split()[-1])
"""
PAIR = """\
from mpi4py import MPI
if MPI.COMM_WORLD.allreduce(1) == 2:
    print("here")
"""

# Rank 0 of an MPI program waits until it may go on, and says where it is.
HELD = """\
import os, pathlib, sys, time
from mpi4py import MPI
total = MPI.COMM_WORLD.allreduce(float(sys.argv[1]))
if MPI.COMM_WORLD.rank == 0:
    with open(f"held-{os.environ['DHMPI_ID']}", "a") as file:
        file.write(os.environ["SLURMD_NODENAME"] + "\\n")
    while not pathlib.Path("let-go").exists():
        time.sleep(0.05)
    print("DH-OUTPUT:", total)
MPI.COMM_WORLD.Barrier()
"""
LAUNCH = "dhmpi hps-random --problem problem.py --max-evals {} --output {} --evaluator launch"


def test_perlmutter(minute, slurm):
    job = slurm.submit(JOBS / "perlmutter.sh", "-A", "me", "--nodes=2", **MINE, MAX_EVALS="30", OUTPUT="pm.h5")
    assert slurm.wait(job) == 0, slurm.output(job)
    found = slurm.read("pm.h5")
    assert found.metadata.complete
    assert len(found.evaluations) == 30
    assert found.metadata.runs[0]["num_workers"] == 3
    assert "complete: 30 evaluations, 30 of them ended in this run" in slurm.output(job)


def test_frontier(minute, slurm):
    variables = {**MINE, **NAS_TABLE, "SEARCH": "nas-random", "MAX_EVALS": "8", "OUTPUT": "frontier.h5"}
    job = slurm.submit(JOBS / "frontier.sh", "-A", "me", "--nodes=1", **variables)
    assert slurm.wait(job) == 0, slurm.output(job)
    assert len(slurm.read("frontier.h5").evaluations) == 8


def test_lumi(minute, slurm):
    """Two GPUs for the rank that evaluates; the partition has another name here."""
    variables = MINE | {"GPUS_PER_EVAL": "2", "RUN": "problem.py:gpu", "MAX_EVALS": "8", "OUTPUT": "lumi.h5"}
    job = slurm.submit(JOBS / "lumi.sh", "-A", "me", "--nodes=1", "--partition=batch", **variables)
    assert slurm.wait(job) == 0, slurm.output(job)
    # Two of those that Slurm lists; which ones are near depends on the cores of this machine.
    [gpus] = {each.extra["gpu"] for each in slurm.read("lumi.h5").evaluations}
    assert len(set(gpus.split(",")) & set("01234567")) == 2
    assert "; 2 GPUs for each evaluation" in slurm.output(job)


def test_any_cluster_with_open_mpi(minute, slurm):
    """By mpirun; the job of a minute is started by srun, for MPICH."""
    variables = MINE | {"MODULE": "deephyper/openmpi", "MAX_EVALS": "12", "OUTPUT": "openmpi.h5"}
    job = slurm.submit(JOBS / "slurm.sh", "--nodes=2", **variables)
    assert slurm.wait(job) == 0, slurm.output(job)
    assert "mpirun --allow-run-as-root --with-ft ulfm" in slurm.output(job)
    found = slurm.read("openmpi.h5")
    assert len(found.evaluations) == 12
    assert found.metadata.runs[0]["num_workers"] == 3


@pytest.mark.parametrize(("module", "run"), [("deephyper", "step.py"), ("deephyper/openmpi", "exec:./step.sh")])
def test_evaluations_start_steps_and_mpi_programs_in_the_job(minute, slurm, mpich, module, run):
    """Whether the campaign itself was started by srun or by mpirun."""
    mpirun = f"{Path(sys.executable).with_name('mpirun')} --oversubscribe"
    mpiexec = mpirun if module.endswith("openmpi") else mpich / "bin" / "mpiexec"
    (slurm.home / "pair.py").write_text(PAIR)
    (slurm.home / "step.py").write_text(STEP_RUN)
    (slurm.home / "step.sh").write_text(STEP.format(num=NUM_STEPS, mpiexec=mpiexec, python=sys.executable))
    (slurm.home / "step.sh").chmod(0o755)
    for path in slurm.home.glob("step-*"):
        path.unlink()
    output = f"steps-{Path(module).name}.h5"
    variables = MINE | {"RUN": run, "MODULE": module, "RANKS_PER_NODE": str(NUM_STEPS + 1), "MAX_EVALS": str(NUM_STEPS)}
    variables |= {
        "ARGUMENTS": "",
        "OUTPUT": output,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    job = slurm.submit(JOBS / "slurm.sh", "--nodes=1", **variables)
    assert slurm.wait(job) == 0, slurm.output(job)
    found = slurm.read(output).evaluations
    assert [(each.state, each.objective) for each in found] == [(State.DONE, float(job))] * NUM_STEPS, found


def test_evaluations_are_steps_with_nodes_of_their_own(minute, slurm, until):
    """Two at the same time on a node each; the one that somebody cancels is begun again."""
    (slurm.home / "held.py").write_text(HELD)
    command = f"{LAUNCH.format(4, 'launch.h5')}:ranks_per_node=2 --run 'exec:{sys.executable} held.py {{x}}'"
    job = slurm.submit(slurm.plain_script("launch.sh", command), "--nodes=2", "--exclusive")

    def held():
        return sorted(path.read_text().split() for path in slurm.home.glob("held-*"))

    until(lambda: len(held()) == 2 and all(held()), 60, lambda: slurm.output(job))
    [[first], [second]] = held()
    assert first != second
    steps = slurm.run("squeue", "--steps", "--noheader", f"--jobs={job}", "--format=%i %j").splitlines()
    [step, *others] = [line.split()[0] for line in steps if " dhmpi-" in line]
    assert len(others) == 1
    slurm.run("scancel", step)
    until(lambda: sorted(map(len, held())) == [1, 2], 60, lambda: slurm.output(job))
    (slurm.home / "let-go").touch()
    assert slurm.wait(job) == 0, slurm.output(job)
    found = slurm.read("launch.h5").evaluations
    assert [(each.state, round(each.objective, 4)) for each in found] == [
        (State.DONE, round(2 * each.point["x"], 4)) for each in found
    ]
    assert {each.host for each in found} == {first, second}
    for host in (first, second):
        times = sorted((each.started, each.ended) for each in found if each.host == host)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))


def test_an_evaluation_may_span_nodes(minute, slurm):
    """Run functions see MPI; the campaign itself may be a step, too."""
    command = f"srun -n 1 {LAUNCH.format(2, 'two.h5')}:nodes=2,ranks_per_node=2 --run problem.py:world"
    job = slurm.submit(slurm.plain_script("two.sh", command), "--nodes=2", "--exclusive")
    assert slurm.wait(job) == 0, slurm.output(job)
    for each in slurm.read("two.h5").evaluations:
        assert (each.objective, each.extra["group"]) == (pytest.approx(4 * each.point["x"]), [0, 4])
        nodes = each.extra["hosts"]
        assert nodes == [nodes[0], nodes[0], nodes[2], nodes[2]]
        assert nodes[0] != nodes[2]


def test_somebody_ends_a_job_and_submits_it_again(minute, slurm, until):
    """That costs what was running, and a chain has ended: nobody wants a successor."""
    script = slurm.script("perlmutter", "hps-random", nodes=2, ranks_per_node=2, run="problem.py:hang", max_evals=5)
    variables = {"OUTPUT": "ended.h5", "ARGUMENTS": "--isolation inline", "CHAIN": "1"}
    job = slurm.submit(script, **variables)
    until(lambda: len(list(slurm.home.glob("hanging-*"))) == 3, 60, lambda: slurm.output(job))
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
    assert slurm.wait(job) == 0, slurm.output(job)
    printed = slurm.output(job)
    assert slurm.state(job)[0] == "COMPLETED", printed
    begun, ended = (datetime.fromisoformat(slurm.show(job)[name]) for name in ("StartTime", "EndTime"))
    assert timedelta(seconds=40) < ended - begun < timedelta(seconds=60)
    assert f"(Slurm job {job})" in printed
    # What an evaluation sleeps, or more on a busy machine; the time ends meanwhile if one takes more than any before.
    why = re.search(r"\nthe time is over(?: for evaluations that take (\S+) s)?: ", printed)
    assert why
    assert float(why[1] or 1) >= 1
    assert "\nnot complete: " in printed
    [successor] = [line.split()[-1] for line in printed.splitlines() if line.startswith("Submitted batch job")]
    assert slurm.wait(successor) == 0, slurm.output(successor)
    found = slurm.read("minute.h5")
    assert found.metadata.complete
    assert [each.id for each in found.evaluations] == list(range(num_evals))
    assert {each.state for each in found.evaluations} == {State.DONE}
    first, second = found.metadata.runs
    # Nothing was cancelled: what the second run did, it began itself.
    assert all(each.submitted > second["started"] for each in found.evaluations if each.ended > first["ended"])
    assert second["why"] == f"{num_evals} evaluations are complete"
