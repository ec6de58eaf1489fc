"""Lists of hosts as schedulers write them: nid[00001-00003,7],login1."""

import re
from collections.abc import Iterable
from itertools import groupby

# A host, or several by numbers in brackets; commas in these separate no hosts.
PART = re.compile(r"(?:[^,\[]|\[[^\]]*\])+")
NUMBERS = re.compile(r"\[([^\]]*)\]")


def expand(text: str) -> tuple[str, ...]:
    """Return the names of the hosts in a list.

    Raises:
        ValueError: It is no such list.
    """
    return tuple(name for part in PART.findall(text) for name in _expand(part.strip()))


def _expand(part: str) -> Iterable[str]:
    numbers = NUMBERS.search(part)
    if numbers is None:
        return [part]
    before, rest = part[: numbers.start()], part[numbers.end() :]
    found = []
    for each in numbers[1].split(","):
        first, _, last = each.strip().partition("-")
        found += [f"{number:0{len(first)}}" for number in range(int(first), int(last or first) + 1)]
    return [before + number + after for number in found for after in _expand(rest)]


def fold(names: Iterable[str]) -> str:
    """Return the list of hosts that stands for names, in their order."""
    parts = []
    for (before, width), group in groupby(map(_split, names), key=lambda each: each[:2]):
        numbers = [number for _, _, number in group]
        if not width or len(numbers) == 1:
            parts += [before if number is None else f"{before}{number:0{width}}" for number in numbers]
        else:
            parts.append(f"{before}[{','.join(_ranges(numbers, width))}]")
    return ",".join(parts)


def _split(name: str) -> tuple[str, int, int | None]:
    """Return what stands before the number at the end of a name, how many digits that has, and itself."""
    before = name.rstrip("0123456789")
    digits = name[len(before) :]
    return before, len(digits), int(digits) if digits else None


def _ranges(numbers: Iterable[int | None], width: int) -> list[str]:
    ranges: list[list[int]] = []
    for number in numbers:
        assert number is not None  # since they have a width
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return [f"{first:0{width}}" if first == last else f"{first:0{width}}-{last:0{width}}" for first, last in ranges]
