import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contracts.evaluator import (
    BackgroundContract,
    EvaluatorContract,
    HandDrivenContract,
    LastingEvaluatorContract,
    collect,
    evaluate,
)

from dhmpi.errors import LoadError, OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import create
from dhmpi.evaluator.pool import SerialEvaluator, process_pool, subprocess_pool
from dhmpi.execution.child import ChildExecutor
from dhmpi.execution.executor import Setup
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.execution.runner import Task
from dhmpi.support.loader import load_run
from dhmpi.support.resources import SlotOptions

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


def started(evaluator):
    """Yield an evaluator that has been started."""
    try:
        evaluator.start()
        yield evaluator
    finally:
        evaluator.shutdown()


class TestInline(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, files):
        yield from started(SerialEvaluator(InlineExecutor(Setup(BEHAVE, 1.0, str(files)), load_run)))

    def test_a_time_out_ends_python_code(self, evaluator):
        found = evaluate(evaluator, do="sleep", value=60)
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 1 s")

    def test_what_has_not_begun_is_cancelled(self, evaluator):
        evaluator.submit(Evaluation(0, {"do": "return", "value": 1.0}))
        assert [each.state for each in evaluator.cancel(5.0)] == [State.CANCELLED]
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    def test_a_worker_ranks_failure_has_the_last_output(self, tmp_path):
        code = """
import sys
from dhmpi.execution.executor import Setup
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.execution.runner import Task

def run(point):
    print("epoch", point["x"])
    sys.stderr.write("a warning")
    return point["x"]

executor = InlineExecutor(Setup(run, None, sys.argv[1]), lambda run: run, redirect=True)
executor.load()
executor.submit([Task(id, {"x": x}, 0) for id, x in enumerate([1, None])])
outcomes = executor.poll(0.0)
outcomes += executor.poll(0.0)  # where the first has taken longer than a batch may
assert [outcome.error for outcome in outcomes] == [
    "",
    "the objective must be a finite number, got None\\n--- last output ---\\nepoch None\\na warning",
]
"""
        words = [sys.executable, "-c", code, str(tmp_path)]
        assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0


class TestProcess(LastingEvaluatorContract):
    @pytest.fixture
    def evaluator(self, files):
        yield from started(SerialEvaluator(ChildExecutor(Setup(BEHAVE, 1.0, str(files)))))


class TestPool(LastingEvaluatorContract):
    @pytest.fixture
    def evaluator(self, files):
        yield from started(process_pool(Setup(BEHAVE, 1.0, str(files)), num_workers=2))

    def test_a_cancelled_child_keeps_nobody_from_waiting(self, evaluator):
        evaluator.submit(Evaluation(0, {"do": "sleep", "value": 60}))
        evaluator.cancel(5.0)
        evaluator.submit(Evaluation(1, {"do": "sleep", "value": 0.5}))
        begun = time.process_time()
        assert [each.state for each in collect(evaluator, 1)] == [State.DONE]
        assert time.process_time() - begun < 0.2


class ByHand:
    """Provides what `create` makes."""

    options = {}

    @pytest.fixture
    def evaluator(self, files):
        with create(BEHAVE, timeout=1.0, files=str(files), **self.options) as evaluator:
            yield evaluator


class TestInlineByHand(ByHand, HandDrivenContract):
    options = {"method": "serial", "isolation": "inline"}


class TestProcessByHand(ByHand, BackgroundContract):
    options = {"method": "serial"}


class TestPoolByHand(ByHand, BackgroundContract):
    options = {"method": "processPool", "num_workers": 2}


class TestSubprocessByHand(ByHand, BackgroundContract):
    options = {"method": "subprocess", "num_workers": 2}


@pytest.fixture
def serial(files):
    """Return evaluators in whose child a run function is loaded, by its name."""
    made = []

    def make(run, timeout=None):
        made.append(SerialEvaluator(ChildExecutor(Setup(str(run), timeout, str(files)))))
        return made[-1]

    yield make
    for evaluator in made:
        evaluator.shutdown()


def script(directory, name, text):
    path = directory / name
    path.write_text(text)
    return path


