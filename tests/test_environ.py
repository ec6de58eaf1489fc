import io
import subprocess
import sys

import pytest

from dhmpi import environ


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, (0, 1, False)),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, (2, 4, True)),
        ({"PMI_RANK": "1", "PMI_SIZE": "8"}, (1, 8, True)),
        ({"PALS_RANKID": "3", "PALS_SIZE": "16", "PMI_RANK": "3"}, (3, 16, True)),
        ({"ALPS_APP_PE": "5"}, (5, 0, True)),
        ({"PMIX_RANK": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}, (1, 2, True)),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, (1, 2, True)),
        # a batch script, which is not a step
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "7"}, (0, 1, False)),
    ],
)
def test_the_launcher_is_recognised(env, expected):
    assert environ.launch(env) == expected


def test_a_child_is_no_rank_and_has_its_share_of_the_cores():
    env = {
        "OMPI_COMM_WORLD_RANK": "1",
        "PMIX_ID": "x",
        "SLURM_PROCID": "0",
        "HOME": "/h",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
    }
    child = environ.child_environment(env)
    assert set(child) == {"HOME", "OMPI_ALLOW_RUN_AS_ROOT", "OMP_NUM_THREADS"}


def test_threads_that_somebody_has_set_stay():
    assert environ.child_environment({"OMP_NUM_THREADS": "7"})["OMP_NUM_THREADS"] == "7"


def test_ranks_of_one_node_share_its_cores(monkeypatch):
    monkeypatch.setattr(environ.os, "sched_getaffinity", lambda pid: set(range(64)))
    assert environ.threads_per_rank({}) == 64
    assert environ.threads_per_rank({"OMPI_COMM_WORLD_LOCAL_SIZE": "16"}) == 4
    assert environ.threads_per_rank({"OMPI_COMM_WORLD_LOCAL_SIZE": "100"}) == 1


def test_there_may_be_no_terminal(monkeypatch):
    monkeypatch.setattr(environ.sys, "stderr", io.StringIO())
    assert environ.terminal() is None


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False), (None, False)])
def test_whether_ranks_outlive_others(value, expected):
    assert environ.is_fault_tolerant({} if value is None else {"OMPI_MCA_mpi_ft_enable": value}) is expected


def test_the_launcher_is_found_behind_a_shell(tmp_path):
    rank = tmp_path / "rank.py"
    rank.write_text("from dhmpi import environ\nprint(*environ.launchers())\n")
    program = tmp_path / "prterun"
    program.write_text(f"#!/bin/sh\necho $$\nsh -c '{sys.executable} {rank}; true'\ntrue\n")
    program.chmod(0o700)
    done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60)
    launcher, found = done.stdout.splitlines()
    assert found == launcher


def test_standard_streams_that_are_closed_lead_nowhere(tmp_path):
    code = f"""if True:
        import os, sys
        from dhmpi import environ
        environ.open_standard_streams()
        with open({str(tmp_path / "file")!r}, "w") as file:
            print(1)
            sys.stderr.write("2")
            os.write(1, b"3")
            os.write(2, b"4")
            assert sys.stdin.read() == ""
            sys.exit(file.fileno())
    """
    words = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(words, check=False).returncode > 2
    assert (tmp_path / "file").read_text() == ""
