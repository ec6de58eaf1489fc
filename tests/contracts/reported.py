"""Campaigns whose evaluations have reported, with figures that can be told by hand."""

import numpy as np
from contracts.campaigns import campaign, run

from dhmpi.evaluation import Evaluation, State
from dhmpi.results.report_log import ReportHistory, Reports

# State and values of each evaluation, at the steps 1, 2 and so on; the last of five has reported nothing.
CURVES = {
    0: (State.DONE, [0.9, 0.5, 0.2, 0.1]),
    1: (State.STOPPED, [0.95]),
    2: (State.STOPPED, [0.8, 0.7]),
    3: (State.RUNNING, [0.6, 0.3]),
    4: (State.FAILED, []),
}


def reported(curves=None, maximises=False, max_steps=None, **metadata):
    """Return a campaign with learning curves; all evaluations report the same step before one reports the next."""
    curves = CURVES if curves is None else curves
    evaluations = [_evaluation(number, *curve) for number, curve in curves.items()]
    rows = sorted(
        (float(step), number, value)
        for number, (_, values) in curves.items()
        for step, value in enumerate(values, start=1)
    )
    step, number, value = (np.array(column) for column in zip(*rows, strict=True))
    found = Reports(number.astype(np.int64), step, value, 100.0 + step, np.full(len(step), -1))
    made = campaign(evaluations, [run(0.0, 10.0)], maximises, options={"max_steps": max_steps}, **metadata)
    return type(made)(made.metadata, made.columns, report_source=lambda: ReportHistory(found))


def _evaluation(number, state, values):
    has_value = state in (State.DONE, State.STOPPED)
    return Evaluation(
        number,
        {"x": number / (number + 1)},
        values[-1] if has_value else None,
        state,
        submitted=0.1 * number,
        started=0.1 * number,
        ended=None if state is State.RUNNING else 1.0 + number,
        rank=1 + number % 2,
        host="h",
        error="ValueError: none" if state is State.FAILED else "",
        order=-1 if state is State.RUNNING else number,
        step=float(len(values)) if values else None,
    )
