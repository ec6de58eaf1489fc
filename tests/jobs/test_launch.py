"""Which launcher is found, and with which options; docs/launching.md holds the same matrix."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.errors import OptionError
from dhmpi.jobs import launch
from dhmpi.jobs.launch import LaunchSite, Ranks, slurm_cpus

ROOT = Path(__file__).parents[2]

OPEN_MPI_5 = {"/ompi/mpirun": "mpirun (Open MPI) 5.0.11\n", "/ompi/mpiexec": "mpirun (Open MPI) 5.0.11\n"}
OPEN_MPI_4 = {"/usr/bin/mpirun": "mpirun (Open MPI) 4.1.4\n"}
PRRTE = {"/usr/bin/mpirun": "mpirun (OpenRTE) 4.0.3\n"}
HYDRA = {"/mpich/mpiexec": "HYDRA build details:\n    Version: 5.0.2\n", "/mpich/mpirun": "HYDRA build details:\n"}
INTEL = {"/intel/mpirun": "Intel(R) MPI Library for Linux* OS, Version 2021.9\n"}
PALS = {"/opt/cray/pals/mpiexec": "mpiexec: PALS version 1.2.12\n"}
SRUN, APRUN = {"/usr/bin/srun": ""}, {"/opt/cray/aprun": ""}
SLURM = {"SLURM_JOB_ID": "8", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_CPUS_PER_NODE": "64(x2)"}
COBALT = {"COBALT_JOBID": "7", "COBALT_JOBSIZE": "2"}


def here(library, versions, env=None, num_cores=8, is_root=False):
    return LaunchSite(library, env or {}, versions, num_cores, is_root)


MATRIX = {
    "a laptop with Open MPI": (
        here("Open MPI v5.0.11", OPEN_MPI_5),
        Ranks(8),
        "/ompi/mpirun --with-ft ulfm --bind-to none -n 8",
    ),
    "as root, with more ranks than cores": (
        here("Open MPI v5.0.11", OPEN_MPI_5, is_root=True),
        Ranks(9),
        "/ompi/mpirun --allow-run-as-root --with-ft ulfm --bind-to none --oversubscribe -n 9",
    ),
    "Open MPI 4 does not survive": (
        here("Open MPI v4.1.4", OPEN_MPI_4),
        Ranks(8),
        "/usr/bin/mpirun --bind-to none -n 8",
    ),
    "an older Open MPI": (here("Open MPI v4.0.3", PRRTE), Ranks(2), "/usr/bin/mpirun --bind-to none -n 2"),
    "the launcher of the right MPI of two": (
        here("Open MPI v5.0.11", HYDRA | OPEN_MPI_5),
        Ranks(8, depth=2),
        "/ompi/mpirun --with-ft ulfm --map-by slot:pe=2 --bind-to core -n 8",
    ),
    "a laptop with MPICH": (here("MPICH Version: 5.0.2", OPEN_MPI_5 | HYDRA), Ranks(9), "/mpich/mpiexec -n 9"),
    "MPICH, bound": (
        here("MPICH Version: 5.0.2", HYDRA),
        Ranks(8, 4, 2),
        "/mpich/mpiexec -ppn 4 -bind-to hwthread:2 -n 8",
    ),
    "Intel MPI": (here("Intel(R) MPI Library 2021.9", INTEL), Ranks(8), "/intel/mpirun -n 8"),
    "Slurm with MPICH": (
        here("MPICH Version: 5.0.2", HYDRA | SRUN, SLURM),
        Ranks(8, 4),
        "/usr/bin/srun --mpi=pmi2 --no-kill --kill-on-bad-exit=0 --ntasks=8 --ntasks-per-node=4 --cpu-bind=none",
    ),
    "Slurm with Cray MPICH, bound": (
        here("CRAY MPICH version 8.1.28", SRUN, SLURM),
        Ranks(8, 4, 16),
        "/usr/bin/srun --no-kill --kill-on-bad-exit=0 --ntasks=8 --ntasks-per-node=4 --cpus-per-task=16 "
        "--cpu-bind=cores",
    ),
    "Slurm with more ranks than CPUs": (
        here("MPICH Version: 5.0.2", SRUN, SLURM),
        Ranks(129),
        "/usr/bin/srun --mpi=pmi2 --no-kill --kill-on-bad-exit=0 --ntasks=129 --cpu-bind=none --overcommit",
    ),
    "Slurm with Open MPI": (
        here("Open MPI v5.0.11", OPEN_MPI_5 | SRUN, SLURM),
        Ranks(128, 64),
        "/ompi/mpirun --with-ft ulfm --map-by ppr:64:node --bind-to none -n 128",
    ),
    "a login node of Slurm": (here("MPICH Version: 5.0.2", SRUN | HYDRA), Ranks(2), "/mpich/mpiexec -n 2"),
    "Theta": (
        here("CRAY MPICH version 7.7.14", APRUN, COBALT),
        Ranks(8, 4, 32),
        "/opt/cray/aprun -n 8 -N 4 -d 32 -j 2 -cc depth",
    ),
    "Theta, unbound": (here("CRAY MPICH version 7.7.14", APRUN, COBALT), Ranks(8), "/opt/cray/aprun -n 8 -cc none"),
    "Polaris": (
        here("CRAY MPICH version 8.1.28", PALS, {"PBS_JOBID": "9"}),
        Ranks(8, 4, 8),
        "/opt/cray/pals/mpiexec -n 8 --ppn 4 --cpu-bind depth --depth 8",
    ),
    "PALS, unbound": (here("MPICH Version: 4.2", PALS), Ranks(8), "/opt/cray/pals/mpiexec -n 8 --cpu-bind none"),
}


@pytest.mark.parametrize("name", MATRIX)
def test_the_launchers_line(name):
    surroundings, ranks, expected = MATRIX[name]
    assert " ".join(launch.line(ranks, surroundings)) == expected


@pytest.mark.parametrize(
    ("library", "versions", "expected"),
    [
        ("Open MPI v5.0.11", OPEN_MPI_5, "--with-ft ulfm --hostfile {nodes} --bind-to none -n 4"),
        ("MPICH Version: 5.0.2", HYDRA, "-f {nodes} -n 4"),
    ],
)
@pytest.mark.parametrize("variable", ["PBS_NODEFILE", "COBALT_NODEFILE"])
def test_launchers_that_do_not_ask_the_scheduler_are_told_the_nodes(variable, library, versions, expected, tmp_path):
    nodes = tmp_path / "nodes"
    nodes.write_text("nid00001\nnid00001\nnid00002\n")
    surroundings = here(library, versions, {variable: str(nodes)}, num_cores=2)
    assert surroundings.num_nodes == 2
    assert " ".join(launch.line(Ranks(4), surroundings)[1:]) == expected.format(nodes=nodes)


@pytest.mark.parametrize("versions", [{}, HYDRA | SRUN])
def test_a_launcher_of_another_mpi_is_of_no_use(versions):
    with pytest.raises(
        OptionError, match=r"the launcher of Open MPI v5.0.11, which mpi4py uses, must be in PATH, got "
    ):
        launch.line(Ranks(8), here("Open MPI v5.0.11", versions))


@pytest.mark.parametrize(
    ("given", "per_node", "env", "num"), [(7, None, {}, 7), (7, 4, {}, 7), (None, 4, SLURM, 8), (None, 3, COBALT, 6)]
)
def test_the_number_of_ranks(given, per_node, env, num):
    assert launch.count(given, per_node, here("", {}, env)) == num


@pytest.mark.parametrize("per_node", [None, 4])
def test_no_number_of_ranks(per_node):
    with pytest.raises(OptionError, match="-n"):
        launch.count(None, per_node, here("", {}))


@pytest.mark.parametrize(("text", "num"), [("4", 4), ("128(x2)", 256), ("72(x2),36", 180), ("", 0)])
def test_the_cpus_of_slurm(text, num):
    assert slurm_cpus(text) == num


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with these programs alone, each of which says its version, or its arguments."""

    def make(**versions):
        for name, version in versions.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n[ $1 = --version ] && echo '{version}' && exit 0\necho ran $*\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}")
        return tmp_path

    return make


