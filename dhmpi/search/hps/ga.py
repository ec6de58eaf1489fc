"""GA: asynchronous genetic algorithm."""

# First of all: run as a file, this one has a random.py beside it that would hide the standard library's.
if __name__ == "__main__":
    import sys

    root = sys.path[0].removesuffix("/dhmpi/search/hps")
    sys.path[:1] = {root}.difference(sys.path[1:])
    from dhmpi.cli import main

    sys.exit(main(["ga", *sys.argv[1:]]))

import math
from bisect import insort
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dhmpi.evaluation import DESIGN, OFFSPRING, RANDOM, Evaluation, Origin, Point
from dhmpi.search.hps.earlier_points import WarmStartOptions, best_points
from dhmpi.search.hps.hp_search import HpSearch
from dhmpi.search.hps.variation import crossed, mutated, value_at
from dhmpi.search.sampling import EVERY, Sampler, generator, spread
from dhmpi.support.options import integer, number, option

if TYPE_CHECKING:
    from numpy.random import Generator

# How often an offspring that is not new is mutated again before a random point takes its place.
NUM_MUTATIONS = 20


@dataclass(frozen=True)
class GAOptions(WarmStartOptions):
    """Options of GA: selection of parents, crossover and mutation."""

    population_size: int = option(20, integer(2), "best evaluations, from which parents are chosen")
    tournament_size: int | None = option(
        None,
        integer(1),
        "members of the population of which the best becomes a parent (default: 3; with several objectives 2)",
    )
    crossover_probability: float = option(0.9, number(0, maximum=1), "share of offspring that have two parents")
    crossover_eta: float = option(
        10.0, number(0), "distribution index of the simulated binary crossover: the larger, the nearer to the parents"
    )
    mutation_probability: float | None = option(
        None, number(0, maximum=1), "share of values that are mutated (default: 1 / number of dimensions)"
    )
    mutation_eta: float = option(
        20.0, number(0), "distribution index of the polynomial mutation: the larger, the smaller its steps"
    )


class Individual(NamedTuple):
    """An evaluation in the population."""

    objectives: tuple[float, ...]
    id: int
    key: Hashable
    point: Point


