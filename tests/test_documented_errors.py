"""Messages of the documentation are those of the code."""

import ast
import re
from pathlib import Path

import pytest

from dhmpi.cli.main import main
from dhmpi.errors import EXIT_INPUT
from dhmpi.support.options import as_flag

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "errors.md").read_text()
MESSAGES = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]
VALUE = "..."


def spelled(node):
    """Return what an expression of the code prints, with `...` in place of values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[sdg]", VALUE, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(spelled, node.values))
    if isinstance(node, ast.FormattedValue):
        return spelled(node.value) if isinstance(node.value, ast.Call) else VALUE
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return spelled(node.left) + spelled(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "option_name":
        [name] = node.args
        return as_flag(name.value.partition("=")[0]) if isinstance(name, ast.Constant) else VALUE
    return VALUE


@pytest.fixture(scope="module")
def sentences():
    """Return all texts of the package, docstrings aside."""
    found = set()
    for path in (ROOT / "dhmpi").rglob("*.py"):
        tree = ast.parse(path.read_text())
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = (ast.Constant, ast.JoinedStr, ast.BinOp)
        found |= {spelled(node) for node in ast.walk(tree) if isinstance(node, texts) and node not in docstrings}
    return found


def test_there_are_messages():
    assert len(MESSAGES) == len(set(MESSAGES)) >= 60


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_code(message, sentences):
    beginning = pattern(message)
    assert any(beginning.match(sentence) for sentence in sentences), f"no such message in the code: {message}"


def pattern(message):
    """Return what matches sentences that begin as a message; `...` in it is any text."""
    words = message.removesuffix(VALUE).split(VALUE)
    return re.compile(".*".join(map(re.escape, words)))


def test_what_no_code_says_is_found(sentences):
    assert not any(pattern("the moon must be ..., got ...").match(sentence) for sentence in sentences)


@pytest.mark.parametrize(
    "words",
    [
        ["ambz"],
        ["ambs", "--max-evls", "3"],
        ["ambs", "--max-evals", "0"],
        ["ambs", "--learner", "RG"],
        ["ambs", "--stopper", "asha:reducton=3"],
        ["ambs", "--resume", "--overwrite"],
        ["ambs", "--num-workers", "3"],
        ["ambs", "--problem", "no_module.Problem"],
        ["ambs", "--problem", "no_file.py"],
        ["ambs", "--end-time", "2020-01-01T00:00"],
        ["ambs", "--end-time", "soon"],
        ["ambs", "--points", "none.csv"],
        ["ambs", "--resume", "--output", "none.h5"],
        ["ambs", "--output", "none/results.h5"],
        ["hps-random", "--sampler", "points"],
        ["ppo-async", "--problem", "dhmpi.benchmark.nas.table.Problem", "--run", "dhmpi.benchmark.nas.table.run"],
        ["show", "none.h5"],
        ["show", __file__],
        ["plot", "gant"],
    ],
    ids=" ".join,
)
def test_what_a_mistake_makes_a_command_say_is_on_the_page(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == EXIT_INPUT
    said = capsys.readouterr().err.splitlines()[-1].partition(": error: ")[2]
    assert said
    assert any(pattern(message).match(said) for message in MESSAGES), said
    assert not list(tmp_path.iterdir())
