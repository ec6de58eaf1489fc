"""Table of the ranks of a run: where each is, what it does, and its cores and GPUs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from dhmpi.support.options import ranges

# So many ranks are shown at the start of a campaign; of more, the first and the last.
MOST_SHOWN = 8


class Row(NamedTuple):
    """Row of the table, as text.

    Attributes:
        rank: The rank; in a pool the number of the worker.
        host: Where it is.
        role: What it does.
        worker: The number of the worker that it is, or nothing.
        cores: The cores that it may run on.
        gpus: The GPUs of its evaluations.
    """

    rank: str
    host: str
    role: str
    worker: str
    cores: str
    gpus: str


def rows(run: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a run, in the order of the ranks.

    Args:
        run: As the metadata of results have it: `roles`, `hosts`, `num_workers`.
    """
    roles = run["roles"]
    gpus = {rank: name for each in roles.get("gpus", ()) for rank, name in _by_rank(each["devices"]).items()}
    if not roles["nodes"]:  # no MPI: a pool on one host
        host = (run["hosts"] or [""])[0]
        teams = [_numbers(text) for text in roles.get("teams", ())] or [[each] for each in range(run["num_workers"])]
        return [
            Row(str(rank), host, "evaluates", str(worker), "", gpus.get(rank, ""))
            for worker, team in enumerate(teams)
            for rank in team
        ]
    tasks = dict(_tasks(roles))
    evaluating = [rank for rank in sorted(tasks) if "evaluates" in tasks[rank]]
    teams = [_numbers(text) for text in roles.get("teams", ())] or [[rank] for rank in evaluating]
    workers_of = {rank: str(number) for number, team in enumerate(teams) for rank in team}
    found = []
    for node in roles["nodes"]:
        cores = _by_rank(node.get("cores", {}))
        for rank in _numbers(node["ranks"]):
            where = str(rank), node["host"], tasks.get(rank, "sleeps"), workers_of.get(rank, "")
            found.append((rank, Row(*where, cores.get(rank, ""), gpus.get(rank, ""))))
    return [row for _, row in sorted(found)]


def name_of_workers(run: Mapping[str, Any]) -> str:
    """Return what one that evaluates is called: a rank, or the worker of a pool, where there was no MPI.

    Args:
        run: As the metadata of results have it.
    """
    roles = run.get("roles")
    return "worker" if isinstance(roles, Mapping) and not roles.get("nodes") else "rank"


def lines(table: Sequence[Row], most: int | None = None) -> list[str]:
    """Return the table for people, with a line of titles.

    Args:
        table: The rows.
        most: How many are shown at most; None: all.
    """
    shown = list(table)
    if most is not None and len(shown) > most:
        shown = [*shown[: most - 1], Row("...", "", "", "", "", ""), shown[-1]]
    shown = [Row("rank", "host", "role", "worker", "cores", "GPUs"), *shown]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in shown]


def _tasks(roles: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the ranks that have something to do, and what; a rank may come twice, then the second time counts."""
    if roles["has_agents"]:
        yield 0, "serves parameters" if roles["has_server"] else "coordinates"
    for group in roles["groups"]:
        workers = _numbers(group["workers"])
        leads = "is an agent" if roles["has_agents"] else "searches"
        yield group["leader"], leads if workers else f"{leads}, evaluates"
        yield from ((worker, "evaluates") for worker in workers)


def _by_rank(ranks: Mapping[str, str]) -> dict[int, str]:
    """Return what each rank has, from which ranks have it."""
    return {rank: name for name, text in ranks.items() for rank in _numbers(text)}


def _numbers(text: str) -> list[int]:
    """Return the numbers of 0,4-7."""
    return list(chain.from_iterable(ranges("ranks", text))) if text else []
