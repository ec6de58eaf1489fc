"""What evaluations of agents report: rank 0 keeps it, and decides which of them go on."""

import pytest
from contracts.crew import Crew, reward
from contracts.nas import problem

from dhmpi import results
from dhmpi.agents.protocol import AgentTag, Delivery
from dhmpi.control.budget import Limits
from dhmpi.control.callbacks import Callbacks
from dhmpi.control.signals import StopRequest
from dhmpi.evaluation import State
from dhmpi.mpi.memory import Mailboxes
from dhmpi.search.stopping.stopper import Stopper

LARGE = problem(num_options=(9, 9, 9))
MODES = ["async", "sync"]
NUM_STEPS = 4


class Below(Stopper):
    """Stops, at the second step, what has less than a reward."""

    def __init__(self, least=12.0):
        self.least, self.calls = least, []

    def begin(self, id):
        self.calls.append(("begin", id))

    def report(self, id, step, value):
        self.calls.append(("report", id, step, value))
        return step >= 2 and -value < self.least

    def end(self, id, objective):
        self.calls.append(("end", id, objective))


@pytest.fixture
def crew(tmp_path):
    def make(mode, **arguments):
        return Crew(mode, tmp_path / "results.h5", target=LARGE, num_steps=NUM_STEPS, **arguments)

    return make


@pytest.mark.parametrize("mode", MODES)
def test_what_is_reported_is_in_the_file_before_the_evaluation_ends(crew, mode):
    found = crew(mode)
    while not len(found.store.reports):
        found.step()
    assert {each.state for each in found.evaluations} == {State.RUNNING}
    assert {each.step for each in found.evaluations} <= {None, 1.0}
    found.run()
    for each in found.evaluations:
        curve = found.store.reports.columns().of(each.id)
        assert curve.step.tolist() == [1.0, 2.0, 3.0, 4.0]
        assert set(curve.value) == {each.objective}
    assert found.budget.steps == found.store.metadata.statistics["steps"] == 16 * NUM_STEPS


@pytest.mark.parametrize("mode", MODES)
def test_one_stopper_sees_what_all_agents_report(crew, mode):
    found, stopper = crew(mode, num_agents=3, num_workers=2, max_evals=40), Below()
    found.coordinator.running.steer(stopper, has_answers=True)
    found.run()
    assert found.coordinator.is_complete
    assert found.coordinator.why == "40 evaluations are complete"
    for each in found.evaluations:
        is_bad = -each.objective < 12
        assert each.state is (State.STOPPED if is_bad else State.DONE)
        calls = [call for call in stopper.calls if call[1] == each.id]
        num = 2 if is_bad else NUM_STEPS
        assert calls[0] == ("begin", each.id)
        assert calls[1:-1] == [("report", each.id, float(step), each.objective) for step in range(1, num + 1)]
        assert calls[-1] == ("end", each.id, None if is_bad else each.objective)
        if is_bad:
            assert each.step == 2.0
    assert {each.state for each in found.evaluations} == {State.STOPPED, State.DONE}
    assert found.budget.best.state is State.DONE


@pytest.mark.parametrize("mode", MODES)
def test_agents_learn_from_what_was_stopped(crew, mode):
    found = crew(mode, num_agents=2, max_evals=32)
    found.coordinator.running.steer(Below(), has_answers=True)
    found.run()
    rows = found.store.policy.rows()
    assert sum(row.failures for row in rows) == 0
    assert min(row.reward_min for row in rows) < 12
    # Who waits for one, or meets it later, gets to know the same.
    stopped = next(each for each in found.evaluations if each.state is State.STOPPED)
    assert found.ledger._known[found.search.space.key(stopped.point)] == stopped.objective


def test_where_nothing_waits_for_answers_none_are_sent(crew):
    found = crew("async").run()
    assert not any(evaluator.notices for evaluator in found.evaluators.values())


def test_an_answer_says_how_many_reports_have_been_seen(crew):
    found = crew("async", num_agents=1, max_evals=1)
    found.coordinator.running.steer(None, has_answers=True)
    found.run()
    assert found.evaluators[1].notices[0].num_answered == NUM_STEPS
    assert not found.evaluators[1].notices[0].must_stop


def test_what_an_agent_begins_again_reports_from_its_beginning(crew):
    told, lost = Below(0.0), []

    def evaluate(values):
        if not lost and len(told.calls) > 2:  # it has reported
            lost.append(values)
            return State.LOST
        return reward(values)

    found = crew("async", num_agents=1, max_evals=1, evaluate=evaluate)
    found.coordinator.running.steer(told, has_answers=True)
    found.run()
    assert [each.state for each in found.evaluations] == [State.DONE]
    assert lost
    assert found.evaluators[1].notices[0].num_answered == NUM_STEPS  # without those before
    steps = [call[2] for call in told.calls if call[0] == "report"]
    assert steps[-NUM_STEPS:] == [1.0, 2.0, 3.0, 4.0]
    assert len(steps) > NUM_STEPS


def test_reports_of_an_agent_that_was_given_up_are_not_heard(crew):
    found = crew("async", num_agents=2, max_evals=8, agent_timeout=10.0)
    while not len(found.store.reports):
        found.step()
    mine = next(id for id in range(8) if found.ledger.claim_of(id, 2))
    found.still = {2}
    for _ in range(100):
        found.now += 0.5
        found.step()
    found.mailboxes[2].send(0, AgentTag.REPORTS, ([mine], [(mine, 99.0, 0.0, 1.0)]))
    found.mailboxes[1].send(0, AgentTag.REPORTS, ([77], [(77, 99.0, 0.0, 1.0)]))  # of nobody
    found.run()
    assert max(found.store.reports.columns().step) == NUM_STEPS
    again = next(each for each in found.evaluators[1].begun if each.id == mine)
    assert again.state is not State.PENDING  # so that it finds what it has saved
    assert 1.0 <= again.step < NUM_STEPS


