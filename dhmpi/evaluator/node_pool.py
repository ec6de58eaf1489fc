"""Pool of the allocation's nodes: which are free, in use, or out of use."""

from collections.abc import Iterable, Sequence


class NodePool:
    """Hands out nodes and takes them back; no node is in use twice.

    Nodes on which an evaluation was lost come last until one has ended there as it should, so that what is begun again
    runs elsewhere if it can. Nodes that have failed are not handed out any more.

    Args:
        nodes: All of them, neighbours beside each other.
    """

    def __init__(self, nodes: Sequence[str]) -> None:
        self._place = {node: place for place, node in enumerate(nodes)}
        self._free = set(nodes)
        self._usable = set(nodes)
        self._doubted: set[str] = set()

    @property
    def num_free(self) -> int:
        """Number of nodes that can be handed out now."""
        return len(self._free)

    @property
    def num_usable(self) -> int:
        """Number of nodes that have not failed."""
        return len(self._usable)

    def take(self, num: int) -> tuple[str, ...]:
        """Hand out so many nodes.

        Raises:
            ValueError: There are fewer.
        """
        if num > len(self._free):
            raise ValueError(f"at most {len(self._free)} nodes must be taken, got {num}")
        chosen = sorted(self._free, key=lambda node: (node in self._doubted, self._place[node]))[:num]
        self._free.difference_update(chosen)
        return tuple(sorted(chosen, key=self._place.__getitem__))

    def give_back(self, nodes: Iterable[str]) -> None:
        """Take nodes back that are not in use any more; those that have failed stay out of use."""
        self._free |= set(nodes) & self._usable

    def doubt(self, nodes: Iterable[str]) -> None:
        """Hand these nodes out last."""
        self._doubted |= set(nodes)

    def trust(self, nodes: Iterable[str]) -> None:
        """Hand these nodes out as any other."""
        self._doubted -= set(nodes)

    def set_aside(self, nodes: Iterable[str]) -> None:
        """Hand these nodes out no more."""
        self._usable -= set(nodes)
        self._free -= set(nodes)
