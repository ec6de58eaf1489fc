"""Numbers in ascending order, in blocks, so that one of 100,000 is added in a microsecond."""

from bisect import bisect_left, insort

BLOCK = 512


class SortedValues:
    """Numbers in ascending order; equal ones may be in it several times."""

    def __init__(self) -> None:
        self._blocks: list[list[float]] = []
        self._ends: list[float] = []  # the largest number of each block
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, value: float) -> None:
        """Add a number."""
        self._size += 1
        if not self._blocks:
            self._blocks, self._ends = [[value]], [value]
            return
        index = min(bisect_left(self._ends, value), len(self._blocks) - 1)
        block = self._blocks[index]
        insort(block, value)
        if len(block) > 2 * BLOCK:
            self._blocks[index : index + 1] = [block[:BLOCK], block[BLOCK:]]
            self._ends.insert(index, block[BLOCK - 1])
            index += 1
        self._ends[index] = self._blocks[index][-1]

    def remove(self, value: float) -> None:
        """Remove a number that is there."""
        index = bisect_left(self._ends, value)
        block = self._blocks[index]
        del block[bisect_left(block, value)]
        self._size -= 1
        if block:
            self._ends[index] = block[-1]
        else:
            del self._blocks[index], self._ends[index]

    def __getitem__(self, rank: int) -> float:
        """Return the number that has so many others before it.

        Raises:
            IndexError: There are not so many.
        """
        for block in self._blocks if rank >= 0 else ():
            if rank < len(block):
                return block[rank]
            rank -= len(block)
        raise IndexError(rank)
