import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dhmpi.evaluation import Evaluation, State
from dhmpi.search.nas.ledger import Answer, Claim, ClaimVerdict, Ledger


def claim(agent, number, key):
    """Return a claim whose key is its only decision."""
    return Claim(agent, number, (key,), key, update=agent, version=number, log_probability=-0.5 * key)


def evaluation(id, key, state=State.DONE, objective=None):
    return Evaluation(id, {"x": key}, objective, state)


def run(ledger, agent, number, key):
    """Let an agent evaluate something new; return the number of the evaluation."""
    answer = ledger.claim(claim(agent, number, key))
    assert answer == Answer(agent, number, ClaimVerdict.RUN, answer.id)
    return answer.id


def test_what_is_new_is_run_and_numbered():
    ledger = Ledger(None, None, None)
    assert [run(ledger, 1, number, key) for number, key in enumerate((5, 6, 7))] == [0, 1, 2]
    assert ledger.num_running == 3
    assert ledger.claim_of(1, 1) == claim(1, 1, 6)
    assert ledger.conclude(1, -0.25) == []
    assert (ledger.num_running, ledger.num_final) == (2, 1)
    assert ledger.claim_of(1, 1) is None


def test_an_evaluation_is_that_of_one_agent():
    ledger = Ledger(None, None, None)
    id = run(ledger, 1, 0, 5)
    assert ledger.claim_of(id, 2) is None
    assert ledger.claim_of(id + 1, 1) is None


@pytest.mark.parametrize("objective", [-0.25, 0.0, None])
def test_what_has_been_evaluated_is_known(objective):
    ledger = Ledger(None, None, None)
    ledger.conclude(run(ledger, 1, 0, 5), objective)
    for agent in (1, 2):
        answer = ledger.claim(claim(agent, 7, 5))
        assert answer == Answer(agent, 7, ClaimVerdict.KNOWN, objective=objective)
    assert (ledger.num_hits, ledger.num_shared, ledger.num_episodes) == (2, 0, 3)
    assert ledger.num_running == 0


def test_what_is_being_evaluated_is_waited_for():
    ledger = Ledger(None, None, None)
    id, other = run(ledger, 1, 0, 5), run(ledger, 1, 1, 6)
    assert ledger.claim(claim(2, 3, 5)) == Answer(2, 3, ClaimVerdict.WAIT)
    assert ledger.claim(claim(1, 2, 5)) == Answer(1, 2, ClaimVerdict.WAIT)  # also by the one that runs it
    assert ledger.conclude(other, 1.0) == []
    assert ledger.conclude(id, 2.0) == [
        Answer(2, 3, ClaimVerdict.KNOWN, objective=2.0),
        Answer(1, 2, ClaimVerdict.KNOWN, objective=2.0),
    ]
    assert (ledger.num_hits, ledger.num_shared, ledger.num_episodes, ledger.num_final) == (0, 2, 4, 2)


def test_evaluations_are_limited_exactly():
    ledger = Ledger(2, None, None)
    ids = [run(ledger, 1, 0, 5), run(ledger, 2, 0, 6)]
    assert ledger.why() == "2 evaluations are complete"
    assert ledger.claim(claim(1, 1, 7)).verdict is ClaimVerdict.OVER
    assert ledger.claim(claim(1, 2, 5)).verdict is ClaimVerdict.OVER  # not even what is running
    assert ledger.num_episodes == 2
    assert not ledger.is_complete
    for id in ids:
        ledger.conclude(id, 1.0)
    assert ledger.is_complete
    assert ledger.progress == 1.0


def test_episodes_are_limited_exactly():
    ledger = Ledger(None, 3, None)
    id = run(ledger, 1, 0, 5)
    assert ledger.claim(claim(2, 0, 5)).verdict is ClaimVerdict.WAIT
    ledger.conclude(id, 1.0)
    assert ledger.why() == ""
    assert ledger.claim(claim(2, 1, 5)).verdict is ClaimVerdict.KNOWN
    assert ledger.why() == "3 episodes are complete"
    assert ledger.claim(claim(2, 2, 5)).verdict is ClaimVerdict.OVER
    assert ledger.claim(claim(2, 3, 6)).verdict is ClaimVerdict.OVER
    assert (ledger.num_episodes, ledger.num_final) == (3, 1)
    assert ledger.is_complete


def test_a_space_gets_exhausted():
    ledger = Ledger(None, None, 3)
    ids = [run(ledger, 1, number, key) for number, key in enumerate((5, 6))]
    ledger.conclude(ids[0], None)
    assert ledger.claim(claim(1, 2, 5)).verdict is ClaimVerdict.KNOWN
    ids.append(run(ledger, 1, 3, 7))
    assert ledger.why() == "every architecture of the space has been evaluated"
    assert ledger.claim(claim(1, 4, 5)).verdict is ClaimVerdict.OVER
    assert not ledger.is_complete
    ledger.lose(1)  # what it leaves does not make room
    assert ledger.why()
    assert ledger.num_episodes == 4


