"""Cores that are near each GPU of a node: as a variable says, or else the kernel."""

import re
from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import NamedTuple

from dhmpi.errors import OptionError

# The cores near each GPU, in the order of the GPUs' numbers: 24-31:16-23:8-15:0-7. Job scripts of sites set it.
VARIABLE = "DHMPI_GPU_CORES"
CORES = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*")
# Classes of PCI: display controllers, 0380 those without a display, and processing accelerators.
CLASSES, COMPUTE_CLASSES = ("0x03", "0x12"), ("0x0380", "0x12")


class PciGpu(NamedTuple):
    """GPU, as the kernel knows it.

    Attributes:
        cores: Those near it, as the bits of a number.
        num_tiles: Of how many tiles it is made; Intel's have one or two, others one.
        is_compute: Whether it drives no display.
    """

    cores: int
    num_tiles: int = 1
    is_compute: bool = True


def mask(cores: str) -> int:
    """Return cores, such as 0-7,64-71, as the bits of a number."""
    bits = 0
    for part in filter(None, cores.strip().split(",")):
        first, _, last = part.partition("-")
        bits |= sum(1 << core for core in range(int(first), int(last or first) + 1))
    return bits


def given(env: Mapping[str, str]) -> tuple[int, ...]:
    """Return the cores near each GPU as the variable has them; nothing if it is not set.

    Raises:
        OptionError: It cannot be read.
    """
    text = env.get(VARIABLE, "")
    parts = text.split(":") if text else []
    if not all(CORES.fullmatch(part) and all(map(mask, part.split(","))) for part in parts):
        raise OptionError(
            f"{VARIABLE} must be the cores near each GPU, as in 24-31:16-23:8-15:0-7, got {text!r:.80}; "
            "unset it to let the kernel say them"
        )
    return tuple(map(mask, parts))


def of_kernel(vendor: str, tree: str = "/sys") -> tuple[PciGpu, ...]:
    """Return the node's GPUs in the order of their addresses, in which vendors' programs count them.

    Args:
        vendor: Its number in PCI, as in 0x10de.
        tree: Where the kernel says what it knows.
    """
    gpus = []
    for path in sorted(map(Path, glob(f"{tree}/bus/pci/devices/*"))):
        kind = _text(path / "class")
        if _text(path / "vendor") == vendor and kind.startswith(CLASSES):
            # Of the drivers xe and i915.
            tiles = glob(f"{path}/tile[0-9]*") or glob(f"{path}/drm/card*/gt/gt[0-9]*")
            cores = mask(_text(path / "local_cpulist"))
            gpus.append(PciGpu(cores, max(1, len(tiles)), kind.startswith(COMPUTE_CLASSES)))
    return tuple(gpus)


def tile_names(gpus: Sequence[PciGpu], env: Mapping[str, str]) -> dict[str, int]:
    """Return the names of tiles, as ZE_AFFINITY_MASK has them, with the cores near each; or of GPUs that have none.

    Level Zero counts tiles, unless ZE_FLAT_DEVICE_HIERARCHY is COMPOSITE: then they are 0.0, 0.1, 1.0 and so on.
    """
    if env.get("ZE_FLAT_DEVICE_HIERARCHY", "").upper() == "COMPOSITE" and any(gpu.num_tiles > 1 for gpu in gpus):
        return {f"{card}.{tile}": gpu.cores for card, gpu in enumerate(gpus) for tile in range(gpu.num_tiles)}
    every = [gpu.cores for gpu in gpus for _ in range(gpu.num_tiles)]
    return {str(number): cores for number, cores in enumerate(every)}


def near(devices: Sequence[str], named: Mapping[str, int], env: Mapping[str, str]) -> tuple[int, ...]:
    """Return the cores near each GPU, as the bits of numbers; nothing where that is not known.

    Args:
        devices: Names of GPUs.
        named: Those of the whole node, as the kernel knows them, with the cores near each. If these are others, as in a
            job that has a part of the node, numbers may count from that part's first.
        env: The environment; what it says counts first.
    """
    told = given(env)
    if told and all(name.isdecimal() and int(name) < len(told) for name in devices):
        return tuple(told[int(name)] for name in devices)
    if len(told) == len(devices):
        return told
    known = set(devices) == set(named) and not told
    return tuple(named[name] for name in devices) if known and any(named.values()) else ()


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # a device that leaves, or a kernel without NUMA
        return ""
