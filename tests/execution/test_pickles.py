"""Run functions that no name leads to, evaluated by other interpreters."""

import functools
import json
import threading

import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import LoadError, OptionError
from dhmpi.evaluator import Evaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.pickles import PickledRun
from dhmpi.search.hps.random import RandomSearch
from dhmpi.support.loader import load_run, run_name


class Scaled:
    """A callable with a state."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, point):
        return self.factor * point["x"]

    def method(self, point):
        return self.factor * point["x"]


def scale(factor, point):
    return factor * point["x"]


def closure(factor):
    def run(point):
        return factor * point["x"]

    return run


UNNAMED = {
    "closure": closure(3),
    "lambda": lambda point: 3 * point["x"],
    "partial": functools.partial(scale, 3),
    "bound method": Scaled(3).method,
    "callable object": Scaled(3),
}


@pytest.mark.parametrize("run", UNNAMED.values(), ids=UNNAMED)
def test_a_pickle_comes_back_as_the_same_function(run):
    pickled = Setup(run).portable().run
    assert isinstance(pickled, PickledRun)
    copy = PickledRun(*json.loads(json.dumps(pickled))).load()
    assert copy({"x": 2}) == 6


@pytest.mark.parametrize("method", ["processPool", "subprocess", "serial"])
def test_every_kind_is_evaluated_by_other_interpreters(method, tmp_path):
    for name, run in UNNAMED.items() if method == "serial" else [("closure", closure(3))]:
        evaluator = Evaluator.create(run, method=method, num_workers=1, files=str(tmp_path))
        try:
            evaluator.add_eval({"x": 2})
            assert [value for _, value in evaluator.await_evals([{"x": 2}])] == [6], name
        finally:
            evaluator.shutdown()


def test_a_search_takes_a_closure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    problem = HpProblem()
    problem.add_dim("x", (0, 9), 4)
    found = RandomSearch(problem, closure(3), max_evals=3, quiet=True).main()
    assert found.evaluations[0].objective == 12


def test_a_function_with_a_name_goes_by_that():
    assert Setup(scale).portable().run == run_name(scale)


def test_what_cannot_be_pickled_is_one_sentence():
    lock = threading.Lock()
    with pytest.raises(
        OptionError, match=r"run must be importable or picklable, got <function .*; define it at the top"
    ):
        Setup(lambda point: lock).portable()


def test_what_another_interpreter_cannot_load_is_one_sentence():
    missing = PickledRun("<lambda>", "Y25vd2hlcmUKZgou")  # the global nowhere.f
    with pytest.raises(LoadError, match="<lambda> must be loadable in another interpreter, got ModuleNotFoundError"):
        missing.load()


def test_balsam_is_told_the_label_alone():
    setup = Setup(closure(3)).portable()
    with pytest.raises(
        OptionError, match="must be a function that another interpreter can import, got <function"
    ) as error:
        setup.named()
    assert setup.run.data not in str(error.value)
    assert load_run(setup.run.load())({"x": 1}) == 3
