"""A campaign as flat rows, CSV and JSON."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from dhmpi.evaluation import INACTIVE, Evaluation, Objective, turned
from dhmpi.results.metadata import Metadata
from dhmpi.results.reader import Results
from dhmpi.results.schema import PARETO
from dhmpi.support.json_text import dumps
from dhmpi.support.printing import Stream

_PREFIXES = ("point.", "extra.", "objective.")
_LAST = ("state", "submitted", "started", "ended", "rank", "host", "error")


def point_columns(results: Results) -> list[str]:
    """Return the column of every dimension: its name, after `point.` if another column has that name, or could have."""
    taken = {"id", *value_columns(results), *_last(results)}
    return [f"point.{name}" if name in taken or name.startswith(_PREFIXES) else name for name in results.metadata.space]


def value_columns(results: Results) -> list[str]:
    """Return the columns of what was found.

    The first is the objective, which is to be small. Behind it is what it was turned from, or all objectives that the
    problem has declared, as they were returned, and with several of them whether no other evaluation dominates it.
    """
    metadata = results.metadata
    if metadata.seeks_architectures:
        return ["objective", "reward"]
    taken = {"id", "objective", PARETO, *_LAST, "step"}
    names = [each.name for each in metadata.objectives]
    named = [f"objective.{name}" if name in taken or name.startswith(_PREFIXES) else name for name in names]
    return ["objective", *named, *([PARETO] if metadata.has_several else [])]


def _value_cells(results: Results, evaluation: Evaluation) -> list[Any]:
    """Return what is in those columns."""
    metadata = results.metadata
    if metadata.seeks_architectures:
        return [evaluation.objective, turned(evaluation.objective, True)]
    cells: list[Any] = [evaluation.objective, *returned(evaluation, metadata.objectives)]
    return [*cells, evaluation.id in results.pareto_ids] if metadata.has_several else cells


def returned(evaluation: Evaluation, objectives: Sequence[Objective]) -> list[float | None]:
    """Return all objectives of an evaluation as its run function returned them; None where there is none."""
    others = evaluation.objectives[1:] or [None] * (len(objectives) - 1)
    found = zip([evaluation.objective, *others], objectives, strict=False)
    return [turned(value, each.maximises) for value, each in found]


def _last(results: Results) -> tuple[str, ...]:
    """Return the columns behind those; with the last steps that were reported, if any were."""
    return (*_LAST, "step") if has_steps(results) else _LAST


def has_steps(results: Results) -> bool:
    """Return whether any evaluation has reported how far it was."""
    return any(evaluation.step is not None for evaluation in results.evaluations)


def extra_keys(results: Results) -> list[str]:
    """Return the keys of all extras but of objectives, in order of appearance."""
    objectives = {each.name for each in results.metadata.objectives[1:]}
    found = dict.fromkeys(key for evaluation in results.evaluations for key in evaluation.extra)
    return [key for key in found if key not in objectives]


def header(results: Results) -> list[str]:
    """Return the names of all columns."""
    extras = [f"extra.{key}" for key in extra_keys(results)]
    return ["id", *point_columns(results), *value_columns(results), *_last(results), *extras]


def rows(results: Results, evaluations: Sequence[Evaluation] | None = None) -> Iterator[list[Any]]:
    """Yield one list per evaluation, in the order of the header; None where there is nothing, or `INACTIVE` in a point.

    Args:
        results: Of a campaign.
        evaluations: Some of its evaluations, in any order. Default: all of them.
    """
    names, keys = list(results.metadata.space), extra_keys(results)
    reports = has_steps(results)
    for each in results.evaluations if evaluations is None else evaluations:
        last = [each.state.value, each.submitted, each.started, each.ended, each.rank, each.host, each.error]
        last += [each.step] if reports else []
        point = [each.point.get(name, INACTIVE) for name in names]
        yield [each.id, *point, *_value_cells(results, each), *last, *map(each.extra.get, keys)]


def export_csv(results: Results, stream: Stream, evaluations: Sequence[Evaluation] | None = None) -> None:
    """Write one line per evaluation under a header; what is missing or inactive is empty, lists and mappings are JSON.

    The value None of a dimension is the word None, or null if None is one of its texts. The column objective is what is
    minimised; `reward`, or columns by the names of the objectives that a problem has declared, hold what was returned.

    Args:
        results: What to write.
        stream: A text file, opened with newline="".
        evaluations: Some of its evaluations, in any order. Default: all of them.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header(results))
    words = words_of_none(results)
    for id, *row in rows(results, evaluations):
        point = point_cells(row, words)
        rest = [dumps(each) if isinstance(each, list | dict) else each for each in row[len(words) :]]
        writer.writerow([id, *point, *rest])


def point_cells(values: Sequence[Any], words: Sequence[str]) -> list[Any]:
    """Return the values of a point as a CSV file has them: a word for the value None, nothing for what is inactive."""
    pairs = zip(values, words, strict=False)
    return [None if value == INACTIVE else word if value is None else value for value, word in pairs]


def words_of_none(results: Results) -> list[str]:
    """Return how the value None of each dimension is written."""
    return [_word_of_none(spec) for spec in results.metadata.space.values()]


def _word_of_none(spec: Any) -> str:
    """Return how the value None of a dimension is written: as no other of its values is."""
    taken = spec if isinstance(spec, list | tuple) else ()
    return next(word for word in ("None", "null", "<None>", "(None)") if word not in taken)


def export_points(results: Results, stream: Stream, evaluations: Sequence[Evaluation]) -> None:
    """Write a JSON list with id, the columns of what was found, and point of each evaluation.

    Args:
        results: Of a campaign.
        stream: A text file.
        evaluations: Some of its evaluations.
    """
    names = value_columns(results)
    records = [
        {"id": each.id} | dict(zip(names, _value_cells(results, each), strict=True)) | {"point": each.point}
        for each in evaluations
    ]
    stream.write(_strict(records) + "\n")


def export_json(results: Results, stream: Stream) -> None:
    """Write one object with `metadata` and `evaluations`; NaN and infinities are null, as every JSON reader knows.

    Args:
        results: What to write.
        stream: A text file.
    """
    stream.write(f'{{"metadata": {metadata_text(results)},\n"evaluations": [')
    for index, evaluation in enumerate(results.evaluations):
        record = _record(evaluation, results.metadata)
        stream.write((",\n" if index else "\n") + _strict(record))
    stream.write("\n]}\n")


def metadata_text(results: Results) -> str:
    """Return the metadata as JSON."""
    metadata = {field.name: getattr(results.metadata, field.name) for field in fields(results.metadata)}
    metadata["objectives"] = {each.name: each.maximises for each in results.metadata.objectives}
    metadata["space"] = {dimension.name: dimension.spec for dimension in results.metadata.dimensions}
    return _strict(metadata)


def _record(evaluation: Evaluation, metadata: Metadata) -> dict[str, Any]:
    found = evaluation._asdict() | {"state": evaluation.state.value, "origin": evaluation.origin._asdict()}
    del found["objectives"]
    if metadata.seeks_architectures:
        return found | {"reward": turned(evaluation.objective, True)}
    if not metadata.objectives:
        return found
    names = [each.name for each in metadata.objectives]
    return found | {"objectives": dict(zip(names, returned(evaluation, metadata.objectives), strict=True))}


def _strict(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return {key: _finite(item) for key, item in value.items()} if isinstance(value, dict) else value
