"""The child's end of an interpreter that evaluates one point; it imports little, since it starts for each of them."""

import io
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from fcntl import F_DUPFD_CLOEXEC, fcntl
from time import monotonic
from typing import Any, BinaryIO

from dhmpi.errors import LoadError
from dhmpi.evaluation import Report
from dhmpi.execution.context import Channel, Feedback, Link, Notice
from dhmpi.execution.notice_board import NoticeBoard
from dhmpi.execution.runner import RunFunction, Runner, read_task
from dhmpi.support.json_text import dumps, loads
from dhmpi.support.loader import load_run
from dhmpi.support.place import Place

# The environment variable that is set while an interpreter loads a run function.
LOADING = "DHMPI_LOADING"
# How many descriptors there may be between one that is put out of user code's way and the last.
MARGIN = 8


class FileChannel(Channel):
    """Channel of user code in this process: reports go into the mailbox, notices are on a board.

    Args:
        mailbox: The file.
        board: The board.
    """

    def __init__(self, mailbox: BinaryIO, board: NoticeBoard) -> None:
        self._mailbox, self._board = mailbox, board

    def send(self, reports: Sequence[Report]) -> None:
        """Send reports of the running evaluation."""
        self._mailbox.write(dumps({"reports": reports}).encode() + b"\n")

    def notice(self, id: int) -> Notice:
        """Return the latest notice to an evaluation."""
        return self._board.notice(id)

    def acknowledge(self, id: int) -> None:
        """Note on the board that an evaluation knows of the end of the time."""
        self._board.acknowledge(id)


def main(mailbox: int, board: int) -> None:
    """Load the run function, evaluate the task if there is one, and leave the answers in the mailbox.

    Args:
        mailbox: Descriptor of a file that holds the order; see `dhmpi.execution.fresh_interpreter`.
        board: Descriptor of the board where notices are put up.
    """
    with open(out_of_the_way(mailbox), "r+b", buffering=0) as file:

        def answer(**content: object) -> None:
            file.write(dumps(content).encode() + b"\n")

        order = loads(file.read().decode())
        channel = FileChannel(file, NoticeBoard(out_of_the_way(board)))
        place, feedback = Place(*order["place"]), Feedback(*order["feedback"])
        try:
            run = prepare(order)
            runner = Runner(run, order["timeout"], order["files"], place, None, Link(channel, feedback))
        except LoadError as error:
            answer(error=str(error), details=error.details)
            return
        answer(begun=monotonic())
        task = order["task"]
        outcome = None if task is None else runner(read_task(task))
        # What is printed is collected when this process has ended.
        answer(ended=monotonic(), outcome=None if outcome is None else (*outcome, 0))


def out_of_the_way(descriptor: int) -> int:
    """Move a descriptor to a high number, so that user code which goes through the low ones does not meet it."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    high = 1024 if limit == resource.RLIM_INFINITY else min(limit, 1024)  # above that, select(2) takes none
    moved = fcntl(descriptor, F_DUPFD_CLOEXEC, high - MARGIN)
    os.close(descriptor)
    return moved


def prepare(order: Mapping[str, Any]) -> RunFunction:
    """Make an interpreter like the one that has started it, and load the run function.

    Args:
        order: `path` of the other interpreter, and `run`, a name or the fields of a pickle.
    """
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)  # a crash must not lose the last output
    sys.argv = [sys.argv[0]]
    sys.path.extend(entry for entry in order["path"] if entry not in sys.path)
    run = order["run"]
    os.environ[LOADING] = run if isinstance(run, str) else run[0]
    try:
        if isinstance(run, str):
            return load_run(run)
        from dhmpi.execution.pickles import PickledRun  # base64 is not needed for a name

        return load_run(PickledRun(*run).load())
    finally:
        del os.environ[LOADING]
