"""Which cores and GPUs the ranks of a node get: job scripts run here, with launchers that only play a node."""

import subprocess
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "jobs"
# What a launcher tells each rank; the search says what it sees.
LAUNCHER = """\
#!/bin/bash
echo "$*" > launched; : >> seen
while [[ $1 == -* || $1 =~ ^[0-9]+$ || $1 =~ ^(list|depth) ]]; do shift; done
for ((rank = 0; rank < ${RANKS_PER_NODE:-0}; rank++)); do
    PMI_LOCAL_RANK=$rank PALS_LOCAL_RANKID=$rank SLURM_LOCALID=$rank "$@"
done
"""
SEARCH = """\
#!/bin/sh
[ "$1" != show ] || exit 0
for name in CUDA_VISIBLE_DEVICES ZE_AFFINITY_MASK ROCR_VISIBLE_DEVICES PYTHONPATH OMP_NUM_THREADS; do
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
    ("ranks", "gpus", "seen"),
    [("4", "1", ["3", "2", "1", "0"]), ("2", "2", ["2,3", "0,1"]), ("1", "4", ["0,1,2,3"]), ("2", "0", ["", ""])],
)
def test_polaris_gives_gpus_in_reverse_order(ranks, gpus, seen, play):
    found, _ = play("polaris", "CUDA_VISIBLE_DEVICES", RANKS_PER_NODE=ranks, GPUS_PER_EVAL=gpus)
    assert found == seen


@pytest.mark.parametrize(
    ("hierarchy", "gpus", "seen"),
    [
        ("COMPOSITE", "1", ["0.0", "0.1", "1.0", "1.1"]),
        ("COMPOSITE", "2", ["0.0,0.1", "1.0,1.1", "2.0,2.1", "3.0,3.1"]),
        ("FLAT", "1", ["0", "1", "2", "3"]),
        ("FLAT", "3", ["0,1,2", "3,4,5", "6,7,8", "9,10,11"]),
        ("FLAT", "0", [""] * 4),
    ],
)
def test_aurora_names_tiles_as_the_hierarchy_does(hierarchy, gpus, seen, play):
    variables = {"ZE_FLAT_DEVICE_HIERARCHY": hierarchy, "GPUS_PER_EVAL": gpus, "RANKS_PER_NODE": "4"}
    found, _ = play("aurora", "ZE_AFFINITY_MASK", **variables)
    assert found == seen


@pytest.mark.parametrize(
    ("ranks", "cores", "threads"),
    [
        ("12", "1-8:9-16:17-24:25-32:33-40:41-48:53-60:61-68:69-76:77-84:85-92:93-100", "8"),
        ("2", "1-51:53-103", "51"),
        ("3", "1-25:26-50:53-77", "25"),
        ("1", "1-51", "51"),
    ],
)
def test_no_rank_of_aurora_lies_across_sockets(ranks, cores, threads, play):
    """The first is the list in the facility's guide."""
    found, launched = play("aurora", "OMP_NUM_THREADS", RANKS_PER_NODE=ranks)
    assert f"--cpu-bind list:{cores} " in launched
    assert found == [threads] * int(ranks)


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


@pytest.mark.parametrize(
    ("ranks", "gpus", "seen", "masks"),
    [
        (
            "8",
            "1",
            ["0", "1", "2", "3", "4", "5", "6", "7"],
            "mask_cpu:fe000000000000,fe00000000000000,fe0000,fe000000,fe,fe00,fe00000000,fe0000000000",
        ),
        ("4", "2", ["0,1", "2,3", "4,5", "6,7"], "mask_cpu:fefe000000000000,fefe0000,fefe,fefe00000000"),
        ("2", "1", ["0", "4"], "mask_cpu:fefe0000fefe0000,fefe0000fefe"),
        ("1", "8", ["0,1,2,3,4,5,6,7"], "mask_cpu:fefefefefefefefe"),
        ("16", "0", [""] * 16, "cores"),
    ],
)
def test_ranks_of_lumi_are_near_their_gpus(ranks, gpus, seen, masks, play):
    """The first are the masks of the site's guide."""
    found, launched = play("lumi", "ROCR_VISIBLE_DEVICES", RANKS_PER_NODE=ranks, GPUS_PER_EVAL=gpus)
    assert found == seen
    assert f"--cpu-bind={masks} " in launched
    found, _ = play("lumi", "OMP_NUM_THREADS", RANKS_PER_NODE=ranks, GPUS_PER_EVAL=gpus)
    assert found == [str(56 // int(ranks))] * int(ranks)


@pytest.mark.parametrize(("site", "whole"), [("perlmutter", 4), ("frontier", 8)])
def test_slurm_is_asked_for_the_gpus_of_each_rank(site, whole, play):
    _, launched = play(site, "PYTHONPATH")
    assert f" --ntasks-per-node={whole} " in launched
    assert " --gpus-per-task=1 " in launched
    _, launched = play(site, "PYTHONPATH", GPUS_PER_EVAL="2")
    assert f" --ntasks-per-node={whole // 2} " in launched
    assert " --gpus-per-task=2 " in launched
    _, launched = play(site, "PYTHONPATH", GPUS_PER_EVAL="0")
    assert f" --ntasks-per-node={whole} " in launched
    assert "--gpus-per-task" not in launched


def test_libraries_start_a_thread_for_each_core_of_perlmutter(play):
    found, launched = play("perlmutter", "OMP_NUM_THREADS", RANKS_PER_NODE="4")
    assert "--cpus-per-task=32 " in launched
    assert found == ["16"] * 4


@pytest.mark.parametrize("site", ["polaris", "perlmutter", "frontier", "lumi"])
def test_cray_mpich_needs_no_gpu_library(site, play, tmp_path):
    play(site, "PYTHONPATH", RANKS_PER_NODE="1", MPICH_GPU_SUPPORT_ENABLED="1")
    assert "\nMPICH_GPU_SUPPORT_ENABLED=0\n" in (tmp_path / "environment").read_text()
