"""Hyperparameter and neural architecture search over MPI."""

from dhmpi import aliases

__version__ = "0.1.0"

aliases.install()
