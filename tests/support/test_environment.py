import io
import subprocess
import sys
import time

import pytest

from dhmpi.support import environment


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
    assert environment.launch(env) == expected


# What each launcher sets for a rank, as its children must not see it.
RANKS = {
    "srun": "SLURM_PROCID SLURM_LOCALID SLURM_NODEID SLURM_GTIDS SLURM_TASK_PID SLURM_STEPID SLURM_STEP_ID "
    "SLURM_STEP_NODELIST SLURM_STEP_NUM_TASKS SLURM_STEP_LAUNCHER_PORT SLURM_LAUNCH_NODE_IPADDR SLURM_SRUN_COMM_HOST "
    "SLURM_NTASKS SLURM_NPROCS SLURM_NTASKS_PER_NODE SLURM_CPU_BIND SLURM_CPU_BIND_LIST SLURM_CPU_BIND_TYPE "
    "SLURM_MEM_BIND_TYPE PMI_FD PMI_JOBID PMI_RANK PMI_SIZE",
    "srun --mpi=pmix": "SLURM_PMIX_MAPPING_SERV SLURM_PMIXP_ABORT_AGENT_PORT PMIX_RANK PMIX_SERVER_URI41",
    "Open MPI 5": "OMPI_COMM_WORLD_RANK OMPI_WORLD_SIZE OMPI_UNIVERSE_SIZE OMPI_ARGV OMPI_COMMAND OMPI_FILE_LOCATION "
    "OMPI_MCA_PREFIXES OMPI_MCA_num_procs OMPI_MCA_initial_wdir OMPI_MCA_mpi_ft_enable PMIX_RANK PRTE_LAUNCHED",
    "Open MPI 4": "OMPI_MCA_ess OMPI_MCA_ess_base_vpid OMPI_MCA_orte_ess_num_procs OMPI_MCA_orte_hnp_uri PMIX_ID "
    "OMPI_MCA_orte_local_daemon_uri OMPI_MCA_orte_top_session_dir OMPI_MCA_orte_launch OMPI_MCA_pmix",
    "Hydra": "HYDI_CONTROL_FD MPI_LOCALNRANKS MPI_LOCALRANKID PMI_FD PMI_HOSTNAME PMI_RANK SLURM_EXTERNAL_LAUNCHER",
    "PALS": "PALS_APID PALS_RANKID PALS_LOCAL_RANKID PALS_NODEID PALS_SPOOL_DIR PMI_CONTROL_PORT PMI_SHARED_SECRET",
    "aprun": "ALPS_APP_PE ALPS_APP_ID",
    "flux run": "FLUX_TASK_RANK FLUX_TASK_LOCAL_ID FLUX_JOB_SIZE FLUX_JOB_ID",
}
# What describes the job, or is a setting of a person.
KEPT = (
    "SLURM_JOB_ID SLURM_JOBID SLURM_CONF SLURM_TMPDIR SLURM_JOB_NODELIST SLURM_NODELIST SLURM_NNODES "
    "SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_TASKS_PER_NODE SLURM_CPUS_PER_TASK SLURM_JOB_CPUS_PER_NODE "
    "SLURM_MPI_TYPE SLURM_OVERLAP SLURM_STEP_GRES PBS_JOBID COBALT_JOBID FLUX_URI PALS_PPN "
    "OMPI_ALLOW_RUN_AS_ROOT OMPI_CC OMPI_MCA_pml OMPI_MCA_btl_tcp_if_include OMPI_MCA_orte_base_help_aggregate "
    "PRTE_MCA_rmaps_default_mapping_policy PMIX_MCA_gds PMI_FANOUT HYDRA_IFACE MPIR_CVAR_NOLOCAL "
    "HOME PATH"
)


@pytest.mark.parametrize("launcher", RANKS)
def test_a_child_is_in_the_job_but_not_a_rank(launcher):
    env = dict.fromkeys([*KEPT.split(), *RANKS[launcher].split()], "1")
    child = environment.child_environment(env)
    assert child.keys() - environment.LOCAL_LAUNCHERS.keys() == {*KEPT.split(), "OMP_NUM_THREADS"}
    assert not environment.launch(child).found


def test_in_a_job_of_slurm_launchers_that_user_code_starts_stay_on_their_node():
    assert not environment.LOCAL_LAUNCHERS.keys() & environment.child_environment({}).keys()
    child = environment.child_environment({"SLURM_JOB_ID": "7", "HYDRA_RMK": "mine"})
    assert child.items() >= (environment.LOCAL_LAUNCHERS | {"HYDRA_RMK": "mine"}).items()


def test_threads_that_somebody_has_set_stay():
    assert environment.child_environment({"OMP_NUM_THREADS": "7"})["OMP_NUM_THREADS"] == "7"


def test_without_others_a_child_has_all_cores(monkeypatch):
    monkeypatch.setattr(environment, "num_cores", lambda: 64)
    assert environment.child_environment({})["OMP_NUM_THREADS"] == "64"
    assert environment.child_environment({"OMP_NUM_THREADS": ""}, 3)["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("masks", "threads"),
    [
        ([range(8)], 8),
        ([range(8 * rank, 8 * rank + 8) for rank in range(8)], 8),
        ([range(8)] * 8, 1),
        ([range(8)] * 9, 1),
        ([range(9)] * 3, 3),
        ([range(64)] * 16, 4),
        ([range(8), range(4, 12), range(8, 16)], 6),  # four of its own, and half of four
        ([range(2), range(1), range(1), range(1)], 1),
    ],
)
def test_ranks_of_one_node_share_its_cores(masks, threads):
    masks = [set(mask) for mask in masks]
    assert environment.share(masks[0], masks) == threads


def test_a_process_knows_its_age():
    code = "from dhmpi.support import environment; import time; time.sleep(0.3); print(environment.process_age())"
    begun = time.monotonic()
    age = float(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert 0.3 < age < time.monotonic() - begun + 0.02  # it is counted in hundredths of a second


def test_there_may_be_no_terminal(monkeypatch):
    monkeypatch.setattr(environment.sys, "stderr", io.StringIO())
    assert environment.terminal() is None


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False), (None, False)])
def test_whether_ranks_outlive_others(value, expected):
    assert environment.is_fault_tolerant({} if value is None else {"OMPI_MCA_mpi_ft_enable": value}) is expected


def test_the_launcher_is_found_behind_a_shell(tmp_path):
    rank = tmp_path / "rank.py"
    rank.write_text("from dhmpi.support import environment\nprint(*environment.launchers())\n")
    program = tmp_path / "prterun"
    program.write_text(f"#!/bin/sh\necho $$\nsh -c '{sys.executable} {rank}; true'\ntrue\n")
    program.chmod(0o700)
    done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60)
    launcher, found = done.stdout.splitlines()
    assert found == launcher


def test_standard_streams_that_are_closed_lead_nowhere(tmp_path):
    code = f"""if True:
        import os, sys
        from dhmpi.support import environment
        environment.open_standard_streams()
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
