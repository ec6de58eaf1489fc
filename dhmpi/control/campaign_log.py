"""Log of a campaign: what an operator wants to know of it, through Python's logging, one line for each event."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from dhmpi.evaluation import MEASURED_STATES, MINIMISED, Evaluation, Objective, State, turned
from dhmpi.support.error_lines import error_line
from dhmpi.support.printing import escape
from dhmpi.support.wording import counted, in_seconds

log = logging.getLogger(__name__)

# Lines per second of each kind of events that may come at any rate: so the log never keeps workers waiting.
MOST_FAILURES, MOST_RESULTS = 10, 500
# How often the model is looked at [s].
MODEL_INTERVAL = 1.0


class CampaignLog:
    """Says how a campaign goes: at the level info its failures and models, at debug each result as well.

    What comes faster than it may be said is counted, and the number said.

    Args:
        objective: What run functions return.
        worker: What workers are called: rank, or worker.
        clock: Tells the time [monotonic s].
    """

    def __init__(
        self,
        objective: Objective = MINIMISED,
        worker: str = "rank",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objective, self._worker = objective, worker
        self._level = log.getEffectiveLevel()
        self._failures = _Lines(logging.INFO, MOST_FAILURES, "failure", clock)
        self._results = _Lines(logging.DEBUG, MOST_RESULTS, "result", clock)
        self._clock, self._next_model, self._model = clock, 0.0, ""

    def note(self, evaluations: Iterable[Evaluation]) -> None:
        """Say which evaluations have ended."""
        if self._level > logging.INFO:
            return
        for each in evaluations:
            if each.state is State.PAUSED:
                continue  # it was told to, and goes on
            if each.state in MEASURED_STATES:
                if self._level <= logging.DEBUG and self._results.may_speak():
                    name, maximises = self._objective
                    value = turned(each.objective, maximises)
                    took = f" in {in_seconds(each.duration)}"
                    self._results.say(f"evaluation {each.id} {each.state}{self._where(each)}: {name} {value:.6g}{took}")
            elif self._failures.may_speak():
                what = f"evaluation {each.id} {each.state}{self._where(each)}: {error_line(each.error) or 'no error'}"
                self._failures.say(what if each.state.is_final else f"{what}; it begins again")

    def note_model(self, describe: Callable[[], str]) -> None:
        """Say what the model is, if it is time to and it has changed.

        Args:
            describe: Returns what it is; nothing if there is none.
        """
        if self._level > logging.INFO or (now := self._clock()) < self._next_model or not (text := describe()):
            return
        self._next_model = now + MODEL_INTERVAL
        if text != self._model:
            log.info("%s", escape(text, keep=""))
            self._model = text

    def close(self) -> None:
        """Say how much was left out."""
        for each in (self._failures, self._results):
            each.close()

    def _where(self, evaluation: Evaluation) -> str:
        return f" on {self._worker} {evaluation.rank} ({evaluation.host})" if evaluation.rank >= 0 else ""


class _Lines:
    """Lines of one kind, at most so many per second."""

    def __init__(self, level: int, most: int, what: str, clock: Callable[[], float]) -> None:
        self._level, self._most, self._what, self._clock = level, most, what, clock
        self._until, self._num, self._num_left_out = 0.0, 0, 0

    def may_speak(self) -> bool:
        """Return whether a line may be said now; if not, it counts as left out."""
        now = self._clock()
        if now >= self._until:
            self.close()
            self._until, self._num = now + 1.0, 0
        if self._num < self._most:
            return True
        self._num_left_out += 1
        return False

    def say(self, text: str) -> None:
        """Log a line."""
        self._num += 1
        log.log(self._level, "%s", escape(text, keep=""))

    def close(self) -> None:
        """Say how many were left out."""
        if self._num_left_out:
            log.log(self._level, "%s more, which came too fast to be logged", counted(self._num_left_out, self._what))
        self._num_left_out = 0


def log_begin(search: str, problem: str, seed: int, where: str, output: str) -> None:
    """Log what begins.

    Args:
        search: Name of the search.
        problem: Name of the problem.
        seed: What chance begins with.
        where: What evaluates, and how many workers.
        output: The results file.
    """
    log.info("%s", escape(f"{search} begins on {problem}, seed {seed}, output {output}: {where}", keep=""))


def log_resumed(counts: Mapping[State, int]) -> None:
    """Log what an earlier run has left.

    Args:
        counts: Evaluations by state.
    """
    log.info("resumed with %s%s", counted(sum(counts.values()), "evaluation"), _by_state(counts))


def log_end(why: str, counts: Mapping[State, int], seconds: float) -> None:
    """Log how a campaign has ended.

    Args:
        why: The reason.
        counts: Evaluations by state, those of earlier runs included.
        seconds: Length of this run [s].
    """
    num, took = counted(sum(counts.values()), "evaluation"), timedelta(seconds=round(seconds))
    log.info("%s", escape(f"ends after {took}: {why}; {num}{_by_state(counts)}", keep=""))


def _by_state(counts: Mapping[State, int]) -> str:
    found = [f"{counts[state]} {state}" for state in State if counts.get(state)]
    return f": {', '.join(found)}" if found else ""
