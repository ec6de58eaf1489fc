"""Evaluators: where points are evaluated."""

from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.serial import SerialEvaluator

__all__ = ["Evaluator", "SerialEvaluator"]
