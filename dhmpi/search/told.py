"""Evaluations that are told to a search: in which order, and whether they can be."""

import reprlib
from collections.abc import Sequence

from dhmpi.errors import EvaluationError, did_you_mean
from dhmpi.evaluation import MEASURED_STATES, Evaluation, Objective, State
from dhmpi.space.values import finite_number


def checked_result(evaluation: Evaluation, objectives: Sequence[Objective] = ()) -> tuple[State, float | None]:
    """Return the state and the objective of an evaluation as plain values.

    Args:
        evaluation: The evaluation.
        objectives: Those that the problem has declared.

    Raises:
        EvaluationError: The state is unknown, or the objective does not go with it.
    """
    if not isinstance(evaluation.state, State):
        if evaluation.state not in tuple(State):
            remedy = did_you_mean(str(evaluation.state), [state.value for state in State])
            raise EvaluationError(f"state must be known, got {reprlib.repr(evaluation.state)}; {remedy}")
        return checked_result(evaluation._replace(state=State(evaluation.state)), objectives)
    state, value = evaluation.state, evaluation.objective
    if state not in MEASURED_STATES:
        if value is not None:
            remedy = f"leave it out, or say {State.DONE}"
            raise EvaluationError(
                f"objective of an evaluation that is {state} must be None, got {reprlib.repr(value)}; {remedy}"
            )
        return state, None
    number = finite_number(value)
    if number is None:
        remedy = f"tell what has none as {State.FAILED}"
        raise EvaluationError(f"objective must be a finite number, got {reprlib.repr(value)}; {remedy}")
    _check_objectives(evaluation, objectives)
    return state, value if type(value) is float else float(number)


def _check_objectives(evaluation: Evaluation, objectives: Sequence[Objective]) -> None:
    """Check that an evaluation has all of several objectives, if it is DONE."""
    if len(objectives) < 2 or evaluation.state != State.DONE:
        return
    values, num = evaluation.objectives, len(objectives)
    if len(values) != num or any(finite_number(each) is None for each in values) or values[0] != evaluation.objective:
        names = ", ".join(each.name for each in objectives)
        need = f"objectives must be {num} finite numbers ({names}), the first of them the objective"
        raise EvaluationError(f"{need}, got {reprlib.repr(values)}; give all of them, each to be small")


def checked_report(step: object, value: object) -> tuple[float, float]:
    """Return a step and a value that are reported as plain numbers; the value may be NaN or infinite.

    Raises:
        EvaluationError: They are none.
    """
    number = finite_number(step)
    if number is None:
        raise EvaluationError(f"a step must be a finite number, got {reprlib.repr(step)}")
    if isinstance(value, float):
        return float(number), float(value)
    plain = finite_number(value)
    if plain is None:
        raise EvaluationError(f"a value must be a number, got {reprlib.repr(value)}")
    return float(number), float(plain)


def as_told(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Return evaluations in the order in which their results came, if that is known: a file has them in order of id."""
    final = [each for each in evaluations if each.state.is_final]
    if all(each.order >= 0 for each in final):
        final.sort(key=lambda each: each.order)
    elif all(each.ended is not None for each in final):
        final.sort(key=lambda each: each.ended or 0.0)
    else:
        return evaluations
    return final + [each for each in evaluations if not each.state.is_final]
