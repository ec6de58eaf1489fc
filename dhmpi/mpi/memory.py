"""Messages between ranks of one process, for a job of one rank without MPI, and to try things out."""

import pickle
from collections import deque
from collections.abc import Iterable
from typing import Any

from dhmpi.mpi.comm import Message, is_raw


class Mailboxes:
    """All ranks of one process.

    Args:
        size: How many there are.
    """

    def __init__(self, size: int) -> None:
        self.boxes: list[deque[Message]] = [deque() for _ in range(size)]

    def of(self, rank: int) -> "LocalMailbox":
        """Return what a rank sends and receives by."""
        return LocalMailbox(self, rank)


class LocalMailbox:
    """One of these ranks; see `Conversation`.

    Args:
        mailboxes: All of them.
        rank: This one.
    """

    def __init__(self, mailboxes: Mailboxes, rank: int) -> None:
        self._mailboxes = mailboxes
        self.rank, self.size = rank, len(mailboxes.boxes)

    def send(self, destination: int, tag: int, payload: Any = None) -> None:
        """Send a copy."""
        copy = bytes(payload) if is_raw(tag) else pickle.loads(pickle.dumps(payload))
        self._mailboxes.boxes[destination].append(Message(self.rank, tag, copy))

    def receive(self) -> Message | None:
        """Return a message that has arrived, or None."""
        box = self._mailboxes.boxes[self.rank]
        return box.popleft() if box else None

    def give_up(self, ranks: Iterable[int]) -> None:
        """Do nothing: this process does not wait for its ranks when it ends."""