def test_what_is_there_is_found(programs):
    path = programs(mpiexec="HYDRA build details:", mpirun="mpirun (Open MPI) 5.0.8", srun="")
    found = launch.survey(lambda: "Open MPI v5.0.8")
    assert launch.line(Ranks(1), found)[0] == f"{path}/mpirun"
    assert launch.survey(lambda: "MPICH Version: 5").find(launch.HYDRA) == f"{path}/mpiexec"
    assert found.versions[f"{path}/srun"] == ""


def test_a_launcher_that_cannot_run_is_none(programs):
    path = programs(mpirun="mpirun (Open MPI) 5.0.8")
    (path / "mpirun").write_text("#!/no/such/interpreter\n")
    with pytest.raises(OptionError, match="must be in PATH"):
        launch.line(Ranks(1), launch.survey(lambda: "Open MPI v5.0.8"))


def test_a_rank_starts_no_launcher(monkeypatch):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(OptionError, match="dhmpi launch must not be started by a launcher"):
        launch.survey(lambda: "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-n", "2"], "a search must be given after --"),
        (["-n", "2", "--"], "a search must be given after --"),
        (["-n", "0", "--", "ambs"], "-n must be an integer of at least 1, got 0"),
        (["--depth", "x", "--", "ambs"], "--depth must be an integer of at least 1, got x"),
        (["--", "ambs"], "-n must be given"),
        (["ambs", "--", "x"], "unrecognized arguments: ambs"),
    ],
)
def test_bad_input_gets_one_sentence(words, sentence, capsys):
    assert main(["launch", *words]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert len(captured.err.splitlines()) == 1


def launched(*words, directory):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [sys.executable, "-m", "dhmpi", "launch", *words]
    return subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.launcher
def test_a_launch(tmp_path):
    """More ranks than cores, as root or not: nobody needs to know what that takes."""
    search = ["hps-random", "--problem", "dhmpi.benchmark.hps.polynome2.Problem"]
    search += ["--run", "dhmpi.benchmark.hps.polynome2.run", "--max-evals", "9", "--isolation", "inline"]
    done = launched("-n", "4", "--", *search, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "-n 4 " in done.stderr.splitlines()[0]
    found = results.read(tmp_path / "results.h5")
    assert len(found.evaluations) == 9
    assert found.metadata.runs[0]["num_workers"] == 3
    before = (tmp_path / "results.h5").read_bytes()
    done = launched("-n", "4", "--dry-run", "--", *search, "--overwrite", directory=tmp_path)
    assert done.stdout.endswith("-n 4 " + " ".join([*launch.program(), *search, "--overwrite"]) + "\n")
    assert (tmp_path / "results.h5").read_bytes() == before
