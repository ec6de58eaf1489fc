"""Knowledge from earlier campaigns, as a results file keeps it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dhmpi.evaluation import Observation


class Knowledge(NamedTuple):
    """Knowledge that a campaign began with.

    Attributes:
        sources: Of each source its `name`, how many results it has (`found`), how many of them are used (`used`), and
            how many were left out by the reason (`left_out`).
        observations: Results of earlier campaigns in the space of this one.
    """

    sources: Sequence[Mapping[str, Any]] = ()
    observations: Sequence[Observation] = ()

    def check(self) -> None:
        """Check what others rely on.

        Raises:
            ValueError: It is something else.
        """
        if not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in self.sources):
            raise ValueError("sources of its knowledge must be objects with names")
        for point, objective, source in self.observations:
            if not isinstance(point, dict) or not math.isfinite(objective) or not 0 <= source < len(self.sources):
                raise ValueError("observations of its knowledge must be points of known sources with finite objectives")


NO_KNOWLEDGE = Knowledge()
