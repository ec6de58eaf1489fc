"""Pipes between a worker and a child that stays."""

import os
import select

from dhmpi.support.json_text import dumps

# What comes without a newline is no answer from here on [bytes].
LONGEST_ANSWER = 1 << 28


class Pipes:
    """Orders to a child and answers from it, as JSON in lines; the worker never waits for the child to read or write.

    Attributes:
        child_ends: The descriptors that the child gets: for orders, and for answers.
        has_ended: Whether no answer can come any more.
    """

    def __init__(self) -> None:
        orders, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self.child_ends = orders, answers
        os.set_blocking(self._commands, False)
        os.set_blocking(self._answers, False)
        self._events = select.epoll()
        self._events.register(self._answers, select.EPOLLIN)
        self._unsent = b""
        self._is_full = False
        self._received = bytearray()
        self.has_ended = False

    @property
    def descriptor(self) -> int:
        """File descriptor that is readable when there is something to be read, or watched."""
        return self._events.fileno()

    def watch(self, descriptor: int) -> None:
        """Let `wait` end when another descriptor is readable, too."""
        self._events.register(descriptor, select.EPOLLIN)

    def close_child_ends(self) -> None:
        """Close what the child has by now."""
        for descriptor in self.child_ends:
            os.close(descriptor)

    def send(self, message: object) -> bool:
        """Send an order, at once or bit by bit while waiting; return whether there is a child to read it."""
        self._unsent += dumps(message).encode() + b"\n"
        return self._flush()

    def _flush(self) -> bool:
        was_full, self._is_full = self._is_full, False
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._commands, self._unsent) :]
        except BlockingIOError:
            self._is_full = True
        except BrokenPipeError:
            self._unsent = b""
            return False
        finally:
            if self._is_full and not was_full:
                self._events.register(self._commands, select.EPOLLOUT)
            elif was_full and not self._is_full:
                self._events.unregister(self._commands)
        return True

    @property
    def has_news(self) -> bool:
        """Whether there is anything to be read, as a part of a line or in the pipe, or to be watched."""
        return bool(self._received) or bool(self._events.poll(0.0))

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for something to be read, or watched; return whether there are answers."""
        is_there = False
        for descriptor, _ in self._events.poll(timeout):
            if descriptor == self._answers:
                is_there = True
            elif descriptor == self._commands:
                self._flush()
        return is_there

    def receive(self) -> list[bytes]:
        """Return the lines that have come."""
        if self.has_ended:
            return []
        try:
            data = os.read(self._answers, 1 << 20)  # no pipe holds more
        except BlockingIOError:
            return []
        if not data:
            self.has_ended = True
            self._events.unregister(self._answers)
        self._received += data
        if b"\n" not in data:
            if len(self._received) <= LONGEST_ANSWER:
                return []
            self._received += b"\n"
        *lines, self._received = self._received.split(b"\n")
        return [bytes(line) for line in lines]

    def close_commands(self) -> None:
        """Tell the child that nothing more will come."""
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def close(self) -> None:
        """Close everything."""
        self.close_commands()
        os.close(self._answers)
        self._events.close()
