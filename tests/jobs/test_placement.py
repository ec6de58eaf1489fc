"""What scripts tell launchers and ranks about cores and GPUs; test_layouts.py has what becomes of it."""

import re
import subprocess
from pathlib import Path

import pytest

from dhmpi.support.gpu_cores import mask

JOBS = Path(__file__).parents[2] / "jobs"
# What a launcher tells each rank; the search says what it sees.
LAUNCHER = """\
#!/bin/bash
echo "$*" > launched; : >> seen
while [[ $1 != dhmpi ]]; do shift; done
for ((rank = 0; rank < ${RANKS_PER_NODE:-0}; rank++)); do
    PMI_LOCAL_RANK=$rank PALS_LOCAL_RANKID=$rank SLURM_LOCALID=$rank "$@"
done
"""
SEARCH = """\
#!/bin/sh
[ "$1" != show ] || exit 0
for name in CUDA_VISIBLE_DEVICES ZE_AFFINITY_MASK ROCR_VISIBLE_DEVICES DHMPI_GPU_CORES PYTHONPATH OMP_NUM_THREADS; do
    eval echo "$name=\\${$name-}"
done >> seen
env > environment
"""
LOGGED = '#!/bin/sh\necho "${0##*/} $*" >> calls\n'


@pytest.fixture
def play(tmp_path):
    """Run a script, and return what the ranks of a node saw in a variable, and how they were launched."""
    programs = tmp_path / "programs"
    programs.mkdir()
    texts = dict.fromkeys(("mpiexec", "srun"), LAUNCHER) | {"dhmpi": SEARCH}
    texts |= dict.fromkeys(("module", "launch_copper.sh", "stop_copper.sh"), LOGGED)
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def played(site, variable, num_nodes=2, **variables):
        (tmp_path / "nodes").write_text("".join(f"node{number}\n" for number in range(num_nodes)))
        env = {"PATH": f"{programs}:/usr/bin:/bin", "MODULE": "", "SLURM_JOB_NUM_NODES": str(num_nodes), "USER": "me"}
        env |= {"PBS_NODEFILE": str(tmp_path / "nodes"), "PBS_O_WORKDIR": str(tmp_path), "PBS_JOBID": "1"}
        done = subprocess.run(
            ["bash", JOBS / f"{site}.sh"],
            cwd=tmp_path,
            env=env | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, "")
        lines = (line.partition("=") for line in (tmp_path / "seen").read_text().splitlines())
        (tmp_path / "seen").unlink()
        return [value for name, _, value in lines if name == variable], (tmp_path / "launched").read_text()

    return played


@pytest.mark.parametrize(
    ("site", "cores"),
    [
        ("polaris", "24-31:16-23:8-15:0-7"),
        ("perlmutter", "48-63:32-47:16-31:0-15"),
        ("frontier", "49-55:57-63:17-23:25-31:1-7:9-15:33-39:41-47"),
    ],
)
def test_dhmpi_is_told_which_cores_are_near_which_gpu(site, cores, play):
    """Neither the scripts nor wrappers bind GPUs."""
    found, launched = play(site, "DHMPI_GPU_CORES", RANKS_PER_NODE="2")
    assert found == [cores] * 2
    assert " --gpus-per-eval 1 " in launched
    assert "--gpus-per-task" not in launched
    assert "--gpu-bind" not in launched
    found, _ = play(site, "CUDA_VISIBLE_DEVICES", RANKS_PER_NODE="2")
    assert found == ["", ""]


@pytest.mark.parametrize(
    ("hierarchy", "tiles"),
    [("COMPOSITE", "0.0,0.1,1.0,1.1,2.0,2.1,3.0,3.1,4.0,4.1,5.0,5.1"), ("FLAT", "0,1,2,3,4,5,6,7,8,9,10,11")],
)
def test_aurora_names_tiles_as_the_hierarchy_does(hierarchy, tiles, play, tmp_path):
    found, _ = play("aurora", "ZE_AFFINITY_MASK", ZE_FLAT_DEVICE_HIERARCHY=hierarchy, RANKS_PER_NODE="2")
    assert found == [tiles] * 2
    assert "\nZE_ENABLE_PCI_ID_DEVICE_ORDER=1\n" in (tmp_path / "environment").read_text()
    found, _ = play("aurora", "ZE_AFFINITY_MASK", ZE_AFFINITY_MASK="0.0", RANKS_PER_NODE="1")
    assert found == ["0.0"]  # the user's own choice


@pytest.mark.parametrize(
    ("ranks", "cores", "threads"),
    [
        ("12", "1-8:9-16:17-24:25-32:33-40:41-48:53-60:61-68:69-76:77-84:85-92:93-100", "8"),
        ("2", "1-48:53-100", "48"),
        ("3", "1-24:25-48:53-76", "24"),
        ("1", "1-48", "48"),
        ("5", "1-16:17-32:33-48:53-68:69-84", "16"),
    ],
)
def test_no_rank_of_aurora_lies_across_sockets(ranks, cores, threads, play):
    """The first is the list in the facility's guide."""
    found, launched = play("aurora", "OMP_NUM_THREADS", RANKS_PER_NODE=ranks)
    [bound] = re.findall(r" --cpu-bind list:(\S+) ", launched)
    assert list(map(mask, bound.split(":"))) == list(map(mask, cores.split(":")))
    assert found == [threads] * int(ranks)


