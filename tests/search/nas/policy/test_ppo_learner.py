import math

import numpy as np
import pytest

from dhmpi.search.nas.policy.gradient_exchange import Exchange, LocalExchange
from dhmpi.search.nas.policy.policies import POLICIES
from dhmpi.search.nas.policy.policy import chosen
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_learner import LearnerSettings, PPOLearner
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import Scale
from dhmpi.search.nas.policy.update import Figures, Pool, Share, Stepped, UpdateStep

NUM_OPTIONS = (3, 2, 4)
OPTIONS = PPOOptions(units=6, epochs=2)


class Held(Exchange):
    """Keeps what is asked, and answers when it is told to."""

    def __init__(self):
        super().__init__(Scale())
        self.asked, self._answer = [], None

    def begin(self, request):
        self.asked.append(request)

    def give(self, answer):
        self._answer = answer

    def answer(self):
        answer, self._answer = self._answer, None
        return answer


def make_learner(exchange, version=0, max_staleness=10, kind="lstm", seed=0, **more):
    policy = POLICIES[kind](NUM_OPTIONS, OPTIONS.units)
    parameters = policy.initial(np.random.default_rng(0))
    rng = np.random.default_rng(seed)
    settings = LearnerSettings(policy, OPTIONS, max_staleness)
    state = PolicyState.new(parameters)._replace(version=version)
    return policy, parameters, PPOLearner(settings, state, exchange, rng, **more)


def reply(exchange, learner, parameters, version):
    """Answer everything that the learner asks for until its update ends."""
    while True:
        request = exchange.asked[-1]
        if isinstance(request, UpdateStep):
            version += 1
            exchange.give(Stepped(parameters, version, 0.5))
        else:
            exchange.give(request.scale if isinstance(request, Share) else request.moments)
        learned = learner.advance()
        if learned is not None:
            return learned


@pytest.mark.parametrize("kind", POLICIES)
def test_episodes_are_played_by_the_policy_that_it_has(kind):
    policy, parameters, learner = make_learner(Held(), version=7, kind=kind, num_updates=3)
    episodes = learner.play(20)
    assert len(episodes) == 20
    for episode in episodes:
        assert episode.actions.shape == (3,)
        assert (episode.version, episode.update) == (7, 3)
        expected = chosen(
            policy.evaluate(parameters, episode.actions[:, None]).log_probabilities, episode.actions[:, None]
        )
        assert episode.log_probabilities == pytest.approx(expected[:, 0], abs=1e-6)
    assert len({tuple(episode.actions) for episode in episodes}) > 5


@pytest.mark.parametrize("kind", POLICIES)
def test_what_others_have_chosen_is_judged_as_if_it_had(kind):
    _, _, learner = make_learner(Held(), version=4, kind=kind)
    for episode in learner.play(5):
        judged = learner.episode_of(episode.actions)
        assert judged.actions.tolist() == episode.actions.tolist()
        assert judged.log_probabilities == pytest.approx(episode.log_probabilities, abs=1e-6)
        assert (judged.version, judged.update) == (4, 0)


def test_the_same_seed_plays_the_same_episodes():
    first, again, other = (make_learner(Held(), seed=seed)[2].play(10) for seed in (1, 1, 2))
    assert [each.actions.tolist() for each in first] == [each.actions.tolist() for each in again]
    assert [each.actions.tolist() for each in first] != [each.actions.tolist() for each in other]


def test_it_learns_from_whole_episodes_in_the_order_in_which_they_ended(monkeypatch):
    batches = []

    def note(policy, parameters, batch, options, known):
        batches.append(batch)
        yield Share(Scale())

    monkeypatch.setattr("dhmpi.search.nas.policy.ppo_learner.update", note)
    _, _, learner = make_learner(Held())
    episodes = learner.play(6)
    order = [3, 0, 5, 1, 4, 2]
    for number, place in enumerate(order):
        learner.finish(episodes[place], math.nan if number == 1 else float(number))
    assert learner.num_ended == 6
    learner.learn(4)
    [batch] = batches
    assert learner.num_ended == 2
    for column, place in enumerate(order[:4]):
        assert batch.actions[:, column].tolist() == episodes[place].actions.tolist()
        assert batch.log_probabilities[:, column].tolist() == episodes[place].log_probabilities.tolist()
    assert batch.rewards.tolist() == pytest.approx([0.0, math.nan, 2.0, 3.0], nan_ok=True)


def test_parameters_and_version_follow_the_answers():
    exchange = Held()
    policy, parameters, learner = make_learner(exchange, version=5)
    for episode in learner.play(4):
        learner.finish(episode, float(episode.actions.sum()), is_hit=episode.actions[0] == 0)
    learner.learn(4)
    assert learner.is_updating
    assert learner.advance() is None  # nothing has been answered
    assert isinstance(exchange.asked[-1], Share)
    exchange.give(exchange.asked[-1].scale)
    assert learner.advance() is None
    assert isinstance(exchange.asked[-1], Pool)
    exchange.give(exchange.asked[-1].moments)
    assert learner.advance() is None
    assert isinstance(exchange.asked[-1], UpdateStep)
    # The bias of the last option of the first decision is made so large that nothing else is chosen.
    moved = parameters.copy()
    policy.layout.views(moved)["options_bias"][:] = [0, 0, 50, 0]
    exchange.give(Stepped(moved, 9, 0.5))  # others have taken steps, too
    assert learner.advance() is None
    assert learner.version == 9
    assert all(episode.actions[0] == 2 and episode.version == 9 for episode in learner.play(10))  # meanwhile
    exchange.give(Stepped(moved, 12, 0.5))
    learned = learner.advance()
    assert not learner.is_updating
    assert (learned.number, learned.version, learner.version) == (0, 12, 12)
    assert learned.figures.epochs == 2
    assert (learned.num_dropped, learned.staleness) == (0, [0] * 4)
    assert [played.reward for played in learned.episodes] == [float(p.episode.actions.sum()) for p in learned.episodes]
    assert [played.is_hit for played in learned.episodes] == [p.episode.actions[0] == 0 for p in learned.episodes]
    assert learner.advance() is None
    assert learner.num_updates == learner.play()[0].update == 1


