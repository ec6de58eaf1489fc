"""Executors of other libraries, really started: they do what the table in docs/engines.md says of each."""

import os
import re
import threading
import time
from pathlib import Path
from unittest.mock import patch

import dask
import pytest
from contracts.evaluator import collect, drive, evaluate
from distributed import Client

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import futures
from dhmpi.evaluator.futures import FuturesEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.search.hps.random import RandomSearch

DOCS = Path(__file__).parents[2] / "docs" / "engines.md"
BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"
LIMIT = 0.5
ENDED, GIVEN_UP = "ran longer than 0.5 s", "ran longer than 0.5 s, and may go on"


@pytest.fixture(scope="module")
def documented():
    """The file my_engines.py of docs/engines.md."""
    [code] = re.findall(r"^```python\n(# my_engines.py\n.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    names = {}
    exec(code, names)
    return names


@pytest.fixture(scope="module")
def dask_processes(documented):
    # It leaves variables that limit threads in the environment.
    settings = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with patch.dict(os.environ), settings, documented["dask"]() as executor:
        yield executor


@pytest.fixture(scope="module")
def parsl_processes(documented, tmp_path_factory):
    with pytest.MonkeyPatch.context() as changes:
        changes.chdir(tmp_path_factory.mktemp("parsl"))  # where it leaves its files
        executor = documented["htex"]()
    with executor:
        yield executor


@pytest.fixture(params=["dask", "parsl"])
def engine(request):
    """The name of each engine, and its executor."""
    return request.param, request.getfixturevalue(f"{request.param}_processes")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes evaluators that have been started."""
    made = []
    monkeypatch.setattr(futures, "GRACE", 0.5)

    def start(executor, run=BEHAVE, timeout=LIMIT, num_workers=2):
        made.append(FuturesEvaluator(Setup(run, timeout, str(tmp_path / "files"), engine=executor), num_workers))
        made[-1].start()
        return made[-1]

    yield start
    for evaluator in made:
        evaluator.shutdown()


def leave(point):
    """Take some time; markers show that it has begun, and that it came to its end."""
    Path(point["marker"]).with_name(f"begun-{Path(point['marker']).name}").touch()
    time.sleep(point["seconds"])
    Path(point["marker"]).write_text("the end")
    return 1.0


def wait_until(condition):
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_evaluates(engine, make):
    evaluator = make(engine[1], timeout=None)
    found = drive(evaluator, [{"do": "return", "value": float(id)} for id in range(20)])
    assert [(each.id, each.objective) for each in found] == [(id, float(id)) for id in range(20)]
    assert all(each.host for each in found)
    for do in ("raise", "exit", "interrupt", "nan"):
        assert evaluate(evaluator, do=do, value=3).state is State.FAILED
    assert evaluate(evaluator, do="odd").extra["set"] == [1]


def test_equal_tasks_are_evaluated_each(engine, make):
    evaluators = [make(engine[1], timeout=None) for _ in range(2)]
    assert len({evaluate(each, do="random").objective for each in evaluators for _ in range(2)}) == 4


def test_closures_travel(engine, make):
    offset = 2.5
    assert evaluate(make(engine[1], lambda point: point["x"] + offset), x=1).objective == 3.5


def test_a_campaign_is_exact(engine, tmp_path):
    from dhmpi.benchmark import HpProblem

    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    options = {"output": str(tmp_path / "results.h5"), "quiet": True, "max_evals": 12}
    found = RandomSearch(problem, lambda point: point["x"], engine[1], **options).main()
    assert [each.state for each in found.evaluations] == [State.DONE] * 12
    if engine[0] == "dask":  # which says how many workers it has
        assert found.metadata.runs[-1]["num_workers"] == 2


def test_a_time_out_ends_python_code(engine, make):
    evaluator = make(engine[1])
    found = evaluate(evaluator, do="burn", value=30)
    assert (found.state, found.error) == (State.TIMEOUT, ENDED)
    assert evaluator.num_idle == 2


def test_a_time_out_in_a_call(engine, make, tmp_path):
    evaluator, marker = make(engine[1], leave), tmp_path / "marker"
    found = evaluate(evaluator, marker=str(marker), seconds=2)
    if engine[0] == "dask":  # no signal reaches its threads: the call goes on, and what follows it is not reached
        assert (found.state, found.error, evaluator.num_idle) == (State.TIMEOUT, GIVEN_UP, 1)
    else:
        assert (found.state, found.error, evaluator.num_idle) == (State.TIMEOUT, ENDED, 2)
    wait_until(lambda: evaluator.gather(0.05) == [] and evaluator.num_idle == 2)
    assert not marker.exists()


def test_what_is_cancelled(engine, make, tmp_path):
    """Two run and two wait, all with markers."""
    evaluator = make(engine[1], leave, timeout=None, num_workers=4)
    for id in range(4):
        evaluator.submit(Evaluation(id, {"marker": str(tmp_path / f"marker-{id}"), "seconds": 4.0}))
    wait_until(lambda: len(list(tmp_path.glob("begun-*"))) >= 2)
    found = evaluator.cancel(10.0)
    assert [(each.id, each.state) for each in found] == [(id, State.CANCELLED) for id in range(4)]
    num_expected = 2 if engine[0] == "dask" else 4  # Parsl cancels nothing
    wait_until(lambda: len(list(tmp_path.glob("marker-*"))) == num_expected)
    time.sleep(1.0 if engine[0] == "dask" else 0.0)
    assert len(list(tmp_path.glob("marker-*"))) == num_expected


def test_a_crash_costs_one_evaluation(engine, make):
    evaluator = make(engine[1], timeout=None)
    evaluator.submit(Evaluation(0, {"do": "die"}))
    evaluator.submit(Evaluation(1, {"do": "sleep", "value": 0.5}))
    lost, done = collect(evaluator, 2, limit=60)
    assert (lost.state, done.state) == (State.LOST, State.DONE)
    assert ("KilledWorker" if engine[0] == "dask" else "WorkerLost") in lost.error
    evaluator.submit(Evaluation(0, {"do": "return", "value": 1.0}))
    assert collect(evaluator, 1, limit=60)[0].state is State.DONE


def test_threads_of_dask_are_here(make):
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0") as client:
        evaluator = make(client.get_executor(), lambda point: float(threading.get_ident()), num_workers=None)
        assert evaluator.num_workers == 2
        assert evaluate(evaluator, x=1).state is State.DONE
