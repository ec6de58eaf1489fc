import contextlib
import functools
import importlib
import math
import os
import pickle
import subprocess
import sys
import textwrap
import types

import pytest

from dhmpi.benchmark import HpProblem, Problem
from dhmpi.benchmark.hps import rosen2
from dhmpi.errors import DataError, InputError, LoadError
from dhmpi.support.loader import check_problem, load, load_problem, load_run, run_name

PROBLEM = """
from dhmpi.benchmark import HpProblem
Problem = HpProblem()
Problem.add_dim("x", (0, 9), 3)
"""
RUN = """
def run(point):
    return point["x"]
"""


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch, tmp_path):
    """Restore the path and forget the modules of a test; those that are installed stay: some load only once."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
        if getattr(module, "__spec__", None) is None or any(place.startswith(str(tmp_path)) for place in places):
            del sys.modules[name]


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Empty current directory; call it to write a file."""
    monkeypatch.chdir(tmp_path)

    def write(path, text=""):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    return write


@pytest.fixture
def campaign(work):
    """A package with a problem and a run function, as the documentation tells to write it."""
    work("mybench/__init__.py")
    work("mybench/problem.py", PROBLEM)
    work("mybench/model_run.py", RUN)
    work("mybench/both.py", PROBLEM + RUN)


def message(load, target):
    with pytest.raises(LoadError) as error:
        load(target)
    assert isinstance(error.value, InputError)
    assert "\n" not in str(error.value)
    return str(error.value)


def details(load, target):
    with pytest.raises(LoadError) as error:
        load(target)
    return error.value.details


# --- what can be named


@pytest.mark.parametrize(
    "target",
    [
        "mybench.problem.Problem",
        "mybench.problem:Problem",
        "mybench.problem",
        "mybench/problem.py",
        "mybench/problem.py:Problem",
        "./mybench/../mybench/both.py",
        "mybench.both:Problem",
    ],
)
def test_load_problem(campaign, target):
    assert load_problem(target).starting_point_asdict == {"x": 3}


@pytest.mark.parametrize(
    "target",
    [
        "mybench.model_run.run",
        "mybench.model_run:run",
        "mybench.model_run",
        "mybench/model_run.py",
        "mybench/both.py:run",
    ],
)
def test_load_run(campaign, target):
    assert load_run(target)({"x": 4}) == 4


def test_shipped_benchmarks():
    for name in (
        "dhmpi.benchmark.hps.rosen2",
        "dhmpi.benchmark.hps.rosen2.Problem",
        "dhmpi.benchmark.hps.rosen2.problem",
    ):
        assert load_problem(name) is rosen2.Problem
    for name in (
        "dhmpi.benchmark.hps.rosen2",
        "dhmpi.benchmark.hps.rosen2.run",
        "dhmpi.benchmark.hps.rosen2.rosenbrock2",
    ):
        assert load_run(name) is rosen2.run


def test_objects_are_returned_as_they_are():
    assert load_problem(rosen2.Problem) is rosen2.Problem
    assert load_run(rosen2.run) is rosen2.run
    partial = functools.partial(rosen2.run)
    assert load_run(partial) is partial


def test_nested_attributes(work):
    work("nested.py", "class Outer:\n    class Inner:\n        run = staticmethod(lambda point: 7)\n")
    assert load_run("nested.Outer.Inner.run")({}) == 7
    assert load_run("nested.py:Outer.Inner.run")({}) == 7


def test_an_attribute_hides_the_submodule_of_its_name(work):
    work("hiding/__init__.py", "from hiding.run import run")
    work("hiding/run.py", RUN)
    assert load_run("hiding.run")({"x": 1}) == 1
    assert load_run("hiding.run.run")({"x": 1}) == 1


@pytest.mark.parametrize("maker", ["class Problem(Base): pass", "def Problem(): return Base()", "Problem = Base()"])
def test_instances_classes_and_factories(work, maker):
    work(
        "makers.py",
        f"""
        from dhmpi.benchmark import HpProblem
        class Base(HpProblem):
            def __init__(self):
                super().__init__()
                self.add_dim("x", (0, 9))
        {maker}
        """,
    )
    problem = load_problem("makers.py")
    assert isinstance(problem, HpProblem)
    assert problem.space == {"x": (0, 9)}


