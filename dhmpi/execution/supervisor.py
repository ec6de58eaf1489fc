"""The worker's end of a supervisor, which starts processes and ends all that they have started."""

import contextlib
import marshal
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from dhmpi.execution.executor import readable
from dhmpi.execution.supervisor_main import ENDED, FAILED, GONE, SAVE, START, STARTED, STOP, TOLD
from dhmpi.support import environment

# Seconds between SIGTERM and SIGKILL; and for what handles SIGTERM, such as an mpirun, which has ranks to end.
GRACE, LONG_GRACE = 0.5, 3.0
# After how many seconds more a supervisor that has not ended everything must have been stopped or killed itself.
PATIENCE = 5.0
# How long a worker that ends waits for its supervisor to end everything; that goes on without it [s].
EXIT_WAIT = 1.0
# What shells and launchers add to the number of a signal that has killed their program, for an exit status.
SIGNALLED = 128
ROOT = str(Path(__file__).resolve().parents[2])


def interpreter(module: str, *arguments: int | str) -> list[str]:
    """Return the words that start a fresh interpreter with a module's `main(*arguments)`.

    A SIGINT ends it, as any other signal does: as an exception it would seem to be the user's own. Nothing is imported
    from the current directory before the user's code is.
    """
    begin = f"import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); sys.path.append({ROOT!r})"
    code = f"{begin}; from {module} import main; main({', '.join(map(repr, arguments))})"
    return [sys.executable, "-P", "-c", code]


def exit_message(status: int) -> str:
    """Return the exit message of a process that ran user code, from its status as `subprocess` gives it."""
    if status >= 0:
        return f"the process ended with exit status {status} before the run function returned"
    name = _signal_name(-status)
    hint = ", perhaps because the node ran out of memory" if name == "SIGKILL" else ""
    return f"the process was killed by signal {-status} ({name}){hint}"


def signal_hint(status: int) -> str:
    """Return which signal a shell, or a launcher, means by an exit status; nothing if it means none."""
    if status <= SIGNALLED or status - SIGNALLED not in set(signal.Signals):
        return ""
    return f", as after signal {status - SIGNALLED} ({_signal_name(status - SIGNALLED)})"


def _signal_name(number: int) -> str:
    return next((each.name for each in signal.Signals if each == number), "real-time")


class Ending(NamedTuple):
    """End of a process.

    Attributes:
        status: Its exit status, or the negative number of the signal that has killed it.
        reading: When that was noticed [s, monotonic clock].
        problem: Why it could not start, or why nothing is known of its end; empty otherwise.
        errno: The number of the error that kept it from starting, or 0.
    """

    status: int
    reading: float
    problem: str = ""
    errno: int = 0

    def __str__(self) -> str:
        return self.problem or exit_message(self.status)


