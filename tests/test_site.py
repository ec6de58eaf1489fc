"""The documentation builds into a site without a warning; what it must have is in it."""

import importlib.util
import posixpath
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile
from test_aliases import MODULES, NAMES

from dhmpi.aliases import ALIASES
from dhmpi.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]


def loaded(path):
    """A module of the documentation, which is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    words = ["make", "-C", ROOT / "docs", "site", f"BUILD={folder}", f"PYTHON={sys.executable}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder / "html"


@pytest.fixture(scope="module")
def inventory(site):
    """The names in the site's indices: kinds and names to pages."""
    with (site / "objects.inv").open("rb") as stream:
        found = InventoryFile.load(stream, "", posixpath.join)
    return {kind: set(names) for kind, names in found.items()}


@pytest.mark.timeout(540)  # for the first test: all are on the built site
def test_the_site_is_not_large(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 20e6


def test_all_modules_that_were_documented_are_in_the_index(inventory):
    assert {*MODULES, *ALIASES} <= inventory["py:module"]


@pytest.mark.parametrize("module", NAMES)
def test_all_names_that_were_documented_are_in_the_index(module, inventory):
    assert {f"{module}.{name}" for name in NAMES[module]} <= inventory["py:class"] | inventory["py:function"]


def test_documented_members_are_in_the_index(inventory):
    assert "dhmpi.benchmark.problem.HpProblem.add_dim" in inventory["py:method"]
    assert "dhmpi.benchmark.problem.Problem.add_dim" in inventory["py:method"]
    assert "dhmpi.benchmark.problem.HpProblem.starting_point" in inventory["py:attribute"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_has_one_anchor(command, site, inventory):
    from_help = subprocess.check_output([sys.executable, "-m", "dhmpi", command, "--help"], text=True, timeout=60)
    options = set(re.findall(r"^  (?:-\w(?: \S+)?, )?(--[a-z-]+)", from_help, re.MULTILINE))
    page = (site / "commands" / f"{command}.html").read_text()
    assert options
    for option in options:
        anchor = f"{command}-{option.lstrip('-')}"
        assert page.count(f'id="{anchor}"') == 1, option
        assert anchor in inventory["std:label"]
        assert f"dhmpi-{command}.{option}" in inventory["std:cmdoption"]


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>'
        '<a href="#here">4</a><a href="https://www.python.org">5</a><script src="https://cdn.example/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="there"><a href="a.html">back</a>')
    found = loaded(ROOT / "docs" / "check_links.py").faults(tmp_path)
    assert [each.rpartition(" ")[2] for each in found] == ["b.html#gone", "c.html", "https://cdn.example/x.js"]


def test_links_to_the_repository_become_links_within_the_site():
    module = loaded(ROOT / "docs" / "_ext" / "repository_links.py")
    docs = module.DOCS
    text = "[a](../README.md#install) [b](running.md) g[h](i) [`c`](../dhmpi/errors.py) ![e](pictures/f.png)"
    expected = "[a](overview.md#install) [b](running.md) g[h](i) `c` ![e](pictures/f.png)"
    assert module.relinked(text, docs / "launching.md", docs / "launching.md") == expected
    shown = module.relinked("[a](docs/running.md#ranks) ![e](docs/pictures/f.png)", ROOT / "README.md", docs / "o.md")
    assert shown == "[a](running.md#ranks) ![e](pictures/f.png)"
    assert (
        module.relinked("[a](../running.md)", docs / "sites" / "x.md", docs / "sites" / "x.md") == "[a](../running.md)"
    )


def test_pages_that_the_index_does_not_name_are_in_it_nevertheless():
    module = loaded(ROOT / "docs" / "_ext" / "repository_links.py")
    names = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index", "running", "ga"}
    lines = [*names, "Titled <ga>"]
    assert module.with_others("\n".join([*lines, "OTHERS\n"])).splitlines() == [*lines, "running"]
