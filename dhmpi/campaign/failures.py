"""When a campaign is given up: nothing in it is ever DONE, and what fails says that nothing would be."""

import re
import time
from collections import Counter
from collections.abc import Iterable

from dhmpi.evaluation import LAST_OUTPUT, Evaluation, State

# Failures after which a campaign without anything DONE is given up: of those that no point causes, and of all. Problems
# that fail on most of their space exist, where ten failures in a row are nothing unusual.
HOPELESS_LIMIT, LIMIT = 10, 100
# What takes less has not come further than failures, which may be quicker still [s].
SHORT = 1.0
# Characters of an error's line that people want to see.
LONGEST = 200

_TRACEBACK = "Traceback (most recent call last):\n"
_STATUS = re.compile(r"exit status \d+$")
# Addresses, identifiers, numbers; but short integers may be statuses, signals or the like.
_VALUE = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"
    r"|\d+\.\d*(e[+-]?\d+)?|\d+e[+-]?\d+|\d{4,}",
    re.IGNORECASE,
)
_NO_FILE = "No such file or directory"
# 126 and 127 are what a shell says of a program that it cannot execute, or does not find.
_HOPELESS = re.compile(
    r"^(.*exit status \d+: )?([\w.]*\.)?(ImportError|ModuleNotFoundError|FileNotFoundError|NameError|SyntaxError"
    rf"|IndentationError|TabError)\b|\bexit status 12[67]\b|{_NO_FILE}"
)


def error_line(error: str) -> str:
    """Return the line of an error that says most: that of the exception, without the frames and what was printed.

    Of a program that only says by its exit status that it has failed, the exception that it has printed, if it has.
    """
    said, _, printed = error.partition(f"\n{LAST_OUTPUT}\n")
    line = _exception(said) or _last(said)
    if _STATUS.search(line):
        last = _last(printed)
        found = _exception(printed) or (last if _NO_FILE in last else "")
        line = f"{line}: {found}" if found else line
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 4]} ..."


def _exception(text: str) -> str:
    """Return the first line behind the frames of the last traceback; nothing without one.

    If it only announces what follows, as Keras does (`ValueError: in user code:`), the last line is added.
    """
    _, mark, rest = text.rpartition(_TRACEBACK)
    lines = [line.rstrip() for line in rest.splitlines() if line.strip()] if mark else []
    first = next((number for number, line in enumerate(lines) if not line.startswith(" ")), None)
    if first is None:
        return ""
    line = lines[first]
    return f"{line} {lines[-1].strip()}" if line.endswith(":") and lines[first + 1 :] else line


def _last(text: str) -> str:
    return (text.rstrip().splitlines() or [""])[-1].strip()


def error_kind(line: str) -> str:
    """Return what the lines of errors have in common that differ only in the values of points."""
    return _VALUE.sub("#", line)


def is_hopeless(error: str) -> bool:
    """Return whether no point is to blame for an error: something is missing, or the code is wrong everywhere."""
    line = error_line(error)
    if "SyntaxError" in line and 'File "<' in error:
        return False  # of an expression that has been made from a point, perhaps
    return _HOPELESS.search(line) is not None


class Failures:
    """Counts the failures of a run until anything in the campaign is DONE.

    What failed in earlier runs does not count: somebody may have mended it since.

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
        self._has_done = any(each.state is State.DONE for each in earlier)
        self._earlier = [] if self._has_done else earlier
        self.num = 0
        self._hopeless: Counter[str] = Counter()  # by what they say
        self._longest = 0.0  # that one of them took, from its submission until this was heard of [s]
        self._kinds: Counter[str] = Counter()
        self._lines: dict[str, str] = {}  # the first of each kind

    def note(self, evaluation: Evaluation) -> None:
        """Take note of an evaluation that has ended."""
        if self._has_done or not evaluation.state.is_final:
            return
        if evaluation.state is State.DONE:
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
