"""Launch lines, word by word, and what launchers say."""

import os
import subprocess

import pytest

from dhmpi.execution.step_lines import LINES, Step, gpu_words, loss
from dhmpi.support.gpus import GpuView
from dhmpi.support.launchers import APRUN, FLUX, HYDRA, OPEN_MPI, PALS, SRUN

ONE = Step(("nid00012",), name="dhmpi-7")
FULL = Step(("nid00012", "nid00013"), 4, 16, 2, "dhmpi-7")
ENV = {"DHMPI_ID": "7", "PATH": "/bin", "HOME": "/root", "OMP_NUM_THREADS": "16"}


@pytest.mark.parametrize(
    ("kind", "step", "line"),
    [
        (
            SRUN,
            ONE,
            "/bin/it --exact --overlap --nodes=1 --nodelist=nid00012 --ntasks=1 "
            "--ntasks-per-node=1 --distribution=block --kill-on-bad-exit=1 --no-kill=off --export=ALL "
            "--job-name=dhmpi-7",
        ),
        (
            SRUN,
            FULL,
            "/bin/it --exact --overlap --nodes=2 --nodelist=nid00012,nid00013 --ntasks=8 "
            "--ntasks-per-node=4 --distribution=block --cpus-per-task=16 --cpu-bind=cores --gpus-per-task=2 "
            "--kill-on-bad-exit=1 --no-kill=off --export=ALL --job-name=dhmpi-7",
        ),
        (PALS, ONE, "/bin/it --hosts nid00012 -n 1 --ppn 1 --cpu-bind none"),
        (PALS, FULL, "/bin/it --hosts nid00012,nid00013 -n 8 --ppn 4 --cpu-bind depth --depth 16"),
        (APRUN, ONE, "/bin/it -L 12 -n 1 -N 1 -cc none"),
        (APRUN, FULL, "/bin/it -L 12,13 -n 8 -N 4 -d 16 -cc depth"),
        (
            FLUX,
            ONE,
            "/bin/it run --requires=hosts:nid00012 --nodes=1 --exclusive --ntasks=1 -o cpu-affinity=per-task "
            "--job-name=dhmpi-7",
        ),
        (
            FLUX,
            FULL,
            "/bin/it run --requires=hosts:nid00012,nid00013 --nodes=2 --exclusive --ntasks=8 --gpus-per-task=2 "
            "-o gpu-affinity=per-task -o cpu-affinity=per-task --job-name=dhmpi-7",
        ),
        (
            OPEN_MPI,
            ONE,
            "/bin/it --host nid00012:1 --map-by ppr:1:node --bind-to none -x DHMPI_ID -x OMP_NUM_THREADS -x PATH -n 1",
        ),
        (
            OPEN_MPI,
            FULL,
            "/bin/it --host nid00012:4,nid00013:4 --map-by ppr:4:node --bind-to none "
            "-x DHMPI_ID -x OMP_NUM_THREADS -x PATH -n 8",
        ),
        (HYDRA, ONE, "/bin/it -hosts nid00012 -ppn 1 -n 1"),
        (HYDRA, FULL, "/bin/it -hosts nid00012,nid00013 -ppn 4 -n 8"),
    ],
)
def test_a_launcher_is_told_the_nodes(kind, step, line):
    assert " ".join(LINES[kind]("/bin/it", step, ENV)) == line


