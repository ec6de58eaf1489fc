"""Nearness of ranks and GPUs: each rank gets those near its cores."""

import functools
from collections.abc import Iterator, Sequence
from itertools import chain, islice


@functools.lru_cache  # the nodes of a job are much alike
def nearest(masks: tuple[int, ...], near: tuple[int, ...], num_each: int) -> tuple[tuple[int, ...], ...]:
    """Return the GPUs of each rank, in order; nothing for ranks for which none are left.

    The closest pairs find each other first, so a GPU goes to the rank that has the most of its cores; and where cores
    make no difference, ranks and GPUs are taken in order.

    Args:
        masks: The cores that each rank may run on, as the bits of numbers.
        near: The cores near each GPU; 0 where they are not known.
        num_each: How many GPUs a rank gets.
    """
    shared = [[(cores & others).bit_count() for others in near] for cores in masks]
    pairs = sorted(
        # Whoever could go elsewhere lets others choose first.
        (-num, masks[rank].bit_count() if num else 0, rank, gpu)
        for rank, row in enumerate(shared)
        for gpu, num in enumerate(row)
    )
    free, chosen = set(range(len(near))), {}
    for _, _, rank, gpu in pairs:
        if rank not in chosen and gpu in free and len(free) >= num_each:
            others = sorted(free - {gpu}, key=lambda each: (-shared[rank][each], each))
            chosen[rank] = tuple(sorted([gpu, *others[: num_each - 1]]))
            free.difference_update(chosen[rank])
    return tuple(chosen.get(rank, ()) for rank in range(len(masks)))


def nearest_in_turns(
    masks: Sequence[int], near: tuple[int, ...], num_each: int, num_turns: int
) -> tuple[tuple[int, ...], ...]:
    """Return the same where each GPU is given out several times, again only when all have been given out.

    Args:
        masks: The cores that each rank may run on.
        near: The cores near each GPU.
        num_each: How many GPUs a rank gets.
        num_turns: How many ranks may share a GPU.
    """
    given: dict[int, tuple[int, ...]] = {}
    for _ in range(num_turns):
        waiting = [rank for rank in range(len(masks)) if rank not in given]
        found = nearest(tuple(masks[rank] for rank in waiting), near, num_each)
        given |= {rank: gpus for rank, gpus in zip(waiting, found, strict=True) if gpus}
    return tuple(given.get(rank, ()) for rank in range(len(masks)))


def nearest_of_teams(
    teams: Sequence[tuple[int, ...]], near: tuple[int, ...], num_each: int
) -> Iterator[tuple[int, ...]]:
    """Yield the GPUs of each team, those of its first rank first, so that each rank has near ones.

    Args:
        teams: The cores that each rank of a team may run on; there must be GPUs for all of them.
        near: The cores near each GPU.
        num_each: How many GPUs a rank gets.
    """
    of_ranks = iter(nearest(tuple(chain.from_iterable(teams)), near, num_each))
    for team in teams:
        yield tuple(chain.from_iterable(islice(of_ranks, len(team))))
