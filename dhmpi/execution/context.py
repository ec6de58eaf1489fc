"""Context of an evaluation: what user code is told of it, and what it reports meanwhile."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from os import sched_getaffinity
from pathlib import Path
from threading import RLock
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, NamedTuple

from dhmpi.evaluation import Report, State
from dhmpi.support.place import Place

if TYPE_CHECKING:
    from dhmpi.execution.runner import Task

NOWHERE = Place()
# How many reports of one evaluation, and of all together, are sent in a second; what comes more often goes with a later
# one. So many may go at once.
RATE, TOTAL_RATE, BURST = 10.0, 2000.0, 10.0
# How many go together, since the search rank has other things to do, and how many with the result where none are sent;
# of more, one in two is left out, or one in four, and so on.
MOST_TOGETHER, MOST_KEPT = 1000, 10_000
# How long a report waits to hear whether the evaluation goes on [s]; then it goes on, and may hear it later.
ANSWER_WAIT = 0.25
LOOK_INTERVAL = 0.0005


class Notice(NamedTuple):
    """Notice to an evaluation that is running.

    Attributes:
        id: The evaluation's.
        num_answered: How many of its reports have been seen.
        must_stop: Whether it is to stop.
        must_save: Whether it is to save its state, since the time ends.
    """

    id: int
    num_answered: int = 0
    must_stop: bool = False
    must_save: bool = False


class Feedback(NamedTuple):
    """Feedback that an evaluation gets.

    Attributes:
        has_answers: Whether reports are answered, since they decide whether the evaluation goes on.
        max_steps: The last step of a full training, if that is known.
    """

    has_answers: bool = False
    max_steps: float | None = None


NO_FEEDBACK = Feedback()


class Channel(ABC):
    """Channel between user code and whoever decides about it."""

    @property
    def is_shared(self) -> bool:
        """Whether ranks that evaluate together end at the same report: they could wait for each other for ever."""
        return False

    @abstractmethod
    def send(self, reports: Sequence[Report]) -> None:
        """Send reports of the running evaluation."""

    @abstractmethod
    def notice(self, id: int) -> Notice:
        """Return the latest notice to an evaluation; where it is shared, that of the leader to the others."""

    def acknowledge(self, id: int) -> None:  # noqa: B027  # others learn of it by the outcome
        """Let whoever runs the evaluation know that it knows of the end of the time, since it may end in a crash."""

    def join(self) -> None:  # noqa: B027  # not all are shared
        """Let the leader know that this rank reports, too."""

    def decide(self, notice: Notice) -> bool:
        """Let the other ranks know whether the leader wants to end at this report; return whether all do."""
        return notice.must_stop


class Link(NamedTuple):
    """Link between user code and whoever decides about it.

    Attributes:
        channel: Where reports go; None: they go with the outcome.
        feedback: The answers that there are.
    """

    channel: Channel | None = None
    feedback: Feedback = NO_FEEDBACK


NO_LINK = Link()


class StopEvaluation(BaseException):
    """Raised by `context.report` in an evaluation that is to end here; an `except Exception` does not catch it.

    It may be caught to save something, and should then be raised again, or the run function return.
    """


class Resumed(NamedTuple):
    """Earlier beginning of the same evaluation.

    Attributes:
        step: The last step that it reported; None if it reported none.
        directory: The directory of its files, `context.directory`.
    """

    step: float | None
    directory: Path


class Context:
    """Context of an evaluation, for a run function whose signature names `context`.

    Args:
        task: The evaluation.
        deadline: When it will be killed [s since 1970-01-01 UTC], or None.
        files: Directory under which evaluations have directories of their own.
        place: Where it runs.
        channel: Where reports go; None: they are kept, and go with the result.
        feedback: What comes back.

    Attributes:
        id: Number of the evaluation in its campaign.
        seed: A seed of its own, the same whenever the campaign is repeated.
        deadline: When it will be killed [s since 1970-01-01 UTC], or None.
        max_steps: The last step of a full training (`--max-steps`), or None.
        worker: Number of the worker that it runs on, from 0.
        rank: The worker's rank, as in the results file; in a pool the same as its number.
        local_rank: Number of that rank on its node.
        size: Number of ranks; in a pool of workers.
        group_rank: Number of that rank among those of this evaluation; 0 leads, and what it returns counts.
        group_size: Number of ranks of this evaluation.
        gpus: GPUs that it may use, as CUDA_VISIBLE_DEVICES or the like names them; libraries count them from 0.
        kept: Reports that have not been sent.
        verdict: STOPPED or PAUSED, once user code has been told to end; None before.
        knows_of_end: Whether it has been told that the job ends soon.
    """

    def __init__(
        self,
        task: "Task",
        deadline: float | None,
        files: str,
        place: Place = NOWHERE,
        channel: Channel | None = None,
        feedback: Feedback = NO_FEEDBACK,
    ) -> None:
        self.id = task.id
        self.seed = task.seed
        self.deadline, self.max_steps = deadline, feedback.max_steps
        self.group_rank, self.group_size = (0, 1) if task.part is None else (task.part.rank, task.part.size)
        self.worker, self.rank, self.local_rank, self.size = place.worker, place.rank, place.local_rank, place.size
        self.gpus = tuple(place.gpus)
        self.kept: list[Report] = []
        self._num_held, self._stride = 0, 1  # reports since the last were sent; of so many one is kept
        self.verdict: State | None = None
        self._files, self._step = files, task.step
        # Now, since user code may ask for the directory, which makes it, before it asks whether there was one.
        self._is_resumed = task.is_again and self._directory().is_dir()
        self._channel, self._has_answers = channel, feedback.has_answers
        self._rate = min(RATE, TOTAL_RATE / max(1, place.size))
        self._allowance, self._counted = BURST, monotonic()
        self._num_sent = self._num_shared = 0
        self.knows_of_end = False
        # User code may have threads that report, also when it has come back.
        self._lock, self._is_over, self._is_whole = RLock(), False, False

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores that it may run on, which it may share; OMP_NUM_THREADS is how many threads it may have."""
        return tuple(sorted(sched_getaffinity(0)))

    @property
    def directory(self) -> Path:
        """A directory for this evaluation's files, made when first asked for."""
        path = self._directory()
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _directory(self) -> Path:
        return Path(self._files) / f"evaluation-{self.id:06d}"

    @property
    def resumed(self) -> Resumed | None:
        """Earlier beginning of this evaluation, if it has used `directory`; None for a new one."""
        return Resumed(self._step, self._directory()) if self._is_resumed else None

    @property
    def should_stop(self) -> bool:
        """Whether this evaluation is to stop, for loops that ask instead of meeting `StopEvaluation`."""
        if self._channel is not None and not self._is_whole and self._channel.notice(self.id).must_stop:
            self.verdict = State.STOPPED
        return self.verdict is State.STOPPED

    @property
    def should_checkpoint(self) -> bool:
        """Whether it is time to save what is needed to go on from here, since the job ends soon.

        Once this was true, the next report ends the evaluation, or `StopEvaluation` if it raises that itself; it goes
        on with --resume. One that returns instead has come to its end.
        """
        if not self.knows_of_end and self._channel is not None and self._channel.notice(self.id).must_save:
            self.knows_of_end = True
            self._channel.acknowledge(self.id)
        return self.knows_of_end

    def report(self, step: float, value: float) -> None:
        """Report a value, such as the objective on validation data after an epoch.

        Args:
            step: How far it is, such as the number of epochs; it grows, and what is reported of a step again replaces
                what was.
            value: What the run function would return if it ended now.

        Raises:
            StopEvaluation: The evaluation is to end here.
            ValueError: The step is no finite number, or the value none.
        """
        number = float(step)
        if not math.isfinite(number):
            raise ValueError(f"a step must be a finite number, got {step!r}")
        if self.group_rank:
            self._follow_leader()
            return  # its report counts
        found = Report(self.id, number, float(value), time())
        # What has come to the last step of a full training is not stopped any more, although it may have been told so.
        self._is_whole = self.max_steps is not None and number >= self.max_steps
        with self._lock:
            if self._is_over:
                return
            self._keep(found)
            is_sent = self._channel is not None and self._may_send()
            if is_sent:
                self.flush()
        if self._channel is None:
            return
        if is_sent:
            self._wait_for_answer()
        must_stop = not self._is_whole and self._channel.notice(self.id).must_stop
        if self._is_agreed(self._channel, must_stop or self.knows_of_end):
            self.verdict = State.STOPPED if must_stop else State.PAUSED
            raise StopEvaluation

    def _is_agreed(self, channel: Channel, must_end: bool) -> bool:
        """Return whether an evaluation ends here that is to end, since no other rank of it goes on."""
        if self.group_size == 1 or not channel.is_shared:
            return must_end
        if not self._has_answers:
            return False
        self._num_shared += 1
        return channel.decide(Notice(self.id, self._num_shared, must_end))

    def _follow_leader(self) -> None:
        """Wait until the leader has decided at the same report, and end with it."""
        channel = self._channel
        if channel is None or not (channel.is_shared and self._has_answers):
            return
        self._num_shared += 1
        if self._num_shared == 1:
            channel.join()
        while (notice := channel.notice(self.id)).num_answered < self._num_shared and not notice.must_stop:
            sleep(LOOK_INTERVAL)
        if notice.must_stop:
            self.verdict = State.STOPPED
            raise StopEvaluation

    def _keep(self, report: Report) -> None:
        """Keep a report until it can be sent; the latest is always kept, and of many those that are evenly apart."""
        if self._num_held % self._stride and len(self.kept) > 1:
            self.kept[-1] = report
        else:
            self.kept.append(report)
        self._num_held += 1
        if len(self.kept) > (MOST_KEPT if self._channel is None else MOST_TOGETHER):
            del self.kept[1:-1:2]
            self._stride *= 2

    def flush(self) -> None:
        """Send what has been kept."""
        with self._lock:
            if self._channel is not None and self.kept:
                kept, self.kept = self.kept, []
                self._num_held, self._stride = 0, 1
                self._num_sent += len(kept)
                self._channel.send(kept)

    def close(self) -> None:
        """Send what has been kept, and take no more: the evaluation has ended."""
        with self._lock:
            self.flush()
            self._is_over = True

    def _may_send(self) -> bool:
        now = monotonic()
        self._allowance = min(BURST, self._allowance + self._rate * (now - self._counted))
        self._counted = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def _wait_for_answer(self) -> None:
        if not self._has_answers or self._channel is None:
            return
        end = monotonic() + ANSWER_WAIT
        while self._channel.notice(self.id).num_answered < self._num_sent and monotonic() < end:
            sleep(LOOK_INTERVAL)


# Returns the context of the evaluation that runs in this thread, for libraries that the run function calls.
CURRENT: ContextVar[Callable[[], Context] | None] = ContextVar("CURRENT", default=None)


def current() -> Context | None:
    """Return the context of the evaluation that runs in this thread; None outside of one."""
    make = CURRENT.get()
    return None if make is None else make()
