import functools
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from contracts.evaluator import BackgroundContract, EvaluatorContract, collect, drive, evaluate

from dhmpi import results
from dhmpi.errors import EvaluatorError, InputError, LoadError, OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import create, futures
from dhmpi.evaluator.engine import Engine
from dhmpi.evaluator.futures import FuturesEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.search.hps.random import RandomSearch
from dhmpi.support.error_lines import error_line

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"
PROCESSES = "concurrent.futures:ProcessPoolExecutor"


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, multiprocessing.get_context("forkserver")) as executor:
        yield executor


@pytest.fixture
def pool(files):
    """Makes evaluators that have been started."""
    made = []

    def make(run, engine, timeout=None, num_workers=2):
        made.append(FuturesEvaluator(Setup(run, timeout, str(files), engine=engine), num_workers))
        made[-1].start()
        return made[-1]

    yield make
    for evaluator in made:
        evaluator.shutdown()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class TestProcesses(EvaluatorContract):
    knows_workers = False

    @pytest.fixture
    def evaluator(self, pool, processes):
        return pool(BEHAVE, processes, 1.0)


class TestThreadsOfAnExecutor(EvaluatorContract):
    knows_workers = False
    many = 30

    @pytest.fixture
    def evaluator(self, pool, threads):
        return pool(BEHAVE, threads, 1.0)


class TestByHand(BackgroundContract):
    @pytest.fixture
    def evaluator(self, files, processes):
        with create(BEHAVE, method=processes, num_workers=2, timeout=1.0, files=str(files)) as evaluator:
            yield evaluator


# --- what is run


def square(point):
    return (point["x"] - 3) ** 2


def die_of_three(point):
    time.sleep(point.get("seconds", 0.05))
    if point["x"] % 3 == 0:
        os._exit(7)
    return float(point["x"])


def leave(marker, seconds=30.0, blocks=False):
    """Run longer than is allowed; the marker shows that it came to its end."""
    if blocks:  # as code that is not Python and never returns; a signal that is blocked might reach another thread
        handler = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(seconds)
    Path(marker).write_text("the end")
    if blocks:
        signal.signal(signal.SIGALRM, handler)
    return 1.0


