import os
import signal
import sys
import time
from pathlib import Path

import pytest

from dhmpi.execution import supervisor as supervisor_module
from dhmpi.execution.output import Output
from dhmpi.execution.supervisor import Supervisor

LIMIT = 20.0


@pytest.fixture
def output(tmp_path):
    made = Output(str(tmp_path / "files"))
    yield made
    made.close()


@pytest.fixture
def supervisor(output):
    made = Supervisor(output.file)
    yield made
    made.close()


def wait_until(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.01)


def is_there(pid):
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(supervisor, directory, text, num=0):
    """Start a shell, and return the ids of processes that it writes into files called 0, 1, and so on."""
    supervisor.start(["sh", "-c", f"cd {directory}; {text}"], None, os.environ)
    paths = [directory / str(number) for number in range(num)]
    wait_until(lambda: all(path.exists() and path.read_text().endswith("\n") for path in paths))
    return [int(path.read_text()) for path in paths]


def ended(supervisor):
    supervisor.wait_until_gone(LIMIT)
    assert not supervisor.is_active
    return supervisor.ending


# A process that belongs to the shell, one that it has left, and one in a session of its own that ignores SIGTERM.
FAMILY = """
sleep 60 & echo $! > 0
(sleep 60 & echo $! > 1)
(trap '' TERM; setsid sh -c 'sleep 60 & echo $! > 2')
"""


class TestEnd:
    @pytest.mark.parametrize(
        ("text", "status", "told"),
        [
            ("exit 0", 0, "the process ended with exit status 0"),
            ("exit 3", 3, "the process ended with exit status 3"),
            ("kill -9 $$", -9, "the process was killed by signal 9 (SIGKILL)"),
        ],
    )
    def test_it_tells_how_a_process_has_ended(self, supervisor, tmp_path, text, status, told):
        for _ in range(2):
            start(supervisor, tmp_path, text)
            found = ended(supervisor)
            assert found.status == status
            assert str(found).startswith(told)

    def test_it_tells_why_a_process_has_not_started(self, supervisor):
        supervisor.start(["/no/such/program"], None, os.environ)
        assert str(ended(supervisor)) == (
            "a process must start, got [Errno 2] No such file or directory: '/no/such/program'"
        )

    def test_a_process_gets_what_it_is_given(self, supervisor, output, tmp_path):
        reader, writer = os.pipe()
        os.write(writer, b"passed")
        os.close(writer)
        (tmp_path / "in").write_text("read")
        code = "import os, signal, sys; print(sys.stdin.read(), os.read(3, 9), os.environ['X'], "
        code += "os.listdir('/proc/self/fd'), "
        code += "os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
        with open(tmp_path / "in") as stdin:
            supervisor.start([sys.executable, "-c", code], stdin.fileno(), {"X": "set"}, [reader])
        os.close(reader)
        assert ended(supervisor).status == 0
        assert output.last() == "read b'passed' set ['0', '1', '2', '3', '4'] True True\n"

    @pytest.mark.parametrize("how", ["stopped", "ended", "died"])
    def test_nothing_is_left(self, supervisor, tmp_path, how):
        text = {"stopped": "sleep 60", "ended": "true", "died": "kill -9 $$"}[how]
        pids = start(supervisor, tmp_path, FAMILY + text, 3)
        if how == "stopped":
            supervisor.stop()
        ended(supervisor)
        assert not any(map(is_there, pids))

    def test_closing_ends_everything(self, supervisor, tmp_path):
        before = set(os.listdir("/proc/self/fd"))
        pids = start(supervisor, tmp_path, FAMILY + "sleep 60", 3)
        supervisor.close()
        wait_until(lambda: not any(map(is_there, pids)))
        assert set(os.listdir("/proc/self/fd")) == before

    def test_what_forks_for_ever_is_ended(self, supervisor, tmp_path):
        code = (
            "import os, time\nif os.fork(): time.sleep(60)\nos.setsid()\nwhile True:\n    if os.fork(): os._exit(0)\n"
        )
        supervisor.start([sys.executable, "-c", code], None, os.environ)
        supervisor.wait_until_ended(0.5)
        assert supervisor.is_running
        supervisor.stop()
        assert supervisor_module.LONG_GRACE < LIMIT
        assert ended(supervisor).problem == ""

    def test_what_handles_sigterm_has_more_time_and_is_asked_once(self, supervisor, tmp_path, monkeypatch):
        monkeypatch.setattr(supervisor_module, "GRACE", 0.05)
        monkeypatch.setattr(supervisor_module, "LONG_GRACE", LIMIT)
        text = "trap 'echo asked >> asked' TERM; echo $$ > 0; while [ ! -e asked ]; do sleep 0.01; done; sleep 0.5"
        start(supervisor, tmp_path, text + "; echo saved > saved", 1)
        supervisor.stop()
        supervisor.stop()
        ended(supervisor)
        assert (tmp_path / "saved").exists()
        assert (tmp_path / "asked").read_text() == "asked\n"

    def test_what_takes_too_much_time_is_killed(self, supervisor, tmp_path, monkeypatch):
        monkeypatch.setattr(supervisor_module, "LONG_GRACE", 0.3)
        start(supervisor, tmp_path, "trap : TERM; echo $$ > 0; while true; do sleep 0.01; done", 1)
        supervisor.stop()
        assert ended(supervisor).status == -signal.SIGKILL


