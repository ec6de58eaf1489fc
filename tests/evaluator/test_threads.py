import threading
import time
from pathlib import Path

import pytest
from contracts.evaluator import BackgroundContract, EvaluatorContract, collect, evaluate

from dhmpi.errors import LoadError, OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import create
from dhmpi.evaluator.threads import ThreadEvaluator
from dhmpi.execution.executor import Setup

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture
def stuck():
    """A run function that returns when the test has ended, or after a minute."""
    end = threading.Event()
    yield lambda point: 1.0 if end.wait(60) else 0.0
    end.set()


@pytest.fixture
def pool():
    """Makes pools that have been started."""
    made = []

    def make(run, timeout=None, num_workers=2, files="files"):
        made.append(ThreadEvaluator(Setup(run, timeout, str(files)), num_workers=num_workers))
        made[-1].start()
        return made[-1]

    yield make
    for evaluator in made:
        evaluator.shutdown()


def threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("evaluations-")}


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class TestThreads(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, files, pool):
        return pool(BEHAVE, 1.0, files=files)


class TestThreadsByHand(BackgroundContract):
    @pytest.fixture
    def evaluator(self, files):
        with create(BEHAVE, method="threadPool", num_workers=2, timeout=1.0, files=str(files)) as evaluator:
            yield evaluator


class TestTimeOut:
    def test_it_gives_up_what_is_not_python(self, pool, stuck):
        evaluator = pool(stuck, timeout=0.2)
        begun = time.monotonic()
        found = evaluate(evaluator, x=3)
        assert (found.state, found.objective, found.error) == (State.TIMEOUT, None, "ran longer than 0.2 s")
        assert 0.2 <= found.ended - found.started < 30
        assert 0.2 <= time.monotonic() - begun < 30

    def test_its_slot_is_free_at_once(self, pool, stuck):
        evaluator = pool(lambda point: stuck(point) if point["x"] else 1.0, timeout=2.0, num_workers=1)
        evaluate(evaluator, x=2)
        assert (evaluator.num_idle, evaluator.num_pending) == (1, 0)
        assert evaluate(evaluator, x=0).state is State.DONE

    def test_it_stops_python_code(self, pool):
        before = threads()
        evaluator = pool(endless, timeout=0.2, num_workers=1)
        running = threads() - before
        assert evaluate(evaluator, x=1).state is State.TIMEOUT
        wait_until(lambda: not any(thread.is_alive() for thread in running))
        assert len(threads() - before) == 1

    def test_what_comes_later_is_ignored(self, pool):
        done = threading.Event()
        evaluator = pool(lambda point: point["done"].wait(10) * point["x"], timeout=0.2, num_workers=1)
        assert evaluate(evaluator, x=7, done=done).state is State.TIMEOUT
        evaluator.submit(Evaluation(0, {"x": 8, "done": done}))
        done.set()
        assert [each.objective for each in collect(evaluator, 1)] == [8.0]
        assert evaluator.gather(0.1) == []

    def test_the_others_go_on(self, pool, stuck):
        evaluator = pool(lambda point: stuck(point) if point["x"] else 1.0, timeout=1.0, num_workers=3)
        for id, x in enumerate((1, 0, 1)):
            evaluator.submit(Evaluation(id, {"x": x}))
        assert [each.state for each in collect(evaluator, 3)] == [State.TIMEOUT, State.DONE, State.TIMEOUT]
        assert {each.rank for each in (evaluate(evaluator, x=0) for _ in range(9))} <= {0, 1, 2}

    def test_a_deadline_is_known_to_the_run_function(self, pool):
        evaluator = pool(lambda point, context: context.deadline, timeout=100.0)
        found = evaluate(evaluator, x=1)
        assert found.objective == pytest.approx(found.started + 100.0, abs=1e-3)


def endless(point):
    while True:
        try:
            time.monotonic()
        except Exception:
            continue


class TestCancel:
    def test_everything_comes_back_at_once(self, pool, stuck):
        evaluator = pool(stuck)
        evaluator.submit(Evaluation(0, {"x": 0}))
        evaluator.submit(Evaluation(1, {"x": 0}))
        begun = time.monotonic()
        found = evaluator.cancel(50.0)
        assert [(each.id, each.state) for each in found] == [(0, State.CANCELLED), (1, State.CANCELLED)]
        assert time.monotonic() - begun < 30
        assert (evaluator.num_pending, evaluator.num_idle) == (0, 2)

    def test_what_has_ended_counts(self, pool, stuck):
        ended = threading.Event()
        evaluator = pool(lambda point: stuck(point) if point["x"] else ended.set() or 1.0)
        evaluator.submit(Evaluation(0, {"x": 0}))
        evaluator.submit(Evaluation(1, {"x": 2}))
        assert ended.wait(20)
        time.sleep(0.3)
        assert [(each.id, each.state) for each in evaluator.cancel(5.0)] == [(0, State.DONE), (1, State.CANCELLED)]

    def test_python_code_ends(self, pool):
        before = threads()
        evaluator = pool(endless, num_workers=1)
        running = threads() - before
        evaluator.submit(Evaluation(0, {"x": 0}))
        evaluator.cancel(5.0)
        wait_until(lambda: not any(thread.is_alive() for thread in running))

    def test_threads_go_on_afterwards(self, pool):
        evaluator = pool(lambda point: time.sleep(point["x"]) or 1.0)
        evaluator.submit(Evaluation(0, {"x": 1}))
        evaluator.cancel(5.0)
        evaluator.submit(Evaluation(0, {"x": 0}))
        assert [each.state for each in collect(evaluator, 1)] == [State.DONE]


class TestLife:
    def test_shutting_down_does_not_wait(self, pool, stuck):
        evaluator = pool(stuck)
        evaluator.submit(Evaluation(0, {"x": 0}))
        begun = time.monotonic()
        evaluator.shutdown()
        evaluator.shutdown()
        assert time.monotonic() - begun < 30

    def test_shutting_down_leaves_no_idle_thread(self, pool):
        before = threads()
        evaluator = pool(lambda point: 1.0, num_workers=5)
        running = threads() - before
        assert len(running) == 5
        evaluator.shutdown()
        wait_until(lambda: not any(thread.is_alive() for thread in running))

    def test_starting_twice_starts_once(self, pool):
        before = threads()
        pool(lambda point: 1.0).start()
        assert len(threads() - before) == 2

    def test_the_run_function_is_loaded_when_it_starts(self):
        evaluator = ThreadEvaluator("math.no_such_function")
        with pytest.raises(LoadError, match="no_such_function"):
            evaluator.start()
        evaluator.shutdown()

    def test_it_has_a_thread_per_core(self, monkeypatch):
        monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(7)))
        assert ThreadEvaluator(abs).num_workers == 7

    def test_it_has_a_thread_at_least(self):
        with pytest.raises(OptionError, match="num_workers must be an integer of at least 1, got 0"):
            ThreadEvaluator(abs, num_workers=0)

    def test_functions_need_no_name_and_share_the_memory(self, pool):
        seen = []
        evaluator = pool(lambda point: seen.append(point["x"]) or threading.get_ident())
        assert evaluate(evaluator, x=3).objective != threading.get_ident()
        assert seen == [3]

    def test_what_is_printed_goes_where_the_process_prints(self, pool, capsys):
        evaluate(pool(lambda point: print("printed") or 1.0), x=1)
        assert capsys.readouterr().out == "printed\n"
