"""Evaluates in place, one point after the other: for one rank, and to test searches with."""

import time

from dhmpi import environ
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.executor import Executor
from dhmpi.evaluator.runner import Task


class SerialEvaluator(Evaluator):
    """Runs one evaluation at a time.

    Args:
        executor: Where it runs: in this process, or in a child.
    """

    def __init__(self, executor: Executor) -> None:
        super().__init__()
        self._executor = executor
        self._host = environ.hostname()

    @property
    def num_workers(self) -> int:
        """One."""
        return 1

    @property
    def num_idle(self) -> int:
        """One, unless an evaluation is running."""
        return 1 - self.num_pending

    def start(self) -> None:
        """Load the run function and wait until that is done."""
        self._executor.load()
        while not self._executor.ready:
            self._executor.poll(0.1)

    def _submit(self, task: Task) -> None:
        self._executor.submit([task])

    def gather(self, timeout: float) -> list[Evaluation]:
        """Return the evaluation if it ends within `timeout` seconds; inline it always does, however long it takes."""
        if not self._pending:
            return []
        return [self._conclude(outcome, 0, self._host) for outcome in self._executor.poll(timeout)]

    def cancel(self, timeout: float) -> list[Evaluation]:
        """Stop the evaluation."""
        if self._pending:
            self._executor.cancel()
        end = time.monotonic() + timeout
        evaluations = []
        while self._pending and time.monotonic() < end:
            evaluations += self.gather(0.1)
        return evaluations + self._give_up(self._pending, State.CANCELLED)

    def interrupt(self) -> None:
        """Stop user code that runs in this very process."""
        self._executor.interrupt()

    def shutdown(self) -> None:
        """Close the executor."""
        self._executor.close()

    def hosts(self) -> list[str]:
        """Return this host's name."""
        return [self._host]
