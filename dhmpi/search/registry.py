"""Registry of the searches, by name; each is imported when it is used."""

import importlib
from typing import TYPE_CHECKING, NamedTuple

from dhmpi.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from dhmpi.search.search import Search


class Entry(NamedTuple):
    """Entry of a search: its module and class, and a line about it."""

    module: str
    attribute: str
    summary: str


SEARCHES = {
    "ambs": Entry("dhmpi.search.hps.ambs", "AMBS", "asynchronous model-based search"),
    "ga": Entry("dhmpi.search.hps.ga", "GA", "genetic algorithm"),
    "hps-random": Entry("dhmpi.search.hps.random", "RandomSearch", "random search"),
    "nas-random": Entry("dhmpi.search.nas.random", "NasRandom", "random search for neural architectures"),
    "ppo-async": Entry("dhmpi.search.nas.ppo_a3c_async", "NasPPOAsyncA3C", "architecture search by PPO agents"),
    "ppo-sync": Entry("dhmpi.search.nas.ppo_a3c_sync", "NasPPOSyncA3C", "architecture search by PPO agents in step"),
}


def find(name: str) -> "type[Search]":
    """Return the class of a search.

    Raises:
        OptionError: There is no such search.
    """
    if name not in SEARCHES:
        raise OptionError(f"no such search: {name!r}; {did_you_mean(name, SEARCHES)}")
    entry = SEARCHES[name]
    found: type[Search] = getattr(importlib.import_module(entry.module), entry.attribute)
    return found
