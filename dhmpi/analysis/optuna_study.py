"""A campaign as a study of Optuna; the only importer of optuna."""

import contextlib
import datetime
import json
import math
import re
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dhmpi.analysis.export import metadata_text
from dhmpi.errors import OptionError, OutputError, option_name
from dhmpi.evaluation import Evaluation, State, turned
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
# What brings the drivers of databases, by the module that is missing, where that has another name.
_DRIVERS = {
    "MySQLdb": "pip install mysqlclient; or pip install pymysql, and write mysql+pymysql://",
    "psycopg2": "pip install psycopg2-binary",
    "psycopg": 'pip install "psycopg[binary]"',
}
# Passwords in URLs: before the host, and among the parameters.
_PASSWORD = re.compile(
    r"((?<=://)[^:/?]*:|^(?!.*://))(.+)(?=@)|([?&][^=&]*(?:pass|pwd|secret|token)[^=&]*=)([^&]+)",
    re.IGNORECASE | re.DOTALL,
)


def write_study(results: Results, url: str, name: str) -> int:
    """Write a study into a database, a trial for each evaluation, and return how many there are.

    Rewards are maximised, objectives minimised. A trial has the extras, the rank, the host, the error, the id and the
    state of its evaluation as user attributes, and the values that it reported as intermediate ones; the study has the
    metadata.

    Args:
        results: What to write.
        url: The database, as SQLAlchemy names it.
        name: The study, which must not be there yet.

    Raises:
        OptionError: The database cannot be opened, its driver is missing, or it has a study of this name.
        OutputError: It cannot be written; no part of the study is left.
    """
    direction = StudyDirection.MAXIMIZE if results.metadata.maximises else StudyDirection.MINIMIZE
    curves = _curves(results)
    # They may not fit, and are made before anything is written.
    trials = [_trial(each, results, curves.get(each.id, {})) for each in results.evaluations]
    with _quiet():
        storage = _storage(url)
        try:
            study = optuna.create_study(storage=storage, study_name=name, direction=direction)
        except optuna.exceptions.DuplicatedStudyError as error:
            there = f"a name that {_shown(url)} does not have yet"
            raise OptionError(f"{option_name('study')} must be {there}, got {name!r}; give another one") from error
        try:
            study.set_user_attr("dhmpi", json.loads(metadata_text(results)))
            study.add_trials(trials)
        except BaseException as error:
            optuna.delete_study(study_name=name, storage=storage)
            if not isinstance(error, Exception):
                raise
            raise OutputError(f"{_shown(url)} cannot be written: {_said(error, url)}") from error
    return len(trials)


def _storage(url: str) -> Any:
    """Open a database."""
    try:
        return optuna.storages.get_storage(url)
    except ImportError as error:
        raise OptionError(
            f"{option_name('optuna')} must name a database whose driver is installed, got {_shown(url)} and none; "
            f"run: {_remedy(error)}"
        ) from error
    except Exception as error:  # of SQLAlchemy, a driver, or the database
        raise OptionError(
            f"{option_name('optuna')} must be the URL of a database, such as sqlite:///study.db, "
            f"got {_shown(url)!r}: {_said(error, url)}"
        ) from error


def _remedy(error: BaseException) -> str:
    """Return how a driver that is missing is installed."""
    missing: BaseException | None = error
    while missing is not None and not isinstance(missing, ModuleNotFoundError):
        missing = missing.__cause__ or missing.__context__
    name = "DRIVER" if missing is None else str(missing.name)
    return _DRIVERS.get(name, f"pip install {name}")


def _shown(url: str) -> str:
    """Return a URL as people may see it, without passwords."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[3] or ''}***", url)


def _said(error: BaseException, url: str) -> str:
    """Return the first line of what an error says, without the passwords of a URL."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    for found in _PASSWORD.finditer(url):
        secret = found[2] or found[4]
        line = line.replace(secret, "***").replace(unquote(secret), "***")
    return line


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let Optuna say nothing but its warnings, and SQLAlchemy nothing about URLs."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)


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
        value=turned(evaluation.objective, metadata.maximises),
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
