"""Choice of the executor for user code on this node."""

from dhmpi.execution.child import ChildExecutor
from dhmpi.execution.executor import Executor, Setup
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.execution.program import ProgramExecutor, is_program
from dhmpi.support import environment
from dhmpi.support.loader import load_run
from dhmpi.support.options import integer


def count_workers(num_workers: int | None) -> int:
    """Return how many evaluations run on this node at the same time; by default one per core that it may use.

    Raises:
        OptionError: The number is not an integer of at least 1.
    """
    return environment.num_cores() if num_workers is None else int(integer(1)("num_workers", num_workers))


def local_executor(setup: Setup, isolation: str, redirect: bool = False) -> Executor:
    """Return an executor of one evaluation at a time.

    Args:
        setup: What to run; for a process, by its name.
        isolation: `process` or `inline`.
        redirect: Whether, inline, this process's standard output and error become the evaluations' output files.
    """
    if is_program(setup.run):
        return ProgramExecutor(setup)
    if isolation == "process":
        return ChildExecutor(setup)
    return InlineExecutor(setup, load_run, redirect)
