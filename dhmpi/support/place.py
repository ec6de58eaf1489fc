"""Place of a worker in its campaign: its number, its rank, and the GPUs that user code there may use."""

from collections.abc import Mapping
from typing import NamedTuple

# Numbers in these count among the GPUs that another variable has left; HIP goes by CUDA's, too.
RELATIVE = {"ROCR_VISIBLE_DEVICES": ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")}


class Place(NamedTuple):
    """Place where evaluations run.

    Attributes:
        worker: The worker's number, from 0.
        rank: Its rank, as in the results file; in a pool the same as its number.
        local_rank: The number of that rank on its node.
        size: How many ranks there are; in a pool how many workers.
        gpus: The GPUs that evaluations may use, as `variable` names them.
        variable: That variable.
        is_set: Whether it is to be set; else user code sees these GPUs anyway.
    """

    worker: int = 0
    rank: int = 0
    local_rank: int = 0
    size: int = 1
    gpus: tuple[str, ...] = ()
    variable: str = ""
    is_set: bool = False

    def changes(self) -> dict[str, str | None]:
        """Return what user code finds in its environment; None: the variable must not be set."""
        gpus = ",".join(self.gpus)
        changes: dict[str, str | None] = {
            "DHMPI_WORKER": str(self.worker),
            "DHMPI_LOCAL_RANK": str(self.local_rank),
            "DHMPI_GPUS": gpus,
        }
        if self.is_set:
            changes |= dict.fromkeys(RELATIVE.get(self.variable, ()))
            changes[self.variable] = gpus
        return changes

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return an environment with what user code finds there."""
        return {name: value for name, value in (dict(env) | self.changes()).items() if value is not None}
