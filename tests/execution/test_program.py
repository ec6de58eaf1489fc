import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contracts.evaluator import LIMIT, collect, evaluate

from dhmpi.errors import LoadError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.pool import PoolEvaluator, subprocess_pool
from dhmpi.execution import supervisor
from dhmpi.execution.executor import Setup
from dhmpi.execution.program import ProgramExecutor, check_placeholders, is_program
from dhmpi.execution.runner import Task

STRANGE = [
    "a blank",
    "it's",
    'a "quoted" word',
    "$(echo caught) `echo caught` $HOME",
    "two\nlines\n",
    "\\n \\",
    "größer 数",
    "; exit 1 #",
    "*",
    "",
    "{brace}",
    "-n",
]


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes an executable sh script in the current directory, and returns how to name it."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="program.sh", mode=0o755):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return f"./{name}"

    return write


@pytest.fixture
def started(files):
    """Starts an evaluator of a program."""
    evaluators = []

    def start(run, timeout=None, num_workers=1):
        evaluators.append(subprocess_pool(Setup(run, timeout, str(files)), num_workers))
        evaluators[-1].start()
        return evaluators[-1]

    yield start
    for evaluator in evaluators:
        evaluator.shutdown()


def state(pid):
    """The letter by which the kernel calls a process's state; Z if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def read_pid(path):
    """Wait until a program has written a number and a newline."""
    end = time.monotonic() + LIMIT
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < end
        time.sleep(0.01)
    return int(path.read_text())


def wait_for_end(pid):
    end = time.monotonic() + LIMIT
    while state(pid) != "Z":
        assert time.monotonic() < end
        time.sleep(0.01)


class TestObjective:
    @pytest.mark.parametrize(
        ("text", "objective"),
        [
            ("echo DH-OUTPUT: 0.5", 0.5),
            ("echo dh-Output: 0.5", 0.5),
            ("echo DH-OUTPUT:0.5", 0.5),
            ("echo 'epoch 3, DH-OUTPUT: loss = -1e-3   '", -1e-3),
            ("echo DH-OUTPUT: 1; echo DH-OUTPUT: 2; echo the end", 2.0),
            ("echo DH-OUTPUT: 3 >&2", 3.0),
            ("printf 'DH-OUTPUT: 4'", 4.0),
            (r"printf '50 %%\r100 %%\rDH-OUTPUT: 5\r\n\377\n'", 5.0),
        ],
    )
    def test_it_is_the_last_word_of_the_last_line_that_is_marked(self, started, write, text, objective):
        found = evaluate(started(f"exec:{write(text)}"), x=1)
        assert (found.state, found.objective, found.error, found.extra) == (State.DONE, objective, "", {})

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("echo DH-OUTPUT: nan", "the objective must be a finite number, got nan"),
            ("echo DH-OUTPUT: 1; echo DH-OUTPUT: -inf", "the objective must be a finite number, got -inf"),
            ("echo DH-OUTPUT: 0.5 s", "the objective must be a finite number, got 's'"),
            ("echo DH-OUTPUT:", "the objective must be a finite number, got ''"),
            ("echo OUTPUT: 1", "a program must print a line such as 'DH-OUTPUT: 0.5', got none"),
            ("true", "a program must print a line such as 'DH-OUTPUT: 0.5', got none"),
        ],
    )
    def test_what_is_no_number_is_a_failure(self, started, write, text, told):
        found = evaluate(started(f"exec:{write(text)}"), x=1)
        assert (found.state, found.objective) == (State.FAILED, None)
        assert found.error.startswith(told)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("exit 3", "the program ended with exit status 3"),
            ("kill -9 $$", "the process was killed by signal 9 (SIGKILL)"),
            ("/no/such/program", "exit status 127"),
        ],
    )
    def test_a_program_that_fails_has_no_objective(self, started, write, text, told):
        found = evaluate(started(f"exec:{write('echo DH-OUTPUT: 1; echo last words; ' + text)}"), x=1)
        assert (found.state, found.objective) == (State.FAILED, None)
        assert told in found.error
        assert "last words" in found.error

    def test_output_that_no_pipe_would_hold_is_kept(self, started, write, files, capfd):
        text = "echo DH-OUTPUT: 1; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf '%0100d\\n' $i; done"
        assert evaluate(started(f"exec:{write(text)}"), x=1).objective == 1.0
        assert (files / "evaluation-000000.log").stat().st_size == 3000 * 101 + len("DH-OUTPUT: 1\n")
        assert capfd.readouterr() == ("", "")

    def test_an_earlier_attempts_output_is_none_of_this(self, started, write):
        evaluator = started(f"exec:{write('echo DH-OUTPUT: 1; [ $1 = fail ] && exec true; echo DH-OUTPUT: $1')} {{x}}")
        assert evaluate(evaluator, x=2).objective == 2.0
        assert evaluate(evaluator, x="fail").objective == 1.0


class TestValues:
    def echo(self, write):
        return write('for word; do printf "<%s>" "$word"; done\necho; echo DH-OUTPUT: 0')

    def test_they_take_the_place_of_names(self, started, write, files):
        evaluator = started(f"exec:{self.echo(write)} 'two words' {{a}} --b={{b}}/{{a}} {{{{c}}}} {{d}} {{e}} }} {{")
        evaluate(evaluator, a=1, b=0.1 + 0.2, d=True, e=None)
        printed = (files / "evaluation-000000.log").read_text().splitlines()[0]
        assert printed == "<two words><1><--b=0.30000000000000004/1><{c}><True><None><}><{>"

    @pytest.mark.parametrize("value", STRANGE)
    def test_a_value_is_one_argument_whatever_it_holds(self, started, write, files, value):
        evaluator = started(f"exec:{self.echo(write)} {{x}} --x={{x}}")
        evaluate(evaluator, x=value)
        printed = (files / "evaluation-000000.log").read_text()
        assert printed == f"<{value}><--x={value}>\nDH-OUTPUT: 0\n"

    @pytest.mark.parametrize(
        ("value", "told"), [("\0", "embedded null byte"), ("x" * 2_000_000, "Argument list too long")]
    )
    def test_what_no_argument_can_be_costs_one_evaluation(self, started, write, value, told):
        evaluator = started(f"exec:{write('echo DH-OUTPUT: 1')} {{x}}")
        found = evaluate(evaluator, x=value)
        assert found.state is State.FAILED
        assert told in found.error
        assert evaluate(evaluator, x="good").state is State.DONE

    def test_a_missing_value_costs_one_evaluation(self, started, write):
        found = evaluate(started(f"exec:{write('true')} {{lr}}"), x=1)
        assert found.error == "a process must start, got a placeholder must name a value of the point, got 'lr'"

    def test_standard_input_is_the_point_as_json(self, started, write, files):
        point = {"lr": 0.1, "units": 2**62, "text": "größer\n'", "none": None, "flag": True, "long": "x" * 100_000}
        evaluate(started(f"exec:{write('cat; echo; echo DH-OUTPUT: 0')}"), **point)
        assert json.loads((files / "evaluation-000000.log").read_text().splitlines()[0]) == point

    def test_the_environment_tells_the_evaluation(self, started, write, files, monkeypatch):
        monkeypatch.setenv("PMI_RANK", "1")
        text = 'echo $DHMPI_ID $DHMPI_SEED $PMI_RANK; echo kept > "$DHMPI_DIRECTORY/model.txt"; echo DH-OUTPUT: 0'
        evaluator = started(f"exec:{write(text)}")
        evaluator.seed = 5
        evaluator.submit(Evaluation(12, {}))
        assert collect(evaluator, 1)[0].state is State.DONE
        id, seed = (files / "evaluation-000012.log").read_text().splitlines()[0].split()
        assert (id, (files / "evaluation-000012" / "model.txt").read_text()) == ("12", "kept\n")
        assert int(seed) > 0

    def test_an_empty_directory_is_not_kept(self, started, write, files):
        evaluator = started(f"exec:{write('echo DH-OUTPUT: 0; ls -d $DHMPI_DIRECTORY')}")
        assert evaluate(evaluator).state is State.DONE
        assert (files / "evaluation-000000.log").read_text().endswith("/evaluation-000000\n")
        assert [path.name for path in files.iterdir()] == ["evaluation-000000.log"]

    def test_programs_run_in_the_current_directory(self, started, write, tmp_path):
        assert evaluate(started(f"exec:{write('pwd; ls program.sh && echo DH-OUTPUT: 0')}")).state is State.DONE


class TestLoading:
    @pytest.mark.parametrize(
        ("run", "told"),
        [
            ("exec:", "exec: must be followed by a file"),
            ("exec: ./train.sh 'a", "quotes and backslashes must be complete"),
            ("exec:./trian.sh", "program './trian.sh' must be a file, got none; did you mean 'train.sh'?"),
            ("exec:train.sh", "program 'train.sh' must be on the PATH, got none; write ./train.sh"),
            ("exec:no_such_program", "must be on the PATH, got none; write its path"),
            ("exec:./plain.sh", "program './plain.sh' must be executable, got mode 644; run chmod +x"),
            ("exec:nowhere/train.sh", "there is no directory 'nowhere'"),
            ("template:trian.sh", "must be readable, got No such file or directory; did you mean 'train.sh'?"),
            ("template:.", "must be readable, got Is a directory; see its kind"),
        ],
    )
    def test_what_cannot_run_is_said_at_the_start(self, started, write, run, told):
        write("true", "train.sh")
        write("true", "plain.sh", 0o644)
        with pytest.raises(LoadError) as caught:
            started(run)
        assert told in str(caught.value)

    def test_programs_of_the_path_are_found(self, started):
        assert evaluate(started("exec:echo DH-OUTPUT: {x}"), x=4).objective == 4.0

    def test_the_home_directory_is_understood(self, started, write, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        write("echo DH-OUTPUT: 1", "train.sh")
        assert evaluate(started("exec:~/train.sh")).objective == 1.0

    def test_a_program_may_be_a_value(self, started, write):
        write("echo DH-OUTPUT: 1", "train_a.sh")
        evaluator = started("exec:./train_{which}.sh")
        assert evaluate(evaluator, which="a").objective == 1.0
        assert "No such file or directory: './train_b.sh'" in evaluate(evaluator, which="b").error

    def test_a_script_without_interpreter_says_so(self, started, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "train.sh").write_text("echo DH-OUTPUT: 1\n")
        (tmp_path / "train.sh").chmod(0o755)
        assert "such as #!/bin/sh" in evaluate(started("exec:./train.sh")).error

    def test_placeholders_are_checked(self, write):
        names = ["learning_rate", "units"]
        check_placeholders("exec:./train.sh {learning_rate} --units={units} {{no}} a}b{c", names)
        with pytest.raises(LoadError, match=r"got 'learning_rte' in 'exec:.*did you mean 'learning_rate'"):
            check_placeholders("exec:./train.sh --lr={learning_rte}", names)
        with pytest.raises(LoadError, match="got '' in"):
            check_placeholders("exec:./train.sh {}", names)

    def test_placeholders_of_templates_are_checked(self, write):
        names = ["units"]
        write("awk '{print $1}' {{units}} ${HOME} {{ units }}", "good.sh")
        write("train {{unit}}", "bad.sh")
        check_placeholders("template:good.sh {units}", names)
        for run in ("template:bad.sh", "template:good.sh {unit}"):
            with pytest.raises(LoadError, match=r"got 'unit' in .* did you mean 'units'\?"):
                check_placeholders(run, names)

    @pytest.mark.parametrize(
        ("run", "expected"),
        [("exec:./a.sh", True), ("template:a", True), ("executor.run", False), ("a.py:run", False), (len, False)],
    )
    def test_is_program(self, run, expected):
        assert is_program(run) is expected


class TestTemplates:
    def test_each_evaluation_runs_its_own_copy(self, started, write, files):
        text = 'echo "{{ greeting }}, $0 $1"; awk "BEGIN {print 1}"; echo DH-OUTPUT: {{x}}'
        write(text, "train.sh.in", 0o644)
        evaluator = started("template:train.sh.in --y={y}", num_workers=2)
        for id in range(2):
            evaluator.submit(Evaluation(id, {"greeting": "hello", "x": id, "y": "a b"}))
        assert [each.objective for each in collect(evaluator, 2)] == [0.0, 1.0]
        for id in range(2):
            copy = files / f"evaluation-00000{id}" / "train.sh.in"
            assert f"echo DH-OUTPUT: {id}\n" in copy.read_text()
            printed = (files / f"evaluation-00000{id}.log").read_text().splitlines()
            assert printed[:2] == [f"hello, {copy} --y=a b", "1"]


class TestProcess:
    def test_a_time_out_kills_the_whole_family(self, started, write, tmp_path):
        text = f"sleep 60 & echo $! > {tmp_path}/pid; trap '' TERM; echo DH-OUTPUT: 1; sleep 60; sleep 60"
        evaluator = started(f"exec:{write(text)}", timeout=0.3)
        found = evaluate(evaluator, x=1)
        assert found.state is State.TIMEOUT
        assert found.error.startswith("ran longer than 0.3 s\n")
        wait_for_end(read_pid(tmp_path / "pid"))

    def test_it_is_asked_to_end_before_it_is_killed(self, started, write, files):
        text = "trap 'echo saved; exit 0' TERM; echo DH-OUTPUT: 1; while true; do sleep 0.05; done"
        assert evaluate(started(f"exec:{write(text)}", timeout=0.5), x=1).state is State.TIMEOUT
        assert (files / "evaluation-000000.log").read_text().endswith("saved\n")

    @pytest.mark.parametrize(
        "leaving",
        ["(trap '' TERM; sleep 60) & echo $! > pid", "trap '' TERM; setsid sh -c 'sleep 60 & echo $! > pid'"],
        ids=["in its session", "in another session"],
    )
    def test_what_it_leaves_running_ends_with_it(self, started, write, tmp_path, leaving):
        text = f"{leaving}; echo DH-OUTPUT: 1"
        assert evaluate(started(f"exec:{write(text)}"), x=1).objective == 1.0
        wait_for_end(read_pid(tmp_path / "pid"))

    def test_what_it_leaves_running_keeps_no_other_waiting(self, write, files, monkeypatch, tmp_path):
        monkeypatch.setattr(supervisor, "GRACE", 600.0)
        monkeypatch.setattr(supervisor, "LONG_GRACE", 600.0)
        text = f"[ $1 = 0 ] && {{ trap '' TERM; sleep 60 & echo $! > {tmp_path}/pid; }}; echo DH-OUTPUT: $1"
        executors = [ProgramExecutor(Setup(f"exec:{write(text)} {{x}}", None, str(files))) for _ in range(2)]
        evaluator = PoolEvaluator(executors)
        evaluator.start()
        for id in range(2):
            evaluator.submit(Evaluation(id, {"x": id}))
        assert [each.id for each in collect(evaluator, 1)] == [1]
        pid = read_pid(tmp_path / "pid")
        assert evaluator.gather(0.3) == []
        os.kill(pid, signal.SIGKILL)
        assert [(each.id, each.objective) for each in collect(evaluator, 1)] == [(0, 0.0)]
        evaluator.shutdown()

    def test_a_cancelled_program_comes_back_at_once(self, started, write, files, tmp_path):
        evaluator = started(f"exec:{write(f'echo begun; echo $$ > {tmp_path}/pid; sleep 60')}")
        evaluator.submit(Evaluation(0, {}))
        pid = read_pid(tmp_path / "pid")
        begun = time.monotonic()
        assert [(each.id, each.state, each.error) for each in evaluator.cancel(50.0)] == [(0, State.CANCELLED, "")]
        assert time.monotonic() - begun < 40
        assert (files / "evaluation-000000.log").read_text() == "begun\n"
        wait_for_end(pid)
        assert (evaluator.num_pending, evaluator.num_idle) == (0, 1)

    def test_programs_that_ignore_requests_are_cancelled_side_by_side(self, started, write):
        evaluator = started(f"exec:{write('trap : TERM; echo DH-OUTPUT: 1; while true; do sleep 1; done')}", None, 8)
        for id in range(8):
            evaluator.submit(Evaluation(id, {}))
        evaluator.gather(0.5)
        assert [each.state for each in evaluator.cancel(3.0)] == 8 * [State.CANCELLED]
        assert evaluator.num_idle == 8

    def test_waiting_costs_no_time(self, started, write):
        evaluator = started(f"exec:{write('sleep 1.5; echo DH-OUTPUT: 1')}", timeout=60.0)
        evaluator.submit(Evaluation(0, {}))
        begun = time.process_time()
        collect(evaluator, 1)
        assert time.process_time() - begun < 0.3

    def test_files_are_given_back(self, started, write):
        evaluator = started(f"exec:{write('echo DH-OUTPUT: $1; exit $1')} {{x}}")
        counts = []
        for id in range(50):
            evaluate(evaluator, x=str(id % 2))
            counts.append(len(os.listdir("/proc/self/fd")))
        assert set(counts) == {counts[0]}

    def test_nothing_outlives_a_worker_that_is_killed(self, write, tmp_path, files):
        write(f"sleep 60 & echo $! > {tmp_path}/pid; sleep 60")
        code = f"""if True:
            import time
            from dhmpi.execution.executor import Setup
            from dhmpi.execution.program import ProgramExecutor
            from dhmpi.execution.runner import Task
            executor = ProgramExecutor(Setup("exec:./program.sh", None, {str(files)!r}))
            executor.load()
            executor.submit([Task(0, {{}}, 0)])
            print("submitted", flush=True)
            time.sleep(60)
        """
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
            try:
                assert worker.stdout.readline() == b"submitted\n"
                pid = read_pid(tmp_path / "pid")
                assert state(pid) != "Z"
            finally:
                worker.kill()
        wait_for_end(pid)

    def test_tasks_may_come_as_a_list(self, write, files):
        executor = ProgramExecutor(Setup(f"exec:{write('echo DH-OUTPUT: $1')} {{x}}", None, str(files)))
        executor.load()
        executor.submit([Task(0, {"x": 1.5}, 0), Task(1, {"x": 2.5}, 0)])
        found, end = [], time.monotonic() + LIMIT
        while len(found) < 2:
            assert time.monotonic() < end
            found += executor.poll(0.5)
        executor.close()
        assert [(id, state, objective) for id, state, objective, *_ in found] == [(0, "DONE", 1.5), (1, "DONE", 2.5)]
