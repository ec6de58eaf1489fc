import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from dhmpi import results
from dhmpi.analysis import terminal
from dhmpi.benchmark.nas.table import Problem as Table
from dhmpi.campaign import problem_source
from dhmpi.cli import main
from dhmpi.errors import LoadError, ResultsError
from dhmpi.results import Metadata, Results
from dhmpi.search.nas.random import NasRandom

PROBLEM = """
from dhmpi.benchmark import Problem

Problem = Problem()
Problem.add_dim("create_structure", {"func": "dhmpi.benchmark.nas.table.table_structure:create_structure"})
Problem.add_dim("load_data", {"func": "my_data:load_data"})
"""
REWARD = "dhmpi.benchmark.nas.table.run"


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch):
    """Restore the path and forget the modules that a test imports."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    forget(before)


def forget(before):
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def old(tmp_path, monkeypatch):
    """The directory of a campaign, with its problem and what loads the data, by now no longer the current one."""
    directory = tmp_path / "old"
    directory.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (directory / "my_problem.py").write_text(PROBLEM)
    (directory / "my_data.py").write_text("def load_data():\n    raise AssertionError\n")
    before = set(sys.modules)
    monkeypatch.chdir(directory)
    search("my_problem.py")
    monkeypatch.chdir(tmp_path / "elsewhere")
    forget(before)
    return directory


def search(target, **options):
    NasRandom(target, REWARD, isolation="inline", quiet=True, max_evals=3, **options).main()


def recall(path, given=None):
    """Return the file from which the problem comes, and whether it has changed."""
    problem, changed = problem_source.recall(results.read(path), given)
    [file] = {module.__file__ for module in list(sys.modules.values()) if vars(module).get("Problem") is problem}
    return Path(file), changed


def test_a_file_says_where_its_problem_was_and_what_it_held(old):
    source = results.read(old / "results.h5").metadata.source
    assert (source["module"], source["attribute"]) == ("", "Problem")
    assert [path for path, _ in source["files"]] == [str(old / "my_problem.py"), str(old / "my_data.py")]
    assert {len(checksum) for _, checksum in source["files"]} == {64}


def test_a_problem_that_stays_where_it_was_is_found(old):
    assert recall(old / "results.h5") == (old / "my_problem.py", "")


def test_a_problem_that_has_moved_with_the_file_is_found(old, tmp_path):
    new = tmp_path / "new"
    old.rename(new)
    assert recall(new / "results.h5") == (new / "my_problem.py", "")
    Path("link.h5").symlink_to(new / "results.h5")
    assert recall("link.h5") == (new / "my_problem.py", "")


def test_a_problem_in_the_current_directory_is_found(old):
    for name in ("my_problem.py", "my_data.py"):
        shutil.move(old / name, Path.cwd())
    assert recall(old / "results.h5") == (Path.cwd() / "my_problem.py", "")


def test_of_several_problems_the_one_that_has_not_changed_is_taken(old, tmp_path):
    shutil.copytree(old, tmp_path / "new")
    for changed, same in ((old, tmp_path / "new"), (tmp_path / "new", old)):
        (changed / "my_problem.py").write_text(PROBLEM + "# another\n")
        (same / "my_problem.py").write_text(PROBLEM)
        assert recall(tmp_path / "new" / "results.h5") == (same / "my_problem.py", "")
        forget(set(sys.modules) - {"my_problem"})


def test_a_problem_in_a_directory_of_its_own_travels_with_it(tmp_path, monkeypatch):
    (tmp_path / "old" / "problems").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "old")
    Path("problems/mine.py").write_text(
        PROBLEM.replace("Problem = Problem()", "Mine = Problem()").replace("Problem.a", "Mine.a")
    )
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's problem
    before = set(sys.modules)
    search("problems/mine.py:Mine")
    forget(before)
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.chdir("/")
    problem, changed = problem_source.recall(results.read(tmp_path / "new" / "results.h5"), None)
    assert sys.modules["mine"].Mine is problem
    assert changed == ""


@pytest.mark.parametrize(
    "target", ["my_package.problem.Problem", "my_package.problem", "my_package:Problem", "my_package.Problem"]
)
def test_a_package_travels(target, tmp_path, monkeypatch):
    package = tmp_path / "old" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from my_package.problem import Problem\n")
    (package / "problem.py").write_text(PROBLEM.replace("my_data", "my_package.data"))
    (package / "data.py").write_text("def load_data():\n    pass\n")
    monkeypatch.chdir(tmp_path / "old")
    before, path = set(sys.modules), list(sys.path)
    search(target)
    files = [Path(name).name for name, _ in results.read("results.h5").metadata.source["files"]]
    assert files == ["problem.py", "data.py"] if "problem" in target else ["__init__.py", "problem.py", "data.py"]
    forget(before)
    sys.path[:] = path
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.chdir("/")
    found = results.read(tmp_path / "new" / "results.h5")
    assert problem_source.recall(found, None)[1] == ""
    assert Path(sys.modules["my_package.problem"].__file__) == tmp_path / "new/my_package/problem.py"
    (tmp_path / "new/my_package/data.py").write_text("def load_data():\n    return 1\n")
    assert "when data.py had another content" in problem_source.recall(found, None)[1]


def test_what_is_not_found_was_looked_for(old, capsys):
    (old / "my_problem.py").unlink()
    found, here = results.read(old / "results.h5"), Path.cwd() / "my_problem.py"
    looked = f"the problem must be in one of the files {old / 'my_problem.py'}, {here}, got none of them"
    with pytest.raises(ResultsError, match=f"^{looked}; say with problem where it is$"):
        problem_source.recall(found, None)
    for command in (["train"], ["export", "--keras", "a.keras"], ["check"]):
        assert main([command[0], str(old / "results.h5"), *command[1:]]) == 2
        assert f"{looked}; say with --problem where it is\n" in capsys.readouterr().err
    assert main(["show", str(old / "results.h5")]) == 0
    assert f"its file    none of {old / 'my_problem.py'}, {here} is there\n" in capsys.readouterr().out


def test_a_new_place_may_be_named(old, tmp_path):
    shutil.move(old / "my_problem.py", tmp_path / "other_name.py")
    assert recall(old / "results.h5", "../other_name.py") == (tmp_path / "other_name.py", "")
    with pytest.raises(
        LoadError, match=r"file '\.\./another\.py' must exist, got none; did you mean 'other_name\.py'\?$"
    ):
        problem_source.recall(results.read(old / "results.h5"), "../another.py")


@pytest.mark.parametrize("name", ["my_problem.py", "my_data.py"])
def test_what_has_changed_is_named_in_one_sentence(old, name, capsys):
    with (old / name).open("a") as file:
        file.write("# another\n")
    sentence = f"the problem {old / 'my_problem.py'} has changed since the campaign, when {name} had another content"
    assert recall(old / "results.h5")[1] == sentence
    assert main(["check", str(old / "results.h5")]) == 0
    assert capsys.readouterr().err == f"warning: {sentence}\n"


def test_show_says_where_the_problem_is_without_running_it(old, capsys, tmp_path):
    (old / "my_problem.py").write_text("raise AssertionError\n")
    (tmp_path / "kept.py").write_text(PROBLEM)

    def line(*words):
        assert main(["show", str(old / "results.h5"), *words]) == 0
        [found] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("its file")]
        return found.removeprefix("its file").strip()

    assert line() == f"{old / 'my_problem.py'}, changed since the campaign"
    assert line("--problem", "../kept.py:Problem") == f"{tmp_path / 'kept.py'}"
    assert line("--problem", "../gone.py") == "../gone.py is not there"
    assert line("--problem", "dhmpi.benchmark.nas.table.problem").endswith("problem.py, changed since the campaign")


def test_a_changed_problem_is_told_of_when_a_campaign_is_continued(old, monkeypatch, caplog):
    monkeypatch.chdir(old)
    (old / "my_problem.py").write_text(f"{PROBLEM}# another\n")
    before = results.read("results.h5").metadata.source
    NasRandom("./my_problem.py", REWARD, isolation="inline", quiet=True, max_evals=4, resume=True).main()
    assert "my_problem.py has changed since the campaign" in caplog.text
    after = results.read("results.h5").metadata
    assert after.problem == "./my_problem.py"
    assert after.source["files"][0][0] == before["files"][0][0]
    assert after.source["files"][0][1] != before["files"][0][1]
    caplog.clear()
    NasRandom("./my_problem.py", REWARD, isolation="inline", quiet=True, max_evals=5, resume=True).main()
    assert caplog.text == ""


def test_another_space_is_refused(old, capsys):
    text = PROBLEM.replace("dhmpi.benchmark.nas.table.table_structure", "smaller")
    (old / "my_problem.py").write_text(text)
    (old / "smaller.py").write_text(
        "from dhmpi.benchmark.nas.table.table_structure import TableStructure\n"
        "def create_structure():\n    return TableStructure((2, 3))\n"
    )
    for words in (["train"], ["check"]):
        assert main([words[0], str(old / "results.h5")]) == 2
        assert "error: dimension 'node_0' must be " in capsys.readouterr().err


def test_an_object_is_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search(Table)
    found = results.read("results.h5")
    assert found.metadata.source == {}
    assert problem_source.described(found, None) == ""
    with pytest.raises(LoadError, match=r"; or say with problem where it is$"):
        problem_source.recall(found, None)
    assert problem_source.recall(found, "dhmpi.benchmark.nas.table.Problem") == (Table, "")
    assert main(["check", "results.h5", "--problem", "dhmpi.benchmark.nas.table.Problem"]) == 0


def test_a_benchmark_is_found_by_its_name_wherever_dhmpi_is():
    source = problem_source.record("dhmpi.benchmark.nas.table.problem.Problem", Table)
    [[path, checksum]] = source["files"]
    moved = source | {"files": [["/nowhere/dhmpi/benchmark/nas/table/problem.py", checksum]]}
    found = Results.of(Metadata("nas-random", "dhmpi.benchmark.nas.table.problem.Problem", {}, source=moved), [])
    assert problem_source.recall(found, None) == (Table, "")
    assert problem_source.described(found, None) == path


def test_files_from_before_are_looked_for_as_they_were_typed(old, monkeypatch):
    metadata = Metadata("nas-random", "my_problem.py:Problem", {})
    problem, changed = problem_source.recall(Results.of(metadata, [], path=old / "results.h5"), None)
    assert sys.modules["my_problem"].Problem is problem
    assert changed == ""
    monkeypatch.chdir(old)
    assert problem_source.described(Results.of(metadata, []), None) == ""
    named = Metadata("nas-random", "dhmpi.benchmark.nas.table.Problem", {})
    assert problem_source.recall(Results.of(named, []), None) == (Table, "")


def test_a_directory_that_must_not_be_looked_into_holds_nothing(old, monkeypatch):
    found, stat = results.read(old / "results.h5"), os.stat

    def forbidding(path, *args, **kwargs):
        if Path(path).parent == old:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", forbidding)
    with pytest.raises(ResultsError, match="got none of them"):
        problem_source.recall(found, None)


def test_problems_of_hyperparameters_say_where_they_are_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["hps-random", "--problem", "dhmpi.benchmark.hps.rosen2.Problem", "--quiet", "--isolation", "inline"]
    assert main([*words, "--run", "dhmpi.benchmark.hps.rosen2.run", "--max-evals", "2"]) == 0
    found = results.read("results.h5")
    source = found.metadata.source
    assert source["module"] == "dhmpi.benchmark.hps.rosen2"
    stream = io.StringIO()
    terminal.show(found, stream, where=problem_source.described(found, None))
    assert "its file    " in stream.getvalue()
    assert main(["check", "results.h5"]) == 0
