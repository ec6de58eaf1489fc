"""The contract of all evaluators."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.runner import Outcome, Task


class Evaluator(ABC):
    """Runs evaluations somewhere, at most `num_workers` at a time.

    Calls come in this order: `start` once; `submit` at most `num_idle` times, `gather`, and again; `cancel` when the
    campaign must end early; `shutdown` at the end, also after an error. A failure of user code comes back from
    `gather` as an evaluation, never as an exception.

    Attributes:
        seed: The campaign's seed, from which each evaluation gets one of its own.
    """

    def __init__(self) -> None:
        self.seed = 0
        self._pending: dict[int, Evaluation] = {}

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """How many evaluations can run at the same time."""

    @property
    def num_pending(self) -> int:
        """How many evaluations have been submitted and not gathered."""
        return len(self._pending)

    def running_seconds(self) -> float:
        """Return how long the pending evaluations have been running, all of them together."""
        return len(self._pending) * time.time() - sum(each.submitted or 0.0 for each in self._pending.values())

    @property
    @abstractmethod
    def num_idle(self) -> int:
        """How many evaluations can be submitted now."""

    @abstractmethod
    def start(self) -> None:
        """Start the workers and wait until one of them can evaluate.

        Raises:
            LoadError: The run function cannot be loaded.
            EvaluatorError: The workers cannot start.
        """

    def submit(self, evaluation: Evaluation) -> Evaluation:
        """Start an evaluation on an idle worker.

        Args:
            evaluation: One that is not running yet; its id is not among those that are.

        Returns:
            The evaluation, RUNNING.
        """
        if not self.num_idle:
            raise ValueError(f"an evaluator takes one evaluation per idle worker, got one more: {evaluation}")
        running = Evaluation(evaluation.id, evaluation.point, None, State.RUNNING, time.time())
        self._pending[evaluation.id] = running
        # A cheap hash: neighbouring ids get unlike seeds, and the same ones whenever the campaign is repeated.
        seed = (self.seed * 0x9E3779B97F4A7C15 + (evaluation.id + 1) * 0xD1B54A32D192ED03) % 2**32
        self._submit(Task(evaluation.id, evaluation.point, seed))
        return running

    @abstractmethod
    def _submit(self, task: Task) -> None:
        """Hand a task to an idle worker."""

    @abstractmethod
    def gather(self, timeout: float) -> list[Evaluation]:
        """Return the evaluations that have ended; wait up to `timeout` seconds for the first.

        Raises:
            EvaluatorError: No worker is left.
        """

    @abstractmethod
    def cancel(self, timeout: float) -> list[Evaluation]:
        """Stop all running evaluations and return them, CANCELLED or as they ended, within about `timeout` seconds."""

    def interrupt(self) -> None:  # noqa: B027  # most run user code elsewhere
        """Stop user code that runs in this very process; called by a signal handler."""

    @abstractmethod
    def shutdown(self) -> None:
        """Stop the workers and give everything back."""

    def hosts(self) -> list[str]:
        """Return the names of the hosts on which evaluations run."""
        return []

    def _conclude(self, outcome: Outcome, rank: int, host: str) -> Evaluation:
        """Take an evaluation off the pending ones."""
        id, state, objective, started, ended, error, extra = outcome
        pending = self._pending.pop(id)
        return Evaluation(
            id, pending.point, objective, state, pending.submitted, started, ended, rank, host, error, extra
        )

    def _give_up(self, ids: Iterable[int], state: State, error: str = "") -> list[Evaluation]:
        """Take evaluations off the pending ones of which no outcome will come."""
        now = time.time()
        return [self._pending.pop(id)._replace(state=state, ended=now, error=error) for id in list(ids)]
