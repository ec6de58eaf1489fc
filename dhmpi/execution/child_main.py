"""The child's end of an interpreter that stays, and evaluates one point after the other.

User code shares this process, and may do anything to it. What is needed after that code has been loaded is bound
before; what one evaluation could leave to the next, but for memory, is put back.
"""

import _signal  # type: ignore[import-not-found]  # unlike signal it spends no time on enumerations
import ctypes
import signal
import sys
from collections.abc import Callable, Sequence
from os import SEEK_END, dup, dup2, lseek, write
from signal import ITIMER_PROF, ITIMER_VIRTUAL
from typing import Any

from dhmpi.errors import LoadError
from dhmpi.evaluation import Report
from dhmpi.execution.context import Channel, Feedback, Link, Notice
from dhmpi.execution.fresh_main import out_of_the_way, prepare
from dhmpi.execution.notice_board import NoticeBoard
from dhmpi.execution.runner import Runner, flush_streams, read_task
from dhmpi.support.json_text import dumps, loads
from dhmpi.support.place import Place

open_stream = open
alarm, getsignal, set_handler, setitimer = _signal.alarm, _signal.getsignal, _signal.signal, _signal.setitimer
# Whose handlers, left behind, would meet another evaluation. That of SIGCHLD is not among them: libraries set it once.
SIGNALS = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE),
    *(signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF),
)


class ChildChannel(Channel):
    """Channel of user code in this process: reports go among the answers, notices are on a board.

    Args:
        answer: Sends an answer.
        board: The board.
    """

    def __init__(self, answer: Callable[[object], None], board: NoticeBoard) -> None:
        self._answer, self._board = answer, board

    def send(self, reports: Sequence[Report]) -> None:
        """Send reports of the running evaluation."""
        self._answer({"reports": reports})

    def notice(self, id: int) -> Notice:
        """Return the latest notice to an evaluation."""
        return self._board.notice(id)

    def acknowledge(self, id: int) -> None:
        """Note on the board that an evaluation knows of the end of the time."""
        self._board.acknowledge(id)


def main(commands: int, answers: int, board: int) -> None:
    """Load the run function, then evaluate the points of one list per line until the pipe closes.

    Args:
        commands: Descriptor that the orders come from; see `dhmpi.execution.child`.
        answers: Descriptor that the answers go to.
        board: Descriptor of the board where notices are put up.
    """
    lines = open(out_of_the_way(commands), "rb")  # noqa: SIM115  # lives as long as this process
    answers = out_of_the_way(answers)

    def answer(message: object) -> None:
        data = dumps(message).encode() + b"\n"
        while data:
            data = data[write(answers, data) :]

    setup = loads(lines.readline().decode())
    channel = ChildChannel(answer, NoticeBoard(out_of_the_way(board)))
    place, feedback = Place(*setup["place"]), Feedback(*setup["feedback"])
    try:
        run = prepare(setup)
        runner = Runner(run, setup["timeout"], setup["files"], place, None, Link(channel, feedback))
    except LoadError as error:
        answer({"error": str(error), "details": error.details})
        return
    surroundings = ProcessState()
    answer({"ready": True})
    for line in lines:
        for task in map(read_task, loads(line.decode())):
            outcome = runner(task)
            printed = surroundings.restore()
            # Before the next one begins: if that kills this process, the blame must fall on the right one.
            answer((*outcome, printed))
            if task.part is not None and is_spent():
                return


def is_spent() -> bool:
    """Whether something in this process can be a member of a group only once: TensorFlow, after tf.distribute."""
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    return getattr(context, "_collective_ops_server_def", None) is not None


class ProcessState:
    """Process state around user code when it is called: standard streams, signal handlers and timers."""

    def __init__(self) -> None:
        self._output = out_of_the_way(dup(1))
        self._streams = {1: sys.stdout, 2: sys.stderr}
        self._handlers = [(int(signum), getsignal(signum)) for signum in SIGNALS]
        self._flush_libc = ctypes.CDLL(None).fflush

    def restore(self) -> int:
        """Put back what an evaluation has changed, and return the size of all that has been printed."""
        alarm(0)
        for signum, handler in self._handlers:
            if getsignal(signum) is not handler:
                self._forget_handler(signum, handler)
        flush_streams()
        if sys.stdout is not self._streams[1] or sys.stderr is not self._streams[2]:
            sys.stdout, sys.stderr = self._streams.values()
            flush_streams()
        self._flush_libc(None)
        for descriptor, stream in self._streams.items():
            dup2(self._output, descriptor)
            if stream is not None and stream.closed:
                self._reopen(descriptor)
        return lseek(self._output, 0, SEEK_END)

    def _forget_handler(self, signum: int, handler: Any) -> None:
        setitimer(ITIMER_VIRTUAL, 0)
        setitimer(ITIMER_PROF, 0)
        if handler is not None:  # one of C code, which only that could put back
            set_handler(signum, handler)

    def _reopen(self, descriptor: int) -> None:
        stream = open_stream(descriptor, "w", buffering=1, errors="backslashreplace", closefd=False)
        self._streams[descriptor] = stream
        sys.stdout, sys.stderr = self._streams.values()
