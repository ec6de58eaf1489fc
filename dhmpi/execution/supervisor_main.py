"""Supervisor: a process between a worker and its user code, which ends all that this has started.

It adopts what user code orphans, whatever sessions and groups that makes (prctl(2), PR_SET_CHILD_SUBREAPER), so all
that user code has started is among its descendants; and it outlives a worker that is killed by the moment that it takes
to end them. The worker itself must not adopt anything: MPI libraries start helpers too. Tasks and answers do not pass
through here. A supervisor has one process at a time to look after, besides what that starts:

    worker                              supervisor
    START, with descriptors          -> start a process
    ids of processes                 -> end these, and what they have started
    SAVE                             -> tell those that handle SIGUSR1 that the time ends, each of them once
    STOP                             -> end everything
                                     <- STARTED pid
                                     <- FAILED  errno, reason: it could not be started
                                     <- ENDED   status; all that it has started is being ended too
                                     <- TOLD    a process has been told that the time ends
                                     <- GONE    nothing is left
    (end of the connection)          -> end everything, and itself

It runs as a script and imports little, since each worker starts one; the other end is in `dhmpi.execution.supervisor`.
"""

import contextlib
import ctypes
import fcntl
import marshal
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

START, SAVE, STOP = "start", "save", "stop"
STARTED, FAILED, TOLD, ENDED, GONE = "started", "failed", "told", "ended", "gone"

# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# What is sent to whole jobs, and must not end a supervisor before what it supervises.
OUTLIVED = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM),
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
)
# Commands that pass a signal on to ranks, and so to those that would die of it.
LAUNCHERS = frozenset(
    ("mpirun", "mpiexec", "mpiexec.hydra", "hydra_pmi_proxy", "prterun", "prte", "prted", "srun", "aprun")
)
# How often to see whether what has been asked to end has ended [s].
FIRST_INTERVAL, LAST_INTERVAL = 0.01, 0.1
# The most descriptors that come with a START, and where they are kept: out of the way of those that a process gets.
MAX_DESCRIPTORS, KEPT_FROM = 16, 32

libc = ctypes.CDLL(None, use_errno=True)


