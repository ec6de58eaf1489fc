"""Layouts of nine kinds of nodes: which rank gets which cores and GPUs by the job script of a site.

The scripts run here, with launchers that only say how they were called; what a node would do with that is played.

    python benchmarks/layouts.py [NAME ...] [--nodes 2] [--gpus-per-eval 1]
"""

import argparse
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from dhmpi.mpi.nodes import ComputeNode
from dhmpi.mpi.roles import Roles
from dhmpi.support.gpu_cores import mask
from dhmpi.support.gpus import GpuView, listed, probed
from dhmpi.support.printing import in_short
from dhmpi.support.resources import SlotOptions

JOBS = Path(__file__).resolve().parents[1] / "jobs"
LAUNCHERS = ("aprun", "mpiexec", "srun")
RECORD = '#!/bin/sh\nprintf "%s\\0" "$@" > words; env -0 > environment\n'


class Host(NamedTuple):
    """Kind of node, as scripts and vendors' drivers see it.

    Attributes:
        script: The job script.
        num_cores: Cores; hardware thread i + num_cores is another one of core i.
        env: What the scheduler or modules have set there.
        files: Files of drivers in /dev; by these GPUs are counted where no variable says which there are.
        threads_per_core: Of the hardware threads of a core, how many the launcher counts.
    """

    script: str
    num_cores: int
    env: Mapping[str, str] = {}
    files: tuple[str, ...] = ()
    threads_per_core: int = 1


class Row(NamedTuple):
    """A rank of a layout.

    Attributes:
        host: The number of its node.
        rank: Its number.
        role: searches, evaluates or sleeps.
        cores: The hardware threads that it may run on.
        variables: What evaluations find in the variables of GPUs.
        threads: What OMP_NUM_THREADS says.
    """

    host: int
    rank: int
    role: str
    cores: str
    variables: Mapping[str, str]
    threads: str


