"""Agents and their coordinator together, in one process."""

import math

import numpy as np
import pytest
from contracts.crew import Crew, reward
from contracts.nas import NUM_UNLIKE, problem

from dhmpi import results
from dhmpi.agents.protocol import ALIVE_INTERVAL
from dhmpi.control.callbacks import Callbacks
from dhmpi.control.signals import StopRequest
from dhmpi.evaluation import State

LARGE = problem(num_options=(9, 9, 9))
MODES = ["async", "sync"]


@pytest.fixture
def crew(tmp_path):
    def make(mode, **arguments):
        return Crew(mode, tmp_path / "results.h5", **arguments)

    return make


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("num_agents", "num_workers"), [(1, 1), (1, 3), (2, 1), (3, 4), (5, 2)])
def test_the_budget_of_evaluations_is_exact(crew, mode, num_agents, num_workers):
    found = crew(mode, num_agents=num_agents, num_workers=num_workers, max_evals=57, target=LARGE).run()
    assert found.coordinator.why == "57 evaluations are complete"
    assert found.coordinator.is_complete
    assert [each.id for each in found.evaluations] == list(range(57))
    assert {each.state for each in found.evaluations} == {State.DONE}
    assert sum(each.num_begun for each in found.evaluators.values()) == 57
    assert not found.coordinator._present


@pytest.mark.parametrize("mode", MODES)
def test_the_budget_of_episodes_is_exact_too(crew, mode):
    found = crew(mode, num_agents=3, max_evals=None, num_episodes=41, target=LARGE).run()
    assert found.coordinator.why == "41 episodes are complete"
    statistics = found.store.metadata.statistics
    assert statistics["episodes"] == 41
    assert len(found.evaluations) + statistics["hits"] + statistics["shared"] == 41


@pytest.mark.parametrize("mode", MODES)
def test_equal_architectures_are_evaluated_once_for_all_agents(crew, mode):
    found = crew(mode, num_agents=3, num_workers=2, max_evals=None).run()
    keys = [found.search.space.key(each.point) for each in found.evaluations]
    assert len(keys) == len(set(keys)) <= NUM_UNLIKE
    assert found.coordinator.why.startswith(("every architecture", "the policy has converged"))
    assert found.store.metadata.statistics["hits"] > 0


def test_who_waits_for_another_agent_learns_what_it_finds(crew):
    def evaluate(values):
        return 1.0

    found = crew("async", num_agents=2, evaluate=evaluate, target=problem(num_options=(1, 1, 8)), max_evals=None)
    for evaluator in found.evaluators.values():
        evaluator.held = {0}
    found.settle()
    assert found.ledger.num_running == 1
    assert found.ledger.num_shared > 0
    waiting = [agent for agent in found.agents.values() if agent._waiting]
    assert waiting
    for evaluator in found.evaluators.values():
        evaluator.held = set()
    found.settle(5)
    assert not any(agent._waiting for agent in found.agents.values())


@pytest.mark.parametrize("mode", MODES)
def test_every_evaluation_says_how_it_was_chosen(crew, mode, tmp_path):
    crew(mode, num_agents=2, max_evals=40, target=LARGE).run()
    for each in results.read(tmp_path / "results.h5").evaluations:
        extra = each.extra
        assert extra["own"] == 1
        assert extra["agent"] in ((1, 2) if mode == "async" else (0, 1))
        assert extra["agent"] == each.rank
        assert 0 <= extra["update"] <= 11
        assert 0 <= extra["version"] <= 4 * 11
        assert extra["staleness"] >= 0
        # Of three decisions with nine options, about equally probable at first.
        assert -15 < extra["log_probability"] < 0
    first = results.read(tmp_path / "results.h5").evaluations[0].extra
    assert first["log_probability"] == pytest.approx(-3 * math.log(9), abs=0.1)
    assert (first["version"], first["update"]) == (0, 0)


