"""The table of ranks, at the start of a campaign and by `dhmpi show --ranks`; nodes and GPUs are made up."""

import json

import pytest

from dhmpi.cli.main import main
from dhmpi.mpi.nodes import ComputeNode
from dhmpi.mpi.roles import Roles
from dhmpi.mpi.slots import Sharers, deal
from dhmpi.results import Metadata, ResultsStore, rank_table
from dhmpi.support.gpus import GpuView
from dhmpi.support.resources import SlotOptions

VIEW = GpuView("CUDA_VISIBLE_DEVICES", ("0", "1"))


def run(roles, **fields):
    """Return what a results file has of a run."""
    return {"roles": json.loads(json.dumps(roles.as_json())), "hosts": [], "num_workers": 2, **fields}


def placed(roles, num_nodes=1, **options):
    each = roles.size // num_nodes
    nodes = [
        ComputeNode(f"nid{number}", tuple(range(number * each, (number + 1) * each)), (0b1101,) * each, (VIEW,) * each)
        for number in range(num_nodes)
    ]
    return roles.placed(tuple(nodes)).with_slots(SlotOptions(**options))


def test_every_rank_has_a_row():
    table = rank_table.rows(run(placed(Roles.on_ranks(4), gpus_per_eval=1)))
    assert rank_table.lines(table) == [
        "rank  host  role       worker  cores  GPUs",
        "0     nid0  searches           0,2-3",
        "1     nid0  evaluates  0       0,2-3  0",
        "2     nid0  evaluates  1       0,2-3  1",
        "3     nid0  sleeps             0,2-3",
    ]


def test_agents_are_told_from_their_workers():
    roles = placed(Roles.of_agents(4, 1, True, True))
    assert [row.role for row in rank_table.rows(run(roles))] == [
        *("serves parameters", "is an agent", "evaluates", "evaluates"),
    ]
    roles = placed(Roles.of_agents(2, None, False, True))
    found = [(row.role, row.worker, row.gpus) for row in rank_table.rows(run(roles))]
    assert found == [("is an agent, evaluates", "0", "0"), ("is an agent, evaluates", "1", "1")]


def test_the_workers_of_a_pool_have_rows():
    dealt = deal([Sharers("here", (0, 1), VIEW)], SlotOptions())
    table = rank_table.rows(run(Roles.local()._replace(gpus=dealt), hosts=["here"]))
    assert [(row.rank, row.host, row.role, row.gpus) for row in table] == [
        ("0", "here", "evaluates", "0"),
        ("1", "here", "evaluates", "1"),
    ]


def test_ranks_come_in_order_though_they_are_dealt_out_to_nodes():
    nodes = tuple(ComputeNode(f"nid{number}", (number, number + 2), (1, 1)) for number in range(2))
    table = rank_table.rows(run(Roles.on_ranks(4).placed(nodes).with_slots(SlotOptions())))
    assert [(row.rank, row.host) for row in table] == [("0", "nid0"), ("1", "nid1"), ("2", "nid0"), ("3", "nid1")]


def test_a_long_table_is_shortened():
    table = rank_table.rows(run(placed(Roles.on_ranks(40), 10)))
    shown = rank_table.lines(table, 8)
    assert [line.split()[0] for line in shown] == ["rank", "0", "1", "2", "3", "4", "5", "6", "...", "39"]
    assert len(rank_table.lines(table[:8], 8)) == 9
    assert len(rank_table.lines(table)) == 41


@pytest.fixture
def stored(tmp_path):
    """Make a results file whose run has such roles; return its path."""

    def made(roles):
        path = str(tmp_path / "results.h5")
        store = ResultsStore.create(path, Metadata("ambs", "a.Problem", {"x": (0.0, 1.0)}))
        store.begin_run(2, ["nid0"], "a sentence", roles)
        store.close("complete")
        return path

    return made


def test_show_prints_it(stored, capsys):
    assert main(["show", "--ranks", stored(placed(Roles.on_ranks(3)).as_json())]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "1     nid0  evaluates  0       0,2-3  0",
        "2     nid0  evaluates  1       0,2-3  1",
    ]


@pytest.mark.parametrize(
    ("roles", "sentence"),
    [
        (None, "a file must say what the ranks did"),
        ({"nodes": [{"host": 3}]}, "the roles of ranks must be as dhmpi writes them"),
        ({"nodes": [{"host": "a", "ranks": "b"}], "groups": [], "has_agents": False}, "the roles of ranks must be"),
    ],
)
def test_show_says_what_a_file_lacks(stored, capsys, roles, sentence):
    assert main(["show", "--ranks", stored(roles)]) != 0
    assert sentence in capsys.readouterr().err


def test_files_from_before_gpus_have_a_table(stored, capsys):
    roles = placed(Roles.on_ranks(3)).as_json()
    del roles["gpus"], roles["nodes"][0]["cores"]
    assert main(["show", "--ranks", stored(roles)]) == 0
    assert "1     nid0  evaluates  0" in capsys.readouterr().out
