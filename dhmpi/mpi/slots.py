"""Slots of a campaign: the ranks of one evaluation at a time, and the GPUs that are theirs.

Workers that see the same GPUs share them: all of a node, unless the launcher has given each of them its own.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from dhmpi.errors import OptionError, option_name
from dhmpi.mpi.nearness import nearest
from dhmpi.support.gpus import GpuView
from dhmpi.support.printing import in_short
from dhmpi.support.resources import GpuOptions


class Slot(NamedTuple):
    """Slot, in which one evaluation runs at a time.

    Attributes:
        ranks: Its ranks; in a pool the number of its worker.
        host: Where they are.
        gpus: The GPUs that the evaluation may use, as the variable names them.
        variable: That variable.
        is_set: Whether it is set for evaluations; else they see these GPUs anyway.
    """

    ranks: tuple[int, ...]
    host: str
    gpus: tuple[str, ...] = ()
    variable: str = ""
    is_set: bool = False


class Sharers(NamedTuple):
    """Workers that see the same GPUs.

    Attributes:
        host: Where they are.
        ranks: Their ranks; in a pool their numbers.
        view: What each of them sees.
        is_bound: Whether the launcher has given these to each of them alone.
        masks: The cores that each of them may run on, as the bits of numbers; nothing if that makes no difference.
    """

    host: str
    ranks: tuple[int, ...]
    view: GpuView
    is_bound: bool = False
    masks: tuple[int, ...] = ()


class Deal(NamedTuple):
    """Result of dealing out GPUs.

    Attributes:
        slots: Where evaluations run, in the order of their ranks.
        sentence: What was done, for people; nothing if there is no GPU.
    """

    slots: tuple[Slot, ...] = ()
    sentence: str = ""

    def as_json(self) -> list[dict[str, Any]]:
        """Return which ranks of each node have which GPUs, as a results file keeps it; nothing where there is none."""
        ranks: dict[tuple[str, str], dict[str, list[int]]] = {}
        for slot in self.slots:
            if slot.gpus:
                of_host = ranks.setdefault((slot.host, slot.variable), {})
                of_host.setdefault(",".join(slot.gpus), []).extend(slot.ranks)
        return [
            {"host": host, "variable": variable, "devices": {name: in_short(each) for name, each in devices.items()}}
            for (host, variable), devices in ranks.items()
        ]


def deal(groups: Iterable[Sharers], options: GpuOptions) -> Deal:
    """Deal out GPUs: as many as the options say to each worker, or all in equal shares if there are enough.

    Args:
        groups: Workers, by what they see.
        options: What was asked for. Workers for whom nothing is left get no slot.

    Raises:
        OptionError: That is not there.
    """
    groups = [_narrowed(group, options.gpus_per_node) for group in groups]
    wanted = options.gpus_per_eval
    equal = _equal_share(groups)
    each = equal if wanted is None else wanted
    slots = [slot for group in groups for slot in _slots(group, each, is_asked=wanted is not None)]
    slots.sort(key=lambda slot: slot.ranks)
    if wanted and not slots:
        raise OptionError(_too_many(groups, wanted))
    left = sorted({rank for group in groups for rank in group.ranks} - {rank for slot in slots for rank in slot.ranks})
    return Deal(tuple(slots), _sentence(groups, each, wanted, len(left)))


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


def _slots(group: Sharers, each: float, is_asked: bool) -> list[Slot]:
    """Return the slots of workers that see the same GPUs."""
    host, ranks, view, is_bound, masks = group
    devices = view.devices
    if not each or is_bound or not (devices or is_asked):
        is_there = devices or not (is_asked and each)
        return [Slot((rank,), host, devices, view.variable) for rank in ranks] if is_there else []
    num = min(len(ranks), capacity(len(devices), each))
    if not num:
        return []
    # One place for each share of a GPU; as few shares of each as can be.
    num_places = max(num, len(devices))
    places = [place * len(devices) // num_places for place in range(num_places)]
    near = tuple(view.near[device] for device in places) if view.near else (0,) * num_places
    slots = []
    for rank, chosen in zip(ranks, nearest(masks or (0,) * len(ranks), near, max(1, int(each))), strict=True):
        gpus = tuple(devices[places[place]] for place in chosen)
        if gpus:
            slots.append(Slot((rank,), host, gpus, view.variable, not (gpus == devices and view.is_listed)))
    return slots


def _too_many(groups: Sequence[Sharers], wanted: float) -> str:
    name, most = option_name("gpus_per_eval"), max((len(group.view.devices) for group in groups), default=0)
    if most:
        return f"{name} must be at most {most}, the GPUs that there are, got {wanted:g}"
    return (
        f"{name} must be left out where no GPU is seen, got {wanted:g}; "
        f"if there are some, say how many with {option_name('gpus_per_node')}"
    )


def _sentence(groups: Sequence[Sharers], each: float, wanted: float | None, num_left: int) -> str:
    """Return what was done, for people."""
    there = [group for group in groups if group.view.devices]
    if not there or wanted == 0:
        return ""
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
            f"{workers} workers see all {_counted(num, 'GPU')} of {tight.host}: "
            f"--gpus-per-eval 1 gives one each to {num} of them, {part:g} lets them share"
        )
    else:
        sentence = f"{each:g} GPU{'s' * (each > 1)} for each evaluation"
    return (
        f"{sentence}; {_counted(num_left, 'rank')} without a GPU sleep{'s' * (num_left == 1)}" if num_left else sentence
    )


def _gpus_per_worker(group: Sharers) -> float:
    return len(group.view.devices) / len(group.ranks)


def _counted(num: int, what: str) -> str:
    return f"{num} {what}{'s' * (num != 1)}"
