"""Layouts of nine kinds of nodes: what facilities say of them, and which rank gets which cores and GPUs there.

None of these machines was at hand: the scripts run here, and benchmarks/layouts.py plays their launchers and nodes.
"""

import importlib.util
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from dhmpi.support.gpu_cores import mask

ROOT = Path(__file__).parents[2]
CUDA, ROCR, ZE = "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"


class Fact(NamedTuple):
    """What is known of a kind of nodes: cores of each rank that evaluates there, its GPU, and who says so."""

    source: str
    variable: str
    cores: tuple[str, ...]
    gpus: tuple[str, ...] = ()


# --- facts, all read on 2026-11-26

AURORA = "ALCF user guides, docs/aurora/running-jobs-aurora, binding MPI ranks to GPUs, example 1"
TILES = ["1-8", "9-16", "17-24", "25-32", "33-40", "41-48", "53-60", "61-68", "69-76", "77-84", "85-92", "93-100"]
# "Each node on Aurora has 2 sockets, each with 1 CPU and 3 PVC GPUs"; numactl there has cores 0-51 and 52-103.
SOCKETS = ":".join(["0-51"] * 6 + ["52-103"] * 6)
# By eights, without the first of each: "hardware threads 048-055 | GPU 0", and so on; `-c7` leaves the first out.
MI250X = ("49-55", "57-63", "17-23", "25-31", "1-7", "9-15", "33-39", "41-47")
EIGHTS = tuple(f"{first}-{first + 7},{first + 128}-{first + 135}" for first in range(0, 128, 8))
FACTS = {
    "theta": Fact(
        "ALCF user guides, docs/theta: aprun -N 4 -d 32 -j 2 -cc depth; hardware thread i + 64 is on core i",
        "",
        ("0-15,64-79", "16-31,80-95", "32-47,96-111", "48-63,112-127"),
    ),
    "polaris": Fact(
        "ALCF user guides, docs/polaris/running-jobs/using-gpus: CUDA_VISIBLE_DEVICES=0 with --cpu-bind list:24:...:31",
        CUDA,
        ("24-31", "16-23", "8-15", "0-7"),
        ("0", "1", "2", "3"),
    ),
    "aurora, COMPOSITE": Fact(AURORA, ZE, tuple(TILES), tuple(f"{n // 2}.{n % 2}" for n in range(12))),
    "aurora, FLAT": Fact(f"{AURORA}: gpu_id=$((PMIX_RANK % 12))", ZE, tuple(TILES), tuple(map(str, range(12)))),
    "perlmutter": Fact(
        "nvidia-smi topo -m as users report it, and --gpu-bind=none with CUDA_VISIBLE_DEVICES=$((3-SLURM_LOCALID))",
        CUDA,
        ("48-63", "32-47", "16-31", "0-15"),
        ("0", "1", "2", "3"),
    ),
    "perlmutter-cpu": Fact("WarpX, Tools/machines/perlmutter-nersc/perlmutter_cpu.sbatch: -c 16", "", EIGHTS),
    "frontier": Fact("OLCF, Frontier user guide, Frontier compute nodes", ROCR, MI250X, tuple("01234567")),
    "lumi": Fact(
        "LUMI user guide, distribution-binding: ROCR_VISIBLE_DEVICES=$SLURM_LOCALID with the masks below",
        ROCR,
        MI250X,
        tuple("01234567"),
    ),
    "lumi-c": Fact("LUMI user guide, distribution-binding: 16 ranks, --cpu-bind=cores shows threads 0,128", "", EIGHTS),
}
LUMI_MASKS = "fe000000000000,fe00000000000000,fe0000,fe000000,fe,fe00,fe00000000,fe0000000000"
LUMI_CORES = (49, 57, 17, 25, 1, 9, 33, 41)  # --cpu-bind=map_cpu, one for each GPU
NUM_NODES = 3


# --- what becomes of them


