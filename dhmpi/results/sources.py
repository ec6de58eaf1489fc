"""Sources of earlier results: results files, CSV files, and studies of Optuna."""

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dhmpi.errors import OptionError, ResultsError, option_name
from dhmpi.evaluation import Objective, State, turned
from dhmpi.results.reader import is_results_file, read

# Columns of the export of a campaign that are no dimensions, beside `extra.*`.
_EXPORTED = frozenset(
    ("id", "objective", "reward", "state", "submitted", "started", "ended", "rank", "host", "error", "step")
)
_WHY = {
    State.STOPPED: "stopped early",
    State.FAILED: "failed",
    State.TIMEOUT: "failed",
    "PRUNED": "stopped early",
    "FAIL": "failed",
}
_UNENDED = "have not ended"


class EarlierResult(NamedTuple):
    """Result of an earlier campaign, as its source has it.

    Attributes:
        values: Values by name of dimension, or texts of them; without those that were inactive.
        objective: Its objective, finite, smaller being better; None if it has none that can be learned from.
        why: Why not.
    """

    values: Mapping[str, Any]
    objective: float | None
    why: str = ""


class EarlierCampaign(NamedTuple):
    """Results of one earlier campaign.

    Attributes:
        name: The file, or the URL without passwords.
        dimensions: Names of its dimensions, or of columns that may be some.
        results: What it has found.
        chooses: Whether dimensions are among other columns.
        main_objective: The first of those that its problem has declared; None if it has not, or that is not known.
    """

    name: str
    dimensions: tuple[str, ...]
    results: list[EarlierResult]
    chooses: bool = False
    main_objective: Objective | None = None


def read_source(name: str) -> EarlierCampaign:
    """Read results of an earlier campaign.

    Args:
        name: A results file; a CSV file with a column `objective` and one for each dimension, such as `dhmpi export` or
            DeepHyper write it; a journal of Optuna, or the URL of its database, perhaps with #STUDY.

    Raises:
        InputError: It cannot be read, or is none of these.
    """
    if "://" in name:
        return _study(name)
    path, _, study = (name, "", "") if os.path.exists(name) else name.rpartition("#") if "#" in name else (name, "", "")
    try:
        with open(path, "rb") as file:
            beginning = file.readline()
    except OSError as error:
        raise OptionError(
            f"{option_name('warm_start')} must name files that can be read, got {name}: {error.strerror}"
        ) from error
    if _is_journal(beginning):
        return _study(name if study else path)
    if study:
        need = f"{option_name('warm_start')} must have #STUDY after a journal or a database of Optuna only"
        raise OptionError(f"{need}, got {name}; write {path}")
    return _campaign(path) if is_results_file(path) else _table(path)


def _campaign(path: str) -> EarlierCampaign:
    found = read(path)
    results = [
        EarlierResult(each.point, each.objective)
        if each.state is State.DONE
        else EarlierResult(each.point, None, _WHY.get(each.state, _UNENDED))
        for each in found.evaluations
    ]
    main = next(iter(found.metadata.objectives), None)
    return EarlierCampaign(path, tuple(found.metadata.space), results, main_objective=main)


def _is_journal(line: bytes) -> bool:
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return False


def _study(name: str) -> EarlierCampaign:
    try:
        from dhmpi.results import optuna_storage  # slow to import, and not installed everywhere
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise OptionError(
            f"{option_name('warm_start')} needs optuna to read {name.partition('://')[0]}; run: pip install optuna"
        ) from error
    storage, _, study = name.partition("#")
    trials = optuna_storage.read_trials(storage, study or None)
    results = [
        EarlierResult(trial.values, *_checked(trial.objective))
        if trial.state == "COMPLETE"
        else EarlierResult(trial.values, None, _WHY.get(trial.state, _UNENDED))
        for trial in trials
    ]
    names = dict.fromkeys(key for each in trials for key in each.values)
    return EarlierCampaign(optuna_storage.shown(name), tuple(names), results)


def _table(path: str) -> EarlierCampaign:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"{path} must be a results file, a CSV file or a journal of Optuna, got neither") from error
    if "objective" not in header or len(set(header)) < len(header):
        got = ", ".join(header)[:200] or "nothing"
        raise ResultsError(f"{path} must have a line of names, each once, one of them objective, got {got}")
    records = list(_records(path, header, rows))
    if any(name.startswith("p:") for name in header):
        return _of_deephyper(path, header, records)
    is_export = {"id", "state"} <= set(header)
    # Between these two, an export has the objectives that a problem has declared.
    returned = header[header.index("objective") : header.index("state")] if is_export else ["objective"]
    others = {name for name in header if is_export and (name in _EXPORTED or name.startswith("extra."))} | {*returned}
    names = {name.removeprefix("point.") if is_export else name: name for name in header if name not in others}
    results = [_result(record, names, record.get("state", "") if is_export else "") for record in records]
    return EarlierCampaign(path, tuple(names), results, chooses=not is_export)


def _records(path: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[dict[str, str]]:
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ResultsError(f"{path} must have {len(header)} columns in every line, got {len(row)} in line {number}")
        yield dict(zip(header, row, strict=True))


def _of_deephyper(path: str, header: Sequence[str], records: Sequence[dict[str, str]]) -> EarlierCampaign:
    """Return what a results.csv of DeepHyper says, whose objectives are to be large, and F... for failures."""
    names = {name.removeprefix("p:"): name for name in header if name.startswith("p:")}
    results = []
    for record in records:
        found = _result(record, names, "FAILED" if record["objective"].startswith("F") else "")
        if record.get("m:stopped", "").lower() == "true":
            found = found._replace(objective=None, why=_WHY[State.STOPPED])
        results.append(found._replace(objective=turned(found.objective, True)))
    return EarlierCampaign(path, tuple(names), results)


def _result(record: Mapping[str, str], names: Mapping[str, str], state: str) -> EarlierResult:
    values = {name: record[column] for name, column in names.items() if record[column] != ""}
    if state not in ("", State.DONE):
        return EarlierResult(values, None, _WHY.get(state, _UNENDED))
    try:
        return EarlierResult(values, *_checked(float(record["objective"])))
    except ValueError:
        return EarlierResult(values, None, "no number as objective")


def _checked(objective: float | None) -> tuple[float | None, str]:
    if objective is None or not math.isfinite(objective):
        return None, "no finite number as objective"
    return objective, ""
