"""Searches: which points to evaluate."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dhmpi.search.search import Search

__all__ = ["Search"]


def __getattr__(name: str) -> object:
    """Import the contract when it is asked for: names of searches are had without it."""
    if name != "Search":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dhmpi.search.search import Search

    return Search
