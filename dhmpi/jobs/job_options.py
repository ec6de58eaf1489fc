"""Options of a job script, checked."""

import shlex
from collections.abc import Mapping
from typing import Any

from dhmpi.errors import OptionError
from dhmpi.jobs import limits
from dhmpi.jobs.script import MAX_EVALS, MAX_NUMBER, JobScript
from dhmpi.jobs.sites import SEARCH_JOBS, SITES
from dhmpi.support.options import choice, integer, is_count

SEARCH = "ambs"  # if nothing else is said
MAX_MINUTES = 366 * 24 * 60  # of a walltime


def job_of(values: Mapping[str, Any]) -> JobScript:
    """Return the script that is asked for.

    Args:
        values: Texts by the names of the command line, with `_` for `-`; None for what was not said.

    Raises:
        OptionError: A value is not allowed.
    """
    if values["site"] is None:
        raise OptionError(f"--site must be given; choose from {', '.join(SITES)}")
    texts = {name: values[name] or "" for name in ("account", "queue", "problem", "run", "output", "arguments")}
    for name, text in {**texts, "module": values["module"] or ""}.items():
        _check_line(f"--{name}", text)
    for name in ("account", "queue"):
        if any(each.isspace() for each in texts[name]):
            raise OptionError(f"--{name} must have no blanks, got {texts[name]!r}; give its name alone")
    max_evals = _number("--max-evals", values["max_evals"])
    job = JobScript(
        site=choice(SITES)("--site", values["site"]),
        search=choice(SEARCH_JOBS)("--search", SEARCH if values["search"] is None else values["search"]),
        nodes=_number("--nodes", values["nodes"]),
        minutes=None if values["walltime"] is None else minutes_of("--walltime", values["walltime"]),
        ranks_per_node=_number("--ranks-per-node", values["ranks_per_node"]),
        account=texts["account"],
        queue=texts["queue"],
        problem=texts["problem"],
        run=texts["run"],
        max_evals=MAX_EVALS if max_evals is None else max_evals,
        output=texts["output"],
        chain=bool(values["chain"]),
        module=values["module"],
        arguments=_words("--arguments", texts["arguments"]),
        gpus_per_eval=_number("--gpus-per-eval", values["gpus_per_eval"], 0),
    )
    limits.check(job)
    return job


def minutes_of(name: str, text: str) -> int:
    """Return the minutes of a walltime: minutes alone, or hours and minutes as H:MM.

    Raises:
        OptionError: It is neither.
    """
    hours, colon, minutes = text.rpartition(":")
    is_right = is_count(minutes) and (not colon or (is_count(hours) and len(minutes) == 2 and int(minutes) < 60))
    total = 60 * int(hours or 0) + int(minutes) if is_right else 0
    if total < 1:
        raise OptionError(f"{name} must be minutes, or hours and minutes as 3:00, got {text}")
    if total > MAX_MINUTES:
        raise OptionError(f"{name} must be at most a year, got {text}")
    return total


def _number(name: str, text: str | None, minimum: int = 1) -> int | None:
    return None if text is None else int(integer(minimum, MAX_NUMBER)(name, text))


def _words(name: str, text: str) -> str:
    """Return words as they are typed in a shell, quoted in the one way that all programs that split them understand."""
    try:
        return shlex.join(shlex.split(text))
    except ValueError as error:
        raise OptionError(f"{name} must be words as in a shell, got {text} ({str(error).lower()})") from error


def _check_line(name: str, text: str) -> None:
    if not text.isprintable():
        raise OptionError(f"{name} must be one line of text, got {text!r}")