@pytest.mark.parametrize("mode", MODES)
def test_every_update_leaves_a_row_and_the_policy(crew, mode, tmp_path):
    found = crew(mode, num_agents=2, max_evals=48, target=LARGE).run()
    policy = results.read(tmp_path / "results.h5").policy
    rows = policy.rows()
    assert len(rows) == found.store.metadata.statistics["updates"] >= 10
    for agent in found.roles.agents:
        assert [row.update for row in rows if row.agent == agent] == list(range(policy.num_updates(agent)))
    full = [row for row in rows if row.episodes == 4]
    assert len(full) >= 10
    for row in full:
        assert row.reward_min <= row.reward_q10 <= row.reward_median <= row.reward_q90 <= row.reward_max
        assert row.reward_min <= row.reward_mean <= row.reward_max
        assert 0 < row.entropy <= math.log(9) + 1e-6
        assert 0 <= row.clip_fraction <= 1
        assert all(map(math.isfinite, (row.loss, row.policy_loss, row.value_loss, row.kl, row.gradient_norm)))
        assert row.epochs == 4
    assert policy.state["parameters"].shape == (found.search.policy.layout.size,)
    assert not np.array_equal(policy.state["parameters"], found.search.first_state().parameters)
    assert policy.version == max(row.version for row in rows)


@pytest.mark.parametrize("mode", MODES)
def test_it_learns(crew, mode):
    found = crew(mode, num_agents=2, num_workers=4, max_evals=600, target=problem(num_options=(20, 20, 20))).run()
    rewards = [-each.objective for each in found.evaluations]
    assert np.mean(rewards[-150:]) > np.mean(rewards[:150]) + 8  # the deviation of one is 10


@pytest.mark.parametrize("mode", MODES)
def test_failures_and_constant_rewards_do_no_harm(crew, mode):
    def evaluate(values):
        return State.FAILED if values[0] % 2 else State.TIMEOUT if values[1] == 0 else 1.0

    found = crew(mode, num_agents=2, max_evals=60, evaluate=evaluate, target=LARGE).run()
    assert len(found.evaluations) == 60
    assert {each.state for each in found.evaluations} == {State.DONE, State.FAILED, State.TIMEOUT}
    assert np.isfinite(found.store.policy.state["parameters"]).all()
    assert sum(row.failures for row in found.store.policy.rows()) > 10


@pytest.mark.parametrize("mode", MODES)
def test_if_all_fail_the_campaign_still_ends(crew, mode):
    found = crew(mode, max_evals=30, evaluate=lambda values: State.FAILED, target=LARGE).run()
    assert {each.state for each in found.evaluations} == {State.FAILED}
    assert len(found.evaluations) == 30
    assert not found.coordinator.is_complete


@pytest.mark.parametrize("mode", MODES)
def test_a_campaign_in_which_nothing_is_done_is_given_up(crew, mode):
    found = crew(mode, num_agents=3, num_workers=2, max_evals=400, evaluate=lambda values: State.FAILED, target=LARGE)
    assert found.run().coordinator.why.startswith("at least one evaluation must be DONE, got 10")
    assert 100 <= len(found.evaluations) <= 106
    assert not found.coordinator.is_complete
    assert not found.coordinator._present


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outcome", [State.FAILED, -1.0])
def test_what_takes_longer_than_the_failures_is_waited_for(crew, mode, outcome):
    def evaluate(values):
        return outcome if not any(each.held for each in found.evaluators.values()) else State.FAILED

    found = crew(mode, num_workers=2, max_evals=150, episodes_per_batch=200, evaluate=evaluate, target=LARGE)
    for each in found.evaluators.values():
        each.held = {0}
    found.settle(1000)
    assert 100 <= len(found.evaluations) <= 104
    assert not found.coordinator.why
    for each in found.evaluators.values():
        each.held = set()
    found.run()
    assert (len(found.evaluations) == 150) == (outcome == -1.0)
    assert found.coordinator.is_complete == (outcome == -1.0)