DRI = ("dri/renderD128",)
HOSTS = {
    "theta": Host("theta_ambs", 64, threads_per_core=2),
    "polaris": Host("polaris", 32, {}, ("nvidia0", "nvidia1", "nvidia2", "nvidia3")),
    "aurora, FLAT": Host("aurora", 104, {"ZE_FLAT_DEVICE_HIERARCHY": "FLAT"}, DRI),
    "aurora, COMPOSITE": Host("aurora", 104, {"ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}, DRI),
    # Slurm says which GPUs the job has on a node.
    "perlmutter": Host("perlmutter", 64, {"CUDA_VISIBLE_DEVICES": "0,1,2,3", "SLURM_GPUS_ON_NODE": "4"}, ("nvidia0",)),
    "perlmutter-cpu": Host("perlmutter-cpu", 128, threads_per_core=2),
    "frontier": Host(
        "frontier", 64, {"ROCR_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7", "SLURM_GPUS_ON_NODE": "8"}, ("kfd", *DRI)
    ),
    "lumi": Host("lumi", 64, {"ROCR_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7", "SLURM_GPUS_ON_NODE": "8"}, ("kfd", *DRI)),
    "lumi-c": Host("lumi-c", 128),
}


def layout(name: str, num_nodes: int = 2, **variables: str) -> tuple[list[Row], str]:
    """Return the ranks of a job on nodes of this kind, and the sentence with which its campaign begins.

    Args:
        name: A name of `HOSTS`.
        num_nodes: How many nodes the job has.
        variables: What is given when the script is submitted.
    """
    host = HOSTS[name]
    with tempfile.TemporaryDirectory() as folder:
        words, env = _launched(host, num_nodes, variables, Path(folder))
    return played(host, words, env)


def played(host: Host, words: list[str], env: Mapping[str, str]) -> tuple[list[Row], str]:
    """Return the ranks that a launcher starts on nodes of this kind, and the sentence with which the campaign begins.

    Args:
        host: The kind of nodes.
        words: How the launcher is called.
        env: The environment of that.
    """
    num_ranks = int(_value(words, "-n", "--ntasks"))
    per_node = int(_value(words, "--ppn", "--ntasks-per-node", "-N"))
    masks, view = tuple(_masks(words, host)), _view(host, env)
    nodes = tuple(
        ComputeNode(f"node{first // per_node}", tuple(range(first, first + per_node)), masks, (view,) * per_node)
        for first in range(0, num_ranks, per_node)
    )
    num_gpus = _value(words, "--gpus-per-eval", default="")
    options = SlotOptions(
        ranks_per_eval=int(_value(words, "--ranks-per-eval", default="1")),
        gpus_per_eval=float(num_gpus) if num_gpus else None,
    )
    roles = Roles.on_ranks(num_ranks).placed(nodes).with_slots(options)
    return [_row(rank, roles, masks, env) for rank in range(num_ranks)], str(roles)


def _row(rank: int, roles: Roles, masks: Sequence[int], env: Mapping[str, str]) -> Row:
    bits = masks[rank % len(masks)]
    cores = in_short([core for core in range(bits.bit_length()) if bits >> core & 1])
    role = "searches" if rank == 0 else "evaluates" if rank in roles.workers else "sleeps"
    changes = roles.place(rank).changes() if role == "evaluates" else {}
    variables = {key: value for key, value in changes.items() if value and not key.startswith("DHMPI_")}
    return Row(rank // len(masks), rank, role, cores, variables, env.get("OMP_NUM_THREADS", ""))


def _launched(
    host: Host, num_nodes: int, variables: Mapping[str, str], folder: Path
) -> tuple[list[str], dict[str, str]]:
    """Run a script; return how it calls the launcher, and the environment of that."""
    for name, text in (dict.fromkeys(LAUNCHERS, RECORD) | {"dhmpi": "#!/bin/sh\n", "module": "#!/bin/sh\n"}).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "nodes").write_text("".join(f"node{number}\n" for number in range(num_nodes)))
    env = {"PATH": f"{folder}:/usr/bin:/bin", "MODULE": "", "USER": "me", "SLURM_JOB_NUM_NODES": str(num_nodes)}
    env |= {"PBS_NODEFILE": "nodes", "PBS_O_WORKDIR": str(folder), "COBALT_JOBSIZE": str(num_nodes)}
    script = ["bash", str(JOBS / f"{host.script}.sh")]
    subprocess.run(script, cwd=folder, env=env | dict(host.env) | dict(variables), check=True, timeout=60)
    pairs = [each.partition("=") for each in (folder / "environment").read_text().split("\0")[:-1]]
    return (folder / "words").read_text().split("\0")[:-1], {name: value for name, _, value in pairs}


def _view(host: Host, env: Mapping[str, str]) -> GpuView:
    """Return the GPUs that a rank finds there, where the kernel says nothing of their cores."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, dict(env) | {"PATH": ""}, clear=True):
        for name in host.files:
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).touch()
        return listed(env, folder, "/no/such") or probed(folder, "/no/such")


def _value(words: list[str], *names: str, default: str | None = None) -> str:
    """Return the value of an option, whichever of its names it has; the last one counts."""
    for number, word in reversed(list(enumerate(words))):
        name, equal, value = word.partition("=")
        if name in names:
            return value if equal else words[number + 1]
    if default is None:
        raise ValueError(f"{words} must have one of {names}")
    return default


def _masks(words: list[str], host: Host) -> Iterator[int]:
    """Yield the hardware threads of each rank of a node, as the launcher would bind it."""
    kind, _, text = _value(words, "--cpu-bind", "-cc").partition(":")
    if kind == "list":
        yield from map(mask, text.split(":"))
    elif kind == "mask_cpu":
        yield from (int(each, 16) for each in text.split(","))
    else:  # so many threads for each rank in turn, and the second threads of these cores
        num_cores = int(_value(words, "--cpus-per-task", "-d")) // host.threads_per_core
        for rank in range(int(_value(words, "--ntasks-per-node", "-N"))):
            cores = ((1 << num_cores) - 1) << rank * num_cores
            yield cores | cores << host.num_cores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(map(repr, HOSTS))} (default: all)")
    parser.add_argument("--nodes", type=int, default=2, help="nodes of the job (default: 2)")
    parser.add_argument("--gpus-per-eval", default="1", help="GPUs of each evaluation (default: 1)")
    arguments = parser.parse_args()
    for name in arguments.names or HOSTS:
        rows, sentence = layout(name, arguments.nodes, GPUS_PER_EVAL=arguments.gpus_per_eval)
        print(f"{name}: {sentence}")
        for row in rows:
            variables = " ".join(f"{key}={shlex.quote(value)}" for key, value in row.variables.items())
            print(f"    {row.host:3} {row.rank:5}  {row.role:9}  {row.cores:24}  {row.threads:>3} threads  {variables}")


if __name__ == "__main__":
    main()
