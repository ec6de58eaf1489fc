"""Job scripts for PBS and PALS through strict stand-ins, since neither can be had here."""

import time
from pathlib import Path

import pytest

from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(300)]

JOBS = Path(__file__).resolve().parents[2] / "jobs"
QUICK = "PROBLEM=problem.py,RUN=problem.py,RANKS_PER_NODE=2,ARGUMENTS=--isolation inline"


def test_polaris(pbs):
    settings = f"{QUICK},MAX_EVALS=10,RUN=problem.py:gpu"
    job = pbs.submit(JOBS / "polaris.sh", "-A", "me", "-l", "select=2:system=polaris", "-v", settings)
    assert pbs.wait(job) == 0, pbs.output(job)
    assert f"(PBS job {job}.polaris-pbs-01)" in pbs.output(job)
    found = pbs.read("ambs.h5")
    assert found.metadata.complete
    assert len(found.evaluations) == 10
    # Each has one of its own; which one is near depends on the cores of this machine, which plays both nodes.
    given = dict({(each.rank, each.extra["gpu"]) for each in found.evaluations})
    assert set(given) <= {1, 2, 3}
    assert len(set(given.values()) & set("0123")) == len(given)


def test_aurora(pbs):
    table = "dhmpi.benchmark.nas.table"
    settings = f"PROBLEM={table}.problem.Problem,RUN={table}.evaluate.run,RANKS_PER_NODE=2,MAX_EVALS=6"
    settings += ",SEARCH=nas-random,ARGUMENTS=--isolation inline"
    job = pbs.submit(JOBS / "aurora.sh", "-A", "me", "-l", "select=1", "-v", settings)
    assert pbs.wait(job) == 0, pbs.output(job)
    assert len(pbs.read("nas_random.h5").evaluations) == 6


def test_evaluations_are_started_by_pals(pbs):
    command = "dhmpi hps-random --problem problem.py --run problem.py:world --max-evals 4 --output pals.h5"
    directives = "#PBS -l select=3\n#PBS -l walltime=0:10:00\n"
    script = pbs.plain_script("pals.sh", f"{command} --evaluator launch:ranks_per_node=2", directives)
    job = pbs.submit(script)
    assert pbs.wait(job) == 0, pbs.output(job)
    assert "mpiexec starts each evaluation, 2 ranks on 1 of 3 nodes, 3 at the same time" in pbs.output(job)
    found = pbs.read("pals.h5").evaluations
    assert [(each.state, each.objective) for each in found] == [
        (State.DONE, pytest.approx(2 * each.point["x"])) for each in found
    ]
    assert {each.host for each in found} == {f"x3001c0s{node}b0n0" for node in range(3)}


def test_any_pbs_chains(pbs):
    """The successor has the account, the variables and the directory, though nothing is exported."""
    script = pbs.script("pbs", "ambs", nodes=1, ranks_per_node=3, run="problem.py:tenth")
    settings = "SEARCH=hps-random,MAX_EVALS=80,OUTPUT=chain.h5,CHAIN=1"
    # 3.6 s of 4: a busy machine must get on, too.
    settings += ",MODULE=deephyper,ARGUMENTS=--isolation inline --max-minutes 0.06"
    job = pbs.submit(script, "-A", "me", "-v", settings)
    num_jobs = 0
    while job:
        num_jobs += 1
        assert pbs.wait(job) == 0, pbs.output(job)
        assert pbs.job(job)["account"] == "me"
        lines = [line for line in pbs.output(job).splitlines() if line.endswith(".polaris-pbs-01")]
        job = lines[0].partition(".")[0] if lines else None
    found = pbs.read("chain.h5")
    assert found.metadata.complete
    assert len(found.evaluations) == 80
    assert num_jobs == len(found.metadata.runs) >= 2


def test_the_walltime_kills_what_does_not_end_by_itself(pbs, until):
    """SIGTERM, and SIGKILL after a while: that costs what was running, and submitting again continues."""
    script = pbs.script("pbs", "hps-random", nodes=1, ranks_per_node=2, run="problem.py:hang", max_evals=3)
    (pbs.home / "go").unlink(missing_ok=True)
    # A clock that is wrong: the search believes that its job lasts until tomorrow.
    settings = "OUTPUT=killed.h5,MODULE=deephyper,PBS_JOBID=,ARGUMENTS=--isolation inline"
    begun = time.time()
    job = pbs.submit(script, "-l", "walltime=00:00:07", "-v", settings)
    assert pbs.wait(job) != 0
    assert time.time() - begun < 20
    [running] = pbs.read("killed.h5").evaluations
    assert running.state in (State.RUNNING, State.CANCELLED)
    (pbs.home / "go").touch()
    job = pbs.submit(script, "-v", settings)
    assert pbs.wait(job) == 0, pbs.output(job)
    found = pbs.read("killed.h5").evaluations
    assert [each.state for each in found] == [State.DONE] * 3
    assert found[0].point == running.point


HEAD = "#PBS -l select=1\n#PBS -l walltime=00:05:00\n"


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("#!/bin/sh\ntrue\n#PBS -l select=1\n", [], "-l select= is required"),
        ("#!/bin/sh\n#PBS -l select=1\n", [], "-l walltime= is required"),
        (f"#!/bin/sh\n{HEAD}#PBS -l nodes=3\n", [], "unknown resource nodes=3"),
        (f"#!/bin/sh\n{HEAD}#PBS --account me\n", [], "unknown option --account"),
        (f"#!/bin/sh\n{HEAD}", ["-t", "5"], "unknown option -t"),
        (f"#!/bin/sh\n{HEAD}", ["-l", "walltime=90"], "walltime must be HH:MM:SS, got 90"),
        (f"#!/bin/sh\n{HEAD}", ["-l", "select=one"], "-l select=one: cannot read it"),
    ],
)
def test_qsub_is_strict(text, options, sentence, pbs):
    script = pbs.home / "odd.sh"
    script.write_text(text)
    assert sentence in pbs.run("qsub", *options, script, status=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-n 5 --ppn 2 true", "-n 5 do not fit on 2 nodes with --ppn 2"),
        ("-n 2 --ppn 2 --depth 105 true", "--ppn 2 --depth 105 do not fit on a node"),
        ("-n 2 --cpu-bind depths true", "--cpu-bind must be depth, none, core or a list, got depths"),
        ("-n 2 -N 1 true", "unknown option -N"),
        ("-n 2", "-n and a program are needed"),
    ],
)
def test_mpiexec_refuses_what_does_not_fit(words, sentence, pbs):
    nodes = pbs.home / "nodes"
    nodes.write_text("a\nb\n")
    assert sentence in pbs.run("mpiexec", *words.split(), status=1, PBS_NODEFILE=str(nodes))