def held_back(found):
    """Let nothing end, and return what the file says then."""
    for each in found.evaluators.values():
        each.held = set(range(100))
    found.settle()
    return found.evaluations


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_that_evaluates_itself_is_in_the_file_while_it_does(crew, mode):
    found = crew(mode, num_agents=2, target=LARGE)
    running = held_back(found)
    assert sorted(each.rank for each in running) == list(found.roles.agents)
    assert {(each.state, each.host, each.started == each.submitted) for each in running} == {("RUNNING", "here", True)}


@pytest.mark.parametrize("mode", MODES)
def test_which_rank_evaluates_for_an_agent_comes_with_the_next_message(crew, mode):
    found = crew(mode, num_agents=1, num_workers=2, target=LARGE)
    [agent], [evaluator] = found.agents.values(), found.evaluators.values()
    agent._ranks, submit = (agent._mailbox.rank, 5, 6), evaluator.submit
    evaluator.hosts = lambda: ["nid7", "nid8"]

    def submitted(evaluation, config):
        submit(evaluation, config)
        return evaluation._replace(state=State.RUNNING, rank=1 + evaluation.id % 2, host="nid7")

    evaluator.submit = submitted
    assert {(each.state, each.rank, each.started) for each in held_back(found)} == {("RUNNING", -1, None)}
    found.now += ALIVE_INTERVAL + 1
    for _ in range(3):
        found.step()
    assert [(each.id, each.state, each.rank, each.host) for each in found.evaluations] == [
        (0, "RUNNING", 5, "nid7"),
        (1, "RUNNING", 6, "nid7"),
    ]
    evaluator.held = set()
    assert {each.state for each in found.run().evaluations} == {State.DONE}
    assert len(found.evaluations) == 16


def test_a_lost_evaluation_is_begun_again_by_its_agent(crew):
    lost = []

    def evaluate(values):
        if len(lost) < 2:
            lost.append(values)
            return State.LOST
        return reward(values)

    found = crew("async", num_agents=1, max_evals=5, evaluate=evaluate, target=LARGE).run()
    assert [each.state for each in found.evaluations] == [State.DONE] * 5
    assert sum(each.num_begun for each in found.evaluators.values()) == 7


def test_an_asynchronous_agent_does_not_wait_for_stragglers(crew):
    found = crew("async", num_agents=1, num_workers=3, max_evals=50, target=LARGE)
    found.evaluators[1].held = {0}
    for _ in range(400):
        found.step()
    assert found.ledger.num_final == 49
    assert found.agents[1]._learner.num_updates >= 10
    found.evaluators[1].held = set()
    found.run()
    assert len(found.evaluations) == 50


def test_synchronous_agents_wait_for_the_slowest(crew):
    found = crew("sync", num_agents=2, num_workers=2, max_evals=50, target=LARGE)
    found.evaluators[1].held = {0, 1, 2, 3, 4, 5, 6, 7}
    found.settle()
    begun = [each.num_begun for each in found.evaluators.values()]
    assert begun == [4, 2]  # its batch; and what the other one can hold
    assert all(not agent._learner.num_updates or agent._learner.is_updating for agent in found.agents.values())
    found.evaluators[1].held = set()
    found.run()
    assert len(found.evaluations) == 50


def test_an_old_episode_is_not_learned_from(crew):
    found = crew("async", num_agents=1, num_workers=3, max_evals=60, target=LARGE, max_staleness=8)
    found.evaluators[1].held = {0}
    for _ in range(200):
        found.step()
    found.evaluators[1].held = set()
    found.run()
    rows = found.store.policy.rows()
    assert sum(row.dropped for row in rows) >= 1
    assert max(row.staleness_max for row in rows) <= 8
    oldest = next(each for each in found.evaluations if each.id == 0)
    assert oldest.extra["staleness"] > 8


