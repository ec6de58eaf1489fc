"""First lines of docstrings name the thing, so that a search for its noun finds it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("dhmpi/**/*.py"), *ROOT.glob("benchmarks/*.py")])
RIDDLE = re.compile(r"(What|Where|When|Which|Who|Why|How|Likewise|The same)\b", re.IGNORECASE)
# What is true or false may say so: "Whether ...".
NO_NAME = re.compile(rf"{RIDDLE.pattern}|Whether\b", re.IGNORECASE)


def first_lines(path):
    """Yield (name, whether it is a function, first line) of whatever has a docstring, the module first."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield getattr(node, "name", path.name), isinstance(node, ast.FunctionDef), text.splitlines()[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_first_lines_name_the_thing(path):
    for name, is_function, line in first_lines(path):
        pattern = RIDDLE if is_function else NO_NAME
        assert not pattern.match(line), f"{name}: a docstring must begin with a noun or a verb, got {line!r}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_and_public_classes_have_docstrings(path):
    tree = ast.parse(path.read_text())
    public = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in [tree, *public]:
        assert ast.get_docstring(node), f"{getattr(node, 'name', path.name)} must have a docstring"
