import pytest

from dhmpi.errors import LoadError, OptionError
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.nas.random import NasRandom
from dhmpi.support.options import as_flag
from dhmpi.support.targets import Pair, complete

DEFAULTS = Pair("default.Problem", "default.run")
PROBLEM = "from dhmpi.benchmark import HpProblem\nProblem = HpProblem()\nProblem.add_dim('x', (0.0, 1.0))\n"
RUN = "def run(point):\n    return point['x']\n"


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.py").write_text("1 / 0  # nothing may be imported\n" + PROBLEM + RUN)
    (tmp_path / "whole.py").write_text(PROBLEM + RUN)
    (tmp_path / "problem_only.py").write_text(PROBLEM)
    (tmp_path / "run_only.py").write_text(RUN)
    (tmp_path / "imported.py").write_text("from whole import Problem\nfrom run_only import run as other, run\n")
    (tmp_path / "guarded.py").write_text("if True:\n    run = print\n")
    (tmp_path / "starred.py").write_text("from whole import *\n")
    (tmp_path / "lazy.py").write_text("import whole\ndef __getattr__(name):\n    return getattr(whole, name)\n")
    (tmp_path / "updated.py").write_text("import whole\nglobals().update(vars(whole))\n")
    (tmp_path / "torn.py").write_text("def run(:\n")
    package = tmp_path / "targets_package"
    package.mkdir()
    (package / "__init__.py").write_text("from elsewhere import run\n")
    (package / "both.py").write_text(PROBLEM + RUN)
    (package / "problem.py").write_text(PROBLEM)


def completed(problem=None, run=None, any_run=False):
    return complete(problem, run, DEFAULTS, any_run=any_run)


def test_the_defaults_apply_when_neither_is_given():
    assert completed() == DEFAULTS


def test_what_is_given_stays():
    assert completed("a.py", "exec:./b.sh") == ("a.py", "exec:./b.sh")


@pytest.mark.parametrize(
    ("problem", "run"),
    [
        ("both.py", "both.py:run"),
        ("./both.py:Problem", "./both.py:run"),
        ("both.Problem", "both:run"),
        ("both:Problem", "both:run"),
        ("both", "both:run"),
        ("imported.py", "imported.py:run"),
        ("guarded.py", "guarded.py:run"),
        ("starred.py", "starred.py:run"),
        ("lazy.py", "lazy.py:run"),
        ("updated.py", "updated.py:run"),
        ("targets_package.both.Problem", "targets_package.both:run"),
        ("targets_package.Problem", "targets_package:run"),
        ("dhmpi.benchmark.hps.polynome2.Problem", "dhmpi.benchmark.hps.polynome2:run"),
        ("torn.py", "torn.py:run"),  # whoever loads these says why that cannot be
        ("missing.py", "missing.py:run"),
        ("missing_package.Problem", "missing_package.Problem:run"),
    ],
)
def test_run_is_that_of_the_problems_file(problem, run):
    assert completed(problem) == (problem, run)


@pytest.mark.parametrize("run", ["both.py", "both.py:run", "both.run", "both:run"])
def test_the_problem_is_that_of_the_run_functions_file(run):
    problem, same = completed(run=run)
    assert same == run
    assert problem in ("both.py:Problem", "both:Problem")


@pytest.mark.parametrize(
    "problem", ["problem_only.py", "problem_only.Problem", "targets_package.problem.Problem", "problem_only.py:Problem"]
)
def test_a_problem_without_run_is_refused(problem):
    with pytest.raises(OptionError) as error:
        completed(problem)
    assert (
        error.value.spelled(as_flag)
        == f"--run must be given unless it is in the same file, got --problem {problem} without 'run' beside it"
    )


@pytest.mark.parametrize("run", ["run_only.py", "run_only.run", "exec:./train.sh {x}", "exec:true", "template:job.in"])
def test_a_run_function_without_problem_is_refused(run):
    with pytest.raises(OptionError, match="problem must be given unless it is in the same file, got run"):
        completed(run=run)


def test_a_run_function_for_all_problems_is_the_last_resort():
    assert completed("problem_only.py", any_run=True).run == DEFAULTS.run
    assert completed("both.py", any_run=True).run == "both.py:run"
    assert completed(object(), any_run=True).run == DEFAULTS.run


def test_objects():
    problem = object()
    assert completed(problem, len) == (problem, len)
    with pytest.raises(OptionError, match="run must be given with a problem that is an object"):
        completed(problem)
    with pytest.raises(OptionError, match="problem must be given"):
        completed(run=len)


def test_searches_in_python():
    assert len(RandomSearch("whole.py", max_evals=3, isolation="inline", quiet=True).main().evaluations) == 3
    with pytest.raises(OptionError, match="run must be given"):
        RandomSearch("problem_only.py", max_evals=3).main()
    with pytest.raises(LoadError, match="must exist"):
        RandomSearch("missing.py")
    assert RandomSearch("problem_only.py").ask(1), "by hand, no run function is needed"
    assert NasRandom.complete("problem_only.py", None).run == NasRandom.default_run