@pytest.fixture(scope="module")
def layouts():
    spec = importlib.util.spec_from_file_location("layouts", ROOT / "benchmarks" / "layouts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_nine(layouts):
    assert set(layouts.HOSTS) == set(FACTS)
    assert len(FACTS) == 9


@pytest.mark.parametrize("name", FACTS)
def test_ranks_that_evaluate_have_the_cores_and_gpus_that_facilities_say(name, layouts):
    fact = FACTS[name]
    rows, _ = layouts.layout(name, NUM_NODES)
    for host in range(NUM_NODES):
        working = [row for row in rows if row.host == host and (row.role == "evaluates" or not fact.gpus)]
        found = [(mask(row.cores), row.variables) for row in working]
        if fact.gpus:
            pairs = zip(fact.cores, fact.gpus, strict=True)
            assert found == [(mask(cores), {fact.variable: gpu}) for cores, gpu in pairs], fact.source
        else:
            assert found == [(mask(cores), {}) for cores in fact.cores], fact.source


@pytest.mark.parametrize("name", [name for name, fact in FACTS.items() if fact.gpus])
def test_every_gpu_works_and_one_rank_of_every_other_node_sleeps(name, layouts):
    rows, sentence = layouts.layout(name, NUM_NODES)
    num_gpus = len(FACTS[name].gpus)
    assert len(rows) == NUM_NODES * (num_gpus + 1)
    assert [row.role for row in rows].count("evaluates") == NUM_NODES * num_gpus
    assert sentence.endswith(f"; 1 GPU for each evaluation; {NUM_NODES - 1} ranks without a GPU sleep")


def test_ten_nodes_of_polaris_use_forty_of_forty(layouts):
    rows, sentence = layouts.layout("polaris", 10)
    assert len({(row.host, row.variables[CUDA]) for row in rows if row.role == "evaluates"}) == 40
    assert sentence.startswith("50 ranks: rank 0 searches, 40 of ranks 1 to 49 evaluate; on 10 nodes with 5 ranks each")


@pytest.mark.parametrize(("name", "cores"), [("polaris", "24-31"), ("lumi", "49-55"), ("aurora, FLAT", "101-103")])
def test_rank_0_shares_the_cores_of_the_first_worker_unless_some_are_left(name, cores, layouts):
    rows, _ = layouts.layout(name, 1)
    assert (rows[0].role, rows[0].cores, rows[0].variables) == ("searches", cores, {})


def test_masks_of_lumi_are_those_of_its_guide(layouts):
    rows, _ = layouts.layout("lumi", 1)
    assert [f"{mask(row.cores):x}" for row in rows[1:]] == LUMI_MASKS.split(",")
    assert all(mask(row.cores) >> core & 1 for row, core in zip(rows[1:], LUMI_CORES, strict=True))


@pytest.mark.parametrize(
    ("name", "gpus", "found"),
    [
        ("polaris", "2", {"24-31,16-23": "0,1", "0-15": "2,3"}),
        ("polaris", "4", {"0-31": "0,1,2,3"}),
        ("lumi", "4", {"49-55,57-63,17-23,25-31": "0,1,2,3", "1-7,9-15,33-39,41-47": "4,5,6,7"}),
        ("aurora, COMPOSITE", "6", {"1-48": "0.0,0.1,1.0,1.1,2.0,2.1", "53-100": "3.0,3.1,4.0,4.1,5.0,5.1"}),
        ("aurora, FLAT", "3", {"1-24": "0,1,2", "25-48": "3,4,5", "53-76": "6,7,8", "77-100": "9,10,11"}),
    ],
)
def test_several_gpus_for_each_evaluation_come_with_their_cores(name, gpus, found, layouts):
    rows, _ = layouts.layout(name, GPUS_PER_EVAL=gpus)
    variable = FACTS[name].variable
    for host in range(2):
        working = [row for row in rows if row.host == host and row.role == "evaluates"]
        assert {mask(row.cores): row.variables[variable] for row in working} == {
            mask(cores): names for cores, names in found.items()
        }


@pytest.mark.parametrize(
    ("name", "line", "gpus"),
    [
        # The order of cores and the formula of the facility: $((3 - PMI_LOCAL_RANK % 4)).
        (
            "polaris",
            "mpiexec -n 8 --ppn 4 --cpu-bind list:0-7:8-15:16-23:24-31",
            ["", "2", "1", "0", "3", "2", "1", "0"],
        ),
        # One rank more, in parts of six cores, as --depth=6 --cpu-bind depth has them; the middle one is near two GPUs.
        ("polaris", "mpiexec -n 5 --ppn 5 --cpu-bind list:0-5:6-11:12-17:18-23:24-29", ["", "2", "3", "1", "0"]),
        # Slurm's own order of cores, -c7 in low-noise mode; a task for each GPU.
        (
            "frontier",
            "srun --ntasks=8 --ntasks-per-node=8 --cpu-bind=mask_cpu:"
            "fe,fe00,fe0000,fe000000,fe00000000,fe0000000000,fe000000000000,fe00000000000000",
            ["", "5", "2", "3", "6", "7", "0", "1"],
        ),
        # Ranks in any order.
        ("aurora, COMPOSITE", "mpiexec -n 4 --ppn 4 --cpu-bind list:1-8:93-100:17-24:9-16", ["", "3.0", "0.0", "0.1"]),
    ],
)
def test_other_lines_get_near_gpus_too(name, line, gpus, layouts):
    """With the variable of the script alone."""
    host = layouts.HOSTS[name]
    cores = {"polaris": "24-31:16-23:8-15:0-7", "frontier": ":".join(MI250X), "aurora, COMPOSITE": SOCKETS}
    env = dict(host.env) | {"DHMPI_GPU_CORES": cores[name]}
    if name.startswith("aurora"):
        env[ZE] = ",".join(FACTS[name].gpus)
    rows, _ = layouts.played(host, shlex.split(f"{line} dhmpi ambs --gpus-per-eval 1"), env)
    assert [row.variables.get(FACTS[name].variable, "") for row in rows] == gpus


def test_tiles_that_are_shared_are_those_of_the_socket(layouts):
    variables = {"GPUS_PER_EVAL": "0", "RANKS_PER_NODE": "24", "ARGUMENTS": "--gpus-per-eval 0.5"}
    rows, _ = layouts.layout("aurora, FLAT", 2, **variables)
    for row in rows[1:]:
        assert (int(row.variables[ZE]) < 6) == (mask(row.cores) < 1 << 52)


def test_without_gpus_of_their_own_ranks_share_the_node(layouts):
    rows, sentence = layouts.layout("polaris", 1, GPUS_PER_EVAL="0", RANKS_PER_NODE="16")
    assert {row.cores for row in rows} == {f"{core}-{core + 1}" for core in range(0, 32, 2)}
    assert not any(row.variables for row in rows)
    assert sentence == "16 ranks: rank 0 searches, ranks 1 to 15 evaluate"


@pytest.mark.parametrize(
    ("name", "spare", "first", "pair"),
    [
        ("polaris", [6], ["0", "1"], "24-31 16-23"),
        ("lumi", [10], ["0", "1"], "49-55 57-63"),
        ("aurora, COMPOSITE", [13], ["0.0", "0.1"], "1-8 9-16"),
    ],
)
def test_ranks_that_evaluate_together_have_cores_of_their_own_and_near_gpus(name, spare, first, pair, layouts):
    """The rank that is one too many on a node is not in a team."""
    rows, _ = layouts.layout(name, 2, ARGUMENTS="--ranks-per-eval 2 --gpus-per-eval 2")
    assert [row.rank for row in rows if row.role == "sleeps"] == spare
    for host in range(2):
        working = [row for row in rows if row.host == host and row.role == "evaluates"]
        assert [row.variables[FACTS[name].variable] for row in working] == list(FACTS[name].gpus)
        assert " ".join(row.cores for row in working[:2]) == pair
