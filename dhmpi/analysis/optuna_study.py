"""A campaign as a study of Optuna."""

import datetime
import json
import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dhmpi.analysis.export import metadata_text, returned
from dhmpi.errors import OptionError, OutputError, option_name
from dhmpi.evaluation import Evaluation, Objective, State, turned
from dhmpi.results.optuna_storage import open_storage, quiet, said, shown
from dhmpi.results.reader import Results
from dhmpi.support.json_text import dumps

# What is to be evaluated again waits, for Optuna as for a campaign that is resumed.
_STATES = {
    State.DONE: TrialState.COMPLETE,
    State.STOPPED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
    State.TIMEOUT: TrialState.FAIL,
    State.RUNNING: TrialState.RUNNING,
}

# Steps beyond are too large for the integers of some databases.
LARGEST_STEP = 2**31


def write_study(results: Results, url: str, name: str) -> int:
    """Write a study into a database, a trial for each evaluation, and return how many there are.

    Rewards are maximised, objectives as the problem has it, which may be several. A trial has the extras, the rank, the
    host, the error, the id and the state of its evaluation as user attributes, and the values that it reported as
    intermediate ones; the study has the metadata.

    Args:
        results: What to write.
        url: The database, as SQLAlchemy names it.
        name: The study, which must not be there yet.

    Raises:
        OptionError: The database cannot be opened, its driver is missing, or it has a study of this name.
        OutputError: It cannot be written; no part of the study is left.
    """
    objectives = results.metadata.objectives or [results.metadata.main_objective]
    directions = [StudyDirection.MAXIMIZE if each.maximises else StudyDirection.MINIMIZE for each in objectives]
    curves = _curves(results)
    # They may not fit, and are made before anything is written.
    trials = [_trial(each, results, curves.get(each.id, {})) for each in results.evaluations]
    with quiet():
        storage = open_storage(url)
        try:
            study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        except optuna.exceptions.DuplicatedStudyError as error:
            there = f"a name that {shown(url)} does not have yet"
            raise OptionError(f"{option_name('study')} must be {there}, got {name!r}; give another one") from error
        try:
            if results.metadata.objectives:
                study.set_metric_names([each.name for each in objectives])
            study.set_user_attr("dhmpi", json.loads(metadata_text(results)))
            study.add_trials(trials)
        except BaseException as error:
            optuna.delete_study(study_name=name, storage=storage)
            if not isinstance(error, Exception):
                raise
            raise OutputError(f"{shown(url)} cannot be written: {said(error, url)}") from error
    return len(trials)


def _curves(results: Results) -> dict[int, dict[int, float]]:
    """Return what evaluations reported, by steps, which are integers for Optuna.

    Where a step is none, or larger than a database may take, all are numbered in order: of two evaluations the same
    steps have the same numbers, and the further one the larger number.
    """
    found: dict[int, dict[float, float]] = {}
    reports = results.reports
    values = -reports.value if results.metadata.maximises else reports.value
    for id, step, value in zip(reports.evaluation.tolist(), reports.step.tolist(), values.tolist(), strict=True):
        found.setdefault(id, {})[step] = value
    if not found:
        found = {each.id: _intermediate(each.extra.get("reports", [])) for each in results.evaluations}
    steps = sorted({step for curve in found.values() for step in curve})
    if all(step.is_integer() and abs(step) < LARGEST_STEP for step in steps):
        whole = {step: int(step) for step in steps}
    else:
        whole = {step: number for number, step in enumerate(steps, start=1)}
    return {id: {whole[step]: value for step, value in curve.items()} for id, curve in found.items()}


def _trial(evaluation: Evaluation, results: Results, curve: dict[int, float]) -> FrozenTrial:
    metadata, state = results.metadata, _STATES.get(evaluation.state, TrialState.WAITING)
    active = {name: form for name, form in metadata.space.items() if name in evaluation.point}
    distributions = {name: _distribution(form) for name, form in active.items()}
    params = {name: _value(evaluation.point[name], form) for name, form in active.items()}
    extra = {key: value for key, value in evaluation.extra.items() if key != "reports"}
    own = {name: getattr(evaluation, name) for name in ("id", "rank", "host")}
    own |= {"error": evaluation.error} if evaluation.error else {}
    has_begun, is_waiting = evaluation.started or evaluation.submitted or metadata.created, state is TrialState.WAITING
    return FrozenTrial(
        number=0,  # the study numbers them, in this order
        trial_id=0,
        state=state,
        value=None if metadata.has_several else turned(evaluation.objective, metadata.maximises),
        values=_values(evaluation, metadata.objectives),
        datetime_start=None if is_waiting else _moment(has_begun),
        datetime_complete=_moment(evaluation.ended or has_begun) if state.is_finished() else None,
        params=params,
        distributions=distributions,
        user_attrs={f"extra.{key}": json.loads(dumps(value)) for key, value in extra.items()}
        | own
        | {"state": evaluation.state.value},
        system_attrs={"fixed_params": params} if is_waiting else {},  # as Study.enqueue_trial has it
        intermediate_values=curve,
    )


def _values(evaluation: Evaluation, objectives: Sequence[Objective]) -> list[float] | None:
    """Return all of several objectives as they were returned; None if there are not several, or none was."""
    values = [value for value in returned(evaluation, objectives) if value is not None]
    return values if 1 < len(values) == len(objectives) else None


def _intermediate(reports: Any) -> dict[float, float]:
    """Return the values among the extras of an evaluation, where files of schema 3 have them, by steps."""
    try:
        return {float(step): float(value) for step, value in reports if math.isfinite(step)}
    except (TypeError, ValueError, OverflowError):
        return {}  # a run function has returned something else by this name; it is left to the results file


def _moment(time: float) -> datetime.datetime:
    """Return a time as Optuna has it: local, without a time zone."""
    return datetime.datetime.fromtimestamp(time)


def _distribution(form: Any) -> BaseDistribution:
    """Return the distribution of a dimension."""
    if isinstance(form, list):
        return CategoricalDistribution(_choices(form))
    low, high, *prior = form
    is_log = prior == ["log-uniform"]
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(float(low), float(high), log=is_log)


def _choices(form: list[Any]) -> list[Any]:
    """Return the choices; where some differ by nothing but their type, which Optuna ignores, as their texts."""
    return [repr(each) for each in form] if len(set(form)) < len(form) else form


def _value(value: Any, form: Any) -> Any:
    return repr(value) if isinstance(form, list) and _choices(form) is not form else value