# --- ends


@pytest.mark.parametrize("mode", MODES)
def test_the_budget_of_steps_ends_it(crew, mode):
    found = crew(mode, num_agents=2, max_evals=None, limits=Limits(steps=30.0))
    found.coordinator.running.steer(None, has_answers=True)
    while found.budget.steps < 15:
        found.step()
    assert found.coordinator._progress_made() == found.budget.steps / 30  # with which steps of learning get smaller
    found.run()
    assert found.coordinator.why == f"{found.budget.steps:g} steps have been taken, of 30"
    assert found.coordinator.is_complete
    assert 30 <= found.budget.steps <= 30 + 2
    assert {each.state for each in found.evaluations} <= {State.DONE, State.STOPPED}
    assert not found.coordinator._present


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(target=-18.0), "the target has been reached"),
        (Limits(patience=6), "the last 6 evaluations were not better than the best"),
    ],
)
def test_target_and_patience_end_it(crew, mode, limits, why):
    found = crew(mode, num_agents=2, max_evals=400, limits=limits).run()
    assert found.coordinator.why == why
    assert found.coordinator.is_complete
    assert len(found.evaluations) < 400
    best = found.budget.best
    assert best.objective <= -18.0 or len(found.evaluations) >= best.id + 6


@pytest.mark.parametrize("mode", MODES)
def test_what_is_redone_knows_that_it_has_begun_before(crew, mode, tmp_path):
    first = crew(mode, num_agents=1, max_evals=20)
    while len(first.store.reports) < 2:
        first.step()
    first.signal = "SIGTERM"
    first.run()
    cancelled = next(each for each in first.evaluations if each.state is State.CANCELLED)
    second = crew(mode, num_agents=1, max_evals=20, earlier=True)
    second.run()
    begun = next(evaluator for evaluator in second.evaluators.values()).begun[0]
    assert (begun.id, begun.state, begun.step) == (cancelled.id, State.CANCELLED, cancelled.step)
    assert {each.state for each in results.read(tmp_path / "results.h5").evaluations} == {State.DONE}


@pytest.mark.parametrize("mode", MODES)
def test_what_saves_its_state_before_the_end_of_the_time_goes_on_later(crew, mode):
    first = crew(mode, num_agents=2, num_workers=2, max_evals=20)
    while first.ledger.num_running < 4 or len(first.store.reports) < 4:
        first.step()
    first.now = 999.0
    for _ in range(3):
        first.step()
    first.now = 1001.0  # at the latest
    first.run()
    paused = {each.id: each.step for each in first.evaluations if each.state is State.PAUSED}
    assert len(paused) >= 2
    assert not first.coordinator.is_complete
    assert first.store.metadata.statistics["pause_seconds"] >= 0
    assert first.store.metadata.statistics["lost_cancelled_seconds"] == 0
    second = crew(mode, num_agents=2, num_workers=2, max_evals=20, earlier=True).run()
    begun = {each.id: each.step for evaluator in second.evaluators.values() for each in evaluator.begun}
    assert {id: begun[id] for id in paused} == paused
    assert {each.state for each in second.evaluations} == {State.DONE}
    assert len(second.evaluations) == 20


def test_it_ends_when_all_that_is_left_has_been_paused(crew):
    found = crew("async", num_agents=2, max_evals=20)
    while len(found.store.reports) < 2:
        found.step()
    found.now = 999.0
    found.run()
    assert found.now == 999.0
    assert found.coordinator.why == "the time is over, and what can go on later has been paused"
    assert {each.state for each in found.evaluations} <= {State.DONE, State.PAUSED}


# --- other members of rank 0


@pytest.mark.parametrize("mode", MODES)
def test_callbacks_are_told_of_reports_as_they_were_given(crew, mode):
    class Diary:
        told = []

        def on_report(self, evaluation, step, value):
            self.told.append((evaluation, step, value))

    Diary.told.clear()
    found = crew(mode, num_agents=2, max_evals=6)
    callbacks = found.coordinator.callbacks = Callbacks([Diary()])
    with StopRequest() as stop:
        callbacks.begin(None, stop)
        found.run()
        callbacks.end(None)
    assert len(Diary.told) == 6 * NUM_STEPS
    for evaluation, step, value in Diary.told:
        assert evaluation.state is State.RUNNING
        assert 1 <= step <= NUM_STEPS
        assert value == reward(tuple(evaluation.point.values()))
        assert evaluation.point == found.evaluations[evaluation.id].point


class Listener:
    """Takes messages in; `agent` and coordinator are two of them."""

    def __init__(self):
        self.tags = []

    def take(self, message):
        self.tags.append(message.tag)


def test_while_user_code_runs_only_what_is_urgent_is_handed_out():
    box = Mailboxes(1).of(0)
    coordinator, agent = Listener(), Listener()
    delivery = Delivery(box, coordinator, agent)
    sent = (AgentTag.ANSWERS, AgentTag.REPORTS, AgentTag.OUTCOMES, AgentTag.NOTICES, AgentTag.ABORT)
    for tag in sent:
        box.send(0, tag)
    delivery.hand_out_urgent()
    assert (coordinator.tags, agent.tags) == ([AgentTag.REPORTS], [AgentTag.NOTICES])
    box.send(0, AgentTag.BYE)
    assert delivery.hand_out()
    assert coordinator.tags == [AgentTag.REPORTS, AgentTag.OUTCOMES, AgentTag.BYE]
    assert agent.tags == [AgentTag.NOTICES, AgentTag.ANSWERS, AgentTag.ABORT]
    assert not delivery.hand_out()
