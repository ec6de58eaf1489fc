"""Output of user code, which is kept in a file for each evaluation."""

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from dhmpi.evaluation import LAST_OUTPUT, State
from dhmpi.execution.runner import Outcome
from dhmpi.support import environment
from dhmpi.support.terminal_text import as_shown

# The most of what one evaluation prints that is kept, half of it from the beginning and half from the end [bytes].
MAX_LOG = 10_000_000
# What logs leave free for the results, which may be on the same disk [bytes]; at most a tenth of it.
RESERVE = 100_000_000
_CHUNK = 1 << 20
# How many characters are the last output, and how far back they are looked for: most of a progress bar is overwritten.
_LAST, _READ_BACK = 2000, 100_000
_FAILURES = (State.FAILED, State.TIMEOUT)
# Of which there are files even if there are none of others.
_KEPT = (*_FAILURES, State.CANCELLED)


class Output:
    """Output of user code: a nameless file on the node, copied to a file for each evaluation.

    A file and not a pipe, because a pipe that is not read blocks a writer once it is full.

    Args:
        directory: Where the files go; it is made when something has been printed.
        logs: Of which evaluations there are files: all, failures or none.

    Attributes:
        trouble: Why the latest output could not be kept; empty if it could.
        member: Number of this rank among those that evaluate together; others than the first have files of their own.
    """

    def __init__(self, directory: str, logs: str = "all") -> None:
        self._directory, self._logs = Path(directory), logs
        self._begin = 0  # what stands before that has been collected
        self.trouble = ""
        self.member = 0
        environment.open_standard_streams()  # or user code would print into whatever is opened in their place
        self.file: BinaryIO = open(_nameless_file(), "ab", buffering=0)  # noqa: SIM115  # lives as long as this

    def last(self) -> str:
        """Return the last 2,000 characters that have been printed."""
        return self._tail(0, self._size())

    def collect(self, id: int, end: int | None = None, is_kept: bool = True) -> str:
        """Take what has been printed since the last time, and return its last 2,000 characters.

        Args:
            id: Of the evaluation.
            end: Where its output ends; None: nothing is being printed, and the nameless file begins anew.
            is_kept: Whether it goes to the evaluation's own file. Default: True.
        """
        self.trouble = ""
        begin, size = self._begin, self._size()
        if not size:
            self._begin = 0
            return ""
        self._begin = size if end is None else max(begin, min(end, size))
        tail = self._tail(begin, self._begin) if begin < self._begin else ""
        if tail and is_kept:
            try:
                self._keep(id, begin, self._begin)
            except OSError as error:  # user code may do anything to the directory, or fill the disk; it costs the log
                self.trouble = error.strerror or str(error)
        if end is None:
            self.clear()
        return tail

    def explain(self, outcome: Outcome, end: int | None = None) -> Outcome:
        """Collect what an evaluation has printed; the end of it becomes part of a failure's error."""
        if end is not None and end <= self._begin:
            return outcome  # nothing new
        # What has no objective by now may prove to be a failure, where the names of objectives are known.
        is_failure = outcome.state in _FAILURES or (outcome.state is State.DONE and outcome.objective is None)
        is_kept = self._logs == "all" or (self._logs == "failures" and outcome.state in _KEPT)
        tail = self.collect(outcome.id, end, is_kept).strip()
        if self.trouble:
            trouble = f"its log could not be written: {self.trouble}"
            outcome = outcome._replace(warning=f"{outcome.warning}; {trouble}" if outcome.warning else trouble)
        if not tail or not is_failure:
            return outcome
        return outcome._replace(error=f"{outcome.error}\n{LAST_OUTPUT}\n{tail}")

    def clear(self) -> None:
        """Forget what has been printed, while nothing is being printed."""
        os.ftruncate(self.file.fileno(), 0)
        self._begin = 0

    @property
    def is_used(self) -> bool:
        """Whether something has been collected since the file began anew."""
        return self._begin > 0

    def printed(self) -> BinaryIO:
        """Open what has been printed, to be read."""
        return open(f"/proc/self/fd/{self.file.fileno()}", "rb")

    def close(self) -> None:
        """Close the file; it has no name and goes with that."""
        self.file.close()

    def _size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def _tail(self, begin: int, end: int) -> str:
        begin = max(begin, end - _READ_BACK)
        return as_shown(os.pread(self.file.fileno(), end - begin, begin).decode(errors="replace"))[-_LAST:]

    def _keep(self, id: int, begin: int, end: int) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(self._directory)
        free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        if total and free - min(end - begin, MAX_LOG) < min(RESERVE, total // 10):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        name = f"evaluation-{id:06d}{f'-rank{self.member}' if self.member else ''}.log"
        with self.printed() as printed, open(self._directory / name, "ab", buffering=0) as kept:
            before = os.fstat(kept.fileno()).st_size
            try:
                _copy(printed, kept, begin, end)
            except OSError:
                os.ftruncate(kept.fileno(), before)  # what is left of the disk is for the results
                raise


def _copy(source: BinaryIO, target: BinaryIO, begin: int, end: int) -> None:
    """Copy a part of a file, or the two ends of a long one."""
    size = end - begin
    source.seek(begin)
    if size <= MAX_LOG:
        _copy_part(source, target, size)
    else:
        _copy_part(source, target, MAX_LOG // 2)
        note = f"\n[... {size - MAX_LOG:,} bytes are left out ...]\n".encode()
        _copy_part(io.BytesIO(note), target, len(note))
        source.seek(end - MAX_LOG // 2)
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