class Supervisor:
    """Starts one process at a time, and ends all that it has started.

    Whatever user code has started, and however this process ends: the supervisor ends it all. It is started early,
    before MPI, and serves for one process after the other; if it is killed itself, another takes its place. Its own end
    of the conversation is `dhmpi.execution.supervisor_main`.

    Args:
        output: Where the standard output and error of all processes go.

    Attributes:
        knows_of_end: Whether a process has been told that the time ends.
    """

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0  # of the process that was started last, if it was
        self._alone = b""  # how the kernel lists the supervisor's children when there is no other
        self._is_active = self.knows_of_end = False
        self._ending: Ending | None = None
        self._lost_at = math.inf  # when a supervisor that was to end everything counts as lost [s, monotonic clock]
        self._seen: set[int] = set()

    @property
    def descriptor(self) -> int:
        """File descriptor that is readable when there is news."""
        return self._socket.fileno()

    @property
    def is_running(self) -> bool:
        """Whether the process has neither ended nor been told to."""
        return self._is_active and self._lost_at == math.inf

    @property
    def is_active(self) -> bool:
        """Whether anything of what was started is left."""
        return self._is_active

    @property
    def ending(self) -> Ending:
        """End of the process that was started last."""
        return self._ending or Ending(0, time.monotonic(), "the process has not ended")

    def open(self) -> None:
        """Start the supervisor, unless it is there.

        Raises:
            OSError: It cannot be started.
        """
        if self._process is not None:
            return
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            script = Path(__file__).with_name("supervisor_main.py")
            words = [sys.executable, "-S", "-P", str(script), str(its.fileno()), str(GRACE), str(LONG_GRACE)]
            try:
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=subprocess.STDOUT,
                    env=environment.child_environment(),
                    pass_fds=(its.fileno(),),
                    start_new_session=True,
                )
            except OSError:
                mine.close()
                raise
        mine.setblocking(False)
        self._socket = mine
        pid = self._process.pid
        try:
            self._children = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY)
        except OSError:  # a kernel without CONFIG_PROC_CHILDREN; orphans stay until the process ends
            self._children = os.open(os.devnull, os.O_RDONLY)

    def start(
        self,
        words: Sequence[str],
        stdin: int | None,
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start a process, when nothing of the one before is left; what keeps it from starting is its ending.

        Args:
            words: The program, and its arguments.
            stdin: Descriptor of what it reads, if it reads anything.
            environment: Its environment variables.
            descriptors: What it gets as descriptors 3, 4, and so on.

        Raises:
            OSError: The supervisor cannot be started.
        """
        self.open()
        with contextlib.ExitStack() as stack:
            order = stack.enter_context(tempfile.TemporaryFile())  # no message holds what an environment may
            marshal.dump((list(words), dict(environment)), order)
            order.flush()
            order.seek(0)
            directory, nothing = os.open(".", os.O_PATH), os.open(os.devnull, os.O_RDONLY)
            stack.callback(os.close, directory)
            stack.callback(os.close, nothing)
            given = [
                order.fileno(),
                directory,
                nothing if stdin is None else stdin,
                self._output.fileno(),
                *descriptors,
            ]
            message = marshal.dumps(START)
            try:
                socket.send_fds(self._socket, [message], given)
            except ConnectionError:  # user code has killed it since
                self._forget()
                self.open()
                socket.send_fds(self._socket, [message], given)
        self._is_active, self._ending, self._lost_at = True, None, math.inf
        self.knows_of_end = False
        self._pid, self._alone = 0, b""
        self._seen.clear()

    def look(self) -> None:
        """Take note of what the supervisor has said."""
        while self._is_active:
            try:
                message = self._socket.recv(1 << 12)
            except BlockingIOError:
                break
            except ConnectionError:
                message = b""
            if not message:
                self._give_up("the supervisor of the process was killed")
                return
            self._note(*marshal.loads(message))
        if self._is_active and time.monotonic() >= self._lost_at:
            self._give_up("the supervisor of the process was stopped")

    def _note(self, word: str, *details: int | str) -> None:
        if word == STARTED:
            self._pid = int(details[0])
            self._alone = b"%d " % self._pid
        elif word == FAILED:
            number, reason = int(details[0]), f"[Errno {details[0]}] {details[1]}" if details[0] else details[1]
            self._ending = Ending(127, time.monotonic(), f"a process must start, got {reason}", number)
            self._expect_end()
        elif word == TOLD:
            self.knows_of_end = True
        elif word == ENDED:
            self._ending = self._ending or Ending(int(details[0]), time.monotonic())
            self._expect_end()
        elif word == GONE:
            self._is_active = False

    def _expect_end(self) -> None:
        self._lost_at = min(self._lost_at, time.monotonic() + LONG_GRACE + PATIENCE)

    def _give_up(self, problem: str) -> None:
        """Do without a supervisor that is gone or does not answer: end what is known."""
        self._ending = self._ending or Ending(-signal.SIGKILL, time.monotonic(), problem)
        self._is_active = False
        self._forget()
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    def _forget(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None
        self._socket.close()
        os.close(self._children)

    def wait(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for news, and take note of it."""
        readable([self.descriptor], min(timeout, self._lost_at - time.monotonic()))
        self.look()

    def wait_until_ended(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the process has ended."""
        end = time.monotonic() + timeout
        while self.is_running and (left := end - time.monotonic()) > 0:
            self.wait(left)

    def wait_until_gone(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until nothing is left."""
        end = time.monotonic() + timeout
        while self._is_active and (left := end - time.monotonic()) > 0:
            self.wait(left)

    def tell_end(self) -> None:
        """Let what has been started know that the time ends, if it handles SIGUSR1; each process once."""
        if self.is_running:
            self._say(SAVE)

    def stop(self) -> None:
        """Have everything ended."""
        if self.is_running:
            assert self._process is not None
            self._process.send_signal(signal.SIGCONT)  # user code may have stopped it
            self._expect_end()
            self._say(STOP)

    def sweep(self, is_busy: bool) -> None:
        """Have orphans ended that evaluations have left; to be called when one has just ended.

        Args:
            is_busy: Whether another one is running already. What is new may be its own, and is spared until the next
                call.
        """
        listed = os.pread(self._children, 1 << 16, 0)
        if listed == self._alone or not self._pid:
            return
        orphans = {int(pid) for pid in listed.split()} - {self._pid}
        condemned = orphans & self._seen if is_busy else orphans
        self._seen = orphans
        if condemned:
            self._say(tuple(condemned))

    def _say(self, message: Any) -> None:
        with contextlib.suppress(ConnectionError, BlockingIOError):  # it is gone or stopped, as `look` will notice
            self._socket.send(marshal.dumps(message))

    def close(self) -> None:
        """Have everything ended, and the supervisor itself; wait a little for that."""
        if self._process is None:
            return
        self._socket.close()
        os.close(self._children)
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(EXIT_WAIT)
        except subprocess.TimeoutExpired:  # it goes on alone, and ends by itself
            threading.Thread(target=self._process.wait, daemon=True).start()
        self._process, self._is_active = None, False