def test_episodes_that_are_too_old_are_dropped():
    exchange = Held()
    _, parameters, learner = make_learner(exchange, max_staleness=2)
    old = learner.play(3)
    for episode in learner.play(2):
        learner.finish(episode, 1.0)
    learner.learn(2)
    assert reply(exchange, learner, parameters, version=0).version == 2
    fresh = learner.play(2)
    for episode in (old[0], *fresh):
        learner.finish(episode, 2.0)
    learner.learn(3)
    learned = reply(exchange, learner, parameters, version=2)
    assert (learned.num_dropped, learned.staleness) == (0, [2, 0, 0])  # as old as is allowed
    for episode in (old[1], fresh[0], old[2]):
        learner.finish(episode, 3.0)
    learner.learn(3)
    learned = reply(exchange, learner, parameters, version=4)
    assert (learned.num_dropped, learned.staleness) == (2, [2])
    assert [played.episode for played in learned.episodes] == [fresh[0]]
    assert learned.number == 2


def test_a_batch_that_is_too_old_as_a_whole_takes_no_step():
    exchange = Held()
    _, _, learner = make_learner(exchange, version=20, max_staleness=3)
    [episode] = learner.play()
    learner.finish(episode._replace(version=16), 1.0)
    learner.learn(1)
    exchange.give(exchange.asked[-1].scale)
    learner.advance()
    exchange.give(exchange.asked[-1].moments)
    learned = learner.advance()
    assert (learned.num_dropped, learned.episodes, learned.version) == (1, [], 20)
    assert learned.figures.epochs == 0
    assert not any(isinstance(request, UpdateStep) for request in exchange.asked)


def test_a_smaller_batch_is_all_that_there_is():
    exchange = Held()
    _, parameters, learner = make_learner(exchange)
    for episode in learner.play(2):
        learner.finish(episode, 1.0)
    learner.learn(5)
    assert len(reply(exchange, learner, parameters, version=0).episodes) == 2


@pytest.mark.parametrize("kind", POLICIES)
def test_it_learns_to_choose_what_is_rewarded(kind):
    policy = POLICIES[kind](NUM_OPTIONS, 8)
    state = PolicyState.new(policy.initial(np.random.default_rng(0)))
    options = PPOOptions(units=8, learning_rate=0.02, schedule="constant", entropy_floor=0.0)
    settings, alone = LearnerSettings(policy, options, 100), LocalExchange(state, options, Scale())
    learner = PPOLearner(settings, state, alone, np.random.default_rng(1))
    means = []
    for _ in range(40):
        rewards = []
        for episode in learner.play(16):
            rewards.append(-5.0 + float((episode.actions == [2, 0, 3]).sum()))
            learner.finish(episode, rewards[-1])
        learner.learn(16)
        while learner.is_updating:
            learner.advance()
        means.append(np.mean(rewards))
    assert means[0] < -3.4  # by chance -5 + 1/3 + 1/2 + 1/4
    assert np.mean(means[-5:]) > -2.4


@pytest.fixture
def weights(monkeypatch):
    """Learn from batches with these shares of hits, after which the entropy is this; return the weights it had."""

    def learn(updates, progress=0.0):
        found, entropies = [], [entropy for entropy, _ in updates]

        def note(policy, parameters, batch, options, known):
            found.append(options.entropy_coefficient)
            yield Share(Scale())
            nothing = [0.0] * (len(Figures._fields) - 1)
            return Figures(*nothing, 1)._replace(entropy=entropies[len(found) - 1])

        monkeypatch.setattr("dhmpi.search.nas.policy.ppo_learner.update", note)
        exchange = Held()
        exchange.scale = Scale(progress=progress)
        _, _, learner = make_learner(exchange)
        for _, hits in updates:
            for number, episode in enumerate(learner.play(10)):
                learner.finish(episode, 0.0, is_hit=number < 10 * hits)
            learner.learn(10)
            exchange.give(Scale())
            assert learner.advance() is not None
        return [weight / OPTIONS.entropy_coefficient for weight in found]

    return learn


HIGH, LOW = 0.9, 0.1  # nat; the largest is log(24) / 3 = 1.06, and the floor half of it


def test_the_weight_of_the_entropy_grows_below_its_floor_and_shrinks_above(weights):
    found = weights([(LOW, 0), (LOW, 0), (HIGH, 0), (HIGH, 0), (HIGH, 0)])
    assert found == pytest.approx([1, 1.25, 1.25**2, 1.25, 1])


def test_the_floor_goes_down_with_the_budget(weights):
    assert weights([(LOW, 0)] * 3, progress=0.9) == [1, 1, 1]


def test_the_weight_grows_while_nearly_all_that_is_chosen_is_known(weights):
    assert weights([(HIGH, 0.9), (HIGH, 1.0), (HIGH, 0.7), (HIGH, 0.5)]) == pytest.approx(
        [1.25, 1.25**2, 1.25**2, 1.25]
    )


def test_the_weight_has_a_limit(weights):
    assert max(weights([(LOW, 0)] * 40)) == 100
