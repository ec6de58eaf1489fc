"""The jobs of the background: making models."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dhmpi.search.hps.surrogate.archive import ObjectiveScale
from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.boosting import Boosting
from dhmpi.search.hps.surrogate.candidates import Candidates, draw, left
from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.feasibility import feasibility
from dhmpi.search.hps.surrogate.forest import Forest
from dhmpi.search.hps.surrogate.incremental_gp import IncrementalGP
from dhmpi.search.hps.surrogate.learner import Learner
from dhmpi.search.hps.surrogate.model import Model, Prospects
from dhmpi.search.hps.surrogate.proposer import guide
from dhmpi.search.hps.surrogate.refit_task import Change, RefitTask


def refit(task: RefitTask) -> Model:
    """Return a model that depends on nothing but the task."""
    begun = task.clock()
    rows, objectives = task.rows[: task.num], task.objectives[: task.num]
    rng = np.random.default_rng((task.seed, task.num))
    learner = make_learner(task, int(rng.integers(2**31)))
    values = ObjectiveScale.of(objectives, learner.relative_turn).standard(objectives)
    chosen = subset(values, learner.max_rows, rng)
    learner.fit(rows[chosen], values[chosen])
    belief = BeliefTerm.of(task.encoding, rows, objectives)
    candidates = _candidates(task, objectives, learner, belief)
    places = learner.locate(candidates.rows)
    learner.watch(places)
    feasible = feasibility(task.encoding, rows, objectives)
    success = None if feasible is None else feasible.probability(candidates.rows)
    believed = belief.at(candidates.units, candidates.rows)
    model = Model(learner, candidates, places, task, Prospects(success, believed))
    model.expect(task.expected)
    later = task.rows[task.num :]
    model.learn(range(len(later)), later, task.objectives[task.num :])
    catch_up(model, task.pending)
    model.seconds = task.clock() - begun
    return model


def catch_up(model: Model, events: Sequence[Change]) -> Model:
    """Let a model take in what has happened while it was made."""
    model.apply(events)
    model.nominees()  # so that the predictions are up to date before anybody waits for them
    return model


def make_learner(task: RefitTask, seed: int) -> Learner:
    """Return the learner that the options name."""
    name = task.options.learner
    if name == "GP":
        return IncrementalGP(task.encoding.num_columns, seed, guide(task.options))
    return Boosting(seed) if name == "GBRT" else Forest(name, seed)


def subset(values: Matrix, num: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the indices of at most `num` values: a third of them the best ones, the latest ones, and any others."""
    if len(values) <= num:
        return np.arange(len(values))
    best = np.argsort(values, kind="stable")[: num // 3]
    latest = np.arange(len(values) - num // 3, len(values))
    others = rng.permutation(len(values))[:num]
    # The first occurrences: the best and the latest come first, whatever is left is filled up.
    together = np.concatenate([best, latest, others])
    _, first = np.unique(together, return_index=True)
    return np.sort(together[np.sort(first)[:num]])


def _candidates(task: RefitTask, objectives: Matrix, learner: Learner, belief: BeliefTerm) -> Candidates:
    rng = np.random.default_rng((task.seed, task.num, task.block))
    num_parents = min(learner.num_parents, max(int(np.isfinite(objectives).sum()), 1))
    parents = task.rows[np.argsort(objectives, kind="stable")[:num_parents]]  # failures come last
    units, size = draw(belief, rng, parents, learner.num_candidates, learner.is_smooth), task.encoding.space.size
    if size is not None and len(units) < size < 2 * len(task.rows):  # few of them are new
        units = left(task.encoding, rng, task.rows, learner.num_candidates)
    candidates = Candidates(task.encoding, units)
    if task.encoding.space.size is not None:  # points of a range of real numbers are never drawn twice
        candidates.known(task.rows[: task.num])
    return candidates
