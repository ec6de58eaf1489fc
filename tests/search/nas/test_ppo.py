import dataclasses

import numpy as np
import pytest
from contracts.nas import NUM_UNLIKE, NasContract, problem
from contracts.search import converse, done

from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.search.nas.ppo_a3c_async import NasPPOAsyncA3C
from dhmpi.search.nas.ppo_a3c_sync import NasPPOSyncA3C


class TestAsyncContract(NasContract):
    @pytest.fixture
    def make(self):
        return NasPPOAsyncA3C


class TestSyncContract(NasContract):
    @pytest.fixture
    def make(self):
        return NasPPOSyncA3C


def test_the_documented_hyperparameters_are_the_defaults():
    options = NasPPOSyncA3C(problem()).own_options
    documented = {
        "clip": 0.2,
        "entropy_coefficient": 0.01,
        "value_coefficient": 1.0,
        "epochs": 4,
        "learning_rate": 1e-3,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-5,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "schedule": "linear",
        "units": 32,
        "policy": "lstm",
        "reward_rule": "reward_for_final_timestep",
    }
    assert {name: dataclasses.asdict(options)[name] for name in documented} == documented


def test_asked_by_hand_it_learns():
    search = NasPPOSyncA3C(problem(num_options=(20, 20, 20)))
    points = converse(search, 600, lambda id, point: done(id, point, -float(sum(point.values()))))
    rewards = [sum(point.values()) for point in points]
    assert np.mean(rewards[-150:]) > np.mean(rewards[:150]) + 8


def test_it_learns_from_what_others_have_evaluated():
    search = NasPPOSyncA3C(problem(num_options=(20, 20, 20)))
    others = NasPPOAsyncA3C(problem(num_options=(20, 20, 20)), seed=9).ask(600)
    search.tell([done(id, point, -float(sum(point.values()))) for id, point in enumerate(others)])
    points = search.ask(100)
    assert np.mean([sum(point.values()) for point in points]) > 28.5 + 5


def test_a_converged_policy_still_finds_something_new():
    search = NasPPOSyncA3C(problem(), episodes_per_batch=2, learning_rate=0.5)
    points = converse(search, 100, lambda id, point: done(id, point, -float(point["cell_0.N_0"])))
    assert len(points) == NUM_UNLIKE


def test_failures_are_learned_as_the_worst():
    search = NasPPOSyncA3C(problem(num_options=(20, 20, 20)))

    def evaluate(id, point):
        if point["cell_0.N_0"] < 10:
            return done(id, point, None)._replace(state=State.FAILED)
        return done(id, point, -float(point["cell_0.N_1"]))

    points = converse(search, 800, evaluate)
    failed = [point["cell_0.N_0"] < 10 for point in points]
    assert np.mean(failed[-200:]) < np.mean(failed[:200]) - 0.1


def test_what_somebody_else_evaluates_is_not_asked_for_and_learned_from_when_it_ends():
    search = NasPPOSyncA3C(problem(), episodes_per_batch=2)
    others = NasPPOAsyncA3C(problem(), seed=3).ask(NUM_UNLIKE - 4)
    search.tell([Evaluation(id, point, state=State.RUNNING) for id, point in enumerate(others)])
    points = search.ask(NUM_UNLIKE)
    assert len(points) == 4
    assert not {search.space.key(point) for point in points} & {search.space.key(point) for point in others}
    waiting = len(search._open)
    assert waiting > 4  # episodes that have chosen what is being evaluated
    search.tell([done(id, point, -1.0) for id, point in enumerate(others)])
    assert len(search._open) < waiting
    search.tell([done(id, point, -1.0) for id, point in enumerate(points, start=len(others))])
    assert not search._open
    assert search._learner.num_updates >= waiting // 2


def test_a_policy_that_does_not_fit_into_memory_is_a_sentence():
    with pytest.raises(OptionError, match="units must be few enough for the memory, got 99999999999"):
        NasPPOSyncA3C(problem(), units=99999999999).first_state()
