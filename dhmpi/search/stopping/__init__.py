"""Early stopping: which evaluations go on, by what they have reported.

`make` is the way in. Stoppers see values that are to be small, and steps that grow; they know neither ranks nor files,
draw nothing at random, and decide the same when the same calls are repeated.
"""

from collections.abc import Mapping
from typing import Any

from dhmpi.errors import OptionError, did_you_mean, option_name
from dhmpi.search.stopping.asha import Asha
from dhmpi.search.stopping.auto_stopper import AutoStopper
from dhmpi.search.stopping.median import MedianStopper
from dhmpi.search.stopping.settings import NAMES, StopperSettings
from dhmpi.search.stopping.stopper import Stopper
from dhmpi.support.options import build, check_names

__all__ = ["NAMES", "Stopper", "StopperSettings", "make"]


def make(name: str, settings: Mapping[str, Any] | StopperSettings, max_steps: float | None) -> Stopper | None:
    """Make a stopper.

    Args:
        name: One of `NAMES`.
        settings: Its settings, by the names of the fields of `StopperSettings`; those of other stoppers do not matter.
        max_steps: Last step of a full training; None if it is not known.

    Returns:
        The stopper; None for `none`.

    Raises:
        OptionError: There is no such stopper, or a setting is unknown or has a value that is not allowed.
    """
    if name not in NAMES:
        raise OptionError(
            f"{option_name('stopper')} must be one of {', '.join(NAMES)}, got {name}; {did_you_mean(name, NAMES)}"
        )
    if not isinstance(settings, StopperSettings):
        check_names((StopperSettings,), settings)
        settings = build(StopperSettings, settings)
    if name == "asha":
        return Asha(settings.reduction, settings.min_steps, max_steps)
    if name == "median":
        return MedianStopper(settings.min_others, settings.min_steps, max_steps)
    if name == "auto":
        return AutoStopper(settings.risk, settings.min_steps, max_steps)
    return None