def test_it_ends_when_the_policy_has_converged():
    ledger = Ledger(None, None, None, patience=4)
    first = run(ledger, 1, 0, 5)
    for number in range(1, 4):
        assert ledger.claim(claim(1, number, 5)).verdict is ClaimVerdict.WAIT
    second = run(ledger, 1, 4, 6)  # just in time
    ledger.conclude(first, 1.0)
    for number, verdict in enumerate([ClaimVerdict.KNOWN, ClaimVerdict.KNOWN, ClaimVerdict.WAIT, ClaimVerdict.KNOWN]):
        assert ledger.why() == ""
        assert ledger.claim(claim(2, number, 6 if verdict is ClaimVerdict.WAIT else 5)).verdict is verdict
    assert ledger.why() == "the policy has converged: 4 episodes in a row have chosen what was known"
    assert ledger.claim(claim(1, 9, 7)).verdict is ClaimVerdict.OVER
    assert not ledger.is_complete
    ledger.conclude(second, 1.0)
    assert ledger.is_complete


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((None, None), 0.0), ((4, None), 0.25), ((None, 4), 0.75), ((4, 4), 0.75), ((2, 30), 0.5)],
)
def test_progress_is_that_of_the_budget_that_is_spent_first(limits, expected):
    ledger = Ledger(*limits, None)
    ledger.conclude(run(ledger, 1, 0, 5), 1.0)
    ledger.claim(claim(1, 1, 5))
    run(ledger, 1, 2, 6)  # an evaluation counts when it has ended
    assert ledger.progress == expected


def test_once_closed_nothing_begins():
    ledger = Ledger(None, None, None)
    id = run(ledger, 1, 0, 5)
    run(ledger, 2, 0, 6)
    assert ledger.claim(claim(3, 0, 5)).verdict is ClaimVerdict.WAIT
    ledger.lose(2)
    ledger.close()
    assert ledger.claim(claim(1, 1, 5)) == Answer(1, 1, ClaimVerdict.OVER)
    assert ledger.claim(claim(1, 2, 9)) == Answer(1, 2, ClaimVerdict.OVER)
    assert ledger.redo(1) is None
    assert ledger.conclude(id, 2.0) == [Answer(3, 0, ClaimVerdict.KNOWN, objective=2.0)]  # what ends still counts
    assert (ledger.num_episodes, ledger.num_final) == (3, 1)
    assert not ledger.is_complete


# ---------------------------------------------------------------------------------------------------------------------
# Agents that are lost


def test_the_first_that_waits_takes_over():
    ledger = Ledger(None, None, None)
    id = run(ledger, 1, 0, 5)
    for agent, number in ((2, 4), (1, 1), (3, 6)):
        ledger.claim(claim(agent, number, 5))
    assert ledger.lose(1) == ([id], [Answer(2, 4, ClaimVerdict.RUN, id, is_again=True)])
    assert ledger.claim_of(id, 2) == claim(2, 4, 5)
    assert ledger.claim_of(id, 1) is None
    assert ledger.conclude(id, 1.0) == [Answer(3, 6, ClaimVerdict.KNOWN, objective=1.0)]  # and nothing for the lost one


def test_those_who_take_over_may_be_lost_too():
    ledger = Ledger(None, None, None)
    id = run(ledger, 1, 0, 5)
    ledger.claim(claim(2, 0, 5))
    ledger.claim(claim(3, 0, 5))
    ledger.lose(1)
    assert ledger.lose(2) == ([id], [Answer(3, 0, ClaimVerdict.RUN, id, is_again=True)])
    assert ledger.lose(3) == ([id], [])
    assert ledger.redo(4).id == id


def test_what_nobody_waits_for_is_done_again_by_whoever_claims_next():
    ledger = Ledger(3, None, None)
    ids = [run(ledger, 1, 0, 5), run(ledger, 1, 1, 6), run(ledger, 2, 0, 7)]
    assert ledger.lose(1) == (ids[:2], [])
    assert ledger.num_running == 1
    assert not ledger.is_complete
    assert ledger.claim(claim(2, 1, 9)) == Answer(2, 1, ClaimVerdict.REDO, ids[0], values=(5,), is_again=True)
    assert ledger.claim(claim(3, 0, 7)) == Answer(3, 0, ClaimVerdict.REDO, ids[1], values=(6,), is_again=True)
    assert ledger.claim(claim(3, 1, 9)).verdict is ClaimVerdict.OVER
    assert ledger.num_episodes == 3  # those that are forgotten do not count
    assert ledger.num_shared == 0
    for id in ids:
        ledger.conclude(id, 1.0)
    assert ledger.num_final == 3
    assert ledger.is_complete


