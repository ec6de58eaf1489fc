"""GPUs that a process may use: as a variable of its environment says, or else the vendor's program."""

import functools
import glob
import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dhmpi.support import gpu_cores

# How long a vendor's program may take; a driver that is not loaded yet takes seconds.
PROBE_SECONDS = 30
# Variables in which launchers say which rank of its node a process is.
LOCAL_RANK_VARIABLES = (
    *("OMPI_COMM_WORLD_LOCAL_RANK", "PALS_LOCAL_RANKID", "PMI_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"),
    "FLUX_TASK_LOCAL_ID",
)
# What stands in a variable for "none".
NONE = ("", "-1", "NoDevFiles", "none", "void")


class Vendor(NamedTuple):
    """Vendor of GPUs, and how its GPUs are found and named.

    Attributes:
        variable: The variable that says which of them a process may use.
        devices: Patterns of the files that are there where the driver is.
        command: What lists the GPUs of a node.
        entry: The name of one in a line of that, as the variable has it.
        files: Pattern of the files of which there is one for each GPU, where the program is missing; or nothing.
        number: Its number in PCI.
    """

    variable: str
    devices: tuple[str, ...]
    command: tuple[str, ...]
    entry: str
    files: str
    number: str


VENDORS = (
    Vendor(
        "CUDA_VISIBLE_DEVICES",
        ("nvidia[0-9]*", "dxg"),  # the latter in Windows' Linux
        ("nvidia-smi", "-L"),
        r"^GPU (\d+):|^\s+MIG .*\(UUID: (MIG-[^)]+)\)",
        "nvidia[0-9]*",
        "0x10de",
    ),
    Vendor(
        "ROCR_VISIBLE_DEVICES",
        ("kfd",),
        ("rocm-smi", "--showid"),
        r"^GPU\[(\d+)\]",
        "dri/renderD*",
        "0x1002",
    ),
    # A file may be that of any display.
    Vendor("ZE_AFFINITY_MASK", ("dri/renderD*",), ("xpu-smi", "discovery"), r"^\|\s*(\d+)\s*\|", "", "0x8086"),
)
INTEL = VENDORS[-1]


class GpuView(NamedTuple):
    """GPUs that a process may use.

    Attributes:
        variable: The variable that says so, or would.
        devices: Their names, as the variable has them: numbers, GPU-..., MIG-..., 0.1.
        is_listed: Whether the variable is set; else these are all of the node.
        is_own: Whether the launcher has chosen them for this process alone.
        near: The cores near each of them, as the bits of numbers; nothing where that is not known.
    """

    variable: str
    devices: tuple[str, ...]
    is_listed: bool = False
    is_own: bool = False
    near: tuple[int, ...] = ()

    def cut(self, num: int) -> "GpuView":
        """Return so many GPUs of a node; if it has fewer, so many are there nevertheless, and have numbers."""
        if num <= len(self.devices):
            return self._replace(devices=self.devices[:num], near=self.near[:num])
        return self._replace(devices=tuple(map(str, range(num))), near=())


NO_GPUS = GpuView("CUDA_VISIBLE_DEVICES", ())


def listed(env: Mapping[str, str] = os.environ, directory: str = "/dev", kernel: str = "/sys") -> GpuView | None:
    """Return the GPUs that variables name; None if none of them is set.

    Args:
        env: The environment.
        directory: That of devices.
        kernel: That of what the kernel knows.
    """
    names = [vendor.variable for vendor in VENDORS if vendor.variable in env]
    names += [name for name in ("HIP_VISIBLE_DEVICES",) if not names and name in env]
    if not names:
        return None
    # Slurm may set those of all vendors.
    here = {vendor.variable: vendor for vendor in _vendors(directory) if vendor.variable in names}
    variable = next(iter(here or names))
    devices = _split(env[variable])
    inner = _split(env.get("HIP_VISIBLE_DEVICES", "")) if variable == "ROCR_VISIBLE_DEVICES" else ()
    if inner and all(each.isdigit() and int(each) < len(devices) for each in inner):
        devices = tuple(devices[int(each)] for each in inner)
    named = _named(here[variable], env, kernel) if here else {}
    return GpuView(variable, devices, True, _is_bound_by_slurm(env, len(devices)), gpu_cores.near(devices, named, env))


