"""Where user code prints, and the file of its own that each evaluation's output is kept in."""

import contextlib
import errno
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from dhmpi.evaluation import State
from dhmpi.evaluator.runner import Outcome

# What stands in an error between its reason and the end of what the evaluation has printed.
LAST_OUTPUT = "--- last output ---"
# The most of what one evaluation prints that is kept, half of it from the beginning and half from the end [bytes].
MAX_LOG = 10_000_000
# What logs leave free for the results, which may be on the same disk [bytes]; at most a tenth of it.
RESERVE = 100_000_000
_CHUNK = 1 << 20
_FAILURES = (State.FAILED, State.TIMEOUT)


class Output:
    """Where user code prints: a nameless file on the node, copied to a file of its own per evaluation.

    A file and not a pipe, because a pipe that nobody reads blocks whoever writes more than it holds.

    Args:
        directory: Where the files go; it is made when something has been printed.
        logs: Of which evaluations there are files: all, failures or none.
        file: The nameless file, opened for appending; by default a new one.

    Attributes:
        trouble: Why the latest output could not be kept; empty if it could.
    """

    def __init__(self, directory: str, logs: str = "all", file: BinaryIO | None = None) -> None:
        self._directory, self._logs = Path(directory), logs
        self.file: BinaryIO = file or open(_nameless_file(), "ab", buffering=0)  # noqa: SIM115  # lives as long as this
        self.trouble = ""

    def last(self) -> str:
        """Return the last 2,000 characters that have been printed."""
        size = os.fstat(self.file.fileno()).st_size
        with self.printed() as printed:
            printed.seek(max(0, size - 2000))
            return printed.read().decode(errors="replace")

    def collect(self, id: int, is_kept: bool = True) -> str:
        """Take what has been printed, and return its last 2,000 characters.

        Args:
            id: Number of the evaluation.
            is_kept: Whether it goes to the evaluation's own file. Default: True.
        """
        self.trouble = ""
        size = os.fstat(self.file.fileno()).st_size
        if not size:
            return ""
        tail = self.last()
        if is_kept:
            try:
                self._keep(id, size)
            except OSError as error:
                self.trouble = error.strerror or str(error)
        os.ftruncate(self.file.fileno(), 0)
        return tail

    def _keep(self, id: int, size: int) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(self._directory)
        free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        if total and free - min(size, MAX_LOG) < min(RESERVE, total // 10):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with self.printed() as printed, open(self._directory / f"evaluation-{id:06d}.log", "ab", buffering=0) as kept:
            before = os.fstat(kept.fileno()).st_size
            try:
                _copy(printed, kept, size)
            except OSError:
                os.ftruncate(kept.fileno(), before)  # what is left of the disk is for the results
                raise

    def explain(self, outcome: Outcome) -> Outcome:
        """Collect what an evaluation has printed; the end of it becomes part of a failure's error."""
        is_failure = outcome.state in _FAILURES
        is_kept = self._logs == "all" or (self._logs == "failures" and is_failure)
        tail = self.collect(outcome.id, is_kept).strip()
        if self.trouble:
            outcome = outcome._replace(warning=f"its log could not be written: {self.trouble}")
        if not tail or not is_failure:
            return outcome
        return outcome._replace(error=f"{outcome.error}\n{LAST_OUTPUT}\n{tail}")

    def printed(self) -> BinaryIO:
        """Open what has been printed, to be read."""
        return open(f"/proc/self/fd/{self.file.fileno()}", "rb")

    def close(self) -> None:
        """Close the file; it has no name and goes with that."""
        self.file.close()


def flush() -> None:
    """Let what user code has printed arrive, as far as that is possible."""
    for stream in (sys.stdout, sys.stderr):
        # The disk may be full; and user code may have closed the stream, or put anything in its place.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy a file, or the two ends of a long one."""
    if size <= MAX_LOG:
        _copy_part(source, target, size)
    else:
        _copy_part(source, target, MAX_LOG // 2)
        note = f"\n[... {size - MAX_LOG:,} bytes are left out ...]\n".encode()
        _copy_part(io.BytesIO(note), target, len(note))
        source.seek(size - MAX_LOG // 2)
        _copy_part(source, target, MAX_LOG // 2)


def _copy_part(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size > 0 and (data := source.read(min(size, _CHUNK))):
        view = memoryview(data)
        while view:
            view = view[target.write(view) :]
        size -= len(data)


def _nameless_file() -> int:
    try:
        descriptor, name = tempfile.mkstemp(prefix="dhmpi-")
        os.unlink(name)
    except OSError:  # no temporary directory can be written
        descriptor = os.memfd_create("dhmpi")
    # Appending: after a truncation, the child's next line begins at the start again.
    appending = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_APPEND)
    os.close(descriptor)
    return appending
