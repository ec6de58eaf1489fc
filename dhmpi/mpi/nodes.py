"""Nodes of a job: which ranks share one, and how many threads each may have there."""

import functools
from collections.abc import Container
from itertools import zip_longest
from typing import NamedTuple

from dhmpi.mpi.slots import Sharers
from dhmpi.support import environment
from dhmpi.support.gpus import NO_GPUS, GpuView


class ComputeNode(NamedTuple):
    """A node, and those of the job's ranks that are there.

    Attributes:
        host: Its name.
        ranks: The ranks, in order.
        masks: The cores that each of them may run on, as the bits of a number.
        views: The GPUs that each of them may use; None: all that the node has, as another rank may know.
    """

    host: str
    ranks: tuple[int, ...]
    masks: tuple[int, ...]
    views: tuple[GpuView | None, ...] = ()

    def threads(self, evaluating: Container[int]) -> dict[int, int]:
        """Return how many threads each rank that evaluates may have, by rank; the cores of the others count as free.

        Args:
            evaluating: The ranks of the job that do.
        """
        masks = {rank: mask for rank, mask in zip(self.ranks, self.masks, strict=True) if rank in evaluating}
        return dict(zip(masks, _shares(tuple(masks.values())), strict=True))

    def ranks_apart(self, evaluating: Container[int]) -> list[int]:
        """Return the ranks that evaluate; last those on fewer cores, or on the same as an earlier one.

        Of these, one too many for teams is left out: a node of a cluster has one for rank 0, which is needed only once.

        Args:
            evaluating: The ranks of the job that do.
        """
        num_cores: dict[int, int] = {}
        seen: set[int] = set()
        for rank, mask in zip(self.ranks, self.masks, strict=True):
            if rank in evaluating:
                num_cores[rank] = 0 if mask in seen else mask.bit_count()
                seen.add(mask)
        return sorted(num_cores, key=lambda rank: -num_cores[rank])

    def sharers(self, evaluating: Container[int]) -> list[Sharers]:
        """Return the ranks that evaluate, by the GPUs that they see.

        Args:
            evaluating: The ranks of the job that do.
        """
        whole = next((view for view in self.views if view is not None and not view.is_listed), None)
        whole = whole or next(filter(None, self.views), NO_GPUS)
        views = {rank: view or whole for rank, view in zip_longest(self.ranks, self.views)}
        groups: dict[GpuView, list[int]] = {}
        for rank, view in views.items():
            if rank in evaluating:
                groups.setdefault(view, []).append(rank)
        are_given_out = len({view.devices for view in views.values() if view.devices}) > 1
        masks = dict(zip(self.ranks, self.masks, strict=True))
        return [
            Sharers(self.host, tuple(ranks), view, view.is_own or (are_given_out and len(ranks) == 1), masks)
            for view, ranks in groups.items()
        ]


@functools.lru_cache
def _shares(masks: tuple[int, ...]) -> tuple[int, ...]:
    """Return the threads of those that work on a node, by their cores; nodes of a job are much alike."""
    cores = {mask: {core for core in range(mask.bit_length()) if mask >> core & 1} for mask in masks}
    every = [cores[mask] for mask in masks]
    shares = {mask: environment.share(cores[mask], every) for mask in cores}
    return tuple(shares[mask] for mask in masks)