class Guard:
    """Starts processes for a worker, and ends them with all that they have started.

    Args:
        worker: Connection to the worker.
        grace: Seconds between SIGTERM and SIGKILL.
        long_grace: The same for what handles SIGTERM, such as an mpirun, which has ranks to end.
    """

    def __init__(self, worker: socket.socket, grace: float, long_grace: float) -> None:
        self._worker: socket.socket | None = worker
        self._graces = grace, long_grace
        self._pid = 0  # of the process that was started, while it runs
        self._is_active = False  # whether something has been started that is not yet known to be gone
        self._sweeps: list[Sweep] = []
        self._asked: dict[int, float] = {}  # process that has been asked to end -> when it will be killed
        self._told: set[int] = set()  # that the time ends
        self._interval = FIRST_INTERVAL
        self._poll = select.poll()
        self._poll.register(worker, select.POLLIN)
        self._wakeup, wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self._poll.register(self._wakeup, select.POLLIN)

    def serve(self) -> None:
        """Do what the worker says, until it is gone and nothing is left."""
        while self._worker is not None or self._is_active:
            ready = {descriptor for descriptor, _ in self._poll.poll(self._interval * 1000 if self._sweeps else None)}
            with contextlib.suppress(BlockingIOError):
                while os.read(self._wakeup, 512):
                    continue
            if self._worker is not None and self._worker.fileno() in ready:
                self._obey(self._worker)
            self._reap()
            self._sweep()

    def _obey(self, worker: socket.socket) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(worker, 1 << 16, MAX_DESCRIPTORS)
        except ConnectionError:
            message, descriptors = b"", []
        if not message:
            self._leave(worker)
            return
        word = marshal.loads(message)
        if word == START:
            self._start(worker, [_kept(descriptor) for descriptor in descriptors])
        elif word == SAVE:
            self._save()
        elif word == STOP:
            self._end(os.getpid())
        else:
            self._end(*word)

    def _leave(self, worker: socket.socket) -> None:
        """The worker is gone: so must be everything else."""
        self._poll.unregister(worker)
        worker.close()
        self._worker = None
        self._end(os.getpid())

    def _start(self, worker: socket.socket, descriptors: list[int]) -> None:
        order, directory, *given = descriptors
        with open(order, "rb") as file:
            words, environment = marshal.load(file)
        failure, failing = os.pipe()
        self._is_active = True
        self._told.clear()
        try:
            self._pid = os.fork()
        except OSError as error:  # there may be as many processes as there can be
            self._tell(FAILED, error.errno, str(error.strerror))
        else:
            if self._pid == 0:
                _become(worker, words, environment, directory, given, failing)
        for descriptor in (directory, *given, failing):
            os.close(descriptor)
        with open(failure, "rb") as file:
            reason = file.read()
        if reason:
            self._tell(FAILED, *marshal.loads(reason))

    def _save(self) -> None:
        """Let what was started know that the time ends, as far as it wants to: others would die of the signal."""
        for pid in _family({os.getpid()}, _processes()) - {os.getpid()} - self._told:
            if _handles(pid, signal.SIGUSR1) and _command(pid) not in LAUNCHERS:
                self._told.add(pid)
                self._tell(TOLD)
                _send(os.kill, pid, signal.SIGUSR1)

    def _end(self, *pids: int) -> None:
        """Begin to end processes and all that they have started; this one's own id stands for everything."""
        if not any(sweep.is_total for sweep in self._sweeps):
            self._sweeps.append(Sweep(pids, self._asked, *self._graces))
            self._interval = FIRST_INTERVAL

    def _reap(self) -> None:
        """Take note of children that have ended, those that were adopted included."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self._pid:
                    self._pid = 0
                    self._tell(ENDED, os.waitstatus_to_exitcode(status))
                    self._end(os.getpid())
        except ChildProcessError:  # without children there are no other descendants
            self._sweeps.clear()
            self._asked.clear()
            if self._is_active:
                self._is_active = False
                self._tell(GONE)

    def _sweep(self) -> None:
        if self._sweeps:
            self._sweeps = [sweep for sweep in self._sweeps if sweep.go_on() or sweep.is_total]
            self._interval = min(1.5 * self._interval, LAST_INTERVAL)
            if not self._sweeps:
                self._asked.clear()

    def _tell(self, *news: str | int | None) -> None:
        if self._worker is not None:
            with contextlib.suppress(ConnectionError):  # the end of the connection is noticed when it is read
                self._worker.send(marshal.dumps(news))


def _kept(descriptor: int) -> int:
    kept = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, KEPT_FROM)
    os.close(descriptor)
    return kept


def _become(
    worker: socket.socket,
    words: list[str],
    environment: dict[str, str],
    directory: int,
    given: list[int],
    failing: int,
) -> None:
    """Turn this forked process into the one that was asked for, in a session of its own; or say why not, and end."""
    try:
        os.setsid()
        worker.send(marshal.dumps((STARTED, os.getpid())))  # by itself, before user code can end the supervisor
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # if user code ends the supervisor, it ends itself
        os.fchdir(directory)
        stdin, output, *others = given
        for target, descriptor in enumerate((stdin, output, output, *others)):
            os.dup2(descriptor, target)
        for signum in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(signum, signal.SIG_DFL)
        os.execvpe(words[0], words, environment)
    except OSError as error:
        os.write(failing, marshal.dumps((error.errno, f"{error.strerror}: {words[0]!r}")))
    except ValueError as error:
        os.write(failing, marshal.dumps((0, str(error))))
    finally:
        os._exit(127)


class Sweep:
    """The end of some processes and of all that they have started, those that begin meanwhile included.

    Args:
        pids: The processes; this one's own id stands for all its descendants, but not for itself.
        asked: When each process that has been asked to end will be killed; all sweeps share it, since an mpirun that is
            asked twice does not wait for its ranks.
        grace: Seconds between SIGTERM and SIGKILL.
        long_grace: The same for what handles SIGTERM; what begins later than that is killed at once.

    Attributes:
        is_total: Whether everything is to end.
    """

    def __init__(self, pids: tuple[int, ...], asked: dict[int, float], grace: float, long_grace: float) -> None:
        self.is_total = os.getpid() in pids
        self._found = set(pids)
        self._groups: set[int] = set()  # those of which all is to end
        self._asked = asked
        self._grace, self._long_grace = grace, long_grace
        self._ends_at = time.monotonic() + long_grace

    def go_on(self) -> bool:
        """Ask what has not been asked yet to end, kill what is overdue, and return whether anything is left."""
        processes = _processes()
        members = {pid for pid, (_, group) in processes.items() if group in self._groups}
        self._found = _family(self._found | members, processes)
        victims = self._found - {os.getpid()}
        others = {group for pid, (_, group) in processes.items() if pid not in victims}
        self._groups = (self._groups | {processes[pid][1] for pid in victims}) - others
        now = time.monotonic()
        for pid in victims:
            if now >= self._asked.get(pid, self._ends_at):
                _send(os.kill, pid, signal.SIGKILL)
            elif pid not in self._asked:
                grace = self._long_grace if _handles(pid, signal.SIGTERM) else self._grace
                self._asked[pid] = min(now + grace, self._ends_at)
                _send(os.kill, pid, signal.SIGTERM)
                _send(os.kill, pid, signal.SIGCONT)
        if now >= self._ends_at:  # what forks and ends between two looks is caught by its group
            for group in self._groups:
                _send(os.killpg, group, signal.SIGKILL)
        return bool(victims)


def _send(kill: Callable[[int, int], None], target: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended; or become another user's
        kill(target, signum)


def _processes() -> dict[int, tuple[int, int]]:
    """Return the parent and the group of each process on this node."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # unless it has just ended
                _, parent, group = file.read().rpartition(b")")[2].split()[:3]
                found[int(name)] = int(parent), int(group)
    return found


def _family(pids: set[int], processes: dict[int, tuple[int, int]]) -> set[int]:
    """Return those of the processes that are there, and all their descendants."""
    found = pids & processes.keys()
    while more := {pid for pid, (parent, _) in processes.items() if parent in found} - found:
        found |= more
    return found


def _handles(pid: int, signum: int) -> bool:
    """Whether a process has a handler for a signal, neither dies of it nor ignores it."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            caught = next((line.split()[1] for line in file if line.startswith(b"SigCgt:")), b"0")
    except OSError:
        return False  # it has ended
    return bool(int(caught, 16) >> (signum - 1) & 1)


def _command(pid: int) -> str:
    """Return the name of a process's program, of which the kernel keeps 15 characters."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""  # it has ended


def main(worker: int, grace: float, long_grace: float) -> None:
    """Supervise until the worker is gone.

    Args:
        worker: Descriptor of the connection.
        grace: See `Guard`.
        long_grace: See `Guard`.
    """
    os.set_inheritable(worker, False)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, lambda signum, frame: None)
    for signum in OUTLIVED:
        if signal.getsignal(signum) is not signal.SIG_IGN:  # a handler, since what is ignored stays so after an exec
            signal.signal(signum, lambda signum, frame: None)
    Guard(socket.socket(fileno=worker), grace, long_grace).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
