"""Hyperparameter and neural architecture search over MPI."""

__version__ = "0.1.0"
