"""Slots of a campaign: the ranks of one evaluation at a time, and the GPUs that are theirs.

Ranks that see the same GPUs share them: all of a node, unless the launcher has given each of them its own.
"""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

from dhmpi.errors import OptionError, option_name
from dhmpi.mpi.nearness import nearest_in_turns, nearest_of_teams
from dhmpi.support.gpus import GpuView
from dhmpi.support.printing import in_short
from dhmpi.support.resources import SlotOptions
from dhmpi.support.wording import counted


class Slot(NamedTuple):
    """Slot, in which one evaluation runs at a time; one whose ranks are on several nodes has a slot on each of them.

    Attributes:
        ranks: Its ranks; in a pool the number of its worker.
        host: Where they are.
        gpus: The GPUs that the evaluation may use there, as the variable names them.
        variable: That variable.
        is_set: Whether it is set for evaluations; else they see these GPUs anyway.
        worker: Number of the worker that these ranks are, from 0.
    """

    ranks: tuple[int, ...]
    host: str
    gpus: tuple[str, ...] = ()
    variable: str = ""
    is_set: bool = False
    worker: int = 0

    def gpus_of(self, rank: int) -> tuple[str, ...]:
        """Return the GPUs of one of the ranks: an equal part, or where there are fewer GPUs than ranks one of them."""
        if not self.is_set:
            return self.gpus
        place, num_ranks, num_gpus = self.ranks.index(rank), len(self.ranks), len(self.gpus)
        each = max(1, num_gpus // num_ranks)
        first = place * num_gpus // num_ranks
        return self.gpus[first : first + each]


class Sharers(NamedTuple):
    """Workers that see the same GPUs.

    Attributes:
        host: Where they are.
        ranks: Their ranks; in a pool their numbers.
        view: What each of them sees.
        is_bound: Whether the launcher has given these to each of them alone.
        masks: The cores that each of them may run on, as the bits of numbers; nothing where that makes no difference.
    """

    host: str
    ranks: tuple[int, ...]
    view: GpuView
    is_bound: bool = False
    masks: Mapping[int, int] = MappingProxyType({})


class Deal(NamedTuple):
    """Result of dealing out GPUs.

    Attributes:
        slots: Where evaluations run, in the order of their ranks.
        sentence: What was done, for people; nothing if there is no GPU.
    """

    slots: tuple[Slot, ...] = ()
    sentence: str = ""

    def teams(self) -> list[tuple[int, ...]]:
        """Return the ranks of each worker, the one that leads it first."""
        found: dict[int, tuple[int, ...]] = {}
        for slot in self.slots:
            found[slot.worker] = (*found.get(slot.worker, ()), *slot.ranks)
        return list(found.values())

    def as_json(self) -> list[dict[str, Any]]:
        """Return which ranks of each node have which GPUs, as a results file keeps it; nothing where there is none."""
        ranks: dict[tuple[str, str], dict[str, list[int]]] = {}
        for slot in self.slots:
            for rank in slot.ranks if slot.gpus else ():
                of_host = ranks.setdefault((slot.host, slot.variable), {})
                of_host.setdefault(",".join(slot.gpus_of(rank)), []).append(rank)
        return [
            {"host": host, "variable": variable, "devices": {name: in_short(each) for name, each in devices.items()}}
            for (host, variable), devices in ranks.items()
        ]


def teams_of(nodes: Iterable[Sequence[int]], num: int) -> list[tuple[int, ...]]:
    """Return teams of so many ranks, in order of their first ones; on one node each unless no node has as many.

    Args:
        nodes: The ranks that evaluate, node by node; those that are left over are in no team.
        num: Ranks of a team.
    """
    there = [tuple(ranks) for ranks in nodes]
    if all(len(ranks) < num for ranks in there):
        there = [tuple(chain.from_iterable(there))]
    return sorted(ranks[first : first + num] for ranks in there for first in range(0, len(ranks) - num + 1, num))


def deal(groups: Iterable[Sharers], options: SlotOptions, teams: Sequence[tuple[int, ...]] | None = None) -> Deal:
    """Deal out GPUs: as many as the options say to each worker, or all in equal shares if there are enough.

    Args:
        groups: Ranks that evaluate, by what they see.
        options: What was asked for. Workers for whom nothing is left get no slot.
        teams: The ranks of each worker; by default each rank is one.

    Raises:
        OptionError: That is not there.
    """
    groups = [_narrowed(group, options.gpus_per_node) for group in groups]
    ranks = [rank for group in groups for rank in group.ranks]
    worker_of = {rank: number for number, team in enumerate(teams or [(rank,) for rank in ranks]) for rank in team}
    groups = [group._replace(ranks=tuple(rank for rank in group.ranks if rank in worker_of)) for group in groups]
    groups = [group for group in groups if group.ranks]
    wanted, num_ranks = options.gpus_per_eval, options.ranks_per_eval
    equal = _equal_share(groups)
    each = equal if wanted is None else _per_rank(wanted, num_ranks)
    slots = [slot for group in groups for slot in _slots(group, worker_of, each, is_asked=wanted is not None)]
    slots = _whole(slots, num_ranks)
    if wanted and not slots:
        raise OptionError(_too_many(groups, wanted))
    num_left = len(ranks) - sum(len(slot.ranks) for slot in slots)
    return Deal(tuple(slots), _sentence(groups, each, options, num_left))


def _per_rank(wanted: float, num_ranks: int) -> float:
    """Return how many GPUs, or which part of one, each rank of an evaluation gets."""
    if wanted > num_ranks and wanted % num_ranks:
        raise OptionError(
            f"{option_name('gpus_per_eval')} must be a multiple of {option_name('ranks_per_eval')} {num_ranks}, "
            f"or less than that, got {wanted:g}"
        )
    return wanted / num_ranks


def _whole(slots: Iterable[Slot], num_ranks: int) -> list[Slot]:
    """Return the slots of workers all of whose ranks have a place, numbered anew."""
    ranks: dict[int, int] = {}
    for slot in (ordered := sorted(slots, key=lambda slot: slot.worker)):
        ranks[slot.worker] = ranks.get(slot.worker, 0) + len(slot.ranks)
    whole = [worker for worker, num in ranks.items() if num == num_ranks]
    number = {worker: place for place, worker in enumerate(whole)}
    return [slot._replace(worker=number[slot.worker]) for slot in ordered if slot.worker in number]


def capacity(num_gpus: int, each: float) -> int:
    """Return how many evaluations find place on so many GPUs, with so many, or such a part of one, for each."""
    return num_gpus // int(each) if each >= 1 else num_gpus * int(1 / each + 1e-9)


def _narrowed(group: Sharers, num: int | None) -> Sharers:
    """Return a group with so many GPUs of its node."""
    view = group.view
    if num is None or group.is_bound or num == len(view.devices):
        return group
    if num > len(view.devices) and view.is_listed:
        raise OptionError(
            f"{option_name('gpus_per_node')} must be at most {len(view.devices)}, as many as {view.variable} names on "
            f"{group.host}, got {num}; leave it out, or name more of them"
        )
    return group._replace(view=view.cut(num))


def _equal_share(groups: Sequence[Sharers]) -> int:
    """Return how many GPUs each worker can have, the same everywhere; 0 if there are fewer GPUs than workers."""
    shares = [len(group.view.devices) // len(group.ranks) for group in groups if _has_choice(group)]
    return min(shares, default=0)


def _has_choice(group: Sharers) -> bool:
    return not group.is_bound and bool(group.view.devices)


def _slots(group: Sharers, worker_of: Mapping[int, int], each: float, is_asked: bool) -> list[Slot]:
    """Return the slots of ranks that see the same GPUs.

    Args:
        group: These ranks.
        worker_of: The worker that each of them belongs to.
        each: GPUs of a rank, or the part of one.
        is_asked: Whether that was asked for.
    """
    host, ranks, view, is_bound, masks = group
    devices = view.devices
    parts: dict[int, tuple[int, ...]] = {}
    for rank in ranks:
        parts[worker_of[rank]] = (*parts.get(worker_of[rank], ()), rank)
    if not each or is_bound or not (devices or is_asked):
        is_there = devices or not (is_asked and each)
        return [Slot(part, host, devices, view.variable, worker=worker) for worker, part in parts.items() if is_there]
    share = max(map(len, parts.values())) * each
    num = min(len(parts), capacity(len(devices), share))
    if not num:
        return []
    places, num_turns = list(range(len(devices))), capacity(1, share)
    near = view.near
    if not any(near):  # neighbours share, and as few each GPU as can be
        num_places, num_turns = max(num, len(devices)), 1
        places, near = [place * len(devices) // num_places for place in range(num_places)], (0,) * num_places
    cores = [tuple(masks.get(rank, 0) for rank in part) for part in parts.values()]
    whole = [functools.reduce(operator.or_, its_cores) for its_cores in cores]
    chosen = nearest_in_turns(whole, near, max(1, int(share + 1e-9)), max(1, num_turns))
    if each >= 1:
        served = [its_cores if its_places else () for its_cores, its_places in zip(cores, chosen, strict=True)]
        chosen = tuple(nearest_of_teams(served, near, int(each)))
    slots = []
    for (worker, part), its_places in zip(parts.items(), chosen, strict=True):
        if its_places:
            gpus = tuple(devices[places[place]] for place in its_places)
            is_alone = len(part) == 1 and gpus == devices and view.is_listed
            slots.append(Slot(part, host, gpus, view.variable, not is_alone, worker))
    return slots


def _too_many(groups: Sequence[Sharers], wanted: float) -> str:
    name, most = option_name("gpus_per_eval"), max((len(group.view.devices) for group in groups), default=0)
    if most:
        return f"{name} must be at most {most}, the GPUs that there are, got {wanted:g}"
    return (
        f"{name} must be left out where no GPU is seen, got {wanted:g}; "
        f"if there are some, say how many with {option_name('gpus_per_node')}"
    )


def _sentence(groups: Sequence[Sharers], each: float, options: SlotOptions, num_left: int) -> str:
    """Return what was done, for people.

    Args:
        groups: Ranks that evaluate, by what they see.
        each: GPUs of a rank, or the part of one.
        options: What was asked for.
        num_left: Ranks that have nothing to do.
    """
    wanted, num_ranks = options.gpus_per_eval, options.ranks_per_eval
    together = f"{num_ranks} ranks for each evaluation" if num_ranks > 1 else ""
    there = [group for group in groups if group.view.devices]
    if not there or wanted == 0:
        return f"{together}; {counted(num_left, 'rank')} sleep{'s' * (num_left == 1)}" if num_left else together
    is_launchers = all(group.is_bound for group in there)
    if is_launchers:
        sentence = "the launcher has given each rank its GPUs"
        if wanted and any(len(group.view.devices) != wanted for group in there):
            sentence += ", whatever --gpus-per-eval says"
    elif not each:
        tight = min((group for group in there if _has_choice(group)), key=_gpus_per_worker)
        num, workers = len(tight.view.devices), len(tight.ranks)
        part = 1000 // -(-workers // num) / 1000  # rounded down, so that all find place
        sentence = (
            f"{workers} workers see all {counted(num, 'GPU')} of {tight.host}: "
            f"--gpus-per-eval 1 gives one each to {num} of them, {part:g} lets them share"
        )
    else:
        all_of_it = wanted or each * num_ranks
        sentence = (
            f"{together and f'{num_ranks} ranks and '}{all_of_it:g} GPU{'s' * (all_of_it > 1)} for each evaluation"
        )
        together = ""
    if together:
        sentence = f"{together}; {sentence}"
    if not num_left:
        return sentence
    without = "" if num_ranks > 1 else " without a GPU"
    return f"{sentence}; {counted(num_left, 'rank')}{without} sleep{'s' * (num_left == 1)}"


def _gpus_per_worker(group: Sharers) -> float:
    return len(group.view.devices) / len(group.ranks)