# --- ends


def test_asynchronous_agents_go_on_without_one_that_is_silent(crew, caplog):
    found = crew("async", num_agents=3, max_evals=40, target=LARGE, agent_timeout=10.0)
    for _ in range(12):
        found.step()
    found.still = {2}
    for _ in range(400):
        found.now += 0.5
        found.step()
    found.run()
    assert found.coordinator.lost == {2: "it has been silent for 10 s"}
    assert "agent 2 is given up: it has been silent for 10 s; the others go on" in caplog.text
    assert [each.state for each in found.evaluations] == [State.DONE] * 40
    assert found.coordinator._present == {2}
    assert found.store.metadata.statistics["lost_agents"] == 1


def test_what_a_lost_agent_leaves_is_run_by_one_that_had_finished(crew):
    found = crew("async", num_agents=2, num_workers=2, max_evals=12, target=LARGE, agent_timeout=10.0)
    for evaluator in found.evaluators.values():
        evaluator.held = {0, 1, 2}
    for _ in range(300):
        found.step()
    left = [id for id in (0, 1, 2) if found.ledger.claim_of(id, 2)]
    assert left
    found.still = {2}
    found.evaluators[1].held = set()
    for _ in range(100):
        found.now += 0.5
        found.step()
    found.run()
    assert [each.state for each in found.evaluations] == [State.DONE] * 12
    again = [each for each in found.evaluations if each.id in left]
    assert {each.rank for each in again} == {1}
    assert all("log_probability" not in each.extra for each in again)  # nobody's policy chose it there


def test_synchronous_agents_stop_with_one_sentence(crew):
    found = crew("sync", num_agents=3, max_evals=400, target=LARGE, agent_timeout=10.0)
    for _ in range(30):
        found.step()
    found.still = {2}
    for _ in range(60):
        found.now += 0.5
        found.step()
    found.run()
    sentence = "all agents must go on where they search in step, but agent 2 is given up: it has been silent for 10 s"
    assert str(found.coordinator.error) == f"{sentence}; continue with resume=True"
    assert not found.coordinator.is_complete
    assert len(found.evaluations) >= 10


def test_the_last_agent_ends_it(crew):
    found = crew("async", num_agents=1, max_evals=400, target=LARGE, agent_timeout=10.0)
    for _ in range(30):
        found.step()
    found.still = {1}
    for _ in range(60):
        found.now += 0.5
        found.step()
    found.run()
    assert str(found.coordinator.error).startswith("at least one agent must be left, but agent 1 is given up")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["signal", "time"])
def test_an_early_end_cancels_what_is_running(crew, mode, how):
    found = crew(mode, num_agents=2, num_workers=2, max_evals=400, target=LARGE)
    for _ in range(40):
        found.step()
    for evaluator in found.evaluators.values():
        evaluator.held = set(range(400))
    for _ in range(10):
        found.step()
    if how == "signal":
        found.signal = "SIGUSR1"
    else:
        found.now = 1001.0
    found.run()
    assert found.coordinator.why == ("stopped by SIGUSR1" if how == "signal" else "the time is over")
    states = {each.state for each in found.evaluations}
    assert states == {State.DONE, State.CANCELLED}
    assert not found.coordinator.is_complete
    assert not found.coordinator._present


@pytest.mark.parametrize("mode", MODES)
def test_nothing_begins_that_would_not_end_in_time(crew, mode):
    found = crew(mode, num_agents=2, num_workers=2, max_evals=400, target=LARGE, drain_seconds=50.0)
    for _ in range(40):
        found.step()
    begun = sum(each.num_begun for each in found.evaluators.values())
    found.now = 951.0
    found.run()
    assert found.coordinator.why == "the time is over for evaluations that take 50 s"
    assert {each.state for each in found.evaluations} == {State.DONE}
    assert begun <= len(found.evaluations) <= begun + 4
    assert not found.coordinator.is_complete
    assert found.store.metadata.statistics["lost_cancelled_seconds"] == 0


