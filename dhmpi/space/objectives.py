"""Objectives of a problem, as it declares them."""

import reprlib
from collections.abc import Sequence
from typing import Any

from dhmpi.errors import OptionError, ProblemError
from dhmpi.evaluation import Objective

# In the metadata of a space of ConfigSpace: whether each objective is maximised, by name.
OBJECTIVES = "objectives"


def declared(name: object, maximise: object, others: Sequence[Objective]) -> Objective:
    """Return an objective as `add_objective` has been told it.

    Raises:
        ProblemError: It is no such thing.
    """
    got = reprlib.repr(name)
    if not isinstance(name, str) or not name:
        raise ProblemError(f"an objective's name must be a string of at least one character, got {got}")
    if name == "." or "/" in name or "\0" in name:
        raise ProblemError(f"an objective's name must not be '.' nor contain '/' or NUL, got {got}; write '_'")
    if name == "objective":
        remedy = "name it after what it measures, such as 'accuracy'"
        raise ProblemError(f"an objective's name must not be 'objective', which needs no declaration; {remedy}")
    if name in [each.name for each in others]:
        raise ProblemError(f"an objective's name must be new, got {got} again; choose another name")
    if not isinstance(maximise, bool):
        raise ProblemError(f"objective {got}: maximise must be True or False, got {reprlib.repr(maximise)}")
    return Objective(name, maximise)


def objective_text(objective: Objective) -> str:
    """Return an objective as people read it."""
    return f"{objective.name}, {'larger' if objective.maximises else 'smaller'} is better"


def objectives_of(problem: Any, search: str, most: float) -> tuple[Objective, ...]:
    """Return the objectives that a problem has declared.

    Args:
        problem: The problem.
        search: Name of the search.
        most: How many it takes; 0 stands for a search that has its own one, the reward.

    Raises:
        OptionError: There are more.
    """
    found: tuple[Objective, ...] = tuple(getattr(problem, "objectives", ()))
    if len(found) > most:
        need = "at most one objective" if most else "no objectives of its own, since the reward is maximised"
        got = f"{len(found)}: {', '.join(each.name for each in found)}"
        remedy = "use ambs, ga or hps-random" if most else "remove them"
        raise OptionError(f"a problem for {search} must have {need}, got {got}; {remedy}")
    return found