class TestChild:
    def test_a_function_that_cannot_be_loaded_is_said_at_the_start(self, serial):
        with pytest.raises(LoadError, match="no_such_function"):
            serial("math.no_such_function").start()

    def test_a_module_that_kills_its_process_is_said_at_the_start(self, serial, tmp_path, files):
        deadly = script(tmp_path, "deadly.py", "import os\nprint('last words', flush=True)\nos._exit(9)\n")
        with pytest.raises(LoadError, match="exit status 9") as caught:
            serial(deadly).start()
        assert caught.value.details == "last words\n"
        assert not files.exists()

    def test_it_does_not_take_itself_for_a_rank(self, serial, monkeypatch, tmp_path):
        monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
        monkeypatch.setenv("PMI_RANK", "1")
        text = "import os\ndef run(point):\n    return {'objective': 0, 'env': sorted(os.environ)}\n"
        evaluator = serial(script(tmp_path, "look.py", text))
        evaluator.start()
        names = evaluate(evaluator, x=1).extra["env"]
        assert not [name for name in names if name.startswith(("OMPI_COMM", "PMI_"))]
        assert "OMP_NUM_THREADS" in names

    @pytest.mark.parametrize(("num_workers", "threads"), [(1, "16"), (3, "5")])
    def test_evaluations_at_the_same_time_share_the_cores(self, num_workers, threads, monkeypatch, tmp_path):
        monkeypatch.setattr("dhmpi.support.environment.num_cores", lambda: 16)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        text = "import os\ndef run(point):\n    return float(os.environ['OMP_NUM_THREADS'])\n"
        run = str(script(tmp_path, "threads.py", text))
        for make in (process_pool, subprocess_pool):
            for evaluator in started(make(Setup(run, files=str(tmp_path)), num_workers)):
                assert evaluate(evaluator, x=1).objective == float(threads)

    def test_siblings_of_the_run_function_are_importable(self, serial, tmp_path):
        script(tmp_path, "a_sibling.py", "VALUE = 4.0\n")
        text = "import a_sibling\ndef run(point):\n    return a_sibling.VALUE\n"
        evaluator = serial(script(tmp_path, "with_sibling.py", text))
        evaluator.start()
        assert evaluate(evaluator, x=1).objective == 4.0

    def test_several_tasks_at_once_blame_the_right_one(self, files):
        """Short evaluations travel in batches; a crash among them must cost no other."""
        executor = ChildExecutor(Setup(BEHAVE, 1.0, str(files)))
        points = [{"do": "return", "value": 1.0}, {"do": "kill"}, {"do": "sleep", "value": 60}, {"do": "pid"}]
        for _ in started(SerialEvaluator(executor)):
            executor.submit([Task(id, point, 0) for id, point in enumerate(points)])
            outcomes, end = [], time.monotonic() + 20
            while len(outcomes) < 4 and time.monotonic() < end:
                outcomes += executor.poll(0.5)
        assert [(each.id, each.state) for each in outcomes] == [
            (0, State.DONE),
            (1, State.FAILED),
            (2, State.TIMEOUT),
            (3, State.DONE),
        ]

    def test_loading_takes_nothing_from_the_time_limit(self, serial, tmp_path):
        text = "import time\ntime.sleep(1.5)\ndef run(point):\n    return 1.0\n"
        evaluator = serial(script(tmp_path, "slow_import.py", text), timeout=1.0)
        evaluator.start()
        assert evaluate(evaluator, x=1).state is State.DONE

    @pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
    def test_the_death_of_an_idle_child_costs_nothing(self, serial, signum):
        evaluator = serial(BEHAVE)
        evaluator.start()
        pid = int(evaluate(evaluator, do="pid").objective)
        os.kill(pid, signum)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
        assert evaluate(evaluator, do="pid").objective not in (None, pid)


def is_there(pid):
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.01)


