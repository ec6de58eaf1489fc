import fcntl
import itertools
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.execution import inline_executor as executor_module
from dhmpi.execution import runner as runner_module
from dhmpi.execution.executor import Setup, readable
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.execution.runner import Task
from dhmpi.support.loader import load_run


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture
def limit():
    """Lets this process have some thousand files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft < 4096 else soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestReadable:
    def test_it_tells_whether_something_is_there(self):
        ends = [os.pipe() for _ in range(2)]
        readers = [reader for reader, _ in ends]
        assert not readable(readers, 0.0)
        assert not readable(readers, 0.01)
        os.write(ends[1][1], b"x")
        assert readable(readers, 60.0)
        for descriptor in itertools.chain(*ends):
            os.close(descriptor)

    def test_it_takes_high_descriptors(self, limit):
        """A pool of 256 children needs more than 1023."""
        reader, writer = os.pipe()
        high = fcntl.fcntl(reader, fcntl.F_DUPFD, 2000)
        os.write(writer, b"x")
        assert readable([high], 60.0)
        for descriptor in (reader, writer, high):
            os.close(descriptor)


def tasks(*values):
    return [Task(id, {"x": value}, 0) for id, value in enumerate(values)]


def inline(run, files, timeout=None):
    made = InlineExecutor(Setup(run, timeout, str(files)), load_run)
    made.load()
    return made


def states(outcomes):
    return [(outcome.id, outcome.state) for outcome in outcomes]


@pytest.fixture
def patient(monkeypatch):
    """Batches that last as long as there are tasks."""
    monkeypatch.setattr(executor_module, "BATCH_TIME", 60.0)


@pytest.fixture
def interrupting(monkeypatch):
    """Lets SIGUSR1 interrupt an executor."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda executor: signal.signal(signal.SIGUSR1, lambda signum, frame: executor.interrupt())
    signal.signal(signal.SIGUSR1, before)


