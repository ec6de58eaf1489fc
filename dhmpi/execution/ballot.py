"""Ballot of the ranks that do an evaluation together: what they answer, and what comes of it."""

from dhmpi.evaluation import State
from dhmpi.execution.runner import Outcome, Task

LEADER = 0


class Ballot:
    """Ballot on one evaluation: the members' answers.

    Args:
        task: The task.
        size: Number of members.
    """

    def __init__(self, task: Task, size: int) -> None:
        self.task, self._size = task, size
        self.answers: dict[int, Outcome] = {}

    @property
    def missing(self) -> list[int]:
        """The members that have not answered."""
        return [member for member in range(self._size) if member not in self.answers]

    @property
    def failures(self) -> dict[int, Outcome]:
        """The members whose evaluation has failed by itself, in the order of their answers."""
        return {
            member: outcome
            for member, outcome in self.answers.items()
            if outcome.state not in (State.DONE, State.CANCELLED)
        }

    @property
    def is_unanimous(self) -> bool:
        """Whether it is DONE on all of them."""
        return all(outcome.state is State.DONE for outcome in self.answers.values())

    def outcome(self) -> Outcome:
        """Return what comes of the answers: the leader's own outcome, or the failures.

        One that the leader has ended as it was told makes others fail, which wait for it.
        """
        if LEADER in self.answers and self.answers[LEADER].state in (State.STOPPED, State.PAUSED):
            return self.answers[LEADER]
        first = next(iter(self.failures), -1)
        if not self.failures:
            cancelled = [each for each in self.answers.values() if each.state is State.CANCELLED]
            own = self.answers[LEADER]
            # By the time that each took: in a batch of short ones a member may begin each of them a little later.
            longest = max(each.ended - each.started for each in self.answers.values())
            return cancelled[0] if cancelled else own._replace(ended=own.started + longest)
        errors = [f"on rank {member} of {self._size}: {each.error}" for member, each in self.failures.items()]
        extra = self.answers[LEADER].extra if LEADER in self.answers else {}
        return self.failures[first]._replace(objective=None, error="\n".join(reversed(errors)), extra=extra)
