"""Place of a worker in its campaign: its number, its rank, the GPUs that user code there may use, and its group."""

import json
from collections.abc import Mapping, Sequence
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
        member: Its number among the ranks that evaluate together.
    """

    worker: int = 0
    rank: int = 0
    local_rank: int = 0
    size: int = 1
    gpus: tuple[str, ...] = ()
    variable: str = ""
    is_set: bool = False
    member: int = 0

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


class GroupPart(NamedTuple):
    """Part of a rank in an evaluation that several ranks do together.

    Attributes:
        rank: Its number among them; 0 leads, and its result counts.
        size: How many they are.
        local_rank: Its number among those on its node.
        local_size: How many of them are on its node.
        addresses: Of each of them a host and a port that is free, as host:port, new for each evaluation; nothing where
            they have a communicator.
        round: The same on all of them, and another after each evaluation that not all have ended well.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    addresses: Sequence[str]
    round: int = 0

    def variables(self) -> dict[str, str]:
        """Return the variables by which torch.distributed (all but the last) and tf.distribute find each other."""
        variables = {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_size),
        }
        if self.addresses:
            workers = json.dumps(list(self.addresses))
            config = f'{{"cluster": {{"worker": {workers}}}, "task": {{"type": "worker", "index": {self.rank}}}}}'
            host, _, port = self.addresses[0].rpartition(":")
            variables |= {"MASTER_ADDR": host, "MASTER_PORT": port, "TF_CONFIG": config}
        return variables
