"""Reading of what a run function returned, where the objectives are known that the problem has declared."""

from collections.abc import Sequence
from typing import Any

from dhmpi.evaluation import Objective, State, finite
from dhmpi.execution.runner import Outcome


def measured(outcome: Outcome, objectives: Sequence[Objective]) -> Outcome:
    """Return an outcome that is DONE with the first objective as its objective, as it was returned; FAILED without any.

    The others stay in the extra.

    Args:
        outcome: As its worker has sent it; without an objective if the run function returned a dict that has none by
            this name.
        objectives: Those that the problem has declared; none if the run function returns the objective without a name.
    """
    if outcome.state is not State.DONE or (outcome.objective is not None and not objectives):
        return outcome
    if not objectives:
        got = sorted(outcome.extra)
        return _failed(outcome, f"the returned dict must have the key 'objective', got {got}")
    first, values = objectives[0], dict(outcome.extra)
    if outcome.objective is not None:  # it has been returned as it is, or by the name that needs no declaration
        is_unnamed = len(objectives) == 1 and first.name not in values
        values[first.name if is_unnamed else "objective"] = outcome.objective
    if error := _lack(values, objectives, outcome):
        return _failed(outcome, error)
    value = finite(values.pop(first.name))
    return outcome._replace(objective=value, extra=values, error="")


def _lack(values: dict[str, Any], objectives: Sequence[Objective], outcome: Outcome) -> str:
    """Return what is wrong with values by name, as one sentence; nothing if all objectives are there."""
    names = [each.name for each in objectives]
    remedy = f"return {{{', '.join(f'{name!r}: ...' for name in names)}}}"
    if missing := [name for name in names if name not in values]:
        got = f"{outcome.objective:g}" if outcome.objective is not None and not outcome.extra else sorted(values)
        return f"the returned dict must have the key{_s(missing)} {_listed(missing)}, got {got}; {remedy}"
    wrong = next((name for name in names if finite(values[name]) is None), None)
    if wrong is not None:
        return f"the objective {wrong!r} must be a finite number, got {values[wrong]!r:.200}; {remedy}"
    return ""


def _s(some: Sequence[object]) -> str:
    return "s" if len(some) > 1 else ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(map(repr, names[:-1])), repr(names[-1]))))


def _failed(outcome: Outcome, error: str) -> Outcome:
    return outcome._replace(state=State.FAILED, objective=None, error=f"{error}{outcome.error}")