def test_any_object_with_a_space_is_a_problem():
    problem = Problem()
    problem.add_dim("structure", {"func": print})
    assert load_problem(problem) is problem


# --- files


def test_siblings_of_a_file_can_be_imported(work):
    work("there/helper_of_run.py", "FACTOR = 2")
    work("there/model.py", "from helper_of_run import FACTOR\ndef run(point): return FACTOR * point['x']")
    assert load_run("there/model.py")({"x": 2}) == 4


def test_files_can_import_from_the_current_directory(work):
    work("helper_at_top.py", "FACTOR = 3")
    work("there/model.py", "from helper_at_top import FACTOR\ndef run(point): return FACTOR * point['x']")
    assert load_run("there/model.py")({"x": 2}) == 6


def test_a_file_is_executed_once(campaign):
    problem, run = load_problem("mybench/both.py"), load_run(os.path.abspath("mybench/both.py"))
    assert problem is load_problem("mybench/both.py")
    assert run is sys.modules["both"].run
    assert problem is sys.modules["both"].Problem


def test_files_of_the_same_name_live_side_by_side(work):
    work("a/model.py", "def run(point): return 'a'")
    work("b/model.py", "def run(point): return 'b'")
    runs = [load_run("a/model.py"), load_run("b/model.py"), load_run("a/model.py"), load_run("b/model.py")]
    assert [run({}) for run in runs] == ["a", "b", "a", "b"]
    assert runs[:2] == runs[2:]
    assert pickle.loads(pickle.dumps(runs[1])) is runs[1]


@pytest.mark.parametrize("stem", ["json", "queue", "__main__", "__init__", "pytest"])
def test_a_file_never_takes_the_place_of_another_module(work, stem):
    before = sys.modules.get(stem)
    work(f"there/{stem}.py", "assert __name__ != '__main__'\n" + RUN)
    run = load_run(f"there/{stem}.py")
    assert run({"x": 5}) == 5
    assert sys.modules.get(stem) is before
    assert run.__module__.startswith(f"{stem}_")


def test_a_file_may_have_any_stem(work):
    work("my-run.2.py", RUN)
    assert load_run("my-run.2.py")({"x": 5}) == 5


def test_home_directory(work, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    work("at_home.py", RUN)
    assert load_run("~/at_home.py:run")({"x": 5}) == 5


# --- what is not found


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("mybench.problm.Problem", "module 'mybench.problm' must exist, got none; did you mean 'problem'?"),
        ("mybench.problm:Problem", "module 'mybench.problm' must exist, got none; did you mean 'problem'?"),
        ("mybench.problem.Problm", "'mybench.problem' must hold 'Problm', got none; did you mean 'Problem'?"),
        ("mybench.problem:Problm", "'mybench.problem' must hold 'Problm', got none; did you mean 'Problem'?"),
        ("mybench.problm", "'mybench' must hold 'problm', got none; did you mean 'problem'?"),
        ("mybench", "'mybench' must hold 'Problem' if no attribute is named, got none; did you mean 'problem'?"),
        ("mybench/problem.py:Problm", "'mybench/problem.py' must hold 'Problm', got none; did you mean 'Problem'?"),
        (
            "mybench/model_run.py",
            "'mybench/model_run.py' must hold 'Problem' if no attribute is named, got none; choose from run",
        ),
        (
            "mybench.problem.Problem.spaec",
            "'mybench.problem:Problem' must hold 'spaec', got none; did you mean 'space'?",
        ),
        ("mybench/problm.py", "file 'mybench/problm.py' must exist, got none; did you mean 'problem.py'?"),
        ("mybench", "'mybench' must hold 'Problem' if no attribute is named, got none"),
        ("my/bench", "a name must be like pkg.module:Problem or path/to/file.py:Problem, got 'my/bench'"),
        ("", "a name must be like pkg.module:Problem or path/to/file.py:Problem, got ''"),
        ("mybench..problem", "a name must be like pkg.module:Problem"),
    ],
)
def test_not_found(campaign, target, sentence):
    assert message(load_problem, target).startswith(sentence)
    assert details(load_problem, target) == ""


