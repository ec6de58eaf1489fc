"""Nodes of a job: which ranks share one, and how many threads each may have there."""

import functools
from collections.abc import Container
from typing import NamedTuple

from dhmpi.support import environment


class ComputeNode(NamedTuple):
    """A node, and those of the job's ranks that are there.

    Attributes:
        host: Its name.
        ranks: The ranks, in order.
        masks: The cores that each of them may run on, as the bits of a number.
    """

    host: str
    ranks: tuple[int, ...]
    masks: tuple[int, ...]

    def threads(self, evaluating: Container[int]) -> dict[int, int]:
        """Return how many threads each rank that evaluates may have, by rank; the cores of the others count as free.

        Args:
            evaluating: The ranks of the job that do.
        """
        masks = {rank: mask for rank, mask in zip(self.ranks, self.masks, strict=True) if rank in evaluating}
        return dict(zip(masks, _shares(tuple(masks.values())), strict=True))


@functools.lru_cache
def _shares(masks: tuple[int, ...]) -> tuple[int, ...]:
    """Return the threads of those that work on a node, by their cores; nodes of a job are much alike."""
    cores = {mask: {core for core in range(mask.bit_length()) if mask >> core & 1} for mask in masks}
    every = [cores[mask] for mask in masks]
    shares = {mask: environment.share(cores[mask], every) for mask in cores}
    return tuple(shares[mask] for mask in masks)
