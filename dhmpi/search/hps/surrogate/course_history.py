"""History of courses: what evaluations had reported when any number of results was known."""

from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.support.forecast import Forecast, Foretold, RungValues
from dhmpi.support.step_rungs import finite, rung, teaches

# Forecasts are learned from so many evaluations, the latest ones.
MOST_LEARNED = 500
# Stands for the rung of an evaluation that needs no forecast.
NO_RUNG = np.iinfo(np.int64).min


class Reported(NamedTuple):
    """Last report of an evaluation at a rung, and how many results were known then."""

    height: int
    value: float
    known: int


class EndedCourse(NamedTuple):
    """Course of an evaluation that has ended.

    Attributes:
        key: Its key.
        reported: What it had reported.
        course: What it came to.
        has_failed: Whether it teaches nothing.
    """

    key: Hashable
    reported: list[Reported]
    course: RungValues
    has_failed: bool


class Outlook(NamedTuple):
    """Outlook of a campaign when so many results were known.

    Attributes:
        forecast: Foretells objectives.
        keys: Keys of the evaluations that were running and had reported something, by their place in `running`.
        running: What is foretold of them.
    """

    forecast: Forecast
    keys: Mapping[Hashable, int]
    running: Foretold


NO_OUTLOOK = Outlook(Forecast(()), {}, Foretold(np.zeros(0), np.zeros(0)))


class CourseHistory:
    """The courses of all evaluations that have reported anything."""

    def __init__(self) -> None:
        self._running: dict[Hashable, list[Reported]] = {}
        self._num = 0
        self._ended: dict[int, EndedCourse] = {}  # the latest of those that had reported something
        # Of all results: the highest rung and the value there of those that were stopped.
        self._tops, self._values = array("q"), array("d")
        self._num_stopped = 0

    def report(self, key: Hashable, step: float, value: float, known: int) -> None:
        """Take note of what an evaluation reported when so many results were known; what says nothing is left out."""
        if teaches(step, value):
            reported = self._running.setdefault(key, [])
            height = rung(step)
            while reported and reported[-1].known == known and reported[-1].height >= height:
                reported.pop()  # no model has known it
            reported.append(Reported(height, value, known))

    def end(self, key: Hashable, evaluation: Evaluation) -> None:
        """Take note of a result."""
        reported = self._running.pop(key, [])
        if not reported and evaluation.state is State.STOPPED and evaluation.step is not None:
            self.report(key, evaluation.step, float(evaluation.objective or 0.0), self._num)  # told by hand
            reported = self._running.pop(key, [])
        is_stopped = evaluation.state is State.STOPPED and bool(reported)
        self._tops.append(reported[-1].height if is_stopped else NO_RUNG)
        self._values.append(reported[-1].value if is_stopped else 0.0)
        self._num_stopped += is_stopped
        if reported:
            course = RungValues(_at_rungs(reported), evaluation.objective if evaluation.state is State.DONE else None)
            has_failed = evaluation.objective is None or not finite(evaluation.objective)
            self._ended[self._num] = EndedCourse(key, reported, course, has_failed)
        self._num += 1
        if len(self._ended) > 2 * MOST_LEARNED:
            for number in list(islice(self._ended, MOST_LEARNED)):
                del self._ended[number]

    def outlook(self, num: int) -> Outlook:
        """Return what could be foretold when so many results were known, by what had been reported until the last."""
        ended = [each.course for at, each in self._ended.items() if at < num and not each.has_failed]
        # In whatever order they came: sums must not depend on it.
        running = dict(sorted(self._running_at(num), key=lambda each: list(each[1].values.items())))
        forecast = Forecast([*ended[-MOST_LEARNED:], *running.values()])
        latest = [next(reversed(course.values.items())) for course in running.values()]
        heights = np.array([height for height, _ in latest], np.int64)
        ends = forecast.ends(heights, np.array([value for _, value in latest]))
        return Outlook(forecast, {key: place for place, key in enumerate(running)}, ends)

    def foretold(self, objectives: Matrix, forecast: Forecast, start: int = 0) -> Foretold:
        """Return the objectives of results, with those foretold of what was stopped.

        Args:
            objectives: The objectives, shape (num,).
            forecast: Foretells them.
            start: Number of the first of them.
        """
        end = start + len(objectives)
        found = Foretold(objectives, np.zeros(len(objectives)))
        if not self._num_stopped:  # there may be a million results
            return found
        tops = np.array(self._tops[start:end], np.int64)
        stopped = np.flatnonzero(tops != NO_RUNG)
        if len(stopped):
            found = Foretold(objectives.copy(), found.spreads)
            ends = forecast.ends(tops[stopped], np.array(self._values[start:end])[stopped])
            found.objectives[stopped], found.spreads[stopped] = ends
        return found

    def _running_at(self, num: int) -> Iterator[tuple[Hashable, RungValues]]:
        """Yield the keys and courses of what was running when so many results were known."""
        later = ((each.key, each.reported) for at, each in self._ended.items() if at >= num)
        for key, reported in chain(later, self._running.items()):
            known = _at_rungs(each for each in reported if each.known < num)
            if known:
                yield key, RungValues(known)


def _at_rungs(reported: Iterable[Reported]) -> dict[int, float]:
    """Return the last values at rungs, ascending; of an evaluation that has begun again, those since then."""
    found: dict[int, float] = {}
    for height, value, _ in reported:
        while found and next(reversed(found)) > height:
            found.popitem()
        found[height] = value
    return found
