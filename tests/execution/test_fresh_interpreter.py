import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contracts.evaluator import StoppableEvaluatorContract, collect, evaluate

from dhmpi.errors import LoadError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import Evaluator
from dhmpi.evaluator.pool import PoolEvaluator, subprocess_pool
from dhmpi.execution import fresh_interpreter as interpreter_module
from dhmpi.execution.executor import Setup
from dhmpi.execution.fresh_interpreter import AnswerFile, InterpreterExecutor
from dhmpi.execution.runner import Task

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture
def executor(files):
    made = InterpreterExecutor(Setup(BEHAVE, 1.0, str(files)))
    yield made
    made.close()


@pytest.fixture
def started(tmp_path, files):
    """Starts an evaluator of a module's text."""
    evaluators = []

    def start(text, timeout=None, num_workers=1):
        path = tmp_path / "user_code.py"
        path.write_text(text)
        executors = [InterpreterExecutor(Setup(str(path), timeout, str(files))) for _ in range(num_workers)]
        evaluators.append(PoolEvaluator(executors))
        evaluators[-1].start()
        return evaluators[-1]

    yield start
    for evaluator in evaluators:
        evaluator.shutdown()


def outcomes_of(executor, num):
    """Poll until there are so many outcomes."""
    found, end = [], time.monotonic() + 20
    while len(found) < num:
        assert time.monotonic() < end
        found += executor.poll(0.5)
    return found


def loaded(executor):
    executor.load()
    while not executor.ready:
        executor.poll(1.0)


def is_there(pid):
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, limit=30.0):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.01)


class TestSubprocess(StoppableEvaluatorContract):
    many = 40  # each is an interpreter that starts

    @pytest.fixture
    def evaluator(self, files):
        evaluator = subprocess_pool(Setup(BEHAVE, 1.0, str(files)), 2)
        evaluator.start()
        yield evaluator
        evaluator.shutdown()

    def test_a_child_stays_between_evaluations(self, evaluator):
        """Here it does not: that is the point."""
        pids = {evaluate(evaluator, do="pid").objective for _ in range(3)}
        assert len(pids) == 3


class TestLoading:
    def test_a_function_that_cannot_be_loaded_is_said_at_the_start(self, started):
        with pytest.raises(LoadError, match=r"user_code.py' must hold 'run'") as caught:
            started("def runs(point):\n    return 1.0\n")
        assert "did you mean 'runs'?" in str(caught.value)

    def test_a_module_that_fails_is_said_with_its_traceback(self, started):
        with pytest.raises(LoadError, match="ZeroDivisionError") as caught:
            started("1 / 0\n")
        assert "user_code.py" in caught.value.details

    def test_a_module_that_kills_its_process_is_said_with_its_last_words(self, started):
        with pytest.raises(LoadError, match="could not be loaded: the process ended with exit status 9") as caught:
            started("import os\nprint('last words')\nos._exit(9)\n")
        assert "last words" in caught.value.details

    def test_what_fails_to_load_later_costs_one_evaluation(self, started, tmp_path):
        text = "def run(point):\n    return point['x']\n"
        evaluator = started(text)
        (tmp_path / "user_code.py").write_text("raise OSError('the file system is full')\n")
        found = evaluate(evaluator, x=1)
        assert found.state is State.FAILED
        assert "OSError: the file system is full" in found.error
        assert "user_code.py" in found.error
        (tmp_path / "user_code.py").write_text(text + "# longer, since the time of a change is kept in seconds\n")
        assert evaluate(evaluator, x=1).objective == 1.0

    def test_loading_takes_nothing_from_the_time_limit(self, started):
        evaluator = started("import time\ntime.sleep(1.0)\ndef run(point):\n    return 1.0\n", timeout=0.5)
        assert evaluate(evaluator, x=1).state is State.DONE

    def test_the_limit_holds_after_slow_loading(self, started):
        evaluator = started("import time\ntime.sleep(1.0)\ndef run(point):\n    time.sleep(60)\n", timeout=0.5)
        assert evaluate(evaluator, x=1).state is State.TIMEOUT

    def test_what_loading_prints_is_in_each_evaluations_file(self, started, files):
        evaluator = started("print('welcome')\ndef run(point):\n    print('evaluated')\n    return 1.0\n")
        for id in range(2):
            evaluator.submit(Evaluation(id, {}))
            collect(evaluator, 1)
        logs = [path.read_text() for path in sorted(files.iterdir())]
        assert logs == ["welcome\nevaluated\n", "welcome\nevaluated\n"]

    def test_a_task_may_come_while_it_loads(self, executor):
        executor.load()
        executor.submit([Task(0, {"do": "return", "value": 2.0}, 0)])
        assert outcomes_of(executor, 1)[0].objective == 2.0
        assert not executor.busy

    def test_a_task_that_waits_for_loading_can_be_cancelled(self, executor):
        executor.load()
        executor.submit([Task(0, {"do": "return", "value": 2.0}, 0)])
        executor.cancel()
        assert [each.state for each in executor.poll(0.0)] == [State.CANCELLED]
        executor.submit([Task(1, {"do": "return", "value": 3.0}, 0)])
        assert [(each.id, each.objective) for each in outcomes_of(executor, 1)] == [(1, 3.0)]

    def test_threads_that_do_not_end_do_not_keep_it_from_being_ready(self, started, monkeypatch):
        monkeypatch.setattr(interpreter_module, "LINGER", 0.1)
        evaluator = started(
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nrun=len\n"
        )
        assert evaluate(evaluator, x=1).objective == 1.0


