"""Chapters of the documentation are run: their files are written, their commands and programs run in order."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dhmpi.search.registry import SEARCHES

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = ("concepts", "why", "nas-structures", "migrating", "python")


@pytest.mark.timeout(300)  # some of them train networks
@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_of_a_chapter_run_and_print_what_it_shows(name, tmp_path):
    if name == "nas-structures":
        pytest.importorskip("keras")
    printed, cells, num_run = "", "", 0
    for number, (language, text) in enumerate(BLOCK.findall((DOCS / f"{name}.md").read_text())):
        if language == "text" and num_run:
            assert without_figures(text) in without_figures(printed)
        if text.startswith("# a cell\n"):  # all cells so far, in an interpreter without a file, as in a notebook
            cells += text
            commands = [[sys.executable, "-c", cells]]
        else:
            commands = commands_of(language, text, number, tmp_path)
        for command in commands:
            done = subprocess.run(
                command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=100
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
            printed, num_run = printed + done.stdout + done.stderr, num_run + 1
    assert num_run


@pytest.mark.parametrize("name", [*PAGES, "errors", "glossary"])
def test_a_chapter_says_where_to_go_next(name):
    last = (DOCS / f"{name}.md").read_text().split("\n## ")[-1]
    assert last.startswith("Where to go next\n")
    assert re.search(r"\]\([\w/.-]+\.md\b", last)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_links_lead_to_headings(page):
    text = re.sub(r"`[^`\n]*`", "", page.read_text())  # what a page says of links is none
    for link, place in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
        target = page.parent / link if link else page
        headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", target.read_text()), re.MULTILINE)
        assert place in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], link


def test_searches_are_documented_with_their_classes():
    page = (DOCS / "python.md").read_text()
    for name, entry in SEARCHES.items():
        assert f"| `dhmpi {name}` | `{entry.module}.{entry.attribute}` |" in page


def commands_of(language, text, number, directory):
    """Write a block's file, if it is one, and return the commands that it stands for."""
    if language == "sh":
        lines = [
            line.removeprefix("python ") if line.startswith("python ") else f"-m {line}" for line in text.splitlines()
        ]
        return [[sys.executable, *shlex.split(line)] for line in lines]
    if language != "python":
        return []
    if (other := re.match(r"# in (\w+)\n", text)) and importlib.util.find_spec(other[1]) is None:
        return []
    named = re.match(r"# ([\w/]+\.py)\n", text)
    path = directory / (named[1] if named else f"block{number}.py")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return [] if named else [[sys.executable, path.name]]


def environment():
    return dict(os.environ, PYTHONWARNINGS="ignore", TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")


def without_figures(text):
    """Return a text in which numbers that depend on machine and clock stand for each other, and so do blanks."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d:.,e-]*", "#", text)).strip()
