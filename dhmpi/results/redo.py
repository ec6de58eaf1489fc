"""Results that are taken back, for their points to be evaluated again."""

import logging
import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from shlex import quote

from dhmpi.errors import ResultsError, did_you_mean, reason
from dhmpi.evaluation import FINAL_STATES, State
from dhmpi.results.ownership import Pause
from dhmpi.results.reader import PathLike, Recovered, recover, resolve
from dhmpi.results.store import ResultsStore
from dhmpi.results.table import STATES, EvaluationTable

log = logging.getLogger(__name__)

# What is redone if nothing else is said.
FAILURES = (State.FAILED, State.TIMEOUT)


def redo(
    path: PathLike,
    states: Collection[State] | None = None,
    ids: Iterable[int] | None = None,
    pause: Pause = time.sleep,
) -> dict[int, State]:
    """Take results back; the next run that resumes the campaign evaluates their points again.

    Args:
        path: The results file, which no process must be writing.
        states: Only evaluations in these; what is not final is begun again anyway. Default: FAILED and TIMEOUT, or with
            `ids` any.
        ids: Only these evaluations. Default: all.
        pause: Sleeps so many seconds, where it must be seen whether the file is being written elsewhere.

    Returns:
        The ids of what was taken back, with the states until then.

    Raises:
        ResultsError: A state is not known, or an id not in the file; or the file is missing, damaged, or being written.
        StorageError: The file system takes no more.
    """
    if states is None:
        states = FINAL_STATES if ids is not None else FAILURES
    for state in states:
        if state not in STATES:
            remedy = did_you_mean(str(state), [each.value for each in STATES])
            raise ResultsError(f"states must be known, got {state!r:.80}; {remedy}")
    wanted = FINAL_STATES.intersection(states)
    numbers: Collection[int] | None = None
    found: dict[int, State] = {}

    def choose(table: EvaluationTable) -> list[int]:
        nonlocal numbers
        if ids is not None:
            numbers = _there(ids if numbers is None else numbers, table, path)
        found.clear()
        for number in sorted(table.rows if numbers is None else numbers):
            state = STATES[table.state[table.rows[number]]]
            if state in wanted:
                found[number] = state
        return list(found)

    def change(state: Recovered) -> Recovered:
        numbers = choose(state.table)
        state.table.take_back(numbers)
        state.reports.forget(numbers)
        redone = state.metadata.redone + len(found)
        metadata = replace(state.metadata, complete=False, redone=redone)
        if metadata.runs:  # why the last one ended is no longer the truth
            why = f"{len(found)} {'result was' if len(found) == 1 else 'results were'} taken back"
            metadata = replace(metadata, runs=[*metadata.runs[:-1], {**metadata.runs[-1], "why": why}])
        return state._replace(metadata=metadata)

    path = resolve(path)
    try:
        ResultsStore.check(path, resume=True)
    except ResultsError as error:
        raise ResultsError(reason(error)) from error  # its remedies are those of a campaign
    earlier = recover(path)
    if earlier.dropped:
        log.warning("%s", earlier.dropped)
    if choose(earlier.table):  # else the file stays as it is
        ResultsStore.reopen(path, change, pause).leave()
    return found


def _there(ids: Iterable[int], table: EvaluationTable, path: PathLike) -> set[int]:
    """Return ids, of which there may be more than fit in memory if they are not in the table."""
    numbers = set()
    for number in ids:
        if number not in table.rows:
            last = max(table.rows, default=-1)
            got = f"evaluations 0 to {last}" if table.rows else "no evaluations"
            raise ResultsError(
                f"evaluation {number} must be in {path} to be redone, got {got}; see dhmpi show {quote(str(path))}"
            )
        numbers.add(number)
    return numbers
