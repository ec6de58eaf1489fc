import logging
from types import SimpleNamespace

import pytest

from dhmpi.control import campaign_log
from dhmpi.control.campaign_log import CampaignLog, log_begin, log_end, log_resumed
from dhmpi.evaluation import REWARD, Evaluation, State

BEGUN = 1_000_000.0


@pytest.fixture
def clock():
    """A clock that stands until `now` is set."""

    class Clock(SimpleNamespace):
        def __call__(self):
            return self.now

    return Clock(now=100.0)


def evaluation(id, state=State.DONE, error="", **fields):
    objective = -0.25 if state is State.DONE else None
    return Evaluation(id, {"x": 1}, objective, state, BEGUN, BEGUN, BEGUN + 2.5, 3, "nid0", error, **fields)


def lines(caplog):
    found = [(each.levelname, each.getMessage()) for each in caplog.records]
    caplog.clear()
    return found


def test_failures_are_said_at_info_and_results_at_debug(caplog, clock):
    error = "Traceback (most recent call last):\n  File\nValueError: bad\n"
    ended = [evaluation(0), evaluation(1, State.FAILED, error), evaluation(2, State.LOST, "rank 3 is gone")]
    failed = [
        ("INFO", "evaluation 1 FAILED on rank 3 (nid0): ValueError: bad"),
        ("INFO", "evaluation 2 LOST on rank 3 (nid0): rank 3 is gone; it begins again"),
    ]
    for level, expected in (
        (logging.WARNING, []),
        (logging.INFO, failed),
        (logging.DEBUG, [("DEBUG", "evaluation 0 DONE on rank 3 (nid0): objective -0.25 in 2.5 s"), *failed]),
    ):
        caplog.set_level(level, "dhmpi")
        CampaignLog(clock=clock).note(ended)
        assert lines(caplog) == expected
    CampaignLog(REWARD, "worker", clock).note(ended[:1])
    assert lines(caplog) == [("DEBUG", "evaluation 0 DONE on worker 3 (nid0): reward 0.25 in 2.5 s")]


def test_what_comes_too_fast_is_counted(caplog, clock):
    caplog.set_level(logging.DEBUG, "dhmpi")
    log = CampaignLog(clock=clock)
    log.note(evaluation(id, State.FAILED, "no") for id in range(campaign_log.MOST_FAILURES + 5))
    log.note(map(evaluation, range(campaign_log.MOST_RESULTS + 1)))
    assert len(lines(caplog)) == campaign_log.MOST_FAILURES + campaign_log.MOST_RESULTS
    clock.now += 1.1
    log.note([evaluation(1000, State.TIMEOUT, "ran longer than 1 s")])
    assert [text for _, text in lines(caplog)] == [
        "5 failures more, which came too fast to be logged",
        "evaluation 1000 TIMEOUT on rank 3 (nid0): ran longer than 1 s",
    ]
    log.close()
    assert lines(caplog) == [("DEBUG", "1 result more, which came too fast to be logged")]
    log.close()
    assert lines(caplog) == []


def test_a_model_is_said_when_it_has_changed_and_not_too_often(caplog, clock):
    caplog.set_level(logging.INFO, "dhmpi")
    log, asked = CampaignLog(clock=clock), []

    def describe(text):
        def found():
            asked.append(text)
            return text

        return found

    for text in ("", "", "model a", "model b"):  # the first one is said as soon as it is there
        log.note_model(describe(text))
    assert (asked, lines(caplog)) == (["", "", "model a"], [("INFO", "model a")])
    for text in ("model a", "model b"):
        clock.now += campaign_log.MODEL_INTERVAL
        log.note_model(describe(text))
    assert lines(caplog) == [("INFO", "model b")]
    caplog.set_level(logging.WARNING, "dhmpi")
    CampaignLog(clock=clock).note_model(pytest.fail)


def test_beginning_and_end_are_one_line_each(caplog):
    caplog.set_level(logging.INFO, "dhmpi")
    log_begin("ambs", "a\nproblem.py", 7, "2 workers, P (1 rank)", "my\n.h5")
    log_resumed({State.DONE: 1, State.RUNNING: 0, State.FAILED: 2})
    log_end("stopped by SIGTERM", {State.DONE: 1}, 3661.2)
    assert [text for _, text in lines(caplog)] == [
        r"ambs begins on a\u000aproblem.py, seed 7, output my\u000a.h5: 2 workers, P (1 rank)",
        "resumed with 3 evaluations: 1 DONE, 2 FAILED",
        "ends after 1:01:01: stopped by SIGTERM; 1 evaluation: 1 DONE",
    ]
