"""Multilayer perceptron on handwritten digits; minus the validation accuracy, minimised."""

from dhmpi.benchmark.hps.digits.digits_mlp import run
from dhmpi.benchmark.hps.digits.problem import Problem

__all__ = ["Problem", "run"]
