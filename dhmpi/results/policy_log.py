"""Log of a policy: a row per update, and the policy itself."""

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from dhmpi.results.schema import PolicyRow


class PolicyLog:
    """The policy of a campaign, how it came about, and what it is continued from.

    Attributes:
        columns: One array per field of `PolicyRow`, with a number per update, in the order of their ends.
        state: Float32 arrays by the names of `STATE_COLUMNS`; empty before the first is known.
        version: How many steps the policy has taken that `state` holds.
    """

    def __init__(self) -> None:
        self.columns = {name: array("d") for name in PolicyRow._fields}
        self.state: Mapping[str, Any] = {}
        self.version = 0
        self._num_updates: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.columns["agent"])

    def __bool__(self) -> bool:
        return bool(len(self) or self.state)

    def append(self, rows: Iterable[PolicyRow]) -> None:
        """Enter updates; one that is there already is passed over."""
        for row in rows:
            agent, update = int(row.agent), int(row.update)
            if update >= self.num_updates(agent):
                self._num_updates[agent] = update + 1
                for name, column in self.columns.items():
                    column.append(getattr(row, name))

    def num_updates(self, agent: int) -> int:
        """Return how many updates an agent has made."""
        return self._num_updates.get(agent, 0)

    def rows(self) -> list[PolicyRow]:
        """Return all updates; whole numbers are floats."""
        return [PolicyRow(*values) for values in zip(*map(self.columns.get, PolicyRow._fields), strict=True)]
