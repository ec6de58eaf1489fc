"""The synthetic NAS table, and simple searches on it.

    python benchmarks/nas_table.py --seeds 5

Prints a row per seed of the table: the rewards of a million random architectures; the best reward of random search and
of regularised evolution (Real et al. 2019: the best of 25 out of 100 is mutated, the oldest leaves), medians of ten
runs; and where steepest ascent from 50 random architectures ends. The last line is what a call costs.
"""

import argparse
import timeit
from collections import deque
from collections.abc import Iterator

import numpy as np

from dhmpi.benchmark.nas.table import Problem, Table, create_structure, run

STRUCTURE = create_structure()
NUM_EVALS = (2_000, 10_000)
NUM_RUNS, NUM_CLIMBS = 10, 50
POPULATION, TOURNAMENT = 100, 25
Architecture = tuple[int, ...]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of tables (default: 5)")
    num_seeds = parser.parse_args().seeds
    columns = ["seed", "mean", "sd", "50 %", "99 %", "99.9 %"]
    columns += [f"{name}, {num:,}" for name in ("random", "evolution") for num in NUM_EVALS]
    columns += ["ascent, median", "ascents to the optimum"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for seed in range(num_seeds):
        print(row(seed), flush=True)
    table, arch = Table(), STRUCTURE.sample(np.random.default_rng(0))
    config = {**Problem.space, "arch_seq": list(arch)}
    costs = [
        min(timeit.repeat(call, number=5_000, repeat=9)) / 5_000
        for call in (lambda: table.reward(arch), lambda: run(config))
    ]
    print("\nreward: {:.1f} us, run: {:.1f} us".format(*(1e6 * cost for cost in costs)))


def row(seed: int) -> str:
    """Return the row of one table."""
    table = Table(seed)
    rewards = table.rewards(draw(1_000_000, np.random.default_rng(seed)))
    cells = [rewards.mean(), rewards.std(), *np.quantile(rewards, [0.5, 0.99, 0.999])]
    for search in (random_search, evolution):
        runs = [np.maximum.accumulate(list(search(table, np.random.default_rng(each)))) for each in range(NUM_RUNS)]
        cells += [np.median([best[num - 1] for best in runs]) for num in NUM_EVALS]
    rng = np.random.default_rng(seed)
    ends = [ascent(table, STRUCTURE.sample(rng)) for _ in range(NUM_CLIMBS)]
    num_best = sum(end > table.optimum.reward - 1e-9 for end in ends)
    values = " | ".join(f"{cell:.3f}" for cell in [*cells, np.median(ends)])
    return f"| {seed} | {values} | {num_best} of {NUM_CLIMBS} |"


def draw(num: int, rng: np.random.Generator) -> np.ndarray:
    """Return random architectures, shape (num, num_decisions)."""
    return rng.integers(STRUCTURE.num_options, size=(num, STRUCTURE.num_nodes))


def random_search(table: Table, rng: np.random.Generator) -> Iterator[float]:
    """Yield the reward of each evaluation."""
    yield from table.rewards(draw(max(NUM_EVALS), rng)).tolist()


def evolution(table: Table, rng: np.random.Generator) -> Iterator[float]:
    """Yield the reward of each evaluation."""
    population: deque[tuple[float, Architecture]] = deque(maxlen=POPULATION)
    for number in range(max(NUM_EVALS)):
        arch = STRUCTURE.sample(rng) if number < POPULATION else mutated(population, rng)
        population.append((table.reward(arch), arch))
        yield population[-1][0]


def mutated(population: deque[tuple[float, Architecture]], rng: np.random.Generator) -> Architecture:
    """Return the best of a tournament with one decision drawn anew."""
    _, parent = max(population[number] for number in rng.integers(POPULATION, size=TOURNAMENT))
    decision = rng.integers(STRUCTURE.num_nodes)
    option = int(rng.integers(STRUCTURE.num_options[decision]))
    return (*parent[:decision], option, *parent[decision + 1 :])


def ascent(table: Table, arch: Architecture) -> float:
    """Return the reward where changing the best single decision ends."""
    while True:
        neighbours = [
            (*arch[:decision], option, *arch[decision + 1 :])
            for decision, num in enumerate(STRUCTURE.num_options)
            for option in range(num)
        ]
        rewards = table.rewards(np.array(neighbours))
        if rewards.max() <= table.reward(arch) + 1e-12:
            return table.reward(arch)
        arch = neighbours[int(rewards.argmax())]


if __name__ == "__main__":
    main()