def test_what_is_done_again_is_not_taken_for_the_choice_that_is_forgotten():
    ledger = Ledger(None, None, None)
    id = run(ledger, 1, 0, 5)
    ledger.lose(1)
    ledger.claim(claim(2, 3, 9))
    redone = ledger.claim_of(id, 2)
    assert (redone.values, redone.key, redone.agent) == ((5,), 5, 2)
    assert redone.number == -1  # else its log-probability would be stored


def test_others_may_wait_for_what_is_done_again():
    ledger = Ledger(None, None, None)
    id = run(ledger, 1, 0, 5)
    ledger.lose(1)
    # The same one, even:
    assert ledger.claim(claim(2, 0, 5)) == Answer(2, 0, ClaimVerdict.REDO, id, values=(5,), is_again=True)
    assert ledger.claim(claim(2, 1, 5)) == Answer(2, 1, ClaimVerdict.WAIT)
    assert ledger.conclude(id, 1.0) == [Answer(2, 1, ClaimVerdict.KNOWN, objective=1.0)]


def test_agents_without_wishes_do_again_what_is_left():
    ledger = Ledger(None, None, None)
    assert ledger.redo(2) is None
    ids = [run(ledger, 1, 0, 5), run(ledger, 1, 1, 6)]
    ledger.lose(1)
    for id, key in zip(ids, (5, 6), strict=True):
        assert ledger.redo(2) == Answer(2, -1, ClaimVerdict.REDO, id, values=(key,), is_again=True)
        assert ledger.claim_of(id, 2).values == (key,)
    assert ledger.redo(2) is None
    assert ledger.lose(2) == (ids, [])  # and it may be lost in turn
    assert ledger.redo(3) == Answer(3, -1, ClaimVerdict.REDO, ids[0], values=(5,), is_again=True)


def test_to_lose_one_that_only_waits_leaves_the_others_alone():
    ledger = Ledger(None, None, None)
    id = run(ledger, 1, 0, 5)
    ledger.claim(claim(2, 0, 5))
    assert ledger.lose(2) == ([], [])
    assert ledger.conclude(id, 1.0) == []


# ---------------------------------------------------------------------------------------------------------------------
# Campaigns that are continued


def test_a_campaign_is_continued():
    ledger = Ledger(6, 20, None)
    earlier = [
        (evaluation(0, 5, objective=1.0), 5),
        (evaluation(1, 6, State.FAILED), 6),
        (evaluation(2, 7, State.CANCELLED), 7),
        (evaluation(3, 8, State.TIMEOUT), 8),
        (evaluation(4, 9, State.LOST), 9),
    ]
    ledger.restore(earlier, num_episodes=9)
    assert (ledger.num_final, ledger.num_running, ledger.num_episodes) == (3, 0, 9)
    assert ledger.progress == pytest.approx(0.5)
    assert not ledger.is_complete
    assert ledger.claim(claim(1, 0, 5)) == Answer(1, 0, ClaimVerdict.REDO, 2, values=(7,), is_again=True)
    assert ledger.redo(2) == Answer(2, -1, ClaimVerdict.REDO, 4, values=(9,), is_again=True)
    assert ledger.claim(claim(1, 1, 5)) == Answer(1, 1, ClaimVerdict.KNOWN, objective=1.0)
    assert ledger.claim(claim(1, 2, 6)) == Answer(1, 2, ClaimVerdict.KNOWN, objective=None)
    assert ledger.claim(claim(1, 3, 8)) == Answer(1, 3, ClaimVerdict.KNOWN, objective=None)
    assert ledger.claim(claim(1, 4, 7)).verdict is ClaimVerdict.WAIT
    assert run(ledger, 1, 5, 10) == 5  # the next number, and the last of six
    assert ledger.claim(claim(1, 6, 11)).verdict is ClaimVerdict.OVER
    assert ledger.num_episodes == 9 + 5


def test_numbers_are_continued_behind_the_largest():
    ledger = Ledger(None, None, None)
    ledger.restore([(evaluation(4, 9, objective=1.0), 9), (evaluation(1, 6, objective=2.0), 6)], num_episodes=2)
    assert run(ledger, 1, 0, 5) == 5


def test_a_campaign_that_was_complete_is_complete():
    ledger = Ledger(2, None, None)
    ledger.restore([(evaluation(0, 5, objective=1.0), 5), (evaluation(1, 6, State.FAILED), 6)], num_episodes=2)
    assert ledger.is_complete
    assert ledger.claim(claim(1, 0, 9)).verdict is ClaimVerdict.OVER
    assert ledger.redo(1) is None