class TestInterpreter:
    def test_several_tasks_run_one_after_the_other_and_the_right_one_is_blamed(self, executor):
        loaded(executor)
        points = [{"do": "return", "value": 1.0}, {"do": "kill"}, {"do": "sleep", "value": 60}, {"do": "pid"}]
        executor.submit([Task(id, point, 0) for id, point in enumerate(points)])
        assert [(each.id, each.state) for each in outcomes_of(executor, 4)] == [
            (0, State.DONE),
            (1, State.FAILED),
            (2, State.TIMEOUT),
            (3, State.DONE),
        ]

    def test_cancelling_gives_up_what_has_not_begun(self, executor):
        loaded(executor)
        executor.submit([Task(id, {"do": "sleep", "value": 60}, 0) for id in range(3)])
        executor.cancel()
        found = outcomes_of(executor, 3)
        assert [(each.id, each.state) for each in found] == [(id, State.CANCELLED) for id in range(3)]
        executor.submit([Task(3, {"do": "return", "value": 1.0}, 0)])
        assert outcomes_of(executor, 1)[0].state is State.DONE

    def test_what_has_ended_is_not_cancelled(self, executor):
        loaded(executor)
        executor.submit([Task(0, {"do": "return", "value": 1.0}, 0)])
        executor._supervisor.wait_until_ended(20)
        executor.cancel()
        assert outcomes_of(executor, 1)[0].state is State.DONE

    def test_a_child_that_exits_early_has_not_returned(self, started):
        found = evaluate(started("import os\ndef run(point):\n    print('so long')\n    os._exit(0)\n"))
        assert found.state is State.FAILED
        assert "exit status 0 before the run function returned" in found.error
        assert "so long" in found.error

    def test_an_unusual_signal_is_a_failure_too(self, started):
        text = f"import os\ndef run(point):\n    os.kill(os.getpid(), {signal.SIGRTMIN + 3})\n"
        assert f"signal {signal.SIGRTMIN + 3} (real-time)" in evaluate(started(text)).error

    def test_what_is_registered_to_be_done_at_exit_is_done(self, started, files):
        text = "import atexit\ndef run(point):\n    atexit.register(print, 'cleaned up')\n    return 1.0\n"
        assert evaluate(started(text)).state is State.DONE
        assert (files / "evaluation-000000.log").read_text() == "cleaned up\n"

    def test_a_thread_that_does_not_end_costs_no_outcome(self, started, monkeypatch):
        monkeypatch.setattr(interpreter_module, "LINGER", 0.1)
        text = "import threading, time\n"
        text += "def run(point):\n    threading.Thread(target=time.sleep, args=(60,)).start()\n    return 1.0\n"
        begun = time.monotonic()
        assert evaluate(started(text, timeout=30.0)).objective == 1.0
        assert time.monotonic() - begun < 20

    def test_an_outcome_of_a_process_that_does_not_end_is_not_cancelled(self, started):
        text = "import threading, time\n"
        text += "def run(point):\n    threading.Thread(target=time.sleep, args=(60,)).start()\n    return 1.0\n"
        evaluator = started(text)
        evaluator.submit(Evaluation(0, {}))
        wait_until(lambda: evaluator.gather(0.05) == [] and evaluator._executors[0]._has_outcome())
        assert [each.state for each in evaluator.cancel(5.0)] == [State.DONE]
        assert evaluate(evaluator).objective == 1.0

    def test_a_crash_at_exit_costs_no_outcome(self, started):
        text = "import atexit, os\ndef run(point):\n    atexit.register(os._exit, 7)\n    return 1.0\n"
        assert evaluate(started(text)).objective == 1.0

    def test_nothing_that_is_printed_is_taken_for_an_outcome(self, started):
        text = "import json, time\ndef run(point):\n"
        text += "    print('DH-OUTPUT: 5')\n    print(json.dumps({'ended': 0.0, 'outcome': [0, 'DONE', 5.0, 0, 0]}))\n"
        assert evaluate(started(text + "    return 7.0\n")).objective == 7.0

    def test_a_time_out_is_one_though_user_code_ends_gracefully(self, started):
        text = "import signal, sys, time\ndef run(point):\n"
        text += "    signal.signal(signal.SIGTERM, lambda *args: sys.exit(0))\n    time.sleep(60)\n"
        found = evaluate(started(text, timeout=0.5))
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 0.5 s")

    def test_a_result_larger_than_a_pipe_comes_back(self, started):
        found = evaluate(started("def run(point):\n    return {'objective': 1.0, 'text': 'é' * 150_000}\n"))
        assert found.extra == {"text": "é" * 150_000}

    def test_a_point_larger_than_a_command_line_arrives(self, started):
        evaluator = started("def run(point):\n    return len(point['text'])\n")
        assert evaluate(evaluator, text="é" * 1_000_000).objective == 1_000_000

    def test_standard_input_is_empty(self, started):
        assert evaluate(started("import sys\ndef run(point):\n    return len(sys.stdin.read())\n")).objective == 0.0

    def test_the_child_does_not_take_itself_for_a_rank(self, started, monkeypatch):
        monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
        monkeypatch.setenv("PMI_RANK", "1")
        evaluator = started("import os\ndef run(point):\n    return {'objective': 0, 'env': sorted(os.environ)}\n")
        names = evaluate(evaluator).extra["env"]
        assert not [name for name in names if name.startswith(("OMPI_COMM", "PMI_"))]
        assert "OMP_NUM_THREADS" in names

    def test_what_user_code_leaves_running_ends_with_it(self, started):
        text = "import subprocess\ndef run(point):\n    return subprocess.Popen(['sleep', '60']).pid\n"
        pid = int(evaluate(started(text)).objective)
        wait_until(lambda: not is_there(pid))

    def test_files_are_given_back(self, executor):
        loaded(executor)
        counts = []
        for id in range(50):
            executor.submit([Task(id, {"do": "die" if id % 2 else "return", "value": 1.0}, 0)])
            outcomes_of(executor, 1)
            counts.append(len(os.listdir("/proc/self/fd")))
        assert set(counts) == {counts[0]}

    def test_closing_ends_what_runs(self, files):
        executor = InterpreterExecutor(Setup(BEHAVE, None, str(files)))
        before = len(os.listdir("/proc/self/fd"))
        loaded(executor)
        executor.submit([Task(0, {"do": "stubborn", "value": 60}, 0)])
        executor._supervisor.wait(20)
        pid = executor._supervisor._pid
        executor.close()
        executor.close()
        assert not is_there(pid)
        assert len(os.listdir("/proc/self/fd")) == before - 3  # the output's, and the board's, that were there before

    def test_a_mailbox_knows_torn_answers(self):
        answer_file = AnswerFile({"any": "order"})
        assert answer_file.answers() == {}
        os.write(answer_file.descriptor, b'{"never": 0}')  # in place of the order, which nobody has read
        os.lseek(answer_file.descriptor, 0, os.SEEK_END)
        os.write(answer_file.descriptor, b'{"begun": 1}\n{"ended": 2, "outc')
        assert answer_file.answers() == {"begun": 1}
        os.write(answer_file.descriptor, b"x\n")
        assert answer_file.answers() == {"begun": 1, "garbage": b'{"ended": 2, "outcx'}
        os.ftruncate(answer_file.descriptor, 0)
        assert answer_file.answers() == {"begun": 1, "garbage": b'{"ended": 2, "outcx'}
        answer_file.close()


