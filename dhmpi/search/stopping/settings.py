"""Settings of stoppers, as options: `--stopper asha:reduction=3,min-steps=2`."""

from dataclasses import dataclass

from dhmpi.support.options import Setting, integer, number, option

NAMES = ("none", "auto", "asha", "median")
REAL = tuple(name for name in NAMES if name != "none")


# Rungs are counted, from the first one to the farthest step.
SMALLEST_STEP = 1e-9


@dataclass(frozen=True)
class StopperSettings:
    """Settings of `--stopper NAME`.

    Attributes:
        min_steps: Step before which nothing is stopped; None: the stopper's own choice.
        reduction: Of so many evaluations one goes on at a rung, and so many times as many steps are between rungs.
        min_others: Evaluations that a median is taken of, at least.
        risk: Chance to become the best, relative to that of a new evaluation, below which one is stopped.
    """

    min_steps: float | None = option(
        None,
        number(SMALLEST_STEP),
        "step before which nothing is stopped (default: a small share of --max-steps, or 1)",
        setting=Setting("stopper", "min-steps", REAL),
    )
    reduction: float = option(
        3.0,
        number(1.1, maximum=1000),
        "one of so many evaluations goes on at a rung, and the next rung is so many times as many steps away",
        setting=Setting("stopper", "reduction", ("asha",)),
    )
    min_others: int = option(
        5,
        integer(1),
        "evaluations that must have come to a step before any is stopped there",
        setting=Setting("stopper", "min-others", ("median",)),
    )
    risk: float = option(
        0.35,
        number(0, exclusive=True),
        "an evaluation is stopped whose chance to become the best is less than so many times that of a new one; a "
        "smaller number is more careful",
        setting=Setting("stopper", "risk", ("auto",)),
    )
