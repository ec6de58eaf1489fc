import numpy as np
import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.surrogate.course_history import MOST_LEARNED, CourseHistory


def ended(objective, state=State.DONE):
    return Evaluation(0, {}, objective, state)


def running(outlook):
    return dict(zip(outlook.keys, outlook.running.objectives.tolist(), strict=True))


@pytest.fixture
def history():
    """Return one with two that are DONE, one that was stopped, and one that runs; reports fall by 1 a step."""
    history = CourseHistory()
    for key, start in (("a", 10.0), ("b", 12.0)):
        for step in (1, 2, 3):
            history.report(key, step, start - step, 0)
    history.report("c", 1, 13.0, 0)
    history.report("d", 1, 9.0, 1)
    history.end("a", ended(6.0))
    history.end("c", ended(13.0, State.STOPPED))
    history.end("b", ended(8.0))
    history.report("d", 2, 8.0, 3)
    return history


def test_what_was_stopped_has_its_foretold_objective_and_all_others_their_own(history):
    objectives = np.array([6.0, 13.0, 8.0])
    found = history.foretold(objectives, history.outlook(3).forecast).objectives
    assert found.tolist() == [6.0, 10.0, 8.0]
    assert objectives[1] == 13.0
    assert history.foretold(objectives[1:], history.outlook(3).forecast, start=1).objectives.tolist() == [10.0, 8.0]


def test_the_outlook_is_that_of_its_time(history):
    """After one result, b and c were running, and d had reported nothing before it; of two results, c is one."""
    assert set(history.outlook(1).keys) == {"b", "c"}
    assert running(history.outlook(2)) == pytest.approx({"b": 8.0, "d": 6.0})


def test_nothing_said_later_changes_an_outlook(history):
    def seen():
        outlook = history.outlook(3)
        return running(outlook), history.foretold(np.array([6.0, 13.0, 8.0]), outlook.forecast).objectives.tolist()

    before = seen()
    history.report("d", 3, 100.0, 3)
    history.report("e", 1, 100.0, 3)
    history.end("d", ended(100.0))
    assert seen() == before


def test_what_begins_again_is_known_by_what_it_reports_then(history):
    history.report("d", 1, 20.0, 3)
    history.end("x", ended(None, State.FAILED))
    assert running(history.outlook(4))["d"] > 15


def test_failures_teach_nothing(history):
    history.report("e", 1, 1.0, 3)
    history.end("e", ended(None, State.FAILED))
    assert "e" not in history.outlook(4).keys
    found = history.foretold(np.array([np.nan]), history.outlook(4).forecast, start=3)
    assert np.isnan(found.objectives).all()


def test_it_learns_from_the_latest_and_does_not_grow(history):
    for number in range(3 * MOST_LEARNED):
        history.report(number, 1, 5.0, number + 3)
        history.end(number, ended(1.0))
    outlook = history.outlook(3 * MOST_LEARNED + 3)
    assert history.foretold(np.array([13.0]), outlook.forecast, start=1).objectives.tolist() == [9.0]
    assert len(history._ended) <= 2 * MOST_LEARNED


def test_what_has_failed_later_was_running_at_its_time(history):
    """A model that is made late, or again, must not know more of it."""
    history.report("e", 1, 1.0, 2)
    before = running(history.outlook(3))
    history.end("e", ended(None, State.FAILED))
    assert running(history.outlook(3)) == before
    assert "e" in before


def test_what_was_stopped_by_hand_is_foretold_by_its_last_step(history):
    history.end("e", Evaluation(9, {}, 13.0, State.STOPPED, step=1.0))
    assert history.foretold(np.array([13.0]), history.outlook(4).forecast, start=3).objectives.tolist() == [10.0]


def test_an_objective_that_cannot_be_computed_with_teaches_nothing(history):
    before = history.outlook(3).forecast.ends(np.array([0]), np.array([9.0]))
    history.report("e", 1, 1.0, 3)
    history.end("e", ended(1.7e308))
    assert history.outlook(4).forecast.ends(np.array([0]), np.array([9.0])) == before