class GA(HpSearch):
    """Makes offspring of the best evaluations by crossover and mutation.

    There are no generations: the population is the best evaluations that have ended, whenever a point is asked. With
    several objectives this is NSGA-II: the best are those of the first fronts, and in a front the least crowded ones
    (see `dhmpi.support.pareto`). See `Search` for the arguments and `GAOptions` for the options.
    """

    name = "ga"
    Options = GAOptions
    most_objectives = math.inf

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        self._sampler = Sampler(self.space, seed, spread, believed=EVERY)
        self._population: list[Individual] = []  # the best first
        named = zip(self.space.names, self.space.dimensions, strict=True)
        self._genes = [(name, dim) for name, dim in named if dim.size != 1]
        given = self.own_options.mutation_probability
        self._mutation_probability = 1 / max(len(self._genes), 1) if given is None else given
        self._tournament_size = self.own_options.tournament_size or (2 if len(self.objectives) > 1 else 3)

    def _earlier_points(self) -> list[Point]:
        return best_points(self.space, self._knowledge, self.own_options.population_size // 2)

    def _learn(self, evaluations: list[Evaluation]) -> None:
        for evaluation in evaluations:
            key = self.space.key(evaluation.point)
            self._population = [member for member in self._population if member.key != key]
            values = evaluation.objectives if len(self.objectives) > 1 else (evaluation.objective,)
            if objectives := tuple(value for value in values if value is not None):
                point = self.space.canonical(evaluation.point)  # it may be the user's own
                self._enter(Individual(objectives, evaluation.id, key, point))

    def _enter(self, member: Individual) -> None:
        """Let a member be in the population, and the worst one not if it is full then."""
        if len(self.objectives) > 1:
            self._population = best_first([*self._population, member])
        else:
            # Of equal objectives the latest comes first, so that the population drifts over plateaus.
            insort(self._population, member, key=lambda each: (each.objectives, -each.id))
        del self._population[self.own_options.population_size :]

    def _propose(self) -> Point | None:
        # A generator for each point, so that a search that is resumed has the same one.
        rng = generator(self.seed, len(self._seen))
        # The best points of earlier campaigns are parents enough; chance comes where places are empty.
        is_enough = self._population if self._knowledge else len(self._seen) >= self.own_options.population_size
        is_first = not is_enough
        offspring = None if is_first else self._offspring(rng)
        source = DESIGN if is_first else RANDOM if offspring is None else OFFSPRING
        self._origin = Origin(source, self._num_known)
        return self._sampler.draw(self._seen) if offspring is None else offspring

    def _offspring(self, rng: "Generator") -> Point | None:
        """Return a point that is not in `_seen`, or None if a random one is to take its place."""
        size, num = self.own_options.population_size, len(self._population)
        # Places that are still empty, for whatever failed, lose to all members.
        first = self._tournament(size, rng)
        second = self._tournament(size - 1, rng)
        second += second >= first
        if first >= num or not self._genes:
            return None
        genes = dict(self._population[first].point)
        if self.space.rules.conditions:
            self._complete(genes, self._population[second].point if second < num else {}, rng)
        if second < num and rng.random() < self.own_options.crossover_probability:
            self._cross(genes, self._population[second].point, rng)
        self._mutate(genes, rng, at_least=0)
        for _ in range(NUM_MUTATIONS):
            child = self.space.trimmed(genes)
            if self.space.key(child) not in self._seen and self.space.allows(child):
                return child
            self._mutate(genes, rng, at_least=1)
        return None

    def _complete(self, genes: Point, other: Point, rng: "Generator") -> None:
        """Give dimensions that are inactive in a parent the other one's values, or random ones: they may be active."""
        drawn = zip(self.space.names, self.space.dimensions, rng.random(len(self.space.names)), strict=True)
        for name, dim, unit in drawn:
            if name not in genes:
                genes[name] = other[name] if name in other else value_at(dim, float(unit))

    def _tournament(self, size: int, rng: "Generator") -> int:
        """Return the best of some places that are drawn at random from `size`."""
        return int(rng.integers(size, size=self._tournament_size).min())

    def _cross(self, child: Point, other: Point, rng: "Generator") -> None:
        for name, dim in self._genes:
            if rng.random() < 0.5 and name in other:
                child[name] = crossed(dim, child[name], other[name], self.own_options.crossover_eta, rng)

    def _mutate(self, child: Point, rng: "Generator", at_least: int) -> None:
        chosen = rng.random(len(self._genes)) < self._mutation_probability
        if chosen.sum() < at_least:
            chosen[rng.integers(len(chosen))] = True
        for index in chosen.nonzero()[0].tolist():
            name, dim = self._genes[index]
            child[name] = mutated(dim, child[name], self.own_options.mutation_eta, rng)


def best_first(members: Sequence[Individual]) -> list[Individual]:
    """Return members with several objectives in order of their fronts, and in a front the least crowded ones first.

    Among equals the latest comes first. Source: Deb, Pratap, Agarwal and Meyarivan 2002, A fast and elitist
    multiobjective genetic algorithm: NSGA-II.
    """
    import numpy as np  # slow to import, and the options of a search are read by many a program that draws nothing

    from dhmpi.support.pareto import crowding, ranks

    values = np.array([each.objectives for each in members])
    fronts, distances = ranks(values), np.zeros(len(members))
    for front in range(int(fronts.max()) + 1):
        own = np.flatnonzero(fronts == front)
        distances[own] = crowding(values[own])
    order = np.lexsort((-np.array([each.id for each in members]), -distances, fronts))
    return [members[place] for place in order.tolist()]