def _split(text: str) -> tuple[str, ...]:
    devices = []
    for name in text.split(","):
        if name.strip() in NONE:
            break  # as the libraries do: what follows does not count
        devices.append(name.strip())
    return tuple(dict.fromkeys(devices))


def _is_bound_by_slurm(env: Mapping[str, str], num_devices: int) -> bool:
    """Whether srun has given the GPUs of its step out to tasks: each then may call its own GPU 0."""
    on_node = env.get("SLURM_GPUS_ON_NODE", "")
    in_step = "SLURM_STEP_ID" in env and "SLURM_PROCID" in env
    return in_step and on_node.isdigit() and 0 < num_devices < int(on_node)


@functools.cache  # it may take seconds, and stays as it is
def probed(directory: str = "/dev", kernel: str = "/sys") -> GpuView:
    """Return the GPUs of this node; where no device file is, no program is started.

    Args:
        directory: That of devices.
        kernel: That of what the kernel knows.
    """
    for vendor in _vendors(directory):
        devices, named = _ask(vendor), _named(vendor, os.environ, kernel)
        if vendor is INTEL:
            devices = _tiles(devices, named, kernel)
        elif devices is None:
            found = glob.glob(f"{directory}/{vendor.files}") if vendor.files else []
            devices = tuple(str(number) for number in range(len(found)))
        if devices:
            return GpuView(vendor.variable, devices, near=gpu_cores.near(devices, named, os.environ))
    return NO_GPUS


def _named(vendor: Vendor, env: Mapping[str, str], kernel: str) -> dict[str, int]:
    """Return the names of all of a vendor's GPUs that the kernel knows, with the cores near each."""
    gpus = gpu_cores.of_kernel(vendor.number, kernel)
    if vendor is INTEL:
        return gpu_cores.tile_names(_cards(gpus) or gpus, env)
    return {str(number): gpu.cores for number, gpu in enumerate(gpus)}


def _tiles(listed_cards: tuple[str, ...] | None, named: Mapping[str, int], kernel: str) -> tuple[str, ...]:
    """Return the tiles of Intel's cards, by their names; the cards themselves if the kernel knows others.

    Args:
        listed_cards: Those that the vendor's program lists; None if it does not answer.
        named: The tiles that the kernel knows.
        kernel: The directory of what it knows.
    """
    gpus = gpu_cores.of_kernel(INTEL.number, kernel)
    cards = _cards(gpus)
    if listed_cards is None:
        return tuple(named) if cards else ()
    return tuple(named) if len(cards or gpus) == len(listed_cards) else listed_cards


def _cards(gpus: Sequence[gpu_cores.PciGpu]) -> list[gpu_cores.PciGpu]:
    return [gpu for gpu in gpus if gpu.is_compute]


def visible(env: Mapping[str, str] = os.environ) -> GpuView:
    """Return the GPUs that this process may use."""
    return listed(env) or probed()


def _vendors(directory: str) -> list[Vendor]:
    """Return the vendors whose device files are there."""
    return [vendor for vendor in VENDORS if any(glob.glob(f"{directory}/{each}") for each in vendor.devices)]


def _ask(vendor: Vendor) -> tuple[str, ...] | None:
    """Return the GPUs that the vendor's program lists; None if it does not answer."""
    import shutil  # only where there are GPUs: every start of a worker imports this module
    import subprocess

    program = shutil.which(vendor.command[0])
    if program is None:
        return None
    words = [program, *vendor.command[1:]]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    devices: dict[str, None] = {}
    for match in re.finditer(vendor.entry, done.stdout, re.MULTILINE):
        name = next(filter(None, match.groups()))
        if name.startswith("MIG-") and devices and (whole := list(devices)[-1]).isdigit():
            del devices[whole]  # it is divided into these
        devices[name] = None
    return tuple(devices)


def local_rank(env: Mapping[str, str] = os.environ) -> int:
    """Return this rank's number on its node, as the launcher says; 0 if it does not."""
    found = (env.get(name, "") for name in LOCAL_RANK_VARIABLES)
    return next((int(text) for text in found if text.isdigit()), 0)