def test_what_is_to_be_run_again_is_run_even_when_the_budget_is_spent():
    ledger = Ledger(2, None, None)
    ledger.restore([(evaluation(0, 5, State.CANCELLED), 5), (evaluation(1, 6, State.FAILED), 6)], num_episodes=2)
    assert ledger.why() == "2 evaluations are complete"
    assert not ledger.is_complete
    assert ledger.claim(claim(1, 0, 9)) == Answer(1, 0, ClaimVerdict.REDO, 0, values=(5,), is_again=True)
    assert ledger.claim(claim(1, 1, 9)).verdict is ClaimVerdict.OVER
    ledger.conclude(0, 1.0)
    assert ledger.is_complete


# ---------------------------------------------------------------------------------------------------------------------
# Whatever happens


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    num_agents=st.integers(1, 4),
    num_keys=st.integers(1, 30),
    eval_limit=st.none() | st.integers(1, 20),
    episode_limit=st.none() | st.integers(1, 40),
    num_losses=st.integers(0, 3),
)
def test_budgets_are_exact_and_everybody_is_answered_once(
    seed, num_agents, num_keys, eval_limit, episode_limit, num_losses
):
    rng = random.Random(seed)
    ledger = Ledger(eval_limit, episode_limit, num_keys, patience=60)
    alive, denied = set(range(num_agents)), set()
    running, waiting, objectives = {}, set(), {}  # id: (agent, key); (agent, number, key); key: objective
    number = num_episodes = 0

    def take(answer, key=None):
        agent, verdict = answer.agent, answer.verdict
        assert agent in alive
        if verdict in (ClaimVerdict.RUN, ClaimVerdict.REDO):
            assert answer.id not in running
            key = answer.values[0] if verdict is ClaimVerdict.REDO else key
            assert key not in objectives
            assert key not in [other for _, other in running.values()]
            running[answer.id] = agent, key
        elif verdict is ClaimVerdict.KNOWN:
            assert answer.objective == objectives[key]
        elif verdict is ClaimVerdict.WAIT:
            waiting.add((agent, answer.number, key))
        else:
            denied.add(agent)

    def take_all(answers):
        for answer in answers:
            [mine] = [each for each in waiting if each[:2] == (answer.agent, answer.number)]
            waiting.remove(mine)
            take(answer, mine[2])

    for _ in range(3000):
        if ledger.is_complete and denied >= alive and not running:
            break
        action = rng.random()
        agent = rng.choice(sorted(alive))
        if action < 0.5:
            if agent in denied:
                answer = ledger.redo(agent)
                if answer is not None:
                    take(answer)
            else:
                key = rng.randrange(num_keys)
                answer = ledger.claim(claim(agent, number, key))
                number += 1
                num_episodes += answer.verdict in (ClaimVerdict.RUN, ClaimVerdict.KNOWN, ClaimVerdict.WAIT)
                take(answer, key)
        elif action < 0.97 and running:
            id = rng.choice(sorted(running))
            owner, key = running.pop(id)
            assert ledger.claim_of(id, owner).key == key
            objectives[key] = rng.choice([None, rng.random()])
            take_all(ledger.conclude(id, objectives[key]))
        elif num_losses and len(alive) > 1:
            num_losses -= 1
            alive.discard(agent)
            lost, answers = ledger.lose(agent)
            assert sorted(lost) == sorted(id for id, (owner, _) in running.items() if owner == agent)
            for id in lost:
                del running[id]
            waiting = {each for each in waiting if each[0] != agent}
            take_all(answers)
    assert ledger.is_complete
    assert not waiting
    assert ledger.num_final == len(objectives)
    assert ledger.num_final <= min(num_keys, eval_limit or num_keys)
    assert ledger.num_episodes == num_episodes
    assert num_episodes <= (episode_limit or num_episodes)
    exact = {
        f"{eval_limit} evaluations are complete": (ledger.num_final, eval_limit),
        f"{episode_limit} episodes are complete": (ledger.num_episodes, episode_limit),
        "every architecture of the space has been evaluated": (ledger.num_final, num_keys),
    }
    found, expected = exact.get(ledger.why(), (0, 0))
    assert found == expected


def test_whether_anything_may_begin():
    ledger = Ledger(1, None, None)
    assert ledger.may_begin
    run(ledger, 1, 0, 5)
    assert not ledger.may_begin
    ledger.lose(1)
    assert ledger.may_begin  # what the lost agent has left
    ledger.close()
    assert not ledger.may_begin
