"""Evaluations whose process was killed from outside: the reason is known only a moment later."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from signal import SIGKILL

from dhmpi.evaluation import Evaluation, State
from dhmpi.support.environment import END_SIGNALS

# How long after such a death the end of the job is still expected [s]. The processes of a job are signalled one by
# one, in any order, and those of other nodes a little later.
MOMENT = 2.0
# What `supervisor.exit_message` begins with.
KILLED_BY = re.compile(r"the process was killed by signal (\d+) ")


class KilledEvaluations:
    """Keeps evaluations back that were killed as a job's end would, until it is known whether this was one.

    If the end comes, they are CANCELLED. If it does not, this process alone was asked to end, and the evaluation
    is LOST, to be begun again; but a SIGKILL is most often the kernel's, since memory was short, and the evaluation
    FAILED.

    Args:
        clock: Tells the time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: deque[tuple[float, Evaluation]] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def seconds_left(self) -> float:
        """Until the next verdict, if something is kept."""
        return max(0.0, self._kept[0][0] - self._clock())

    def sift(self, ended: list[Evaluation]) -> list[Evaluation]:
        """Keep back what was killed just now; return everything else, and those whose moment is over."""
        if not self._kept and all(each.state is not State.FAILED for each in ended):
            return ended  # the usual case
        now = self._clock()
        sifted = []
        for each in ended:
            if _signal_of(each) is None:
                sifted.append(each)
            else:
                self._kept.append((now + MOMENT, each))
        while self._kept and self._kept[0][0] <= now:
            sifted.append(_verdict(self._kept.popleft()[1]))
        return sifted

    def cancel(self, ended: Iterable[Evaluation]) -> list[Evaluation]:
        """Return what has ended and what was kept back; the end has come, so what was killed is CANCELLED."""
        killed = [each for _, each in self._kept]
        self._kept.clear()
        return [
            each if _signal_of(each) is None else each._replace(state=State.CANCELLED) for each in [*killed, *ended]
        ]


def _signal_of(evaluation: Evaluation) -> int | None:
    """Return the signal by which an evaluation was killed, if a job's end could have been the reason."""
    if evaluation.state is not State.FAILED or not (found := KILLED_BY.match(evaluation.error)):
        return None
    signum = int(found[1])
    return signum if signum == SIGKILL or signum in END_SIGNALS else None


def _verdict(evaluation: Evaluation) -> Evaluation:
    return evaluation if _signal_of(evaluation) == SIGKILL else evaluation._replace(state=State.LOST)
