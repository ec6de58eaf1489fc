"""What is in a prefix runs: from there, by links, after a move, with any Python, on several ranks.

CTest runs these tests with an environment that was built; otherwise they use the one that they run in.
"""

import os
import sys
from pathlib import Path

import pytest

import dhmpi

ROOT = Path(__file__).resolve().parents[2]
VERSION = f"dhmpi {dhmpi.__version__}\n"
PROBLEM = "dhmpi.benchmark.hps.polynome2"
WORDS = ("--problem", f"{PROBLEM}.Problem", "--run", f"{PROBLEM}.run", "--max-evals", "6", "--output", "results.h5")
# Not the Python of dhmpi, where there is another.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


def search_on_three_ranks(run, prefix, mpiexec, directory):
    words = ("-n", "3", prefix / "bin" / "dhmpi", "ambs", *WORDS)
    run(mpiexec, *words, cwd=directory, timeout=100)
    return run(prefix / "bin" / "dhmpi", "show", "results.h5", cwd=directory)


@pytest.mark.launcher
def test_it_runs_on_several_ranks(run, prefix, mpiexec, tmp_path):
    shown = search_on_three_ranks(run, prefix, mpiexec, tmp_path)
    assert "6 DONE" in shown
    assert "2 workers" in shown


@pytest.mark.launcher
def test_it_can_be_moved(run, prefix, mpiexec, move, tmp_path):
    moved = move("moved elsewhere")
    assert run(moved / "bin" / "dhmpi", "--version") == VERSION
    if str(mpiexec).startswith(str(prefix)):
        mpiexec = moved / "venv" / "bin" / "mpiexec"
    shown = search_on_three_ranks(run, moved, mpiexec, tmp_path)
    assert "6 DONE" in shown


def test_links_lead_to_it(run, prefix, tmp_path):
    (tmp_path / "first").symlink_to(prefix / "bin" / "dhmpi")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "dhmpi").symlink_to("../first")
    assert run(tmp_path / "here" / "dhmpi", "--version") == VERSION
    assert run("./dhmpi", "--version", cwd=tmp_path / "here") == VERSION
    assert run("sh", "-c", "dhmpi --version", env={"PATH": f"{tmp_path}/here:/usr/bin:/bin"}) == VERSION


def test_nothing_around_it_gets_in(run, prefix, tmp_path):
    """Neither a folder of the same name, nor the settings of another Python."""
    (tmp_path / "dhmpi").mkdir()
    (tmp_path / "dhmpi" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    assert run(prefix / "bin" / "dhmpi", "--version", cwd=tmp_path, env={"PYTHONHOME": "/nowhere"}) == VERSION


def test_errors_keep_their_exit_status(run, prefix):
    assert "no such command: 'ambsx'" in run(prefix / "bin" / "dhmpi", "ambsx", status=2)


@pytest.fixture(params=["python", "itself", "a link"])
def start(request, tmp_path):
    """How a search's file is started."""

    def words(path):
        if request.param == "python":
            return PYTHON, path
        if request.param == "a link":
            link = tmp_path / "link.py"
            link.unlink(missing_ok=True)
            link.symlink_to(path)
            return PYTHON, link
        return (path,)

    return words


def test_every_search_is_a_file(run, prefix, start, tmp_path):
    files = sorted((prefix / "share" / "dhmpi" / "searches").iterdir())
    assert "ambs.py" in [path.name for path in files]
    path = files[0]
    assert run(*start(path), "--help").startswith(f"usage: dhmpi {path.stem} ")
    assert "--max-evals must be" in run(*start(path), "--max-evals", "none", status=2)


def test_all_files_are_there(prefix):
    assert (prefix / "share" / "doc" / "dhmpi" / "README.md").read_text() == (ROOT / "README.md").read_text()
    assert (prefix / "share" / "doc" / "dhmpi" / "docs" / "running.md").exists()
    assert not (prefix / "share" / "doc" / "dhmpi" / "docs" / "conf.py").exists()
    built = ROOT / "build" / "docs" / "html" / "index.html"  # by scripts/docs, if at all
    assert (prefix / "share" / "doc" / "dhmpi" / "html" / "index.html").exists() == built.exists()
    installed = prefix / "share" / "dhmpi" / "jobs"
    for script in ROOT.glob("jobs/*.sh"):
        assert os.access(installed / script.name, os.X_OK), f"{script} must be installed as a program"


def test_job_scripts_know_where_the_module_is(run, prefix, move, tmp_path):
    """Those that are installed, those that are printed, and after a move those that are written again."""
    installed = prefix / "share" / "dhmpi" / "jobs"
    text = (installed / "polaris.sh").read_text()
    line = f'    module use "{prefix}/modulefiles"\n'
    assert text.replace(line, "") == (ROOT / "jobs" / "polaris.sh").read_text()
    assert text.count(line) == 1
    assert "MODULE=${MODULE-deephyper}" in (installed / "pbs.sh").read_text()
    assert run(prefix / "bin" / "dhmpi", "job", "--site", "polaris") == text
    moved = move("moved for its jobs")
    run(moved / "bin" / "dhmpi", "job", "--all", moved / "share" / "dhmpi" / "jobs")
    written = (moved / "share" / "dhmpi" / "jobs" / "polaris.sh").read_text()
    assert written == text.replace(str(prefix), str(moved))
    for path in (moved / "share" / "dhmpi" / "jobs").iterdir():
        path.write_text(path.read_text().replace(str(moved), str(prefix)))
