"""Evaluators: where points are evaluated.

Scripts import this, and so does each interpreter that runs their run functions: it imports little.
"""

from dhmpi.evaluator.by_hand import (
    BalsamEvaluator,
    HandDrivenEvaluator,
    ProcessPoolEvaluator,
    SubprocessEvaluator,
    ThreadPoolEvaluator,
    given_evaluator,
)
from dhmpi.evaluator.evaluator import Evaluator

create = Evaluator.create

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
