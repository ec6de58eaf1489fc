"""Run function of dummy1."""

from collections.abc import Mapping
from typing import Any

from dhmpi.benchmark import functions

DEFAULTS = {"x": 2.5, "y": -3.1, "penalty": "no"}  # of the command line
PENALTY = 2.0


def run(point: Mapping[str, Any]) -> float:
    """Return the three-hump camel function, to be minimised; the optimum is 0 at the origin without penalty.

    Args:
        point: x, y, and penalty, which is `yes` or `no`; `yes` adds 2.
    """
    objective = functions.three_hump_camel(point["x"], point["y"])
    return objective + PENALTY if point["penalty"] == "yes" else objective