def test_unknown_top_level_module(campaign, tmp_path):
    start = f"module 'mybnch' must be in {tmp_path} or on the Python path, got none; "
    assert message(load_problem, "mybnch.problem.Problem") == start + "did you mean 'mybench'?"
    assert "did you mean 'dhmpi'?" in message(load_problem, "dhmpy.benchmark")
    assert message(load_problem, "qqqqqqqqqqqq").endswith("got none; choose from mybench")


def test_an_installed_module_must_be_much_alike(campaign, tmp_path_factory, monkeypatch):
    site = tmp_path_factory.mktemp("site")
    (site / "optree.py").touch()
    monkeypatch.syspath_prepend(site)
    assert message(load_problem, "nope").endswith("got none; choose from mybench")
    assert message(load_problem, "optre").endswith("got none; did you mean 'optree'?")


def test_unknown_module_in_an_empty_directory(work):
    assert message(load_run, "qqqqqqqqqqqq").endswith("got none; go to its directory or set PYTHONPATH")


def test_missing_directory(work, tmp_path):
    sentence = f"file 'nowhere/run.py' must exist, got no directory '{tmp_path}/nowhere'; correct the path"
    assert message(load_run, "nowhere/run.py") == sentence


# --- what is found but of no use


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            "{'x': 1}",
            "a problem must have a space, got a dict from 'useless.py'; name an instance of Problem or HpProblem",
        ),
        ("None", "a problem must have a space, got a NoneType from 'useless.py'"),
        ("lambda: 3", "a problem must have a space, got an int from 'useless.py'"),
        ("HpProblem", "the problem has no dimension, got 'useless.py'; add one with add_dim(name, space)"),
        ("lambda x: x", "'useless.py' must make a problem when called without arguments, got TypeError: "),
    ],
)
def test_no_problem(work, value, sentence):
    work("useless.py", f"from dhmpi.benchmark import HpProblem\nProblem = {value}")
    assert message(load_problem, "useless.py").startswith(sentence)


def test_no_problem_given():
    assert message(load_problem, 3).startswith("a problem must have a space, got an int from the int given")


def test_run_that_cannot_be_called(work):
    work("useless.py", "run = 3")
    sentence = "a run function must be callable, got an int"
    assert message(load_run, "useless.py") == f"{sentence} from 'useless.py'; name a function of one point"
    assert message(load_run, 3) == f"{sentence}; name a function of one point"


# --- modules that fail

FAILURES = [
    ("raise ValueError('first line\\nsecond line')", "ValueError: first line"),
    ("import not_installed_anywhere", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
    ("import sys; sys.exit(4)", "SystemExit: 4"),
    ("assert False", "AssertionError"),
    (
        "from dhmpi.benchmark import HpProblem; HpProblem().add_dim('x', (5, 1))",
        "ProblemError: dimension 'x': low must",
    ),
]


@pytest.mark.parametrize(("line", "got"), FAILURES)
@pytest.mark.parametrize(
    ("target", "start"),
    [
        ("failing.inner:Problem", "module 'failing.inner' must be importable, got "),
        ("failing.inner.Problem", "module 'failing.inner' must be importable, got "),
        ("failing/inner.py", "file 'failing/inner.py' must be importable, got "),
    ],
)
def test_failing_module(work, tmp_path, line, got, target, start):
    work("failing/__init__.py")
    work("failing/inner.py", f"\ndef fail():\n    {line}\nfail()\n")
    assert message(load_problem, target).startswith(start + got)
    lines = details(load_problem, target).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path}/failing/inner.py", line 4, in <module>'
    files = [text for text in lines if text.startswith("  File ")]
    assert len(files) == 2
    assert got.split(":")[0] in lines[-1] or got.split(":")[0] in lines[-2]


