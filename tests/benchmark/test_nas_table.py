import math
from itertools import product

import numpy as np
import pytest

from dhmpi.benchmark.nas.table import Problem, Table, create_structure, run
from dhmpi.errors import ProblemError

SMALL = (3, 4, 2, 5, 3, 4)


@pytest.fixture(scope="module")
def table():
    return Table()


@pytest.fixture(scope="module")
def random_rewards(table):
    archs = np.random.default_rng(0).integers(table.num_options, size=(100_000, 13))
    return table.rewards(archs)


def evolved(table, structure, seed, num_evals):
    """Return the best reward of regularised evolution: a mutated winner of 25 replaces the oldest of 100."""
    rng = np.random.default_rng(seed)
    population = [(table.reward(arch), arch) for arch in (structure.sample(rng) for _ in range(100))]
    best = max(population)[0]
    for _ in range(num_evals - len(population)):
        child = list(max(population[number] for number in rng.integers(100, size=25))[1])
        decision = rng.integers(len(child))
        child[decision] = int(rng.integers(structure.num_options[decision]))
        population = [*population[1:], (table.reward(tuple(child)), tuple(child))]
        best = max(best, population[-1][0])
    return best


# --- rewards


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_options", [SMALL, (2, 3, 2), (6, 5, 4, 3)])
def test_the_optimum_is_the_best_of_all(seed, num_options):
    table = Table(seed, num_options=num_options)
    archs = list(product(*map(range, num_options)))
    rewards = [table.reward(arch) for arch in archs]
    assert table.optimum.arch == archs[int(np.argmax(rewards))]
    assert table.optimum.reward == max(rewards) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_moments_are_known(seed):
    table = Table(seed, num_options=SMALL)
    rewards = table.rewards(np.array(list(product(*map(range, SMALL)))))
    assert rewards.mean() == pytest.approx(0.5)
    assert rewards.std() == pytest.approx(0.5 / table.best_merit, rel=0.2)  # exact but for sizes and merits that meet


def test_one_or_many_architectures(table):
    archs = np.random.default_rng(1).integers(table.num_options, size=(100, 13))
    assert table.rewards(archs) == pytest.approx([table.reward(arch) for arch in archs.tolist()])
    assert table.rewards(archs[:0]).shape == (0,)


def test_rewards_depend_on_the_seed_alone(table):
    archs = np.random.default_rng(1).integers(table.num_options, size=(100, 13))
    assert (Table(0).rewards(archs) == table.rewards(archs)).all()
    assert not np.isclose(Table(1).rewards(archs), table.rewards(archs)).any()
    assert Table(1).optimum.arch != table.optimum.arch


def test_rewards_are_about_from_0_to_1(table, random_rewards):
    assert table.optimum.reward == pytest.approx(1)
    assert 0 < random_rewards.min() < random_rewards.max() < 0.95
    assert random_rewards.mean() == pytest.approx(0.5, abs=0.01)
    assert 0.05 < random_rewards.std() < 0.1


def test_nothing_next_to_the_optimum_is_better(table):
    best = table.optimum.arch
    for decision, num in enumerate(table.num_options):
        for option in set(range(num)) - {best[decision]}:
            assert table.reward((*best[:decision], option, *best[decision + 1 :])) < 1


def test_decisions_depend_on_each_other():
    table = Table(3, num_options=SMALL)
    grid = table.rewards(np.array(list(product(*map(range, SMALL))))).reshape(SMALL)
    alone = [grid.mean(axis=tuple(set(range(6)) - {decision})) for decision in range(6)]
    share = sum(means.var() for means in alone) / grid.var()
    assert 0.2 < share < 0.7
    assert tuple(int(means.argmax()) for means in alone) != table.optimum.arch


def test_quantiles(table, random_rewards):
    rng = np.random.default_rng(0)
    low, high = (table.quantile(q, 200_000, rng) for q in (0.5, 0.999))
    assert low == pytest.approx(np.quantile(random_rewards, 0.5), abs=0.005)
    assert high == pytest.approx(np.quantile(random_rewards, 0.999), abs=0.02)
    assert 0.1 < 1 - high < 0.4


