"""A campaign as flat rows, CSV and JSON."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from dhmpi.evaluation import INACTIVE, Evaluation, turned
from dhmpi.results.reader import Results
from dhmpi.support.json_text import dumps
from dhmpi.support.printing import Stream

_LAST = ("state", "submitted", "started", "ended", "rank", "host", "error")


def point_columns(results: Results) -> list[str]:
    """Return the column of every dimension: its name, after `point.` if another column has that name, or could have."""
    taken = {"id", *_values(results), *_last(results)}
    return [
        f"point.{name}" if name in taken or name.startswith(("point.", "extra.")) else name
        for name in results.metadata.space
    ]


def _values(results: Results) -> tuple[str, ...]:
    """Return the columns of what was found: the objective, which is to be small, and what it was turned from."""
    return ("objective", "reward") if results.metadata.maximises else ("objective",)


def _last(results: Results) -> tuple[str, ...]:
    """Return the columns behind those; with the last steps that were reported, if any were."""
    return (*_LAST, "step") if has_steps(results) else _LAST


def has_steps(results: Results) -> bool:
    """Return whether any evaluation has reported how far it was."""
    return any(evaluation.step is not None for evaluation in results.evaluations)


def extra_keys(results: Results) -> list[str]:
    """Return the keys of all extras, in order of appearance."""
    return list(dict.fromkeys(key for evaluation in results.evaluations for key in evaluation.extra))


def header(results: Results) -> list[str]:
    """Return the names of all columns."""
    extras = [f"extra.{key}" for key in extra_keys(results)]
    return ["id", *point_columns(results), *_values(results), *_last(results), *extras]


def rows(results: Results, evaluations: Sequence[Evaluation] | None = None) -> Iterator[list[Any]]:
    """Yield one list per evaluation, in the order of the header; None where there is nothing, or `INACTIVE` in a point.

    Args:
        results: Of a campaign.
        evaluations: Some of its evaluations, in any order. Default: all of them.
    """
    names, keys = list(results.metadata.space), extra_keys(results)
    maximises, reports = results.metadata.maximises, has_steps(results)
    for each in results.evaluations if evaluations is None else evaluations:
        values = [each.objective, turned(each.objective, True)] if maximises else [each.objective]
        last = [each.state.value, each.submitted, each.started, each.ended, each.rank, each.host, each.error]
        last += [each.step] if reports else []
        point = [each.point.get(name, INACTIVE) for name in names]
        yield [each.id, *point, *values, *last, *map(each.extra.get, keys)]


def export_csv(results: Results, stream: Stream, evaluations: Sequence[Evaluation] | None = None) -> None:
    """Write one line per evaluation under a header; what is missing or inactive is empty, lists and mappings are JSON.

    The value None of a dimension is the word None, or null if None is one of its texts. Where large values are looked
    for, the column reward holds what was returned, and objective minus that.

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
    """Write a JSON list with id, objective, reward if large values are looked for, and point of each evaluation.

    Args:
        results: Of a campaign.
        stream: A text file.
        evaluations: Some of its evaluations.
    """
    names = ("id", *_values(results), "point")
    records = [_record(each, results.metadata.maximises) for each in evaluations]
    stream.write(_strict([{name: record[name] for name in names} for record in records]) + "\n")


def export_json(results: Results, stream: Stream) -> None:
    """Write one object with `metadata` and `evaluations`; NaN and infinities are null, as every JSON reader knows.

    Args:
        results: What to write.
        stream: A text file.
    """
    stream.write(f'{{"metadata": {metadata_text(results)},\n"evaluations": [')
    for index, evaluation in enumerate(results.evaluations):
        record = _record(evaluation, results.metadata.maximises)
        stream.write((",\n" if index else "\n") + _strict(record))
    stream.write("\n]}\n")


def metadata_text(results: Results) -> str:
    """Return the metadata as JSON."""
    metadata = {field.name: getattr(results.metadata, field.name) for field in fields(results.metadata)}
    metadata["space"] = {dimension.name: dimension.spec for dimension in results.metadata.dimensions}
    return _strict(metadata)


def _record(evaluation: Evaluation, maximises: bool) -> dict[str, Any]:
    found = evaluation._asdict() | {"state": evaluation.state.value, "origin": evaluation.origin._asdict()}
    return found | {"reward": turned(evaluation.objective, True)} if maximises else found


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
