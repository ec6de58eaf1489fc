"""A fitted learner and everything that has become known since."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.acquisition import score
from dhmpi.search.hps.surrogate.archive import ObjectiveScale
from dhmpi.search.hps.surrogate.candidates import Candidates
from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.feasibility import required
from dhmpi.search.hps.surrogate.hedge import HEDGED
from dhmpi.search.hps.surrogate.learner import Learner, Places, Posterior
from dhmpi.search.hps.surrogate.refit_task import Change, RefitTask


class Prospects(NamedTuple):
    """Prospects of candidates, beside what the learner predicts.

    Attributes:
        success: How probable their success is, shape (num_candidates,); None if nothing has failed.
        believed: By how much better than predicted they are taken to be, shape (num_candidates,).
    """

    success: Matrix | None
    believed: Matrix


class Model:
    """Chooses candidates by a learner that holds a lie for each pending point until the truth comes.

    Lies, penalties and the scale stay those of the objectives that the learner was fitted to; so what is chosen depends
    on nothing but these, what else has been told, and what is pending, in whatever order it came.

    Args:
        learner: It watches the candidates.
        candidates: What to choose from.
        places: Their places, shape (num_candidates, ...).
        task: What the learner was fitted to, and with which options.
        prospects: What else is known of the candidates.

    Attributes:
        outlook: What had been reported by evaluations until then; pending ones that had reported something have their
            foretold objective for a lie.
        block: How many lots of candidates there were before, since the last refit to new objectives.
        seconds: How long it took to make.
    """

    def __init__(
        self,
        learner: Learner,
        candidates: Candidates,
        places: Places,
        task: RefitTask,
        prospects: Prospects,
    ) -> None:
        self.learner, self.candidates, self._places = learner, candidates, places
        objectives = task.objectives[: task.num]
        self.num_fitted, self.block, self.outlook = len(objectives), task.block, task.outlook
        self._seed, self._options = task.seed, task.options
        self._success, self._believed = prospects
        self._scale = ObjectiveScale.of(objectives, learner.relative_turn)
        standard = self._scale.standard(objectives)
        lies = {"cl_min": standard.min(), "cl_mean": standard.mean(), "cl_max": standard.max()}
        self._lie = float(lies[task.options.liar_strategy])
        self._best = float(standard.min())
        self._num_known = len(objectives)
        self._pending_places: dict[Hashable, Places] = {}
        foretold = self._scale.standard(self.outlook.running.objectives)
        self._foretold = {key: float(foretold[place]) for key, place in self.outlook.keys.items()}
        self._expected_places: dict[bytes, Places] = {}  # by the bytes of their rows
        self._posterior: Posterior | None = None  # that of the candidates, if it is up to date
        self.seconds = 0.0

    def expect(self, expected: Iterable[Matrix]) -> None:
        """Find the places of rows, shape (num, num_columns) each, before anybody waits for the means there."""
        rows = {row.tobytes(): row for each in expected for row in each}
        if rows:
            places = self.learner.locate(np.stack(list(rows.values())))
            self._expected_places = dict(zip(rows, places, strict=True))

    def add_pending(self, keys: Sequence[Hashable], rows: Matrix) -> None:
        """Take in pending points, shape (num, num_columns), with a lie."""
        places = self._take(rows)
        self.learner.add_pending(places, self._lies(keys))
        self._pending_places.update(zip(keys, places, strict=True))
        self._num_known += len(rows)
        self._posterior = None

    def learn(self, keys: Sequence[Hashable], rows: Matrix, objectives: Matrix) -> None:
        """Take in final points, shape (num, num_columns); the truth replaces the lie where there is one."""
        values = self._scale.standard(objectives)
        self._best = min(self._best, float(values.min(initial=self._best)))
        found = [self._pending_places.pop(key, None) for key in keys]  # once, if a point is told repeatedly
        replaced = [places for places in found if places is not None]
        was_pending = np.array([places is not None for places in found], dtype=bool)
        if replaced:
            lies = self._lies(list(compress(keys, was_pending)))
            self.learner.replace(np.array(replaced), lies, values[was_pending])
        if len(replaced) < len(keys):
            self.learner.add(self._take(rows[~was_pending]), values[~was_pending])
            self._num_known += len(keys) - len(replaced)
        self._posterior = None

    def apply(self, events: Iterable[Change]) -> None:
        """Take in many events at once."""
        events = list(events)
        last = {event.key: event for event in events}  # what was told has no lie any more
        pending = [event for event in last.values() if not event.is_final]
        final = [event for event in events if event.is_final]
        if pending:
            self.add_pending([event.key for event in pending], np.stack([event.row for event in pending]))
        if final:
            objectives = np.array([event.objective for event in final])
            self.learn([event.key for event in final], np.stack([event.row for event in final]), objectives)

    def nominees(self) -> list[int]:
        """Return the index of the most promising candidate, or -1 if none is left, by each acquisition function.

        There is one function, or with gp_hedge there are those of `HEDGED`.
        """
        options, posterior = self._options, self._predictions()
        names = HEDGED if options.acq_func == "gp_hedge" else (options.acq_func,)
        penalty = self._penalty()
        posterior = posterior._replace(mean=posterior.mean - self._believed + penalty)
        scores = score(names, posterior, self._best, options.kappa, options.xi)
        return [self.candidates.best(each, penalty) for each in scores]

    def mean(self, rows: Matrix) -> Matrix:
        """Return the predicted means at rows, shape (num, num_columns), on the scale of a standardised objective."""
        indices = np.array([self.candidates.index(row) for row in rows])
        means: Matrix = self._predictions().mean[indices]
        if (others := indices < 0).any():
            means[others] = self.learner.predict(self._places_of(rows[others])).mean
        return means

    def rng(self) -> np.random.Generator:
        """Return where the choice among acquisition functions is drawn from."""
        return self._rng(0)

    def _lies(self, keys: Sequence[Hashable]) -> Matrix:
        """Return the lies for pending points, shape (num,)."""
        return np.array([self._foretold.get(key, self._lie) for key in keys])

    def _predictions(self) -> Posterior:
        if self._posterior is None:
            self._posterior = self.learner.posterior
        return self._posterior

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, self.num_fitted, self._num_known, purpose))

    def _penalty(self) -> Matrix:
        """Return 0 for candidates that may be proposed, infinity for the others, shape (num_candidates,)."""
        if self._success is None:
            return self.candidates.penalty
        possible = np.where(self.candidates.penalty > 0, -1.0, self._success)
        return np.where(possible >= required(possible, self._rng(1)), self.candidates.penalty, np.inf)

    def _places_of(self, rows: Matrix) -> Places:
        try:
            return np.array([self._expected_places[row.tobytes()] for row in rows])
        except KeyError:
            return self.learner.locate(rows)

    def _take(self, rows: Matrix) -> Places:
        """Take rows away from the candidates, and return their places."""
        indices = [self.candidates.take(row) for row in rows]
        if indices and min(indices) >= 0:
            return self._places[indices]
        return self.learner.locate(rows)
