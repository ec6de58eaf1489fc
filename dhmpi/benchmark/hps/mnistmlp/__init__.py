"""Multilayer perceptron on MNIST; minus the validation accuracy, minimised."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "run"]
__getattr__ = exported(__name__, Problem="problem", run="model_run")
