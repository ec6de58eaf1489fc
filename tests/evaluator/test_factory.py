import importlib
import os
import re
import threading
from pathlib import Path

import pytest

from dhmpi.errors import InputError, OptionError
from dhmpi.evaluation import METHODS
from dhmpi.evaluator import (
    Evaluator,
    HandDrivenEvaluator,
    ProcessPoolEvaluator,
    SubprocessEvaluator,
    ThreadPoolEvaluator,
    create,
)
from dhmpi.evaluator.factory import make, resolve_isolation
from dhmpi.execution.executor import Setup
from dhmpi.support.options import as_flag
from dhmpi.support.resources import Resources

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"


@pytest.fixture
def made():
    """Like `create`, and shuts down what that makes."""
    evaluators = []

    def make(*arguments, **options):
        evaluators.append(Evaluator.create(*arguments, **options))
        return evaluators[-1]

    yield make
    for evaluator in evaluators:
        evaluator.shutdown()


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("processPool", ProcessPoolEvaluator),
        ("process-pool", ProcessPoolEvaluator),
        ("processpool", ProcessPoolEvaluator),
        ("PROCESS_POOL", ProcessPoolEvaluator),
        ("threadPool", ThreadPoolEvaluator),
        ("thread_pool", ThreadPoolEvaluator),
        ("Subprocess", SubprocessEvaluator),
        ("sub-process", SubprocessEvaluator),
        ("SERIAL", HandDrivenEvaluator),
    ],
)
def test_a_method_may_be_spelt_in_several_ways(made, method, kind):
    assert type(made(BEHAVE, method=method)) is kind


def test_the_default_is_a_subprocess_per_evaluation(made):
    assert type(made(BEHAVE)) is SubprocessEvaluator


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("_processPool", "ProcessPoolEvaluator"),
        ("_subprocess", "SubprocessEvaluator"),
        ("_threadPool", "ThreadPoolEvaluator"),
    ],
)
def test_documented_classes_are_driven_by_hand(module, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kind = getattr(importlib.import_module(f"dhmpi.evaluator.{module}"), name)
    with kind(run_function=BEHAVE, cache_key=lambda point: point["do"]) as evaluator:
        evaluator.add_eval_batch([{"do": "return", "value": 1}, {"do": "return", "value": 2}])
        assert [value for _, value in evaluator.await_evals([{"do": "return", "value": 2}])] == [1.0]
        assert evaluator.evaluator.layout.startswith(f"1 rank, which searches; {name} evaluates with ")


def test_errors_of_documented_classes_call_options_as_the_caller_does():
    with pytest.raises(OptionError, match=r"^num_workers must be an integer of at least 1, got 0$"):
        ProcessPoolEvaluator(BEHAVE, num_workers=0)
    with pytest.raises(OptionError, match=r"^run_function must be a Python function with threadPool, .*give method"):
        ThreadPoolEvaluator("exec:true")


@pytest.mark.parametrize(
    ("method", "remedy"),
    [
        ("proces-pool", "did you mean 'processPool'?"),
        ("treadPool", "did you mean 'threadPool'?"),
        ("subproces", "did you mean 'subprocess'?"),
        ("balsm", "did you mean 'balsam'?"),
        ("ray", ""),
        ("", ""),
        (None, ""),
        (3, ""),
    ],
)
def test_another_method_is_an_error_with_a_remedy(method, remedy):
    with pytest.raises(InputError) as caught:
        create(BEHAVE, method=method)
    shown = method if isinstance(method, str) and method else repr(method)
    sentence = f"method must be one of {', '.join(METHODS)}, got {shown}"
    assert str(caught.value) == (f"{sentence}; {remedy}" if remedy else sentence)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_workers", [0, -3, 1.0, 2.5, "two", True, []])
def test_a_number_of_workers_is_an_integer_of_at_least_one(method, num_workers):
    with pytest.raises(InputError) as caught:
        create(BEHAVE, None, method, num_workers)
    shown = num_workers if isinstance(num_workers, str) else repr(num_workers)
    assert str(caught.value) == f"num_workers must be an integer of at least 1, got {shown}"


@pytest.mark.parametrize("method", ["processPool", "threadPool", "subprocess"])
def test_so_many_workers_there_are(made, method):
    assert made(BEHAVE, method=method, num_workers=3).num_workers == 3
    assert made(BEHAVE, method=method).num_workers == len(os.sched_getaffinity(0))


def test_there_is_one_serial_worker(made):
    assert made(BEHAVE, method="serial", num_workers=1).num_workers == 1
    with pytest.raises(OptionError, match=r"num_workers must be 1 here .*, got 2; .*method"):
        create(BEHAVE, method="serial", num_workers=2)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "soon", True])
def test_a_time_out_is_a_number_above_zero(timeout):
    with pytest.raises(InputError, match="timeout must be a finite number above 0, got"):
        create(BEHAVE, timeout=timeout)


@pytest.mark.parametrize(
    ("name", "remedy"), [("num_node", "did you mean 'num_nodes'?"), ("colour", "choose from executor, gpus_per_eval")]
)
def test_other_options_are_known(name, remedy):
    with pytest.raises(InputError) as caught:
        create(BEHAVE, **{name: 1})
    assert str(caught.value).startswith(f"options must be known, got {name!r}; {remedy}")


