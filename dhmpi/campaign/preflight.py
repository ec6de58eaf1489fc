"""Preflight checks of a campaign, and the removal of what an earlier one has left."""

import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import Evaluation, Objective, State
from dhmpi.results import ResultsStore
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.support import environment

# What evaluations have for themselves: their directories, and while they run notices and directories of steps.
_OWN = re.compile(r"evaluation-(\d{6,})(\.checkpoint|\.step-.*)?")


def check_file(options: CampaignOptions) -> None:
    """Check whether the results can be written, without touching what exists."""
    if options.resume and options.overwrite:
        raise OptionError(f"{option_name('resume')} and {option_name('overwrite')} exclude each other; give one")
    ResultsStore.check(options.output, options.overwrite, options.resume)


def check_feedback(options: CampaignOptions, evaluator: str, can_tell: bool) -> None:
    """Check whether evaluations can be told to stop, if the options want that.

    Args:
        options: What every search has.
        evaluator: Name of what evaluates.
        can_tell: Whether it can tell evaluations to stop.

    Raises:
        OptionError: They cannot.
    """
    if options.feedback.has_answers and not can_tell:
        name, value = "stopper", options.stopper
        if value == "none":
            name, value = "max_steps_total", f"{options.max_steps_total:g}"
        raise OptionError(
            f"{option_name(name)} must be left out with {evaluator}, which cannot tell evaluations to stop, got {value}"
        )


def check_single(objectives: Sequence[Objective]) -> None:
    """Check whether a program can return what a problem wants: it prints one number.

    Raises:
        OptionError: It cannot.
    """
    if len(objectives) > 1:
        names = ", ".join(each.name for each in objectives)
        need = f"{option_name('run')} must be a Python function where there are several objectives ({names})"
        raise OptionError(f"{need}, got a program; let a function run it and return a dict")


def end_of_earlier(output: str) -> float:
    """Return until when a file was written if a campaign did that which this one overwrites [s since 1970-01-01 UTC].

    Ranks of this one may have logged something already.
    """
    try:
        return os.stat(output).st_mtime
    except OSError:  # it has been removed; ranks begin at about the same time
        return time.time() - environment.process_age() - 60


def remove_files(directory: str, end: float) -> None:
    """Remove what evaluations and, until a time, ranks have left; rank 0 itself has not begun its log yet."""
    for path in Path(directory).glob("rank-*.log"):
        if path.name == "rank-0000.log" or path.stat().st_mtime <= end:
            path.unlink()
    for path in Path(directory).glob("evaluation-*"):
        _remove(path)


def remove_leftovers(directory: str, evaluations: Iterable[Evaluation]) -> None:
    """Remove what must not meet an evaluation that begins anew in a campaign that goes on.

    That is in the directories of those that the file does not know as begun, since they are to be redone or the machine
    has crashed; their logs stay.

    Args:
        directory: Where they are.
        evaluations: What the file has.

    Raises:
        OSError: It cannot be removed.
    """
    begun = {each.id for each in evaluations if each.state is not State.PENDING}
    if not os.path.isdir(directory):
        return
    with os.scandir(directory) as entries:  # of which there may be a million
        found = [(match, entry.path) for entry in entries if (match := _OWN.fullmatch(entry.name))]
    for match, path in found:
        if match[2] or int(match[1]) not in begun:
            _remove(Path(path))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
