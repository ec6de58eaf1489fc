"""Notice board: memory that a worker and its process share, where the worker says whether evaluations go on.

The process says there which evaluation knows that the time ends, since it may not live to say it in another way.

A pipe would do less well: what an evaluation does not read, the next one would.
"""

import mmap
import os
import struct

from dhmpi.execution.context import Notice

_NOTICE, _ID = struct.Struct("<qqqq"), struct.Struct("<q")
NOBODY = -1


class NoticeBoard:
    """Notice board with the latest notice.

    A notice that is read while it is written is put right by the next look.

    Args:
        descriptor: That of a board which another process has made; by default a new one is made.

    Raises:
        OSError: There is no memory for it.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        is_new = descriptor is None
        if descriptor is None:
            descriptor = os.memfd_create("notices", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, _NOTICE.size + _ID.size)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _NOTICE.size + _ID.size)
        if is_new:
            self.acknowledge(NOBODY)

    def put(self, notice: Notice) -> None:
        """Put up a notice in place of the one before."""
        _NOTICE.pack_into(self._memory, 0, *notice)

    def notice(self, id: int) -> Notice:
        """Return the latest notice to an evaluation."""
        found, num_answered, must_stop, must_save = _NOTICE.unpack_from(self._memory)
        return Notice(id, num_answered, bool(must_stop), bool(must_save)) if found == id else Notice(id)

    def acknowledge(self, id: int) -> None:
        """Note which evaluation knows that the time ends; NOBODY: none does."""
        _ID.pack_into(self._memory, _NOTICE.size, id)

    def is_acknowledged(self, id: int) -> bool:
        """Return whether an evaluation knows that the time ends."""
        return bool(_ID.unpack_from(self._memory, _NOTICE.size)[0] == id)

    def close(self) -> None:
        """Give the memory back, as far as this process is concerned; a second time does nothing."""
        if not self._memory.closed:
            self._memory.close()
            os.close(self.descriptor)