class TestHostileChild:
    """What user code does to its process costs that evaluation at most; benchmarks/hostile.py holds more of it."""

    @pytest.fixture
    def hostile(self, serial, tmp_path):
        """Return an evaluator whose run function does what `do` says, a statement."""
        text = "import json, os, signal, subprocess, sys, time\n"
        text += "def run(point):\n    exec(point['do'])\n    return {'objective': point['x'], 'pid': os.getpid()}\n"
        evaluator = serial(script(tmp_path, "hostile.py", text), timeout=2.0)
        evaluator.start()
        return evaluator

    @pytest.mark.parametrize("end", ["pass", "raise ValueError", "sys.exit(0)"])
    def test_a_forked_process_answers_nothing(self, hostile, end):
        first = evaluate(hostile, do=f"if os.fork() == 0:\n  time.sleep(0.05)\n  point['x'] = 7\n  {end}", x=1)
        seconds = [evaluate(hostile, do="time.sleep(0.1)", x=x) for x in (2, 3)]
        assert [each.objective for each in (first, *seconds)] == [1, 2, 3]
        assert len({each.extra["pid"] for each in (first, *seconds)}) == 1

    @pytest.mark.parametrize(
        "data",
        [
            *("x\\n", "x", "\\n", "[]\\n", "\\xff\\n", '{"ready":true}\\n'),
            r'[7,"DONE",5.0,1.0,2.0,"",{},0]\n',
        ],
    )
    def test_what_is_written_into_its_channel_costs_that_evaluation(self, hostile, data):
        before = evaluate(hostile, do="", x=1)
        writing = f"for fd in range(3, 1024):\n  try: os.write(fd, b'{data}')\n  except OSError: pass"
        found, after = evaluate(hostile, do=writing, x=2), evaluate(hostile, do="", x=3)
        assert (found.state, after.state, after.objective) == (State.FAILED, State.DONE, 3)
        assert "only the process's answers may go through its channel to the worker, got b" in found.error
        assert before.extra["pid"] != after.extra["pid"]

    def test_what_is_written_while_it_is_idle_costs_nothing(self, hostile):
        writing = "import threading\nfor fd in range(900, 1024):\n  threading.Timer(0.1, os.write, (fd, b'x')).start()"
        first = evaluate(hostile, do=writing, x=1)
        time.sleep(0.3)
        assert [first.objective, evaluate(hostile, do="", x=2).objective] == [1, 2]

    def test_an_order_that_no_pipe_holds_keeps_nobody_waiting(self, hostile):
        """The child has been stopped since it became idle, and does not read."""
        pid = evaluate(hostile, do="", x=1).extra["pid"]
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert evaluate(hostile, do="", x=2, text="x" * 1_000_000).state is State.TIMEOUT
        assert time.monotonic() - begun < 10
        assert evaluate(hostile, do="", x=3, text="x" * 1_000_000).objective == 3

    def test_a_time_out_that_is_cancelled_while_it_ends_is_one(self, hostile):
        do = "signal.signal(signal.SIGTERM, lambda *_: None)\nwhile True: time.sleep(1)"
        hostile.submit(Evaluation(0, {"do": do, "x": 1}))
        (executor,) = hostile._executors
        wait_until(lambda: hostile.gather(0.1) == [] and not executor._supervisor.is_running)
        begun = time.process_time()
        assert [each.state for each in hostile.cancel(5.0)] == [State.TIMEOUT]
        assert evaluate(hostile, do="", x=2).objective == 2
        assert time.process_time() - begun < 0.5

    def test_an_alarm_does_not_meet_the_next_evaluation(self, hostile):
        setting = "signal.signal(signal.SIGALRM, lambda *_: 1 / 0)\nsignal.setitimer(signal.ITIMER_REAL, 0.1, 0.01)"
        assert evaluate(hostile, do=setting, x=1).objective == 1
        assert evaluate(hostile, do="time.sleep(0.3)", x=2).objective == 2
        assert evaluate(hostile, do="assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL", x=3).objective == 3

    @pytest.mark.parametrize(
        "breaking",
        [
            "sys.stdout = sys.stderr = None",
            "sys.stdout.close()",
            "os.close(1)",
            "os.dup2(os.open('/dev/null', os.O_WRONLY), 1)",
        ],
    )
    def test_streams_are_there_for_the_next_evaluation(self, hostile, breaking, files):
        for id, do in enumerate([breaking, "print('told')"]):
            hostile.submit(Evaluation(id, {"do": do, "x": id}))
            assert collect(hostile, 1)[0].objective == id
        assert (files / "evaluation-000001.log").read_text() == "told\n"

    def test_a_child_keeps_its_family_and_loses_its_orphans(self, hostile):
        sleeping = "point['x'] = subprocess.Popen(['sleep', '60']).pid"
        orphaning = "point['x'] = int(subprocess.getoutput('sleep 60 > /dev/null 2>&1 & echo $!'))"
        own, orphan = (int(evaluate(hostile, do=do).objective) for do in (sleeping, orphaning))
        wait_until(lambda: not is_there(orphan))
        assert evaluate(hostile, do="", x=1).state is State.DONE
        assert is_there(own)
        hostile.shutdown()
        wait_until(lambda: not is_there(own))

    def test_a_log_that_cannot_be_written_costs_the_log(self, hostile, files, caplog):
        files.write_text("no directory")
        assert evaluate(hostile, do="print('told')", x=1).objective == 1
        assert "its log could not be written: File exists" in caplog.text


