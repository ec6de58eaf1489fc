"""Names of workers: ranks where evaluations run on ranks of MPI, else workers of a pool or an engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from dhmpi.errors import OptionError
from dhmpi.results import Metadata, rank_table
from dhmpi.support.printing import in_short


def word_of_workers(metadata: Metadata) -> str:
    """Return what the numbers of workers in a file are, as its latest run has them: `rank` or `worker`."""
    return rank_table.name_of_workers(metadata.runs[-1] if metadata.runs else {})


def names_of_workers(run: Mapping[str, Any]) -> dict[int, str]:
    """Return who the workers of a run are, by the first of their ranks; nothing if its file does not say."""
    if "roles" not in run:
        return {}
    try:
        table = rank_table.rows(run)
    except (KeyError, TypeError, AttributeError, ValueError, OptionError):
        return {}  # another program has written them
    members: dict[str, list[rank_table.Row]] = {}
    for row in table:
        if row.worker:
            members.setdefault(row.worker, []).append(row)
    return {int(group[0].rank): _described(group, rank_table.name_of_workers(run)) for group in members.values()}


def _described(group: Sequence[rank_table.Row], word: str) -> str:
    numbers = [int(row.rank) for row in group]
    gpus = [gpu for row in group for gpu in row.gpus.split(",") if gpu]
    several = "ranks" if word == "rank" else "processes"
    named = f"{word} {numbers[0]}" if len(numbers) == 1 else f"{several} {in_short(numbers)}"
    if not gpus:
        return named
    devices = in_short(sorted(set(map(int, gpus)))) if all(map(str.isdigit, gpus)) else ", ".join(dict.fromkeys(gpus))
    return f"{named}, {'GPU' if len(gpus) == 1 else 'GPUs'} {devices}"
