"""Steering: what becomes of reports."""

from dhmpi.control.budget import Budget, Limits
from dhmpi.evaluation import Evaluation, Report, State
from dhmpi.search.steering import Steering


class Log:
    """A stopper that writes down what it is told, and stops nothing."""

    def __init__(self):
        self.calls = []

    def begin(self, id):
        self.calls.append(("begin", id))

    def report(self, id, step, value):
        self.calls.append(("report", id, step))
        return False

    def end(self, id, objective):
        self.calls.append(("end", id, objective))


def steering(stopper=None, has_answers=False):
    told = []
    budget = Budget(Limits())
    return Steering(told.append, budget, stopper, has_answers), told, budget


def ended(id, submitted, ended, order, state=State.DONE):
    objective = 1.0 if state is State.DONE else None
    return Evaluation(id, {}, objective, state, submitted=submitted, started=submitted, ended=ended, order=order)


def test_an_earlier_run_is_replayed_in_its_order():
    log = Log()
    reports = [Report(0, 1, 0.5, 11.0), Report(0, 2, 0.5, 12.0), Report(1, 1, 0.5, 21.0)]
    evaluations = [ended(0, 10.0, 13.0, 0), ended(1, 20.0, 23.0, -1, State.CANCELLED)]
    steering(log)[0].recall(evaluations, reports)
    assert log.calls == [
        *(("begin", 0), ("report", 0, 1), ("report", 0, 2)),
        *(("begin", 1), ("end", 0, 1.0), ("report", 1, 1)),
    ]


def test_clocks_of_hosts_that_differ_end_nothing_before_its_reports():
    log = Log()
    reports = [Report(1, 1, 0.5, 100.0), Report(0, 1, 0.5, 11.0), Report(1, 2, 0.5, 101.0)]
    steering(log)[0].recall([ended(0, 10.0, 13.0, 0), ended(1, 10.0, 103.0, 1)], reports)
    assert log.calls.index(("report", 0, 1)) < log.calls.index(("end", 0, 1.0)) < log.calls.index(("report", 1, 2))
    assert log.calls[-1] == ("end", 1, 1.0)


def test_everybody_is_told_once_to_save():
    made, told, _ = steering()
    made.take([Report(0, 1, 0.5, 1.0)])
    assert told == []  # nobody waits for an answer
    made.save([0, 1])
    made.save([0, 1, 2])
    assert [(notice.id, notice.must_save, notice.must_stop) for notice in told] == [
        (id, True, False) for id in range(3)
    ]
    made.take([Report(2, 1, 0.5, 1.0)])  # perhaps it had not begun when it was told
    assert (told[-1].id, told[-1].must_save) == (2, True)


def test_it_is_learned_how_long_pauses_and_steps_take():
    made, _, budget = steering()
    made.take([Report(0, 1, 0.5, 1000.0), Report(0, 2, 0.5, 1300.0)])
    assert budget.pauses._step == 300.0
    made.save([0, 1])
    made.judge(ended(1, 0.0, 1.0, 0))
    assert budget.pauses.longest is None
    made.judge(ended(0, 0.0, 1.0, -1, State.PAUSED))
    assert 0 <= budget.pauses.longest < 60


class Once(Log):
    """A stopper that stops at the first report, and takes that back at step 9."""

    def report(self, id, step, value):
        return step < 9


def test_what_comes_to_its_end_together_with_what_would_have_stopped_it_goes_on():
    made, told, _ = steering(Once(), has_answers=True)
    made.take([Report(0, 3, 0.5, 1.0), Report(1, 3, 0.5, 1.0), Report(0, 9, 0.5, 1.0)])
    assert [(notice.id, notice.must_stop) for notice in told] == [(0, False), (1, True)]


def test_threads_of_an_evaluation_take_their_steps_together():
    made, _, budget = steering()
    made.begin(Evaluation(0, {}))
    made.take([Report(0, step, 0.5, 1.0) for step in (1, 2, 1, 3, 2, 4, 3, 4)])
    assert budget.steps == 4


def test_steps_are_taken_again_after_a_new_beginning():
    made, _, budget = steering()
    made.recall([], [Report(0, step, 0.5, 1.0) for step in (1, 2, 3)])
    made.begin(Evaluation(0, {}))
    made.take([Report(0, step, 0.5, 1.0) for step in (1, 2, 3, 4)])
    assert budget.steps == 3 + 3  # to where it began again, nobody knows
    made.begin(Evaluation(0, {}))
    made.take([Report(0, 6, 0.5, 1.0)])
    assert budget.steps == 3 + 3 + 2
