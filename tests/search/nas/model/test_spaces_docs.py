import importlib
import os
import re
from pathlib import Path

import pytest

from dhmpi.search.nas.model.space.op import basic

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TEXT = (Path(__file__).parents[4] / "docs" / "nas-spaces.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_example_of_a_ready_space_runs(capsys):
    pytest.importorskip("keras")
    exec(BLOCKS[0], {})
    shown = re.findall(
        r"^    (.*)\n", TEXT.partition("leaves out what does nothing")[2].partition("##")[0], re.MULTILINE
    )
    assert capsys.readouterr().out.splitlines() == shown


def test_the_space_of_ones_own_runs():
    pytest.importorskip("keras")
    names = {"__name__": "space"}
    exec(BLOCKS[1], names)
    structure, model = names["structure"], names["model"]
    assert structure.size == 4**3 * 2**3 * 6
    # Residual 8; then Dense 16 of it, and the input; then Residual 32 of these, which are 16.
    assert model.count_params() == (4 * 8 + 8 + 8 * 4 + 4) + (4 * 16 + 16) + (16 * 32 + 32 + 32 * 16 + 16) + (16 + 1)
    own = names["Residual"]
    assert own(8).label == own(8).label != own(32).label
    no_skip, skip = ([0, 2, choice, 1, 1, 1, 2, 3, 0] for choice in (0, 1))
    assert structure.canonical_key(no_skip) != structure.canonical_key(skip)


def test_the_table_of_spaces_is_true():
    rows = re.findall(r"^\| `(\w+)` \|(?: `(\w+)=(\d)`)? \| (\d+) \| (\d+) \| ([0-9,^* ]+) \|$", TEXT, re.MULTILINE)
    assert len(rows) == 6
    for name, argument, value, num_nodes, max_num_ops, size in rows:
        module = importlib.import_module(f"dhmpi.search.nas.model.baseline.{name}")
        structure = module.create_structure(**({argument: int(value)} if argument else {}))
        assert (structure.num_nodes, structure.max_num_ops) == (int(num_nodes), int(max_num_ops))
        assert structure.size == eval(size.replace(",", "").replace("^", "**"))


def test_the_table_of_kinds_is_true():
    kinds = re.findall(r"^\| `([A-Z]+)` \| (.*?) \| `", TEXT, re.MULTILINE)
    assert [name for name, _ in kinds] == [kind.name for kind in basic.Kind]
    assert all(basic.Kind[name].value.startswith(text.partition(";")[0]) for name, text in kinds if name != "OTHER")