@pytest.mark.parametrize(
    ("variables", "gpus"),
    [
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "0"}, "0,1"),
        ({"PALS_LOCAL_RANKID": "1", "PMI_LOCAL_RANK": "0"}, "2,3"),
        ({"MPI_LOCALRANKID": "1"}, "2,3"),
        ({"ALPS_APP_PE": "4"}, "0,1"),
        ({"ALPS_APP_PE": "5"}, "2,3"),
        ({}, "0,1"),
    ],
)
def test_each_rank_of_a_node_sees_its_own_gpus(variables, gpus):
    view = GpuView("ROCR_VISIBLE_DEVICES", ("0", "1", "2", "3"))
    words = gpu_words(Step(("a", "b"), 2, gpus=2), view)
    script = 'echo "$ROCR_VISIBLE_DEVICES $DHMPI_GPUS ${HIP_VISIBLE_DEVICES-none} $0 $1"'
    env = {"PATH": os.environ["PATH"], "HIP_VISIBLE_DEVICES": "3"} | variables
    words += ["/bin/sh", "-c", script, "a word", "and another"]
    printed = subprocess.run(words, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert printed == f"{gpus} {gpus} none a word and another\n"


# As Slurm 22.05 prints it.
CANCELLED = """\
slurmstepd-nid00002: error: *** STEP 39.0 ON nid00002 CANCELLED AT 2026-11-26T20:48:34 ***
srun: Job step aborted: Waiting up to 7 seconds for job step to finish.
srun: error: nid00002: tasks 0-1: Killed
srun: launch/slurm: _step_signal: Terminating StepId=39.0
"""
RAISED = """\
srun: error: nid00002: task 1: Exited with exit code 3
srun: launch/slurm: _step_signal: Terminating StepId=39.1
slurmstepd-nid00002: error: *** STEP 39.1 ON nid00002 CANCELLED AT 2026-11-26T20:48:35 ***
srun: error: nid00002: task 0: Terminated
"""
CRASHED = RAISED.replace("Exited with exit code 3", "Segmentation fault")
NODE_GONE = "one\nsrun: error: Node failure on nid00013\n"
UNAVAILABLE = "srun: error: Unable to create step for job 39: Requested node configuration is not available\n"
# From reports of their users.
PRRTE = """\
PRTE has lost communication with a remote daemon.

  HNP daemon   : [prterun-nid00012-34@0,0] on node nid00012
  Remote daemon: [prterun-nid00012-34@0,1] on node nid00013
"""
ORTE = """\
ORTE has lost communication with a remote daemon.

  HNP daemon   : [[17757,0],0] on node nid00012
  Remote daemon: [[17757,0],1] on node nid00013.site.org
"""


@pytest.mark.parametrize(
    ("kind", "printed", "status", "nodes"),
    [
        (SRUN, CANCELLED, 137, ()),
        (SRUN, NODE_GONE, 0, ("nid00013",)),
        (SRUN, NODE_GONE.replace("nid00013", "nid[00013-00014]"), 1, ("nid00013",)),
        (SRUN, UNAVAILABLE, 1, ()),
        (OPEN_MPI, PRRTE, 0, ("nid00013",)),
        (OPEN_MPI, ORTE, 1, ("nid00013",)),
        (HYDRA, "[mpiexec@nid00012] control_cb (pm/pmiserv/pmiserv_cb.c:208): assert (!closed) failed", 255, ()),
        (APRUN, "[NID 00013] 2026-11-26 12:00:00 Apid 7: received node event ec_node_failed", 137, ("nid00013",)),
        (FLUX, "0.5s: job.exception lost contact with job shell on broker nid00013 (rank 3)", 1, ("nid00013",)),
        (FLUX, "0.5s: job.exception lost contact with job shell on nid00013 (shell rank 1)", 1, ("nid00013",)),
    ],
)
def test_a_launcher_that_has_lost_a_step_says_so(kind, printed, status, nodes):
    found = loss(kind, f"epoch 1\n{printed}", FULL.nodes, status)
    assert found is not None
    assert found.nodes == nodes
    assert found.reason in printed
    assert "\n" not in found.reason


@pytest.mark.parametrize(
    ("kind", "printed", "status"),
    [
        (SRUN, RAISED, 143),
        (SRUN, CRASHED, 143),
        (SRUN, CANCELLED, 0),
        (SRUN, CANCELLED.replace(" ***\nsrun", " DUE TO TASK FAILURE ***\nsrun"), 1),
        (SRUN, "DH-OUTPUT: 0.5\n", 0),
        (SRUN, "the text: srun: error: Node failure on nid00013\n", 1),
        (PALS, NODE_GONE, 1),
        (HYDRA, "assert (!closed) failed\n", 1),
    ],
)
def test_a_step_that_has_failed_is_not_lost(kind, printed, status):
    assert loss(kind, printed, FULL.nodes, status) is None
