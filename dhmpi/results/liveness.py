"""Liveness of a campaign, by the heartbeat of the process that writes its file."""

import time

from dhmpi.results.ownership import BEAT_INTERVAL, LOOK_INTERVAL, Pause, look, warn_of_waiting
from dhmpi.results.reader import PathLike, resolve

# A writer on another host that has shown no heartbeat for so long is given up; they come every BEAT_INTERVAL [s].
SILENCE = 3 * BEAT_INTERVAL + 1


def is_written(path: PathLike, pause: Pause = time.sleep) -> bool | None:
    """Return whether a results file is being written; None if its writer is on another host, and silent.

    On this host the writer's process is looked at; one of another host must append to the journal meanwhile.

    Args:
        path: The file.
        pause: Sleeps so many seconds.

    Raises:
        ResultsError: The journal cannot be read.
    """
    path = resolve(path)
    first = look(path)
    if first.is_alive is not None:
        return first.is_alive
    warn_of_waiting(path, first.owner, SILENCE)
    until = time.monotonic() + SILENCE
    while time.monotonic() < until:
        pause(LOOK_INTERVAL)
        if (now := look(path)) != first:
            return now.owner is not None
    return None
