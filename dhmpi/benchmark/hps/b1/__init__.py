"""Recurrent network that adds two numbers, character by character; minus the validation accuracy, minimised."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "run"]
__getattr__ = exported(__name__, Problem="problem", run="model_run")
