"""Replay of a campaign: its search is asked again, along the results file."""

import dataclasses
from typing import Any, NamedTuple

from dhmpi.benchmark import HpProblem
from dhmpi.campaign.problem_source import recall
from dhmpi.errors import ResultsError
from dhmpi.evaluation import GIVEN, START, Evaluation, Point
from dhmpi.results import Results
from dhmpi.search.registry import find
from dhmpi.search.search import Search
from dhmpi.space.fixed_points import FixedPoint
from dhmpi.space.rules import Rules


class Difference(NamedTuple):
    """The first point that is another one when the search is asked again.

    Attributes:
        evaluation: As it is in the file.
        point: What the search proposes now; None if it has nothing more to propose.
    """

    evaluation: Evaluation
    point: Point | None


def first_difference(results: Results, problem: Any = None) -> Difference | None:
    """Ask the search of a campaign again, with the results that it knew at the time; None if it proposes the same.

    Args:
        results: What the file says.
        problem: The problem of a search for architectures; that of hyperparameters is in the file.

    Raises:
        InputError: The campaign cannot be repeated from its file.
    """
    search = _search_of(results, problem)
    told = sorted((each for each in results.evaluations if each.order >= 0), key=lambda each: each.order)
    search.remember(results.evaluations, results.report_history.ordered())
    num_told = 0
    for evaluation in results.evaluations:
        known = evaluation.origin.known
        search.tell(told[num_told:known])
        num_told = max(num_told, known)
        if evaluation.origin.model == GIVEN:
            search.give(evaluation.point)
        point = search.repeat(evaluation.origin)
        if point != search.space.canonical(evaluation.point):
            return Difference(evaluation, point)
    return None


def _search_of(results: Results, problem: Any) -> Search:
    """Return the search as it was before it was asked for anything."""
    metadata, kind = results.metadata, find(results.metadata.search)
    if metadata.redone:
        raise ResultsError(
            "the file must hold every result that the search has known to be repeated, got one of which dhmpi redo has "
            f"taken back {metadata.redone}"
        )
    if kind.has_agents:
        raise ResultsError(f"a search without agents must have written the file to be repeated, got {metadata.search}")
    # Points that were given are in the file, which may be all that is left of them.
    names = {field.name for field in dataclasses.fields(kind.Options)} - {"points"}
    options = {name: value for name, value in metadata.options.items() if name in names}
    if problem is None:
        has_functions = any("function" in each for each in metadata.rules.get("constraints", ()))
        problem = recall(results, None)[0] if has_functions else _problem_of(results)
    search = kind(problem, seed=metadata.seed, **options)
    metadata.require_space(search.space.specs(), search.space.rules.specs())
    metadata.require_objectives(search.objectives)
    metadata.require_beliefs({name: belief.spec() for name, belief in search.space.beliefs.items()})
    if results.knowledge.observations:
        search.prime(results.knowledge.observations)
    if search.learns and any(not each.origin.model for each in results.evaluations):
        raise ResultsError(
            f"the file must say how its points were chosen, got one of dhmpi {metadata.version} that does not; "
            "campaigns that begin with this version can be repeated"
        )
    return search


def _problem_of(results: Results) -> Any:
    """Return the problem: of hyperparameters, as the file has it; of architectures, by its name."""
    metadata = results.metadata
    if metadata.seeks_architectures:
        return metadata.problem
    start = next((each.point for each in results.evaluations if each.origin.model == START), {})
    problem = HpProblem()
    for name, space in metadata.space.items():
        problem.add_dim(name, space, start.get(name), prior=metadata.beliefs.get(name))
    problem.objectives = tuple(metadata.objectives)
    given = [each for each in results.evaluations if each.origin.model == GIVEN]
    problem.fixed_points = tuple(FixedPoint(each.point, f"evaluation {each.id}") for each in given)
    problem.rules = Rules.read(metadata.rules, problem.dimensions.by_name)
    return problem