def spin(marker, seconds=30.0):
    """Compute in Python for longer than is allowed, whatever exceptions there are."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            sum(range(10))
        except Exception:
            continue
    Path(marker).write_text("the end")
    return 1.0


def unfit(point, marker=None):
    return {"sleep": leave, "spin": spin}[point["do"]](**point.get("how", {}))


def test_closures_travel(pool, processes):
    offset = 2.5
    assert evaluate(pool(lambda point: point["x"] + offset, processes), x=1).objective == 3.5
    assert evaluate(pool(functools.partial(max, {"x": 1}, key=len), processes), x=1).state is State.FAILED


def test_a_script_is_not_run_again_by_its_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from dhmpi.evaluator import Evaluator\n"
        "print('begins')\n"
        "def run(point):\n"
        "    return point['x'] * 2\n"
        "with ProcessPoolExecutor(1) as executor:\n"
        "    with Evaluator.create(run, method=executor) as evaluator:\n"
        "        evaluator.add_eval({'x': 4})\n"
        "        print(list(evaluator.await_evals([{'x': 4}])))\n"
    )
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.splitlines() == ["begins", "[({'x': 4}, 8.0)]"]


def test_an_executor_is_given_as_documented(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
    [code] = re.findall(r"^```python\n(# pool.py\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "pool.py").write_text(code)
    (tmp_path / "my_problem.py").write_text("from dhmpi.benchmark.hps.polynome2 import Problem, run\n")
    words = [sys.executable, "pool.py"]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    assert "state=<State.DONE" in found.stdout


def test_threads_of_this_process_get_the_function_itself(pool, threads):
    seen, lock = [], threading.Lock()

    def run(point):
        with lock:
            seen.append(point["x"])
        return 1.0

    assert evaluate(pool(run, threads), x=5).state is State.DONE
    assert seen == [5]


def test_what_cannot_travel_is_told_before_anything_starts(processes):
    lock = threading.Lock()
    evaluator = FuturesEvaluator(Setup(lambda point: lock, engine=processes))
    with pytest.raises(OptionError, match="run must be importable or picklable"):
        evaluator.start()


def test_a_run_function_that_is_not_there_is_told(pool, processes):
    evaluator = pool("math.no_such_function", processes)
    evaluator.submit(Evaluation(0, {"x": 1}))
    with pytest.raises(LoadError, match="no_such_function"):
        collect(evaluator, 1)


def test_files_are_found_from_elsewhere(tmp_path, monkeypatch, processes, pool):
    (tmp_path / "beside.py").write_text("OFFSET = 4.0\n")
    (tmp_path / "my_run.py").write_text("from beside import OFFSET\n\n\ndef run(point):\n    return OFFSET\n")
    monkeypatch.chdir(tmp_path)
    assert evaluate(pool("my_run.py", processes), x=1).objective == 4.0


def test_a_point_with_objects_travels(pool, processes):
    assert evaluate(pool(BEHAVE, processes), do="echo", path={"a": (1, 2)}).state is State.DONE


# --- time-outs and cancellation, by their effects


class TestTimeOut:
    def test_a_signal_ends_what_waits_in_a_process(self, pool, processes, tmp_path):
        evaluator = pool(unfit, processes, 0.2)
        marker = tmp_path / "marker"
        found = evaluate(evaluator, do="sleep", how={"marker": str(marker), "seconds": 1.0})
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 0.2 s")
        time.sleep(1.2)
        assert not marker.exists()
        assert evaluator.num_idle == 2

    @pytest.mark.parametrize("where", ["processes", "threads"])
    def test_python_code_ends(self, pool, request, where, tmp_path):
        evaluator = pool(unfit, request.getfixturevalue(where), 0.2)
        found = evaluate(evaluator, do="spin", how={"marker": str(tmp_path / "marker")})
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 0.2 s")
        assert found.ended - found.started < 10
        assert evaluator.num_idle == 2

    @pytest.mark.parametrize("where", ["processes", "threads"])
    def test_what_goes_on_is_given_up_and_keeps_its_worker(self, pool, request, where, tmp_path, monkeypatch):
        monkeypatch.setattr(futures, "GRACE", 0.3)
        evaluator, marker = pool(unfit, request.getfixturevalue(where), 0.2), tmp_path / "marker"
        blocks = where == "processes"
        found = evaluate(evaluator, do="sleep", how={"marker": str(marker), "seconds": 4.0, "blocks": blocks})
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 0.2 s, and may go on")
        assert found.host
        assert not marker.exists()
        assert evaluator.num_idle == 1
        wait_until(lambda: evaluator.gather(0.05) == [] and evaluator.num_idle == 2)
        assert marker.exists() == blocks  # in a thread, Python code after the call that goes on is not reached

    def test_waiting_for_the_engine_is_no_part_of_the_time(self, pool, tmp_path, monkeypatch):
        monkeypatch.setattr(futures, "GRACE", 0.1)
        with ThreadPoolExecutor(1) as executor:
            evaluator = pool(lambda point: time.sleep(0.7) or 1.0, executor, 2.0, num_workers=4)
            assert {each.state for each in drive(evaluator, [{"x": x} for x in range(4)])} == {State.DONE}

    def test_a_thread_goes_on_as_it_was(self, pool):
        with ThreadPoolExecutor(1) as executor:
            evaluator = pool(lambda point: spin(os.devnull) if point["x"] else threading.get_ident(), executor, 0.1, 1)
            first = evaluate(evaluator, x=0).objective
            for _ in range(5):
                assert evaluate(evaluator, x=1).state is State.TIMEOUT
                assert evaluate(evaluator, x=0).objective == first

    def test_no_marks_are_left(self, pool, processes, files):
        drive(pool(BEHAVE, processes, 5.0), [{"do": "return", "value": 1.0}] * 5)
        assert not list(files.glob("*.running*"))


class TestCancel:
    def test_what_has_not_begun_never_does(self, pool, tmp_path):
        with ThreadPoolExecutor(1) as executor:
            has_begun = threading.Event()
            evaluator = pool(
                lambda point: has_begun.set() or time.sleep(0.5) or Path(point["marker"]).touch() or 1.0,
                executor,
                None,
                2,
            )
            for id in range(2):
                evaluator.submit(Evaluation(id, {"marker": str(tmp_path / f"marker {id}")}))
            assert has_begun.wait(30)
            begun = time.monotonic()
            found = evaluator.cancel(50.0)
            assert [(each.id, each.state) for each in found] == [(0, State.CANCELLED), (1, State.CANCELLED)]
            assert time.monotonic() - begun < 10
        assert [path.name for path in tmp_path.glob("marker*")] == ["marker 0"]

    def test_ctrl_c_ends_what_runs_in_a_process(self, pool, tmp_path):
        with ProcessPoolExecutor(1) as executor:
            evaluator = pool(BEHAVE, executor, None, 1)
            evaluator.submit(Evaluation(0, {"do": "announce"}))
            file = Path(evaluator._setup.files) / "evaluation-000000" / "pid"
            wait_until(file.exists)
            os.kill(int(file.read_text()), signal.SIGINT)
            assert [each.state for each in collect(evaluator, 1)] == [State.CANCELLED]
            assert evaluate(evaluator, do="return", value=1.0).state is State.DONE


# --- engines that break


def make_two():
    return ProcessPoolExecutor(2)


class TestBrokenEngine:
    def test_what_breaks_it_alone_fails(self, pool):
        evaluator = pool(die_of_three, make_two)
        found = evaluate(evaluator, x=3)
        assert found.state is State.FAILED
        assert found.error.startswith("the executor is broken: BrokenProcessPool")
        assert evaluate(evaluator, x=1).objective == 1.0

    def test_bystanders_are_evaluated_again_by_themselves(self, pool):
        evaluator = pool(die_of_three, make_two)
        for id, x in enumerate((3, 4)):
            evaluator.submit(Evaluation(id, {"x": x, "seconds": 20 * id}))
        assert [each.state for each in collect(evaluator, 2)] == [State.LOST, State.LOST]
        assert evaluator.num_idle == 1
        evaluator.submit(Evaluation(0, {"x": 3, "seconds": 0}))
        assert evaluator.num_idle == 0
        assert [each.state for each in collect(evaluator, 1)] == [State.FAILED]
        assert evaluate(evaluator, x=4).state is State.DONE
        assert evaluator.num_idle == 2

    def test_one_that_was_given_ends_the_campaign_with_its_file(self, tmp_path, problem):
        output = tmp_path / "results.h5"
        with ProcessPoolExecutor(1) as executor:
            search = RandomSearch(problem, die_of_three, executor, output=str(output), quiet=True, max_evals=30)
            with pytest.raises(EvaluatorError, match=r"the executor must not break, got BrokenProcessPool: .*; give"):
                search.main()
        assert results.read(output).evaluations[-1].state is State.FAILED
        with ProcessPoolExecutor(1) as executor:
            search = RandomSearch(problem, square, executor, output=str(output), quiet=True, max_evals=8, resume=True)
            assert len(search.main().evaluations) == 8

    def test_one_that_a_function_makes_is_made_again(self, tmp_path, problem):
        output = tmp_path / "results.h5"
        search = RandomSearch(
            problem, die_of_three, f"futures:executor={__file__}:make_two", output=str(output), quiet=True, max_evals=15
        )
        found = search.main().evaluations
        assert len(found) == 15
        for each in found:
            assert each.state is (State.FAILED if each.point["x"] % 3 == 0 else State.DONE)

    def test_workers_that_are_all_occupied_are_replaced(self, pool, tmp_path, monkeypatch):
        monkeypatch.setattr(futures, "GRACE", 0.2)
        evaluator = pool(unfit, make_two, 0.2, num_workers=1)
        marker = str(tmp_path / "marker")
        found = evaluate(evaluator, do="sleep", how={"marker": marker, "seconds": 60.0, "blocks": True})
        assert found.state is State.TIMEOUT
        assert evaluator.num_idle == 1
        assert evaluate(evaluator, do="sleep", how={"marker": marker, "seconds": 0.0}).state is State.DONE

    def test_one_that_takes_nothing_is_told(self, pool):
        executor = ThreadPoolExecutor(1)
        evaluator = pool(square, executor)
        executor.shutdown()
        assert evaluate(evaluator, x=1).state is State.LOST
        with pytest.raises(EvaluatorError, match=r"got RuntimeError: cannot schedule new futures after shutdown; give"):
            evaluator.submit(Evaluation(0, {"x": 1}))

    @pytest.mark.parametrize("error", [ValueError("a worker is lost"), KeyboardInterrupt()])
    def test_an_error_of_the_engine_costs_a_retry(self, pool, error):
        class Losing(Executor):
            def submit(self, fn, /, *args, **kwargs):
                future = Future()
                future.set_exception(error)
                return future

        found = evaluate(pool(square, Losing()), x=1)
        assert found.state is State.LOST
        assert found.error.startswith(f"the executor has no result: {type(error).__name__}")

    def test_the_first_line_of_what_an_engine_says_is_shown(self, pool):
        class Losing(Executor):
            def submit(self, fn, /, *args, **kwargs):
                future = Future()
                future.set_exception(ValueError("\n---\na worker is lost {x}\nsee its log"))
                return future

        found = evaluate(pool(square, Losing()), x=1)
        assert error_line(found.error) == "the executor has no result: ValueError: a worker is lost {x}"
        assert "see its log" in found.error

    def test_a_result_of_something_else_ends_the_campaign(self, pool):
        class Foreign(Executor):
            def submit(self, fn, /, *args, **kwargs):
                future = Future()
                future.set_result("nonsense")
                return future

        with pytest.raises(EvaluatorError, match=r"return what the functions return .*, got 'nonsense' from Foreign"):
            evaluate(pool(square, Foreign()), x=1)


@pytest.fixture
def problem(tmp_path):
    from dhmpi.benchmark import HpProblem

    problem = HpProblem()
    problem.add_dim("x", (1, 1000))
    return problem


# --- engines that are given, and made


def test_a_given_one_stays(problem, tmp_path):
    with ThreadPoolExecutor(2) as executor:
        for number in range(2):
            output = str(tmp_path / f"{number}.h5")
            found = RandomSearch(problem, square, evaluator=executor, output=output, quiet=True, max_evals=7).main()
            assert len(found.evaluations) == 7
        assert executor.submit(int, "3").result() == 3


def test_num_workers_is_how_many_at_once(problem, tmp_path):
    with ThreadPoolExecutor(8) as executor:
        output = str(tmp_path / "results.h5")
        search = RandomSearch(problem, square, executor, output=output, quiet=True, max_evals=9, num_workers=3)
        assert search.main().metadata.runs[-1]["num_workers"] == 3


def test_workers_are_as_many_as_the_engine_has():
    assert FuturesEvaluator(Setup(square, engine=lambda: ThreadPoolExecutor(5))).num_workers == 5
    assert FuturesEvaluator(Setup(square, engine=Executor())).num_workers == len(os.sched_getaffinity(0))


ended = []


@contextmanager
def managed():
    with ThreadPoolExecutor(1) as executor:
        yield executor
    ended.append("left")


def test_what_is_made_is_ended(pool):
    evaluator = pool(square, managed)
    assert evaluate(evaluator, x=3).objective == 0.0
    assert ended == []
    evaluator.shutdown()
    evaluator.shutdown()
    assert ended == ["left"]


def test_a_class_makes_one(pool):
    evaluator = pool(square, "concurrent.futures.ThreadPoolExecutor")
    assert evaluate(evaluator, x=3).objective == 0.0


def test_running_processes_of_what_is_made_are_ended(pool, tmp_path):
    before, handler = set(multiprocessing.active_children()), signal.signal(signal.SIGTERM, lambda *_: None)
    evaluator = pool(BEHAVE, PROCESSES)
    evaluator.submit(Evaluation(0, {"do": "announce"}))
    wait_until((Path(evaluator._setup.files) / "evaluation-000000" / "pid").exists)
    signal.signal(signal.SIGTERM, handler)  # as in a campaign, whose handlers are inherited
    started = set(multiprocessing.active_children()) - before
    assert started
    evaluator.shutdown()
    wait_until(lambda: not any(child.is_alive() for child in started))


def test_what_is_made_does_not_get_ctrl_c():
    """Else an engine of several processes, such as Parsl's, loses some at once, and waits for them at its end."""
    before, seen = signal.getsignal(signal.SIGINT), []
    engine = Engine(lambda: seen.append(signal.getsignal(signal.SIGINT)) or ThreadPoolExecutor(1))
    assert isinstance(engine.executor, ThreadPoolExecutor)
    assert seen == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGINT) is before
    engine.close(is_busy=False)


