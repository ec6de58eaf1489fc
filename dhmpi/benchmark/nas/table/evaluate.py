"""Run function of the table."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from dhmpi.benchmark.nas.table.landscape import Table
from dhmpi.benchmark.nas.table.table_structure import create_structure

STRUCTURE = create_structure()
table_of = cache(Table)


def run(config: Mapping[str, Any]) -> dict[str, float]:
    """Return the reward of an architecture, to be maximised, at once.

    Args:
        config: `arch_seq`, the decisions, and `table`, the arguments of `Table`.

    Returns:
        `objective`, the reward, and `training_seconds`, which a training would have taken.

    Raises:
        ProblemError: If the decisions do not fit.
    """
    arch = STRUCTURE.decode(config["arch_seq"])
    table = table_of(**config.get("table", {}))
    return {"objective": table.reward(arch), "training_seconds": table.seconds(arch)}
