"""Evaluators: where points are evaluated."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dhmpi.evaluator.balsam import BalsamEvaluator
    from dhmpi.evaluator.evaluator import Evaluator
    from dhmpi.evaluator.factory import create
    from dhmpi.evaluator.mpi import MPIEvaluator
    from dhmpi.evaluator.pool import ProcessPoolEvaluator, SerialEvaluator, SubprocessEvaluator
    from dhmpi.evaluator.threads import ThreadPoolEvaluator

__all__ = [
    "BalsamEvaluator",
    "Evaluator",
    "MPIEvaluator",
    "ProcessPoolEvaluator",
    "SerialEvaluator",
    "SubprocessEvaluator",
    "ThreadPoolEvaluator",
    "create",
]

_MODULES = {
    "BalsamEvaluator": "balsam",
    "Evaluator": "evaluator",
    "MPIEvaluator": "mpi",
    "ProcessPoolEvaluator": "pool",
    "SerialEvaluator": "pool",
    "SubprocessEvaluator": "pool",
    "ThreadPoolEvaluator": "threads",
    "create": "factory",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: interpreters that run user code start often, and need little of this package."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
