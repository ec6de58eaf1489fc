import os
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
from dhmpi.evaluator import ProcessPoolEvaluator, SerialEvaluator, create
from dhmpi.evaluator.child import ChildExecutor
from dhmpi.evaluator.executor import InlineExecutor, Setup
from dhmpi.evaluator.runner import Task
from dhmpi.loader import load_run

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
from dhmpi.evaluator.executor import InlineExecutor, Setup
from dhmpi.evaluator.runner import Task

def run(point):
    print("epoch", point["x"])
    sys.stderr.write("a warning")
    return point["x"]

executor = InlineExecutor(Setup(run, None, sys.argv[1]), lambda run: run, redirect=True)
executor.load()
executor.submit([Task(id, {"x": x}, 0) for id, x in enumerate([1, None])])
assert [outcome.error for outcome in executor.poll(0.0)] == [
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
        yield from started(ProcessPoolEvaluator(Setup(BEHAVE, 1.0, str(files)), num_workers=2))

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
        while Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
            time.sleep(0.01)
        assert evaluate(evaluator, do="pid").objective not in (None, pid)


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

    def test_one_without_a_file_runs_in_threads(self):
        done = self.python("-c", self.CODE.format("threadPool"))
        assert (done.stdout, done.stderr) == ("({'x': 2}, 2.0)\n" * 2, "")

    @pytest.mark.parametrize("method", ["processPool", "subprocess", "serial"])
    def test_elsewhere_one_without_a_file_is_told_the_remedy(self, method):
        lines = self.python("-c", self.CODE.format(method)).stdout.splitlines()
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
        ProcessPoolEvaluator(BEHAVE, num_workers=num_workers)
