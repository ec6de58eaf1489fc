"""Failures of a campaign in which nothing is DONE, and the decision to give it up."""

import time
from collections import Counter
from collections.abc import Iterable

from dhmpi.evaluation import MEASURED_STATES, Evaluation
from dhmpi.support.error_lines import error_kind, error_line, is_hopeless

# Failures after which a campaign without anything DONE is given up: of those that no point causes, and of all. Problems
# that fail on most of their space exist, where ten failures in a row are nothing unusual.
HOPELESS_LIMIT, LIMIT = 10, 100
# Evaluations that take less have not come further than failures, which may be quicker still [s].
SHORT = 1.0


class Failures:
    """Counts the failures of a run until anything in the campaign is DONE, or was STOPPED, which is no failure either.

    What failed in earlier runs does not count: it may have been mended since.

    Args:
        limit: Failures of any kind after which the campaign is given up; 0 for never. None: HOPELESS_LIMIT of those
            that no point causes, and that say the very same (a file that is missing may be each evaluation's own); or
            LIMIT of any kind, if nothing is left that runs.
        earlier: Evaluations of earlier runs.

    Attributes:
        num: Failures in this run.
    """

    def __init__(self, limit: int | None = None, earlier: Iterable[Evaluation] = ()) -> None:
        self._limit = limit
        earlier = [each for each in earlier if each.state.is_final]
        self._has_done = any(each.state in MEASURED_STATES for each in earlier)
        self._earlier = [] if self._has_done else earlier
        self.num = 0
        self._hopeless: Counter[str] = Counter()  # by what they say
        self._longest = 0.0  # that one of them took, from its submission until its end was known here [s]
        self._kinds: Counter[str] = Counter()
        self._lines: dict[str, str] = {}  # the first of each kind

    def note(self, evaluation: Evaluation) -> None:
        """Take note of an evaluation that has ended."""
        if self._has_done or not evaluation.state.is_final:
            return
        if evaluation.state in MEASURED_STATES:
            self._has_done = True
            return
        self.num += 1
        if is_hopeless(evaluation.error):
            self._hopeless[error_line(evaluation.error)] += 1
        if evaluation.submitted is not None:
            self._longest = max(self._longest, time.time() - evaluation.submitted)
        self._count(evaluation)

    def _count(self, evaluation: Evaluation) -> None:
        line = error_line(evaluation.error)
        kind = error_kind(line)
        self._kinds[kind] += 1
        self._lines.setdefault(kind, line)

    @property
    def are_many(self) -> bool:
        """Whether there are so many that those evaluations decide that still run: a success may take longer."""
        return not self._has_done and self._limit is None and self.num >= LIMIT

    def are_outlived(self, seconds: float) -> bool:
        """Return whether an evaluation that has been running for so long has come further than failures do."""
        return seconds > max(SHORT, 2 * self._longest)

    def must_end(self, num_running: int) -> bool:
        """Return whether the campaign is to be given up.

        Args:
            num_running: Evaluations that are running.
        """
        if self._has_done:
            return False
        if self._limit is not None:
            return 0 < self._limit <= self.num
        return max(self._hopeless.values(), default=0) >= HOPELESS_LIMIT or (self.are_many and not num_running)

    @property
    def are_all(self) -> bool:
        """Whether evaluations have ended, in this run or before, and not one is DONE."""
        return not self._has_done and bool(self.num or self._earlier)

    def sentence(self) -> str:
        """Return what must be said if these are all."""
        if not self._kinds:
            for each in self._earlier:
                self._count(each)
        [(kind, num)] = self._kinds.most_common(1)
        line, total = self._lines[kind], self._kinds.total()
        failures = "1 failure" if total == 1 else f"{total} failures"
        return f"at least one evaluation must be DONE, got {failures}, {num} of them: {line or 'no error'}"
