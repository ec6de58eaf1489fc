"""Starting point of a problem: the point of its defaults."""

from typing import Any

from dhmpi.errors import ProblemError
from dhmpi.space.problem import HpProblem


def defaults_of(problem: HpProblem) -> dict[str, Any]:
    """Return the defaults by name, of those dimensions that have one."""
    space = problem.dimensions.by_name
    return {
        name: each
        for name, each in problem.starting_point_asdict.items()
        if each is not None or space[name].holds(None)
    }


def starting_point_of(problem: HpProblem) -> dict[str, Any] | None:
    """Return the point of the defaults, without what is inactive there; None if a default is missing.

    Raises:
        ProblemError: It does not fulfil the constraints, or hardly any point does.
    """
    space = problem.dimensions
    space.require_room()
    if not problem.has_starting_point:
        return None
    start = space.trimmed(problem.starting_point_asdict)
    if not space.allows(start):
        raise ProblemError(f"the starting point must fulfil the constraints, got {start}; change a default")
    return start