def test_it_ends_even_if_evaluations_get_shorter_when_agents_have_been_told(crew):
    found = crew("async", num_agents=2, max_evals=400, target=LARGE)
    for _ in range(30):
        found.step()
    answers = [False] * 4
    found.budget.drain.may_begin = lambda: not answers or answers.pop()
    found.run()
    assert found.coordinator.why.startswith("the time is over for evaluations that take")


def test_an_agent_that_has_not_begun_is_not_waited_for(crew):
    found = crew("async", num_agents=3, max_evals=30, target=LARGE)
    found.evaluators[3].num_workers = 0  # it is still loading
    found.run()
    assert len(found.evaluations) == 30
    assert not found.coordinator.lost


@pytest.mark.parametrize("mode", MODES)
def test_a_campaign_is_continued_with_its_policy(crew, mode, tmp_path):
    first = crew(mode, num_agents=2, num_workers=2, max_evals=400, target=LARGE)
    for _ in range(60):
        first.step()
    for evaluator in first.evaluators.values():
        evaluator.held = set(range(400))
    for _ in range(10):
        first.step()
    first.signal = "SIGTERM"
    first.run()
    cancelled = {each.id for each in first.evaluations if each.state is State.CANCELLED}
    assert cancelled
    kept, rows = first.store.policy.state["parameters"], len(first.store.policy)
    num = len(first.evaluations)

    second = crew(mode, num_agents=2, num_workers=2, max_evals=num + 40, target=LARGE, earlier=True)
    second.step()
    learner = next(iter(second.agents.values()))
    for _ in range(3):
        second.step()
    assert np.array_equal(learner._learner._parameters, kept) or learner._learner.version > first.store.policy.version
    second.run()
    assert [each.id for each in second.evaluations] == list(range(num + 40))
    assert {each.state for each in second.evaluations} == {State.DONE}
    policy = results.read(tmp_path / "results.h5").policy
    assert len(policy) > rows
    for agent in second.roles.agents:
        updates = [row.update for row in policy.rows() if row.agent == agent]
        assert updates == list(range(len(updates)))


def test_a_policy_that_chooses_only_what_is_known_ends_it(crew):
    found = crew("async", num_agents=1, max_evals=1000, target=LARGE, patience=5).run()
    assert found.coordinator.why.startswith("the policy has converged: 5 episodes in a row have chosen")
    assert found.coordinator.is_complete


@pytest.mark.parametrize("mode", MODES)
def test_the_same_seed_gives_the_same_campaign_for_one_agent(tmp_path, mode):
    runs = [Crew(mode, tmp_path / f"{number}.h5", num_agents=1, max_evals=40, target=LARGE).run() for number in (1, 2)]
    first, second = ([each.point for each in run.evaluations] for run in runs)
    assert first == second
    other = Crew(mode, tmp_path / "3.h5", num_agents=1, max_evals=40, target=LARGE, seed=4).run()
    assert [each.point for each in other.evaluations] != first


@pytest.mark.parametrize("mode", MODES)
def test_callbacks_are_told_of_each_result_once(crew, mode):
    class Diary:
        told = []

        def on_result(self, evaluation):
            self.told.append(evaluation)

    made = crew(mode, num_agents=3, num_workers=2, max_evals=20, target=LARGE)
    callbacks = made.coordinator.callbacks = Callbacks([Diary()])
    with StopRequest() as stop:
        callbacks.begin(None, stop)
        found = made.run()
        callbacks.end(None)
    assert sorted(each.id for each in Diary.told) == list(range(20))
    for each in Diary.told:
        kept = found.evaluations[each.id]
        assert (each.point, each.objective, each.extra) == (kept.point, kept.objective, kept.extra)
        assert each.submitted == kept.submitted
