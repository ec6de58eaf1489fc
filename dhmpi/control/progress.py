"""Progress of a campaign, as it is printed while it runs."""

import os
import shutil
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TextIO

from dhmpi.control.budget import Limits
from dhmpi.evaluation import Evaluation, State, turned
from dhmpi.support.printing import tell

LIVE_INTERVAL, PLAIN_INTERVAL = 0.2, 5.0  # s
BAR_WIDTH, NARROW_BAR_WIDTH, WIDE = 16, 4, 100  # columns: of the bar, on a narrow terminal, and where that ends
RATE_WINDOW = 30.0  # s
ENOUGH_ROWS = 20
YEAR = 365 * 86400  # s


class Progress:
    """Shows how a campaign goes: a live line on a terminal, a line every few seconds elsewhere.

    What cannot be shown is dropped.

    Args:
        num_workers: Evaluations at the same time.
        limits: When the campaign ends.
        terminal: A terminal, or None for plain lines on standard error.
        quiet: Whether nothing is shown.
        num_before: Evaluations that an earlier run has left.
        maximises: Whether run functions return rewards.
    """

    def __init__(
        self,
        num_workers: int,
        limits: Limits,
        terminal: TextIO | None,
        quiet: bool,
        num_before: int = 0,
        maximises: bool = False,
    ) -> None:
        self._num_workers = num_workers
        self._limits = limits
        self._quiet = quiet
        self._maximises = maximises
        self._bar, self._terminal = None, terminal
        if terminal is not None and not quiet:
            from tqdm import tqdm  # slow to import, and most campaigns are jobs without a terminal

            with suppress(OSError):
                # Its height does not matter; where it is unknown, tqdm would show nothing.
                self._bar = tqdm(
                    total=limits.evals,
                    file=terminal,
                    ncols=_columns(terminal) - 1,
                    nrows=ENOUGH_ROWS,
                    leave=False,
                    bar_format=_bar_format(terminal),
                )
        self._interval = LIVE_INTERVAL if self._bar is not None else PLAIN_INTERVAL
        self._begun = time.monotonic()
        self._next = self._begun + min(1.0, self._interval)
        self._history = deque([(self._begun, num_before)])

    def update(self, counts: Mapping[State, int], num_running: int, best: Evaluation | None, busy: float) -> None:
        """Show the state if it is time to.

        Args:
            counts: Number of evaluations by state.
            num_running: Evaluations that are running.
            best: The best evaluation so far.
            busy: How long workers have evaluated in this run, all of them together [s].
        """
        now = time.monotonic()
        if now < self._next or self._quiet:
            return
        self._next = now + self._interval
        parts = self._parts(now, counts, num_running, best, busy)
        if self._bar is not None and self._terminal is not None:
            self._bar.n, self._bar.ncols = _num_final(counts), _columns(self._terminal) - 1
            self._bar.bar_format = _bar_format(self._terminal)
            with suppress(OSError):
                self._bar.set_description_str(
                    _fitting(parts, _columns(self._terminal) - _bar_width(self._terminal) - 2)
                )
        else:
            tell(" | ".join(parts.values()))

    def is_due(self) -> bool:
        """Whether it is time to show the state; cheaper than the arguments of `update`."""
        return time.monotonic() >= self._next

    def close(self) -> None:
        """Take the live line away."""
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()

    def _parts(
        self, now: float, counts: Mapping[State, int], num_running: int, best: Evaluation | None, busy: float
    ) -> dict[str, str]:
        """Return the parts of the line, in its order."""
        num_final = _num_final(counts)
        self._history.append((now, num_final))
        while len(self._history) > 2 and now - self._history[1][0] > RATE_WINDOW:
            self._history.popleft()
        since, num_before = self._history[0]
        rate = (num_final - num_before) / max(now - since, 1e-9)
        parts = {
            "counts": ", ".join([*_ended(counts), f"{num_running} running"]),
            "best": "no objective yet" if best is None else f"best {turned(best.objective, self._maximises):.6g}",
            "rate": f"{rate:.3g}/s",
            "busy": f"{100 * busy / max(self._num_workers * (now - self._begun), 1e-9):.0f} % busy",
        }
        left = self._seconds_left(now, num_final, rate)
        if left is not None and left < YEAR:
            parts["left"] = f"{timedelta(seconds=round(left))} left"
        return parts

    def _seconds_left(self, now: float, num_final: int, rate: float) -> float | None:
        ends = []
        if self._limits.deadline is not None:
            ends.append(max(0.0, self._limits.deadline - now))
        if self._limits.evals is not None and rate > 0:
            ends.append((self._limits.evals - num_final) / rate)
        return min(ends, default=None)


def _fitting(parts: Mapping[str, str], width: int) -> str:
    """Return a line of the parts that fit; whether workers are busy, and the time left, are the last to go."""
    shown = dict(parts)
    for name in ("rate", "best", "counts"):
        if len(" | ".join(shown.values())) > width:
            del shown[name]
    return " | ".join(shown.values())


def _columns(terminal: TextIO) -> int:
    with suppress(OSError, ValueError):
        if columns := os.get_terminal_size(terminal.fileno()).columns:
            return columns
    return shutil.get_terminal_size().columns


def _bar_width(terminal: TextIO) -> int:
    return BAR_WIDTH if _columns(terminal) >= WIDE else NARROW_BAR_WIDTH


def _bar_format(terminal: TextIO) -> str:
    return f"{{bar:{_bar_width(terminal)}}}|{{desc}}"


def _ended(counts: Mapping[State, int]) -> list[str]:
    """Return how many evaluations have ended for good, by state; but for two, what has not occurred is left out."""
    names = {State.DONE: "done", State.STOPPED: "stopped", State.FAILED: "failed", State.TIMEOUT: "timed out"}
    always = (State.DONE, State.FAILED)
    return [f"{counts.get(state, 0)} {name}" for state, name in names.items() if counts.get(state) or state in always]


def _num_final(counts: Mapping[State, int]) -> int:
    return sum(num for state, num in counts.items() if state.is_final)