def test_failing_import_inside_a_sibling(work, tmp_path):
    work("failing/__init__.py")
    work("failing/model.py", "from failing import deeper")
    work("failing/deeper.py", "1 / 0")
    lines = details(load_run, "failing.model").splitlines()
    assert [line for line in lines if line.startswith("  File ")] == [
        f'  File "{tmp_path}/failing/model.py", line 1, in <module>',
        f'  File "{tmp_path}/failing/deeper.py", line 1, in <module>',
    ]


def test_syntax_error(work, tmp_path):
    work("wrong.py", "def run(:\n")
    assert message(load_run, "wrong.py").startswith("file 'wrong.py' must be importable, got SyntaxError: ")
    text = details(load_run, "wrong.py")
    assert f'File "{tmp_path}/wrong.py", line 1' in text
    assert "importlib" not in text


def test_chained_errors_show_the_users_frames_only(work):
    work("chain.py", "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise RuntimeError('no') from error\n")
    text = details(load_run, "chain.py")
    assert text.count("chain.py") == 2
    assert "direct cause" in text
    assert "importlib" not in text
    assert "loader.py" not in text


def test_a_failed_file_can_be_loaded_when_mended(work):
    work("mended.py", "1 / 0")
    assert "ZeroDivisionError" in message(load_run, "mended.py")
    work("mended.py", RUN + "# longer than before, lest the cached byte code is taken")
    assert load_run("mended.py")({"x": 1}) == 1


def test_failing_factory(work):
    work("factory.py", "def Problem():\n    raise KeyError('data')")
    got = "'factory.py' must make a problem when called without arguments, got KeyError: 'data'"
    assert message(load_problem, "factory.py") == got
    assert 'factory.py", line 2, in Problem' in details(load_problem, "factory.py")


def test_interrupts_are_not_caught(work):
    work("interrupted.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_run("interrupted.py")
    assert "interrupted" not in sys.modules


# --- names of functions


def test_run_name_of_importable_functions():
    assert run_name(rosen2.run) == "dhmpi.benchmark.hps.rosen2.rosenbrock2:run"
    assert run_name(HpProblem.add_dim) == "dhmpi.space.problem:HpProblem.add_dim"
    assert load_run(run_name(rosen2.run)) is rosen2.run


def test_run_name_of_a_module_in_the_current_directory(work):
    work("nearby.py", RUN)
    assert run_name(load_run("nearby:run")) == "nearby:run"


def test_run_name_of_a_file_elsewhere_is_its_path(work, tmp_path):
    work("there/model.py", RUN)
    assert run_name(load_run("there/model.py")) == f"{tmp_path}/there/model.py:run"


def test_run_name_of_a_file_with_a_taken_name_is_its_path(work, tmp_path):
    work("pytest.py", RUN)
    assert run_name(load_run("pytest.py")) == f"{tmp_path}/pytest.py:run"


def test_run_name_of_what_has_none():
    def closure():
        pass

    @contextlib.contextmanager
    def decorated():
        yield

    for function in (lambda x: x, closure, decorated, functools.partial(print), HpProblem().add_dim, print, 3, None):
        assert run_name(function) is None


def test_run_name_of_a_hidden_function(work):
    work("hidden.py", RUN + "original = run\ndef run(point): return 0\n")
    assert run_name(load("hidden:original", "run")) is None


def test_run_name_without_a_file():
    assert run_name(importlib.import_module("sys").getrecursionlimit) is None
    assert run_name(math.sin) is None or load_run(run_name(math.sin)) is math.sin


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["there/script.py"], "{}/there/script.py:run"), (["-m", "there.script"], "there.script:run")],
)
def test_run_name_in_a_script(work, tmp_path, arguments, expected):
    script = "if __name__ == '__main__':\n    from dhmpi.support.loader import run_name\n    print(run_name(run))\n"
    work("there/__init__.py")
    work("there/script.py", RUN + script)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == expected.format(tmp_path)
    assert load_run(done.stdout.strip())({"x": 8}) == 8


def test_run_name_at_the_prompt():
    code = "from dhmpi.support.loader import run_name\ndef run(point): pass\nprint(run_name(run))"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "None"