class TestScripts:
    """Run functions that live where no module is."""

    def python(self, *words):
        return subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )

    @pytest.mark.parametrize("method", ["processPool", "subprocess", "threadPool", "serial"])
    def test_a_function_of_the_script_itself_is_evaluated(self, tmp_path, method):
        text = f"""
import os
from dhmpi.evaluator import Evaluator

def run(point):
    return {{"objective": point["x"], "pid": os.getpid()}}

if __name__ == "__main__":
    with Evaluator.create(run, method={method!r}, files={str(tmp_path)!r}) as evaluator:
        evaluator.add_eval_batch([{{"x": 2}}, {{"x": 1}}])
        print(sorted(value for _, value in evaluator.await_evals([{{"x": 1}}, {{"x": 2}}])))
"""
        done = self.python(str(script(tmp_path, "a_script.py", text)))
        assert (done.stdout, done.stderr, done.returncode) == ("[1.0, 2.0]\n", "", 0)

    CODE = """
from dhmpi.errors import InputError
from dhmpi.evaluator import Evaluator

def run(point):
    return point["x"]

for function in (run, lambda point: point["x"]):
    try:
        with Evaluator.create(function, method={!r}) as evaluator:
            evaluator.add_eval({{"x": 2}})
            print(*evaluator.await_evals([{{"x": 2}}]))
    except InputError as error:
        print(error)
"""

    @pytest.mark.parametrize("method", ["threadPool", "processPool", "subprocess", "serial"])
    def test_one_without_a_file_runs_everywhere(self, method):
        done = self.python("-c", self.CODE.format(method))
        assert (done.stdout, done.stderr) == ("({'x': 2}, 2.0)\n" * 2, "")

    def test_balsam_needs_a_name(self):
        lines = self.python("-c", self.CODE.format("balsam")).stdout.splitlines()
        assert len(lines) == 2
        for line, name in zip(lines, ("<function run at 0x", "<function <lambda> at 0x"), strict=True):
            assert line.startswith(f"run_function must be a function that another interpreter can import, got {name}")
            assert "at the top of a module" in line
            assert "method to threadPool" in line

    @pytest.mark.parametrize("method", ["processPool", "subprocess"])
    def test_one_that_starts_evaluations_when_it_is_imported_is_told_the_remedy(self, tmp_path, method):
        text = f"""
from dhmpi.evaluator import Evaluator

def run(point):
    return point["x"]

evaluator = Evaluator.create(run, method={method!r})
evaluator.add_eval({{"x": 1}})
"""
        done = self.python(str(script(tmp_path, "unguarded.py", text)))
        assert done.returncode == 1
        assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]
        assert done.stderr.count("unguarded") < 20


@pytest.mark.parametrize("num_workers", [0, -1, 1.5, "2.5", True])
def test_there_is_at_least_one_worker(num_workers):
    with pytest.raises(OptionError, match="num_workers must be an integer of at least 1, got"):
        process_pool(Setup(BEHAVE), num_workers)


@pytest.mark.parametrize("slot", [SlotOptions(), SlotOptions(ranks_per_eval=50)])
def test_more_processes_than_the_machine_has_room_for_are_one_sentence(slot, tmp_path):
    """Each needs descriptors, of which a process may have so many."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, before[1]))
    try:
        with pytest.raises(OptionError, match=r"must be as many as .* got 100.*: Too many open files; give less"):
            process_pool(Setup("math:sqrt", None, str(tmp_path), slot=slot), 100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