def test_evolution_beats_random_search_and_misses_the_optimum(table):
    structure = create_structure()
    rng = np.random.default_rng(0)
    evolution = [evolved(table, structure, seed, 2_000) for seed in range(3)]
    chance = [max(table.reward(structure.sample(rng)) for _ in range(2_000)) for _ in range(3)]
    assert min(evolution) > max(chance)
    assert np.median(evolution) > np.median(chance) + 0.05
    assert np.median(evolution) < 0.99


# --- training times


def test_training_times_are_log_normal():
    table, structure = Table(0, median_seconds=30, sigma=0.4), create_structure()
    rng = np.random.default_rng(0)
    logs = np.log([table.seconds(structure.sample(rng)) for _ in range(5_000)])
    assert np.median(logs) == pytest.approx(math.log(30), abs=0.05)
    assert logs.std() == pytest.approx(0.4, rel=0.1)
    skewness = np.mean((logs - logs.mean()) ** 3) / logs.std() ** 3
    assert abs(skewness) < 0.3


def test_larger_architectures_take_longer_and_are_slightly_better(table):
    structure, rng = create_structure(), np.random.default_rng(0)
    archs = [structure.sample(rng) for _ in range(5_000)]
    logs = np.log([table.seconds(arch) for arch in archs])
    rewards = [table.reward(arch) for arch in archs]
    assert 0.1 < np.corrcoef(rewards, logs)[0, 1] < 0.6


# --- the space and the run function


def test_the_space_is_as_large_as_that_of_combo():
    structure = create_structure((5,), (1,))
    assert structure.num_options == (13,) * 12 + (9,)
    assert structure.size == 13**12 * 9 == 209_682_766_102_329
    assert (structure.num_nodes, structure.max_num_ops) == (13, 13)
    assert len(set(structure.decision_names)) == 13
    assert structure.mask.shape == (13, 13)
    assert structure.mask.sum(axis=1).tolist() == list(structure.num_options)


def test_samples_reach_every_option():
    structure, rng = create_structure(), np.random.default_rng(0)
    samples = [structure.sample(rng) for _ in range(500)]
    assert all(structure.decode(arch) == arch for arch in samples)
    assert [len(set(options)) for options in zip(*samples, strict=True)] == list(structure.num_options)


def test_architectures_are_decoded():
    structure = create_structure()
    assert structure.decode(np.arange(13) % 9) == (*range(9), *range(4))
    assert structure.canonical_key([*range(12), 8]) == "0,1,2,3,4,5,6,7,8,9,10,11,8"
    assert structure.canonical_key((*range(12), 8)) == structure.canonical_key(np.array([*range(12), 8]))


@pytest.mark.parametrize(
    ("arch", "sentence"),
    [
        ([0] * 12, "an architecture must be a list of 13 integers, got [0, 0, 0, 0, 0, 0, ...]"),
        ([0.5] * 13, "an architecture must be a list of 13 integers, got [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...]"),
        (None, "an architecture must be a list of 13 integers, got None"),
        ([0] * 12 + [9], "decision 'skip' must be an integer from 0 to 8, got 9"),
        ([0, -1] + [0] * 11, "decision 'node_1' must be an integer from 0 to 12, got -1"),
    ],
)
def test_what_is_no_architecture(arch, sentence):
    with pytest.raises(ProblemError) as error:
        create_structure().decode(arch)
    assert str(error.value) == sentence


def test_run(table):
    best, reward = table.optimum
    config = {**Problem.space, "arch_seq": list(best)}
    assert run(config) == {"objective": reward, "training_seconds": table.seconds(best)}
    assert run({**config, "table": {"seed": 1}})["objective"] < 1
    with pytest.raises(ProblemError):
        run({**config, "arch_seq": [0]})
