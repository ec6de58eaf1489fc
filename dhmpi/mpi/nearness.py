"""Nearness of ranks and GPUs: each rank gets those near its cores."""

import functools
from collections.abc import Sequence


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


def in_order(masks: tuple[int, ...], gpus: Sequence[int], near: Sequence[int]) -> list[int]:
    """Return GPUs in such an order that equal parts are near the ranks that share them; as they are if these are fewer.

    Args:
        masks: The cores that each rank may run on, as the bits of numbers.
        gpus: Numbers of GPUs.
        near: The cores near each GPU of the node.
    """
    if len(masks) == 1 or len(gpus) % len(masks):
        return list(gpus)
    parts = nearest(masks, tuple(near[gpu] for gpu in gpus), len(gpus) // len(masks))
    return [gpus[place] for part in parts for place in part]