def broken():
    raise OSError("no cluster")


def number():
    return 3


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (None, r"evaluator futures must have an executor, got none; give futures:executor=my_engines\.py:make"),
        ("math.pi", r"must have an executor of concurrent\.futures, got 3\.14.* from 'math\.pi'; give one, such as "),
        ("mpi4py.futures.MPIPoolExecutor", "must have MPIPoolExecutor in a job that mpi4py.futures has started"),
        (f"{__file__}:number", r"must have an executor of concurrent\.futures, got 3 from '.*:number'"),
        (f"{__file__}:broken", r":broken' must return an executor .*, got OSError: no cluster"),
        (f"{__file__}:brken", "did you mean 'broken'"),
    ],
)
def test_what_is_no_executor_is_told(target, sentence):
    with pytest.raises(InputError, match=sentence):
        FuturesEvaluator(Setup(square, engine=target)).start()


class Client:
    """Like that of Dask."""

    def get_executor(self):
        raise AssertionError

    def __repr__(self):
        return "<Client>"


@pytest.mark.parametrize(
    ("evaluator", "sentence"),
    [
        (Client(), r"evaluator must be one of mpi, .*, futures, got <Client>; give its get_executor\(\)$"),
        (ThreadPoolExecutor, r"evaluator must be one of .*; give ThreadPoolExecutor\(\.\.\.\)$"),
        (3, r"evaluator must be one of .*, got 3$"),
        ("futures", "evaluator futures must have an executor, got none"),
        ("futures:executer=a.b", r"did you mean 'executor'\?"),
        ("futures:executor=", "must be a name like my_engines.py:make, got ''"),
    ],
)
def test_another_evaluator_is_told(problem, tmp_path, evaluator, sentence):
    with pytest.raises(InputError, match=sentence):
        RandomSearch(problem, square, evaluator, output=str(tmp_path / "results.h5")).main()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gpus_per_eval": 1}, "gpus_per_eval must be left out with futures, whose executor places them"),
        ({"ranks_per_eval": 2}, "ranks_per_eval must be 1 with futures"),
        ({"isolation": "process"}, "isolation must be inline with futures, got process"),
        ({"executor": 3}, "executor must be a name like my_engines.py:make, got 3"),
    ],
)
def test_what_an_engine_cannot_do_is_told(problem, tmp_path, threads, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        RandomSearch(problem, square, threads, output=str(tmp_path / "results.h5"), **options).main()


def test_an_executor_belongs_to_futures(problem, tmp_path):
    with pytest.raises(OptionError, match=r"executor must be left out with serial, got 'a\.b'; give evaluator"):
        RandomSearch(problem, square, "serial", executor="a.b", output=str(tmp_path / "results.h5")).main()


def test_programs_are_refused(threads):
    with pytest.raises(OptionError, match="run_function must be a Python function with futures, got 'exec:true'"):
        create("exec:true", method=threads)
