"""Stoppers to compare, dhmpi's and other packages', behind one contract; others are imported when they are made."""

import json
import math
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from dhmpi.search.stopping import Stopper, make

# Where the environments of packages are that do not get on with this one.
SERVERS = {"syne": Path("/tmp/peers-syne"), "deephyper": Path("/tmp/peers-deephyper")}
# The lowest rung of successive halving, as a share of a full training: that of dhmpi's.
LOWEST = 1 / 81


class Full(Stopper):
    """Stops nothing."""

    def begin(self, id: int) -> None:
        """Do nothing."""

    def report(self, id: int, step: float, value: float) -> bool:
        """Return False."""
        return False

    def end(self, id: int, objective: float | None) -> None:
        """Do nothing."""


def optuna_pruner(name: str, max_steps: float) -> Any:
    """Return a pruner of Optuna.

    Args:
        name: Of its class; empty: it prunes nothing.
        max_steps: Last step of a full training.
    """
    import optuna

    lowest = max(1, round(max_steps * LOWEST))
    if name == "SuccessiveHalvingPruner":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=lowest, reduction_factor=3)
    if name == "HyperbandPruner":
        return optuna.pruners.HyperbandPruner(lowest, max(1, round(max_steps)), reduction_factor=3)
    return optuna.pruners.MedianPruner() if name else optuna.pruners.NopPruner()


class OptunaPruner(Stopper):
    """A pruner of Optuna.

    Args:
        name: Of its class.
        max_steps: Last step of a full training.
        sampler: What points come from, if they are asked of the study.
    """

    def __init__(self, name: str, max_steps: float, sampler: Any = None) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner, sampler = optuna_pruner(name, max_steps), sampler or optuna.samplers.RandomSampler(seed=0)
        self._states = optuna.trial.TrialState
        self._study = optuna.create_study(sampler=sampler, pruner=pruner)
        self._trials: dict[int, Any] = {}

    def begin(self, id: int) -> None:
        """Begin a trial."""
        self._trials[id] = self._study.ask()

    def report(self, id: int, step: float, value: float) -> bool:
        """Return whether the trial is to be pruned."""
        self._trials[id].report(value, round(step))
        return bool(self._trials[id].should_prune())

    def end(self, id: int, objective: float | None) -> None:
        """End a trial; what has none is taken for pruned."""
        state = self._states.PRUNED if objective is None else self._states.COMPLETE
        self._study.tell(self._trials.pop(id), objective, state=state)


@cache
def server(package: str) -> "subprocess.Popen[str]":
    """Return the process that has the stoppers of a package."""
    command = [str(SERVERS[package] / "bin/python"), str(Path(__file__).parent / "stopping_server.py")]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


class Remote(Stopper):
    """A stopper in another process.

    Args:
        package: One of `SERVERS`.
        name: Of its class.
        max_steps: Last step of a full training.
        space: The space that is searched, if it searches, too.
        seed: What its choices depend on.
    """

    def __init__(
        self, package: str, name: str, max_steps: float, space: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self._server = server(package)
        lowest = 1.0 if "Median" in name or "LCModel" in name else max_steps * LOWEST
        self._send("make", name, max_steps, lowest, space, seed)

    def _send(self, *call: Any) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(call) + "\n")
        self._server.stdin.flush()

    def begin(self, id: int) -> None:
        """Begin an evaluation."""
        self._send("begin", id)

    def report(self, id: int, step: float, value: float) -> bool:
        """Return whether it is to be stopped."""
        return bool(self._call("report", id, step, value if math.isfinite(value) else 1e300))

    def _call(self, *call: Any) -> Any:
        self._send(*call)
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._server.args} ended with status {self._server.wait()}")
        return json.loads(line)

    def end(self, id: int, objective: float | None) -> None:
        """End an evaluation."""
        self._send("end", id, objective)


def _own(text: str) -> Callable[[float], Stopper]:
    name, _, settings = text.partition(":")
    given = dict(each.split("=") for each in settings.split(",") if each)

    def made(max_steps: float) -> Stopper:
        stopper = make(name, given, max_steps)
        assert stopper is not None
        return stopper

    return made


PEERS: dict[str, Callable[[float], Stopper]] = {
    "optuna-SHA": lambda max_steps: OptunaPruner("SuccessiveHalvingPruner", max_steps),
    "optuna-Hyperband": lambda max_steps: OptunaPruner("HyperbandPruner", max_steps),
    "optuna-median": lambda max_steps: OptunaPruner("MedianPruner", max_steps),
    "syne-ASHA": lambda max_steps: Remote("syne", "ASHA", max_steps),
    "deephyper-SHA": lambda max_steps: Remote("deephyper", "SuccessiveHalvingStopper", max_steps),
    "deephyper-median": lambda max_steps: Remote("deephyper", "MedianStopper", max_steps),
    "deephyper-LC": lambda max_steps: Remote("deephyper", "LCModelStopper", max_steps),
}
OWN = ("auto", "asha", "median")
SLOW = ("deephyper-LC",)


def maker(contender: str) -> Callable[[float], Stopper]:
    """Return what makes a stopper for a last step.

    Args:
        contender: `full`, one of `PEERS`, or a stopper of dhmpi, perhaps with settings: `asha:reduction=4`.
    """
    if contender == "full":
        return lambda max_steps: Full()
    return PEERS.get(contender) or _own(contender)
