"""Comparison of campaigns on the same problem, grouped by their searches, at equal budgets."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dhmpi.analysis.curves import Axis, Band, Curve, band, incumbent
from dhmpi.analysis.timeline import Timeline
from dhmpi.errors import ResultsError
from dhmpi.results import Metadata, Results
from dhmpi.results.columns import Array

AXES: tuple[Axis, ...] = ("evaluations", "seconds", "steps")
_Incumbents = Mapping[Axis, Curve]


class SearchGroup(NamedTuple):
    """Campaigns of one search.

    Attributes:
        name: Name of the search, and of the stopper if there was one.
        evaluations: Best value so far against evaluations, for each campaign that has one.
        seconds: The same against time [s].
        by_evaluations: Median and quartiles of `evaluations`.
        by_seconds: Median and quartiles of `seconds`.
        by_steps: The same against the steps that evaluations took; nothing if these reported none.
        num_campaigns: How many there are, without a value too.
        finals: Best values within the smallest number of evaluations that a campaign had.
        finals_in_time: Best values within the shortest time that a campaign had.
        evaluations_to_target: Evaluations until the target was reached, for each campaign; infinite if never.
        seconds_to_target: Time until then [s].
    """

    name: str
    evaluations: Sequence[Curve]
    seconds: Sequence[Curve]
    by_evaluations: Band
    by_seconds: Band
    by_steps: Band
    num_campaigns: int
    finals: Array
    finals_in_time: Array
    evaluations_to_target: Array
    seconds_to_target: Array


class RankTest(NamedTuple):
    """Mann-Whitney test of whether one search tends to better values than another, at equal numbers of evaluations.

    Attributes:
        first: Name of a search.
        second: Name of the other one.
        statistic: In how many pairs of campaigns the first one's value is larger; ties count half.
        p_value: Probability of so large a difference in either direction if there were none.
    """

    first: str
    second: str
    statistic: float
    p_value: float


class Comparison(NamedTuple):
    """Comparison of campaigns.

    Attributes:
        groups: Searches, in the order of their first campaigns.
        num_evaluations: The smallest number of evaluations that a campaign had.
        seconds: The shortest time that a campaign had [s].
        target: The value to be reached: by default the worst of the groups' median values at equal evaluations; None
            if a group has none.
        tests: For every two searches with at least two campaigns each.
        maximises: Whether larger values are better.
        measure: Name of the objective, or of the first one.
    """

    groups: Sequence[SearchGroup]
    num_evaluations: int
    seconds: float
    target: float | None
    tests: Sequence[RankTest]
    maximises: bool
    measure: str = "objective"

    @property
    def has_steps(self) -> bool:
        """Whether all of the searches have values against steps."""
        return all(len(group.by_steps.x) for group in self.groups)


def compare(campaigns: Sequence[Results], target: float | None = None) -> Comparison:
    """Compare campaigns on the same problem.

    Args:
        campaigns: At least one.
        target: The value to be reached, as people see it. Default: see `Comparison`.

    Raises:
        ResultsError: They search different problems, or look for the largest and the smallest value.
    """
    require_same_problem(campaigns)
    maximises = campaigns[0].metadata.maximises
    budgets: list[tuple[int, float]] = []
    found: dict[str, list[_Incumbents]] = {}
    for each in campaigns:
        timeline = Timeline(each)
        curves = {axis: incumbent(each, axis, timeline) for axis in AXES}
        found.setdefault(group_name(each.metadata), []).append(curves)
        budgets.append((sum(num for state, num in each.columns.counts().items() if state.is_final), timeline.duration))
    num_evaluations, seconds = min(num for num, _ in budgets), min(length for _, length in budgets)
    finals = {
        name: _values([each["evaluations"] for each in curves], num_evaluations) for name, curves in found.items()
    }
    if target is None and all(len(each) for each in finals.values()):
        medians = [2 * float(np.median(each / 2)) for each in finals.values()]  # halves: no sum is too large
        target = min(medians) if maximises else max(medians)
    groups = [_group(name, curves, (num_evaluations, seconds), target, maximises) for name, curves in found.items()]
    measure = campaigns[0].metadata.main_objective.name
    return Comparison(groups, num_evaluations, seconds, target, _tests(finals), maximises, measure)


def group_name(metadata: Metadata) -> str:
    """Return the name by which campaigns are grouped: that of the search, and of the stopper if there was one."""
    stopper = metadata.options.get("stopper")
    return f"{metadata.search}, {stopper}" if isinstance(stopper, str) and stopper != "none" else metadata.search


def require_same_problem(campaigns: Sequence[Results]) -> None:
    """Check that campaigns can be compared.

    Raises:
        ResultsError: They cannot.
    """
    first = campaigns[0].metadata
    for results in campaigns[1:]:
        other = results.metadata
        if other.objectives and first.objectives and other.main_objective.name != first.main_objective.name:
            names = [repr(each.main_objective.name) for each in (first, other)]
            raise ResultsError(
                f"campaigns that are compared must look for the same, got {names[0]} in {_named(campaigns[0])} and "
                f"{names[1]} in {_named(results)}; give files of one problem"
            )
        if other.maximises != first.maximises:
            senses = ["largest" if each.maximises else "smallest" for each in (first, other)]
            raise ResultsError(
                f"campaigns that are compared must look for the same, got the {senses[0]} value in "
                f"{_named(campaigns[0])} and the {senses[1]} in {_named(results)}; give files of one problem"
            )
        if other.problem != first.problem and not _is_same_source(first.source, other.source):
            raise ResultsError(
                f"campaigns that are compared must have the same problem, got {first.problem} and {other.problem}; "
                "give files of one problem"
            )
        try:
            first.require_space(other.space, other.rules)
        except ResultsError as error:
            raise ResultsError(
                f"campaigns that are compared must have the same space, but in {_named(results)} {error}"
            ) from error


def _named(results: Results) -> str:
    return results.metadata.problem if results.path is None else results.path.name


def _is_same_source(first: Mapping[str, object], second: Mapping[str, object]) -> bool:
    """Return whether problems are the same attribute of the same file, wherever it was."""
    files = [source.get("files") for source in (first, second)]
    if not all(isinstance(each, list) and each for each in files):
        return False
    sums = [each[0][1] for each in files if isinstance(each, list)]
    return sums[0] == sums[1] and first.get("attribute") == second.get("attribute")


def _values(curves: Sequence[Curve], budget: float) -> Array:
    """Return the values of curves at a budget, of those that have one."""
    found = np.array([each.at(np.array([budget]))[0] for each in curves])
    known: Array = found[np.isfinite(found)]
    return known


def _group(
    name: str, curves: Sequence[_Incumbents], budget: tuple[int, float], target: float | None, maximises: bool
) -> SearchGroup:
    by_num, by_time, by_steps = ([each[axis] for each in curves] for axis in AXES)
    return SearchGroup(
        name,
        [each for each in by_num if len(each.x)],
        [each for each in by_time if len(each.x)],
        band(by_num, is_whole=True),
        band(by_time),
        band(by_steps),
        len(curves),
        _values(by_num, budget[0]),
        _values(by_time, budget[1]),
        np.array([to_target(each, target, maximises) for each in by_num]),
        np.array([to_target(each, target, maximises) for each in by_time]),
    )


def to_target(curve: Curve, target: float | None, maximises: bool) -> float:
    """Return where a curve reaches a target; infinity if it never does."""
    if target is None:
        return float("inf")
    reached = np.flatnonzero(curve.y >= target if maximises else curve.y <= target)
    return float(curve.x[reached[0]]) if len(reached) else float("inf")


def _tests(finals: Mapping[str, Array]) -> list[RankTest]:
    from scipy.stats import mannwhitneyu  # slow to import

    found = []
    for (first, ours), (second, theirs) in itertools.combinations(finals.items(), 2):
        if len(ours) >= 2 and len(theirs) >= 2:
            outcome = mannwhitneyu(ours, theirs, alternative="two-sided")
            found.append(RankTest(first, second, float(outcome.statistic), float(outcome.pvalue)))
    return found