@pytest.mark.parametrize(
    ("search", "gpus", "ranks", "bound"),
    [
        ("ambs", "1", 5, "24-31:24-31:16-23:8-15:0-7"),  # rank 0 is on the cores of the first worker
        ("nas-random", "1", 5, "24-31:24-31:16-23:8-15:0-7"),
        ("ppo-async", "1", 4, "24-31:16-23:8-15:0-7"),  # each agent needs a GPU
        ("ppo-sync", "2", 2, "16-31:0-15"),
        ("ga", "2", 3, "16-31:16-31:0-15"),
        ("ga", "3", 2, "0-31:0-31"),
        ("ga", "4", 2, "0-31:0-31"),
        ("ga", "0", 4, "24-31:16-23:8-15:0-7"),
    ],
)
def test_there_is_a_rank_more_than_find_gpus_on_a_node(search, gpus, ranks, bound, play):
    _, launched = play("polaris", "OMP_NUM_THREADS", SEARCH=search, GPUS_PER_EVAL=gpus)
    assert launched.startswith(f"-n {2 * ranks} --ppn {ranks} --cpu-bind list:")
    [found] = re.findall(r" list:(\S+) ", launched)
    assert list(map(mask, found.split(":"))) == list(map(mask, bound.split(":")))
    assert f" --gpus-per-eval {gpus} " in launched


@pytest.mark.parametrize(
    ("ranks", "gpus", "masks"),
    [
        (
            "9",
            "1",
            "fe000000000000,fe000000000000,fe00000000000000,fe0000,fe000000,fe,fe00,fe00000000,fe0000000000",
        ),
        ("4", "2", "fefe000000000000,fefe0000,fefe,fefe00000000"),
        ("2", "1", "fefe0000fefe0000,fefe0000fefe"),
        ("1", "8", "fefefefefefefefe"),
        ("56", "0", None),
    ],
)
def test_ranks_of_lumi_are_bound_by_masks(ranks, gpus, masks, play):
    """The first are those of the site's guide, one of them twice."""
    found, launched = play("lumi", "OMP_NUM_THREADS", RANKS_PER_NODE=ranks, GPUS_PER_EVAL=gpus)
    [bound] = re.findall(r" --cpu-bind=mask_cpu:(\S+) ", launched)
    if masks:
        assert bound == masks
    else:
        assert {int(each, 16).bit_count() for each in bound.split(",")} == {1}
        assert sum(int(each, 16) for each in bound.split(",")) == 0xFEFEFEFEFEFEFEFE
    assert found == [str(56 // (int(ranks) - (ranks == "9")))] * int(ranks)


def test_libraries_start_a_thread_for_each_core_of_perlmutter(play):
    found, _ = play("perlmutter", "OMP_NUM_THREADS", RANKS_PER_NODE="4")
    assert found == ["16"] * 4
    found, launched = play("perlmutter-cpu", "OMP_NUM_THREADS", RANKS_PER_NODE="16")
    assert " --cpus-per-task=16 " in launched  # hardware threads
    assert found == ["8"] * 16


def test_a_large_job_on_aurora_imports_through_copper(play, tmp_path):
    (tmp_path / "prefix" / "venv" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    variables = {"DHMPI_ROOT": str(tmp_path / "prefix"), "RANKS_PER_NODE": "1"}
    [path], _ = play("aurora", "PYTHONPATH", num_nodes=1001, PYTHONPATH="/mine", **variables)
    assert path == f"/tmp/me/copper{tmp_path}/prefix/venv/lib/python3.11/site-packages:/mine"
    module, start, stop = (tmp_path / "calls").read_text().splitlines()
    assert module == "module load copper"
    assert start.startswith("launch_copper.sh -v /tmp/me/copper ")
    assert stop == "stop_copper.sh -v /tmp/me/copper"
    (tmp_path / "calls").unlink()
    play("aurora", "PYTHONPATH", num_nodes=1000, **variables)
    assert not (tmp_path / "calls").exists()


def test_event_queues_of_aurora_are_large(play, tmp_path):
    play("aurora", "PYTHONPATH", RANKS_PER_NODE="1")
    text = (tmp_path / "environment").read_text()
    for line in ("FI_CXI_DEFAULT_CQ_SIZE=131072", "FI_CXI_OFLOW_BUF_SIZE=8388608", "FI_CXI_CQ_FILL_PERCENT=20"):
        assert f"\n{line}\n" in text


@pytest.mark.parametrize("site", ["polaris", "perlmutter", "frontier", "lumi"])
def test_cray_mpich_needs_no_gpu_library(site, play, tmp_path):
    play(site, "PYTHONPATH", RANKS_PER_NODE="1", MPICH_GPU_SUPPORT_ENABLED="1")
    assert "\nMPICH_GPU_SUPPORT_ENABLED=0\n" in (tmp_path / "environment").read_text()
