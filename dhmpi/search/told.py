"""Evaluations that are told to a search: in which order, and whether they can be."""

import reprlib

from dhmpi.errors import EvaluationError, did_you_mean
from dhmpi.evaluation import MEASURED_STATES, Evaluation, State
from dhmpi.space.values import finite_number


def checked_result(evaluation: Evaluation) -> tuple[State, float | None]:
    """Return the state and the objective of an evaluation as plain values.

    Raises:
        EvaluationError: The state is unknown, or the objective does not go with it.
    """
    if not isinstance(evaluation.state, State):
        if evaluation.state not in tuple(State):
            remedy = did_you_mean(str(evaluation.state), [state.value for state in State])
            raise EvaluationError(f"state must be known, got {reprlib.repr(evaluation.state)}; {remedy}")
        return checked_result(evaluation._replace(state=State(evaluation.state)))
    state, value = evaluation.state, evaluation.objective
    if state not in MEASURED_STATES:
        if value is not None:
            remedy = f"leave it out, or say {State.DONE}"
            raise EvaluationError(
                f"objective of an evaluation that is {state} must be None, got {reprlib.repr(value)}; {remedy}"
            )
        return state, None
    number = finite_number(value)
    if type(value) is float and number is not None:
        return state, value
    if number is None:
        remedy = f"tell what has none as {State.FAILED}"
        raise EvaluationError(f"objective must be a finite number, got {reprlib.repr(value)}; {remedy}")
    return state, float(number)


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
