"""Members of a group that are executors of the same process, as in a pool."""

import contextlib
import select
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from dhmpi.execution.executor import Executor
from dhmpi.execution.group import GroupExecutor, Members, News
from dhmpi.execution.group_parts import free_ports, parts_of
from dhmpi.execution.runner import Task
from dhmpi.support.place import Place


class LocalMembers(Members):
    """Members that are executors of this process.

    Args:
        executors: Theirs, in order.
    """

    def __init__(self, executors: Sequence[Executor]) -> None:
        self.executors = executors
        self._ready = [False] * len(executors)

    def load(self) -> None:
        """Let them load the run function."""
        for executor in self.executors:
            executor.load()

    def submit(self, member: int, tasks: Sequence[Task]) -> None:
        """Let a member begin with tasks."""
        self.executors[member - 1].submit(tasks)

    def cancel(self, member: int) -> None:
        """Let a member stop."""
        self.executors[member - 1].cancel()

    def news(self) -> list[News]:
        """Return what has come from them; see `Members`."""
        found = []
        for index, executor in enumerate(self.executors):
            if not executor.ready:
                executor.load()  # what has ended is replaced at once
            outcomes = executor.poll(0.0) if executor.busy or not executor.ready else []
            if outcomes or executor.ready != self._ready[index]:
                self._ready[index] = executor.ready
                found.append(News(index + 1, outcomes, executor.ready))
        return found

    def close(self) -> None:
        """Let them end, at the same time."""
        with ThreadPoolExecutor(len(self.executors)) as threads:
            list(threads.map(lambda executor: executor.close(), self.executors))


class LocalGroup(GroupExecutor):
    """Group whose members are all executors of this process.

    Args:
        executors: Theirs, the leader's first; each in a process of its own.
        number: Number of the group on its node.
    """

    def __init__(self, executors: Sequence[Executor], number: int = 0) -> None:
        own, *others = executors
        super().__init__(own, LocalMembers(others), parts_of(["localhost"] * len(executors)), free_ports(number))
        self._executors = executors
        self._events = select.epoll()
        self._watched: set[int] = set()

    def divide(self, threads: int) -> None:
        """Give each member its part of so many threads."""
        for executor in self._executors:
            executor.threads = max(1, threads // len(self._executors))

    def settle(self, place: Place, *others: Place) -> None:
        """Give each member its place; see `Executor`."""
        for executor, each in zip(self._executors, (place, *others), strict=True):
            executor.settle(each)

    def open(self) -> None:
        """Start what must run before MPI starts."""
        for executor in self._executors:
            executor.open()

    @property
    def descriptor(self) -> int | None:
        """File descriptor that is readable when `poll` has something to do."""
        wanted = {each for executor in self._executors if (each := executor.descriptor) is not None}
        if not wanted:
            return None
        for gone in self._watched - wanted:
            with contextlib.suppress(OSError):  # it has been closed since
                self._events.unregister(gone)
        for new in wanted:
            # One number may stand for another file than at the last time.
            with contextlib.suppress(FileExistsError):
                self._events.register(new, select.EPOLLIN)
        self._watched = wanted
        return self._events.fileno()

    @property
    def seconds_left(self) -> float:
        """Until `poll` has something to do although nothing is readable."""
        return max(0.0, min(self.due - time.monotonic(), *(executor.seconds_left for executor in self._executors)))

    def close(self) -> None:
        """Let all of them end."""
        super().close()
        self._events.close()