@pytest.mark.parametrize(
    ("method", "resources"),
    [
        ("balsam:nodes=2,packing=4", {}),
        ("balsam:num-nodes=2,node_packing_count=4", {}),
        ("balsam", {"num_nodes": 2, "node_packing_count": 4}),
        ("BALSAM:nodes=2", {}),
    ],
)
def test_balsam_has_settings_in_the_method_or_beside_it(method, resources):
    evaluator = create(BEHAVE, method=method, num_workers=1, **resources)
    found = evaluator.evaluator._setup.resources
    assert found == Resources(num_nodes=2, node_packing_count=4 if "4" in f"{method}{resources}" else 1)


@pytest.mark.parametrize(
    ("method", "resources", "sentence"),
    [
        ("balsam:nodse=2", {}, "method balsam must have settings that are known, got nodse; did you mean 'nodes'?"),
        ("launch:ranks=2,ranks_per_node=3", {}, "method launch must have each setting once, got launch:ranks=2,ranks"),
        ("launch:packing=2", {}, "method launch must have settings that are known, got packing; choose from"),
        (
            "launch:launcher=sun",
            {},
            "method launch:launcher must be one of auto, srun, mpiexec, aprun, flux, mpirun, got",
        ),
        ("balsam:nodes=0", {}, "method balsam:nodes must be an integer of at least 1, got 0"),
        ("serial:nodes=2", {}, "method serial must have no settings, got serial:nodes=2"),
        ("balsam:nodes=2", {"num_nodes": 3}, "num_nodes must be given once, got it in method balsam:nodes=2, too"),
        ("balsam", {"num_nodes": 0}, "num_nodes must be an integer of at least 1, got 0"),
    ],
)
def test_settings_of_a_method_are_checked(method, resources, sentence):
    with pytest.raises(InputError) as caught:
        create(BEHAVE, method=method, **resources)
    assert str(caught.value).startswith(sentence)


class TestIsolation:
    @pytest.mark.parametrize(
        ("method", "isolation", "found"),
        [
            ("mpi", None, "process"),
            ("mpi", "inline", "inline"),
            ("serial", None, "process"),
            ("serial", "inline", "inline"),
            ("threadPool", None, "inline"),
            ("threadPool", "inline", "inline"),
            ("processPool", None, "process"),
            ("subprocess", "process", "process"),
            ("balsam", None, "process"),
        ],
    )
    def test_what_is_possible(self, method, isolation, found):
        assert resolve_isolation(method, isolation) == found

    @pytest.mark.parametrize(
        ("method", "isolation"), [("threadPool", "process"), ("processPool", "inline"), ("subprocess", "inline")]
    )
    def test_what_is_not(self, method, isolation):
        with pytest.raises(OptionError, match=f"isolation must be .* with {method}, got {isolation}"):
            create(BEHAVE, method=method, isolation=isolation)

    def test_it_has_two_names(self):
        with pytest.raises(InputError, match="isolation must be one of process, inline, got proces; did you mean"):
            create(BEHAVE, method="serial", isolation="proces")

    def test_only_processes_need_a_name(self, made):
        made(lambda point: 1.0, method="threadPool")
        made(lambda point: 1.0, method="serial", isolation="inline")
        for method in ("balsam", "mpi"):  # pickles do not go between ranks
            with pytest.raises(InputError, match=r"run_function must be .* can import, got <function .*<lambda>"):
                create(lambda point: 1.0, method=method)
        lock = threading.Lock()
        for method in ("serial", "processPool", "subprocess"):
            with pytest.raises(InputError, match=r"run_function must be importable or picklable, got <function .*<la"):
                create(lambda point: lock, method=method)


def test_errors_call_options_as_the_caller_does():
    with pytest.raises(OptionError) as error:
        make("balsam", Setup(lambda point: 1.0), None)
    found = error.value.spelled(as_flag)
    assert re.match(r"--run must be .* set --isolation to 'inline' or --evaluator to threadPool", found)


def test_files_stay_where_they_are_when_user_code_goes_elsewhere(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluator = made(wander, method="serial", isolation="inline", files="kept")
    points = [{"to": str(tmp_path.parent)}, {"to": str(tmp_path)}]
    evaluator.add_eval_batch(points)
    assert [value for _, value in evaluator.await_evals(points)] == [1.0, 1.0]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["evaluation-000000", "evaluation-000001"]


def wander(point, context):
    os.chdir(point["to"])
    return float(context.directory.is_dir())


def test_a_run_function_is_evaluated(made):
    evaluator = made("builtins:len", method="serial")
    evaluator.add_eval({"x": 1, "y": 2})
    assert list(evaluator.await_evals([{"x": 1, "y": 2}])) == [({"x": 1, "y": 2}, 2.0)]


def test_a_thread_runs_no_program():
    with pytest.raises(OptionError, match=r"run_function must be .*, got 'exec:./train\.sh'; give method subprocess"):
        create("exec:./train.sh", method="threadPool")