# A shell that listens, one of its processes that does, one that does not, and what would pass it on.
LISTENERS = """
cp "$(command -v sh)" mpirun
trap 'echo told >> shell' USR1
sh -c 'trap "echo told >> process" USR1; echo $$ > 0; while true; do sleep 0.02; done' &
sh -c 'echo $$ > 1; while true; do sleep 0.02; done' &
./mpirun -c 'trap "echo told >> launcher" USR1; echo $$ > 2; while true; do sleep 0.02; done' &
while true; do sleep 0.02; done
"""


def test_the_end_of_the_time_is_told_once_to_those_that_listen(supervisor, tmp_path):
    pids = start(supervisor, tmp_path, LISTENERS, 3)
    for _ in range(2):
        supervisor.tell_end()
    wait_until(lambda: (tmp_path / "shell").exists() and (tmp_path / "process").exists())
    supervisor.wait(0.1)
    assert (tmp_path / "shell").read_text() == (tmp_path / "process").read_text() == "told\n"
    assert not (tmp_path / "launcher").exists()
    assert all(map(is_there, pids))
    supervisor.stop()
    ended(supervisor)
    supervisor.tell_end()


class TestOrphans:
    def test_they_end_when_an_evaluation_has(self, supervisor, tmp_path):
        own, orphan, daemon = start(supervisor, tmp_path, FAMILY + "sleep 60", 3)
        supervisor.wait(0.1)
        supervisor.sweep(is_busy=False)
        wait_until(lambda: not is_there(orphan) and not is_there(daemon))
        assert is_there(own)

    def test_those_of_the_next_evaluation_are_spared(self, supervisor, tmp_path):
        (old,) = start(supervisor, tmp_path, "(sleep 60 & echo $! > 0); while [ ! -e go ]; do sleep 0.01; done; "
                       "(sleep 60 & echo $! > 1); sleep 60", 1)  # fmt: skip
        supervisor.wait(0.1)
        supervisor.sweep(is_busy=True)
        (tmp_path / "go").touch()
        wait_until(lambda: (tmp_path / "1").exists() and (tmp_path / "1").read_text().endswith("\n"))
        new = int((tmp_path / "1").read_text())
        supervisor.sweep(is_busy=True)
        wait_until(lambda: not is_there(old))
        assert is_there(new)
        supervisor.sweep(is_busy=True)
        wait_until(lambda: not is_there(new))


class TestAttack:
    def test_one_that_is_killed_is_replaced(self, supervisor, tmp_path):
        pids = start(supervisor, tmp_path, "sleep 60 & echo $! > 0; kill -9 $PPID; sleep 60", 1)
        assert str(ended(supervisor)) == "the supervisor of the process was killed"
        wait_until(lambda: not any(map(is_there, pids)))
        start(supervisor, tmp_path, "exit 5")
        assert ended(supervisor).status == 5

    def test_one_that_is_killed_while_it_is_idle_is_replaced(self, supervisor, tmp_path):
        supervisor.open()
        supervisor._process.kill()
        supervisor._process.wait()
        start(supervisor, tmp_path, "exit 5")
        assert ended(supervisor).status == 5

    def test_one_that_is_stopped_goes_on(self, supervisor, tmp_path):
        start(supervisor, tmp_path, "echo $$ > 0; kill -STOP $PPID; exec sleep 60", 1)
        time.sleep(0.1)
        supervisor.stop()
        assert ended(supervisor).status == -signal.SIGTERM

    def test_one_that_does_not_answer_is_given_up(self, supervisor, tmp_path, monkeypatch):
        monkeypatch.setattr(supervisor_module, "LONG_GRACE", 0.1)
        monkeypatch.setattr(supervisor_module, "PATIENCE", 0.1)
        (pid,) = start(supervisor, tmp_path, "trap '' TERM; echo $$ > 0; while true; do kill -STOP $PPID; done", 1)
        supervisor.stop()
        assert str(ended(supervisor)) == "the supervisor of the process was stopped"
        wait_until(lambda: not is_there(pid))

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
    def test_signals_that_whole_jobs_get_do_not_end_it(self, supervisor, tmp_path, name):
        start(supervisor, tmp_path, f"kill -{name[3:]} $PPID; sleep 0.05; exit 5")
        assert ended(supervisor).status == 5
