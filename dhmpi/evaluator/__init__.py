"""Evaluators: where points are evaluated.

Scripts import this, and so does each interpreter that runs their run functions: it imports little.
"""

import importlib
from typing import TYPE_CHECKING

from dhmpi.evaluator.by_hand import HandDrivenEvaluator, given_evaluator
from dhmpi.evaluator.evaluator import Evaluator

if TYPE_CHECKING:
    from dhmpi.evaluator.methods import (
        BalsamEvaluator,
        ProcessPoolEvaluator,
        SubprocessEvaluator,
        ThreadPoolEvaluator,
        create,
    )

__all__ = [
    "BalsamEvaluator",
    "Evaluator",
    "HandDrivenEvaluator",
    "ProcessPoolEvaluator",
    "SubprocessEvaluator",
    "ThreadPoolEvaluator",
    "create",
    "given_evaluator",
]


def __getattr__(name: str) -> object:
    """Import a name of `methods`, which needs all evaluators, when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.methods"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