def test_the_loader_is_light_since_every_child_imports_it():
    code = "import sys, dhmpi.support.loader; assert 'numpy' not in sys.modules"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=60)


def test_a_process_that_is_forked_while_a_module_is_loaded_does_not_go_on(tmp_path):
    (tmp_path / "forks.py").write_text("import os\nif os.fork():\n    os.wait()\n" + RUN)
    code = f"from dhmpi.support.loader import load_run; print(load_run({str(tmp_path / 'forks.py')!r})({{'x': 1}}))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"


@pytest.mark.parametrize(
    "broken",
    [
        "@property\n    def space(self): raise RuntimeError('mine')",
        "def __getattr__(self, name): raise RuntimeError('mine')",
    ],
)
def test_a_problem_that_raises_is_one_sentence(work, broken):
    work("raising.py", f"class Broken:\n    {broken}\nProblem = Broken()\n")
    assert message(load_problem, "raising.py") == "the space of 'raising.py' must be readable, got RuntimeError: mine"
    assert details(load_problem, "raising.py").count("Traceback") == 1


# --- relative imports


@pytest.fixture
def relatives(work):
    work("outer_package/__init__.py")
    work("outer_package/sub/__init__.py")
    work("outer_package/sub/helper.py", "VALUE = 7\n")
    work("outer_package/other.py", "OTHER = 1\n")
    work(
        "outer_package/sub/prob.py",
        PROBLEM + "from .helper import VALUE\nfrom ..other import OTHER\ndef run(point): return VALUE + OTHER\n",
    )
    work("elsewhere/start.txt")


@pytest.mark.parametrize("target", ["outer_package/sub/prob.py", "outer_package/sub/prob.py:run"])
def test_a_file_with_relative_imports_is_loaded_as_a_module_of_its_package(relatives, target):
    assert load_run(target)({}) == 8
    assert load_run(target).__module__ == "outer_package.sub.prob"


def test_relative_imports_from_another_directory(relatives, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_problem("../outer_package/sub/prob.py").starting_point_asdict == {"x": 3}
    run = load_run("../outer_package/sub/prob.py")
    assert run({}) == 8
    assert load_run(run_name(run)) is run


def test_a_package_whose_name_is_taken_is_refused(work):
    work("json/__init__.py")
    work("json/mine.py", "from . import __name__ as name\ndef run(point): return 1\n")
    assert "file 'json/mine.py' must be importable as module 'json.mine'" in message(load_run, "json/mine.py")


def test_relative_imports_without_a_package_are_refused(work):
    work("bare/prob.py", "from .helper import VALUE\n")
    assert "no known parent package" in message(load_run, "bare/prob.py")


# --- what a problem says before a campaign


def test_a_problem_may_have_nothing_to_check():
    check_problem(HpProblem())
    check_problem(Problem())
    check_problem(types.SimpleNamespace(space={"x": (0, 1)}))
    check_problem(types.SimpleNamespace(check="a name for something else"))
    for value in (None, True, 0, []):
        check_problem(types.SimpleNamespace(check=lambda value=value: value))


def test_what_a_check_says_is_passed_on(work):
    def lacking():
        raise DataError("the data must be there, got none")

    with pytest.raises(DataError, match=r"^the data must be there, got none$"):
        check_problem(types.SimpleNamespace(check=lacking))
    with pytest.raises(LoadError, match="the check of the problem must pass, got False; let it raise what is wrong"):
        check_problem(types.SimpleNamespace(check=lambda: False))


@pytest.mark.parametrize(
    ("statement", "got"),
    [
        ("open('none.csv')", "FileNotFoundError: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("sys.exit('bye')", "SystemExit: bye"),
        ("assert False", "AssertionError"),
    ],
)
def test_a_check_that_fails_has_a_traceback(work, statement, got):
    work("failing.py", f"{PROBLEM}import sys\ndef check():\n    {statement}\nProblem.check = check\n")
    with pytest.raises(LoadError, match=f"the check of the problem must pass, got {got}") as error:
        check_problem(load_problem("failing.py"))
    assert statement in error.value.details
    assert "loader.py" not in error.value.details
