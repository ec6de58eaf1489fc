"""Searches: which points to evaluate."""

from dhmpi.search.search import Search

__all__ = ["Search"]
