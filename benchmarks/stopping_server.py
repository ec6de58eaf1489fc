"""Stoppers of other packages behind a pipe, for benchmarks/stopping.py: each runs in an environment of its own.

    /path/to/environment/bin/python benchmarks/stopping_server.py

    ["make", name, max_steps, min_steps, space or null, seed], ["ask"], ["begin", id], ["report", id, step, value],
    ["end", id, objective or null]

Reads JSON lines, and writes one for each `ask`, a point, and one for each `report`, true or false.
"""

import json
import sys
from collections import deque
from typing import Any

# Stands for what is not finite: not every package can take that.
WORST = 1e6
# The classes of Syne Tune.
SCHEDULERS = ("ASHA", "BOHB", "ASHACQR")


class SyneTune:
    """A scheduler of Syne Tune that stops by asynchronous successive halving.

    Args:
        name: Of its class: `ASHA`, which draws points at random, `BOHB`, or `ASHACQR`.
        max_steps: Last step of a full training.
        min_steps: Step of the lowest rung.
        space: What is searched.
        seed: What its choices depend on.
    """

    def __init__(self, name: str, max_steps: float, min_steps: float, space: dict[str, Any], seed: int) -> None:
        from syne_tune.optimizer import baselines

        self._scheduler = getattr(baselines, name)(
            {name: domain(spec) for name, spec in space.items()},
            metric="value",
            time_attr="step",
            max_t=max(1, round(max_steps)),
            grace_period=max(1, round(min_steps)),
            random_seed=seed,
        )
        self._trials: dict[int, Any] = {}
        self._asked: deque[dict[str, Any]] = deque()

    def ask(self) -> dict[str, Any]:
        """Return a point."""
        self._asked.append(self._scheduler.suggest().config)
        return self._asked[-1]

    def begin(self, id: int) -> None:
        """Begin a trial, of the point that was asked first of those left."""
        from datetime import datetime

        from syne_tune.backend.trial_status import Trial

        if not self._asked:  # its points are not asked for, but it wants some
            self.ask()
        self._trials[id] = Trial(id, self._asked.popleft(), datetime(2026, 1, 1))
        self._scheduler.on_trial_add(self._trials[id])

    def report(self, id: int, step: float, value: float) -> bool:
        """Return whether the trial is to be stopped."""
        decision = self._scheduler.on_trial_result(self._trials[id], {"step": step, "value": value})
        return bool(decision == "STOP")

    def end(self, id: int, objective: float | None) -> None:
        """End a trial."""
        self._scheduler.on_trial_remove(self._trials.pop(id))


def domain(spec: dict[str, Any]) -> Any:
    """Return the domain of a dimension as Syne Tune has it."""
    from syne_tune import config_space as kinds

    if "choices" in spec:
        return kinds.choice(spec["choices"])
    low, high = spec["range"]
    is_log = spec.get("prior") == "log-uniform"
    if isinstance(low, int) and not is_log:  # of lograndint, BOHB of 0.16.0 returns logarithms
        return kinds.randint(low, high)
    return (kinds.loguniform if is_log else kinds.uniform)(low, high)


class DeepHyper:
    """A stopper of DeepHyper for each job, and what they share in place of its storage.

    Args:
        name: Name of the stopper's class.
        max_steps: Last step of a full training.
        min_steps: Step before which nothing is stopped.
    """

    def __init__(self, name: str, max_steps: float, min_steps: float) -> None:
        import deephyper.stopper

        self._class = getattr(deephyper.stopper, name)
        self._steps = {"max_steps": max(1, round(max_steps)), "min_steps": max(1, round(min_steps))}
        self._stoppers: dict[int, Any] = {}
        self._metadata: dict[str, dict[str, Any]] = {}
        self._objectives: list[float] = []

    def begin(self, id: int) -> None:
        """Begin a job."""
        stopper = self._class(**self._steps)
        stopper.job = Job(f"0.{id}", self)
        self._stoppers[id] = stopper

    def report(self, id: int, step: float, value: float) -> bool:
        """Return whether the job is to be stopped; DeepHyper maximises."""
        self._stoppers[id].observe(step, -value)
        return bool(self._stoppers[id].stop())

    def end(self, id: int, objective: float | None) -> None:
        """End a job; that of one that is stopped counts, too."""
        stopper = self._stoppers.pop(id)
        if stopper.observed_objectives:
            self._objectives.append(stopper.objective)

    def store_job_metadata(self, job: str, key: str, value: Any) -> None:
        """Store a value as the storage of DeepHyper does."""
        self._metadata.setdefault(key, {})[job] = value

    def load_metadata_from_all_jobs(self, search: str, key: str) -> list[Any]:
        """Return the values of all jobs."""
        return list(self._metadata.get(key, {}).values())

    def load_out_from_all_jobs(self, search: str) -> list[float]:
        """Return the objectives of all jobs that have ended."""
        return self._objectives


class Job:
    """Job of DeepHyper: its number, and the storage."""

    def __init__(self, id: str, storage: DeepHyper) -> None:
        self.id, self.storage = id, storage


def main() -> None:
    """Serve until the input ends."""
    stopper: Any = None
    for line in sys.stdin:
        call, *arguments = json.loads(line)
        if call == "make":
            name, max_steps, min_steps, space, seed = arguments
            if name in SCHEDULERS:
                stopper = SyneTune(name, max_steps, min_steps, space or {"x": {"range": [0.0, 1.0]}}, seed)
            else:
                stopper = DeepHyper(name, max_steps, min_steps)
        elif call == "ask":
            print(json.dumps(stopper.ask()), flush=True)
        elif call == "report":
            id, step, value = arguments
            value = value if abs(value) < WORST else WORST
            print(json.dumps(stopper.report(id, step, value)), flush=True)
        else:
            getattr(stopper, call)(*arguments)


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(f"usage: {__doc__}")
    else:
        main()