class TestInline:
    def test_it_is_ready_when_it_has_loaded_and_loads_once(self, files):
        loaded = []
        executor = InlineExecutor(Setup("a name", None, str(files)), lambda target: loaded.append(target) or float)
        assert not executor.ready
        executor.load()
        executor.load()
        assert executor.ready
        assert loaded == ["a name"]

    def test_it_is_not_ready_when_it_cannot_load(self, files):
        executor = InlineExecutor(Setup("math.no_such_function", None, str(files)), load_run)
        with pytest.raises(LoadError, match="no_such_function"):
            executor.load()
        assert not executor.ready

    def test_short_evaluations_end_in_one_poll(self, files, patient):
        executor = inline(lambda point: 1 / point["x"], files)
        executor.submit(tasks(2, 0))
        executor.submit([Task(5, {"x": 4}, 0)])
        assert executor.busy
        outcomes = executor.poll(0.0)
        assert states(outcomes) == [(0, State.DONE), (1, State.FAILED), (5, State.DONE)]
        assert [outcome.objective for outcome in outcomes] == [0.5, None, 0.25]
        assert not executor.busy
        assert executor.poll(0.0) == []

    def test_long_evaluations_are_returned_one_by_one(self, files, monkeypatch):
        monkeypatch.setattr(executor_module, "BATCH_TIME", -1.0)
        executor = inline(lambda point: 1.0, files)
        executor.submit(tasks(1, 2))
        assert states(executor.poll(0.0)) == [(0, State.DONE)]
        assert executor.busy
        assert states(executor.poll(0.0)) == [(1, State.DONE)]

    def test_what_is_cancelled_does_not_begin(self, files):
        begun = []
        executor = inline(begun.append, files)
        executor.submit(tasks(1, 2))
        executor.cancel()
        assert states(executor.poll(0.0)) == [(0, State.CANCELLED), (1, State.CANCELLED)]
        assert begun == []
        assert not executor.busy

    def test_after_a_cancellation_it_goes_on(self, files):
        executor = inline(lambda point: 1.0, files)
        executor.cancel()
        assert executor.poll(0.0) == []
        executor.submit(tasks(1))
        assert states(executor.poll(0.0)) == [(0, State.DONE)]

    def test_an_interruption_ends_user_code_and_the_batch(self, files, patient, interrupting):
        def run(point):
            try:
                if point["x"] == "stop":
                    signal.raise_signal(signal.SIGUSR1)
                return 1.0
            except Exception:
                return 2.0

        executor = inline(run, files)
        interrupting(executor)
        executor.submit(tasks("go", "stop", "go"))
        outcomes = executor.poll(0.0)
        assert states(outcomes) == [(0, State.DONE), (1, State.CANCELLED), (2, State.CANCELLED)]
        assert not executor.busy
        executor.submit(tasks("go"))
        assert states(executor.poll(0.0)) == [(0, State.DONE)]

    def test_an_interruption_that_meets_no_user_code_raises_nothing(self, files, interrupting):
        executor = inline(lambda point: 1.0, files)
        interrupting(executor)
        signal.raise_signal(signal.SIGUSR1)
        executor.submit(tasks(1))
        signal.raise_signal(signal.SIGUSR1)
        assert states(executor.poll(0.0)) == [(0, State.CANCELLED)]

    @pytest.mark.parametrize("reading", [1, 2])
    def test_an_interruption_just_before_or_after_user_code_is_an_outcome(
        self, files, patient, interrupting, monkeypatch, reading
    ):
        """The signal comes while the runner reads its clock, before the run function or after it."""
        readings = []

        def read():
            readings.append(1)
            if len(readings) == reading:
                signal.raise_signal(signal.SIGUSR1)
            return float(len(readings))

        executor = inline(lambda point: 1.0, files)
        interrupting(executor)
        monkeypatch.setattr(runner_module, "perf_counter", read)
        executor.submit(tasks(1, 2))
        first, second = executor.poll(0.0)
        assert first.state in (State.CANCELLED, State.DONE)
        assert second.state is State.CANCELLED

    def test_a_time_out_costs_one_evaluation(self, files, patient):
        def run(point):
            try:
                return time.sleep(point["x"]) or 1.0
            except Exception:
                return 2.0

        executor = inline(run, files, timeout=0.05)
        executor.submit(tasks(0, 60, 0))
        outcomes = executor.poll(0.0)
        assert states(outcomes) == [(0, State.DONE), (1, State.TIMEOUT), (2, State.DONE)]
        assert [outcome.error for outcome in outcomes] == ["", "ran longer than 0.05 s", ""]
        assert outcomes[1].ended - outcomes[1].started >= 0.05

    def test_a_time_limit_leaves_no_alarm_behind(self, files):
        before = signal.getsignal(signal.SIGALRM)
        executor = inline(lambda point: signal.getitimer(signal.ITIMER_REAL)[0], files, timeout=1000.0)
        executor.submit(tasks(1))
        [outcome] = executor.poll(0.0)
        assert 0 < outcome.objective <= 1000
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert signal.getsignal(signal.SIGALRM) is before

    def test_a_worker_ranks_output_goes_to_a_file_per_evaluation(self, files):
        code = """if True:
            import os, sys
            from dhmpi.execution.executor import Setup
            from dhmpi.execution.inline_executor import InlineExecutor
            from dhmpi.execution.runner import Task

            def run(point):
                if point["x"]:
                    print("printed", point["x"])
                    os.system("echo by a child")
                    print("an error", file=sys.stderr)
                return 1.0

            executor = InlineExecutor(Setup(run, None, sys.argv[1]), lambda run: run, redirect=True)
            print("before")
            executor.load()
            for id, x in enumerate([7, 0, 8]):
                executor.submit([Task(id, {"x": x}, 0)])
                assert [outcome.error for outcome in executor.poll(0.0)] == [""]
            executor.close()
        """
        words = [sys.executable, "-c", code, str(files)]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "before\n", "")
        printed = {path.name: sorted(path.read_text().splitlines()) for path in files.iterdir()}
        assert printed == {
            "evaluation-000000.log": ["an error", "by a child", "printed 7"],
            "evaluation-000002.log": ["an error", "by a child", "printed 8"],
        }

    def test_a_worker_rank_outlives_a_log_that_cannot_be_written(self, files):
        files.touch()
        code = """if True:
            import sys
            from dhmpi.execution.executor import Setup
            from dhmpi.execution.inline_executor import InlineExecutor
            from dhmpi.execution.runner import Task

            def run(point):
                print("printed")
                if point["x"]:
                    sys.stdout.close()  # which is not the worker's end either
                return 1.0

            executor = InlineExecutor(Setup(run, None, sys.argv[1]), lambda run: run, redirect=True)
            executor.load()
            for id in range(3):
                executor.submit([Task(id, {"x": id == 1}, 0)])
                [outcome] = executor.poll(0.0)
                assert outcome.warning == ("its log could not be written: File exists" if id < 2 else ""), outcome
            executor.close()
        """
        words = [sys.executable, "-c", code, str(files)]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
