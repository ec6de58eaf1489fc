"""Theta's job scripts through stand-ins for qsub and aprun as strict as the real ones; Slurm starts the ranks."""

from pathlib import Path

import pytest

from dhmpi.evaluation import State

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(300)]

JOBS = Path(__file__).resolve().parents[2] / "jobs"
TRIAL = ("-A", "me", "-n", "2", "-t", "10", "-q", "debug-cache-quad")
QUICK = "PROBLEM=problem.py:RUN=problem.py:RANKS_PER_NODE=2:ARGUMENTS=--isolation inline"


def submit(theta, script, *options):
    return theta.run("qsub", *options, script).strip()


def test_theta(theta):
    """Directives, modules, KNL settings and layout are the script's own; only the size is that of a trial."""
    job = submit(theta, JOBS / "theta_ambs.sh", *TRIAL, "--env", f"{QUICK}:MAX_EVALS=20")
    assert theta.wait(job) == 0, theta.output(job)
    assert (theta.home / f"ambs-{job}.output").exists()
    found = theta.read("ambs.h5")
    assert found.metadata.complete
    assert len(found.evaluations) == 20
    [run] = found.metadata.runs
    assert run["num_workers"] == 3
    printed = theta.output(job)
    assert f"(Cobalt job {job})" in printed
    assert "complete: 20 evaluations, 20 of them ended in this run" in printed


NAS = "PROBLEM=dhmpi.benchmark.nas.table.Problem:RUN=dhmpi.benchmark.nas.table.run:RANKS_PER_NODE=2"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("ga", QUICK), *((name, NAS) for name in ("nas_random", "nas_ppo_async", "nas_ppo_sync"))],
)
def test_the_other_searches_on_theta(theta, name, settings):
    inline = "" if "ARGUMENTS" in settings else ":ARGUMENTS=--isolation inline"
    job = submit(theta, JOBS / f"theta_{name}.sh", *TRIAL, "--env", f"{settings}{inline}:MAX_EVALS=20")
    assert theta.wait(job) == 0, theta.output(job)
    found = theta.read(f"{name}.h5")
    assert found.metadata.complete
    assert len(found.evaluations) == 20


def test_evaluations_are_started_by_aprun(theta):
    """The script runs beside the nodes, and starts one aprun on each of them."""
    command = "dhmpi hps-random --problem problem.py --run problem.py:world --max-evals 4 --output aprun.h5"
    directives = "#COBALT -A me -n 2 -t 10 -q debug-cache-quad -O aprun-$jobid\n"
    script = theta.plain_script("aprun.sh", f"{command} --evaluator launch:ranks_per_node=2", directives)
    job = submit(theta, script)
    assert theta.wait(job) == 0, theta.output(job)
    assert "aprun starts each evaluation, 2 ranks on 1 of 2 nodes, 2 at the same time" in theta.output(job)
    found = theta.read("aprun.h5").evaluations
    assert {each.state for each in found} == {State.DONE}
    assert len({each.host for each in found}) == 2
    assert all(each.extra["hosts"] == [each.host] * 2 for each in found)


def test_any_cobalt_chains(theta, until):
    """The successor gets the project, the nodes and the variables; all of the environment else is fresh."""
    script = theta.script("cobalt", "ambs", nodes=1, minutes=10, ranks_per_node=3, run="problem.py:tenth")
    settings = "SEARCH=hps-random:MAX_EVALS=80:OUTPUT=chain.h5:CHAIN=1"
    # 3.6 s of 4: a busy machine must get on, too.
    settings += ":MODULE=deephyper:ARGUMENTS=--isolation inline --max-minutes 0.06"
    job = submit(theta, script, "-A", "me", "-q", "debug-cache-quad", "--env", settings)
    jobs = []
    while job:
        jobs.append(job)
        assert theta.wait(job) == 0, theta.output(job)
        lines = [line for line in (theta.home / f"dhmpi-{job}.output").read_text().splitlines() if line.isdigit()]
        job = lines[0] if lines else None
    found = theta.read("chain.h5")
    assert found.metadata.complete
    assert len(found.evaluations) == 80
    assert len(jobs) == len(found.metadata.runs) >= 2
    assert all(run["why"].startswith("the time is over") for run in found.metadata.runs[:-1])


