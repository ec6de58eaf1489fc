"""What docs/nas-benchmarks.md says is true."""

import re
from pathlib import Path

import pytest

import dhmpi.benchmark.nas
from dhmpi.errors import DataError
from dhmpi.support.loader import check_problem

TEXT = (Path(__file__).parents[2] / "docs" / "nas-benchmarks.md").read_text()


def test_its_python_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {})


def test_a_problem_looks_for_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [block] = [text for text in re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE) if "check" in text]
    names = {}
    exec(block, names)
    problem = names["ProblemWithFiles"]()
    with pytest.raises(DataError, match=r"measurements\.csv must be in the current directory"):
        check_problem(problem)
    (tmp_path / "measurements.csv").touch()
    check_problem(problem)


def test_every_benchmark_is_in_it():
    names = {path.parent.name for path in Path(dhmpi.benchmark.nas.__file__).parent.glob("*/problem.py")}
    table = TEXT.partition("## What there is")[2].partition("\n## ")[0]
    assert len(names) == 13
    assert names == set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
