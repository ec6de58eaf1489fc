import json
import math

import pytest

from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results.table import EvaluationTable, read_finished, read_submitted

NAMES = ("x", "act")
POINT = {"x": 0.5, "act": "relu"}


def running(id, **fields):
    return Evaluation(id, POINT, state=State.RUNNING, **{"submitted": 10.0 + id} | fields)


def ended(id, state=State.DONE, **fields):
    return Evaluation(id, {}, **{"state": state, "started": 11.0, "ended": 12.0, "rank": 3, "host": "nid0"} | fields)


def told(*evaluations):
    """Return evaluations as a table has them that they have been entered in."""
    table = EvaluationTable(NAMES)
    table.submit(running(id) for id in range(9))
    table.finish(evaluations)
    return table.evaluations()


EVALUATIONS = (
    running(0),
    running(1, submitted=None),
    running(2, rank=4, host="h\u00e9", origin=Origin("gp", 7, 6, 5)),
)


def test_rows_of_a_journal_say_what_was_submitted():
    table, again = EvaluationTable(NAMES), EvaluationTable(NAMES)
    rows = json.loads(json.dumps(table.submit(EVALUATIONS)))
    assert [len(row) for row in rows] == [6] * 3
    again.submit(read_submitted(rows, NAMES))
    assert again.evaluations() == table.evaluations()
    assert [each.started for each in again.evaluations()] == [None, None, 12.0]  # as long as its worker says nothing


@pytest.mark.parametrize("num_fields", [3, 4])
def test_rows_of_older_journals_end_before_the_rank_or_before_the_origin(num_fields):
    rows = [row[:num_fields] for row in EvaluationTable(NAMES).submit(EVALUATIONS)]
    found = list(read_submitted(rows, NAMES))
    assert [each.point for each in found] == [POINT] * 3
    assert [each.submitted for each in found] == [10.0, None, 12.0]
    assert {(each.rank, each.host) for each in found} == {(-1, "")}
    assert found[2].origin == (Origin("gp", 7, 6, 5) if num_fields == 4 else Origin())


@pytest.mark.parametrize("row", [[1], [1, [0.5]], [1, [0.5], 3.0], [1, [0.5, "relu"], 3.0, ["gp", 1, 1, 1], 2]])
def test_rows_that_no_version_has_written_are_refused(row):
    with pytest.raises((ValueError, TypeError)):
        list(read_submitted([row], NAMES))


@pytest.mark.parametrize(
    "evaluation",
    [
        ended(1, objective=0.25),
        ended(1, State.FAILED, error="Traceback \ud800"),
        ended(1, objective=1.0, extra={"loss": [1, None, math.inf], "\u00e9": "\ud800"}),
        Evaluation(1, {}, state=State.CANCELLED),
    ],
)
def test_rows_of_a_journal_say_how_evaluations_ended(evaluation):
    table = EvaluationTable(NAMES)
    table.submit([running(1)])
    rows = json.loads(json.dumps(table.finish([evaluation])))
    assert [len(row) for row in rows] == [10]
    assert told(*read_finished(rows)) == told(evaluation)


def test_whatever_can_be_iterated_is_entered():
    table = EvaluationTable(NAMES)
    assert len(table.submit(map(running, range(3)))) == 3
    assert len(table.finish(map(ended, range(3)))) == 3
    assert {each.state for each in table.evaluations()} == {State.DONE}


def test_either_all_are_entered_or_none():
    table = EvaluationTable(NAMES)
    with pytest.raises(ResultsError, match="evaluation 1 must have the dimensions x, act, got"):
        table.submit([running(0), running(1)._replace(point={"x": 0.5})])
    assert len(table) == 0
    table.submit([running(0)])
    with pytest.raises(ResultsError, match="evaluation 5 must be submitted before it can be finished"):
        table.finish([ended(0), ended(5)])
    assert table.evaluations()[0].state is State.RUNNING
    table.finish([ended(0)])
    with pytest.raises(ResultsError, match="evaluation 0 must not be submitted again once it is DONE"):
        table.submit([running(1), running(0)])
    assert len(table) == 1