def test_nothing_outlives_a_worker_that_is_killed(tmp_path, files):
    (tmp_path / "family.py").write_text(
        "import os, subprocess, time\n"
        "def run(point):\n"
        "    child = subprocess.Popen(['sleep', '60'])\n"
        f"    with open({str(tmp_path / 'pids')!r}, 'w') as file:\n"
        "        file.write(f'{os.getpid()} {child.pid} .')\n"
        "    time.sleep(60)\n"
    )
    code = f"""if True:
        from dhmpi.execution.executor import Setup
        from dhmpi.evaluator.pool import subprocess_pool
        from dhmpi.evaluation import Evaluation
        evaluator = subprocess_pool(Setup({str(tmp_path / "family.py")!r}, None, {str(files)!r}), 1)
        evaluator.start()
        evaluator.submit(Evaluation(0, {{}}))
        print("submitted", flush=True)
        while True:
            evaluator.gather(60.0)
    """
    pids = tmp_path / "pids"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout.readline() == b"submitted\n"
            wait_until(lambda: pids.exists() and pids.read_text().endswith("."))
            family = [int(pid) for pid in pids.read_text().split()[:2]]
            assert all(is_there(pid) for pid in family)
        finally:
            worker.kill()
    wait_until(lambda: not any(is_there(pid) for pid in family))


class TestByHand:
    def test_two_workers_halve_the_time(self, tmp_path, files):
        path = tmp_path / "slow.py"
        path.write_text("import time\ndef run(point):\n    time.sleep(0.5)\n    return point['x']\n")
        points = [{"x": x} for x in range(6)]
        with Evaluator.create(str(path), method="subprocess", num_workers=2, files=str(files)) as evaluator:
            begun = time.monotonic()
            evaluator.add_eval_batch(points)
            assert list(evaluator.await_evals(points)) == [(point, point["x"]) for point in points]
            assert time.monotonic() - begun >= 1.5
            assert sorted(y for _, y in evaluator.get_finished_evals()) == []

    def test_little_is_imported_for_an_evaluation(self):
        code = "import sys; from dhmpi.execution import fresh_main; print(*sys.modules)"
        names = subprocess.check_output([sys.executable, "-c", code], text=True).split()
        slow = {"numpy", "mpi4py", "inspect", "traceback", "logging", "argparse", "subprocess", "tempfile", "difflib"}
        assert not slow.intersection(names)