DIRECTIVES = "#COBALT -n 1\n#COBALT -t 5\n#COBALT -A me\n"


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (f"#!/bin/sh\n\n{DIRECTIVES}", [], "-n is required"),
        (f"#!/bin/sh\n# the project pays\n{DIRECTIVES}", [], "-n is required"),
        ("#!/bin/sh\n#COBALT -n 1\n\n#COBALT -t 5\n", [], "-t is required"),
        ("#!/bin/sh\n#COBALT -n 1\n#COBALT -t 5\n", [], "a project is required"),
        (f"#!/bin/sh\n{DIRECTIVES}#COBALT --nodes 3\n", [], "unknown option --nodes in a directive"),
        (f"#!/bin/sh\n{DIRECTIVES}", ["--time=5"], "unknown option --time=5 in the command line"),
        (f"#!/bin/sh\n{DIRECTIVES}", ["--attrs", "mcdram=fast"], "no such attribute: mcdram=fast"),
        (f"#!/bin/sh\n{DIRECTIVES}", ["-t", "5m"], "time must be minutes or HH:MM:SS, got 5m"),
        (f"#!/bin/sh\n{DIRECTIVES}", ["--env", "A"], "--env must be name=value"),
    ],
)
def test_qsub_is_as_strict_as_cobalts(text, options, sentence, theta):
    script = theta.home / "odd.sh"
    script.write_text(text)
    script.chmod(0o755)
    assert sentence in theta.run("qsub", *options, script, status=1)


def test_qsub_refuses_what_is_not_executable(theta):
    script = theta.home / "plain.sh"
    script.write_text(f"#!/bin/sh\n{DIRECTIVES}")
    script.chmod(0o644)
    assert f"command {script} is not executable" in theta.run("qsub", script, status=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-n 4 -N 1 true", "-n 4 -N 1 need 4 nodes, and the job has 3"),
        ("-n 3 -N 1 -d 65 -cc depth true", "-N 1 -d 65 do not fit on 64 cores with -j 1"),
        ("-n 4 -N 4 -d 64 -j 2 -cc depth true", "-N 4 -d 64 do not fit on 64 cores with -j 2"),
        ("-n 1 -d 2 true", "-d must come with -cc depth"),
        ("-n 1 -j 3 true", "-j must be 1, 2 or 4 threads of a core, got 3"),
        ("-n 1 -cc deep true", "-cc must be cpu, depth, none, numa_node or a list, got deep"),
        ("-n 1 --ppn 1 true", "unknown option --ppn"),
        ("-n 0 true", "-n must be a number of at least 1, got 0"),
        ("-L 4 -n 1 true", "-L must name nodes of the job, 1-3, got 4"),
        ("-L 1,1 -n 2 -N 1 true", "-L must name nodes of the job, 1-3, got 1,1"),
        ("-L 1 -n 2 -N 1 true", "-L 1 has too few nodes for 2"),
        ("-n 1", "-n and a program are needed"),
    ],
)
def test_aprun_refuses_what_does_not_fit(words, sentence, theta):
    job = {"COBALT_JOBID": "1", "COBALT_JOBSIZE": "3", "COBALT_PARTNAME": "1-3"}
    assert sentence in theta.run("aprun", *words.split(), status=1, **job)


def test_a_job_gets_a_fresh_environment(theta):
    script = theta.home / "env.sh"
    script.write_text(f"#!/bin/sh\n{DIRECTIVES}#COBALT -q debug-cache-quad -O env-$jobid\nenv\n")
    script.chmod(0o755)
    job = theta.run("qsub", "--env", "A=1", script, B="2").strip()
    assert theta.wait(job) == 0
    found = dict(line.split("=", 1) for line in (theta.home / f"env-{job}.output").read_text().splitlines())
    assert found["A"] == "1"
    assert "B" not in found
    assert not [name for name in found if name.startswith("SLURM_")]
    assert int(found["COBALT_ENDTIME"]) - int(found["COBALT_STARTTIME"]) == 300
    assert (found["COBALT_JOBID"], found["COBALT_JOBSIZE"], found["COBALT_PROJECT"]) == (job, "1", "me")
