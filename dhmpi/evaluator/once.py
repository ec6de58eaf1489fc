"""The child's end of an interpreter that evaluates one point; it imports little, since it starts for each of them."""

import io
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from dhmpi.errors import LoadError
from dhmpi.evaluator.runner import RunFunction, Runner, Task
from dhmpi.loader import load_run

# The environment variable that says so while an interpreter loads a run function.
LOADING = "DHMPI_LOADING"


def main(mailbox: int) -> None:
    """Load the run function, evaluate the task if there is one, and leave the answers in the mailbox.

    Args:
        mailbox: Descriptor of a file that holds the order; see `dhmpi.evaluator.interpreter`.
    """
    os.set_inheritable(mailbox, False)
    with open(mailbox, "r+b", buffering=0) as file:

        def answer(**content: object) -> None:
            file.write(json.dumps(content).encode() + b"\n")

        order = json.loads(file.read())
        try:
            run = prepare(order)
        except LoadError as error:
            answer(error=str(error), details=error.details)
            return
        answer(begun=time.monotonic())
        task = order["task"]
        outcome = None if task is None else Runner(run, order["timeout"], order["files"])(Task(*task))
        answer(ended=time.monotonic(), outcome=outcome)


def prepare(order: Mapping[str, Any]) -> RunFunction:
    """Make an interpreter like the one that has started it, and load the run function.

    Args:
        order: `path` of the other interpreter, and the name `run`.
    """
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)  # a crash must not swallow the last words
    sys.argv = [sys.argv[0]]
    sys.path.extend(entry for entry in order["path"] if entry not in sys.path)
    os.environ[LOADING] = order["run"]
    try:
        return load_run(order["run"])
    finally:
        del os.environ[LOADING]
