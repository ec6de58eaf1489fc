"""Hyperparameter and neural architecture search over MPI."""

import importlib
from typing import TYPE_CHECKING

from dhmpi import aliases

if TYPE_CHECKING:
    from dhmpi.execution.context import StopEvaluation
    from dhmpi.execution.context import current as current_context

__all__ = ["StopEvaluation", "__version__", "current_context"]
__version__ = "0.1.0"

aliases.install()

# What run functions use, by its name in `dhmpi.execution.context`.
_IN_CONTEXT = {"StopEvaluation": "StopEvaluation", "current_context": "current"}


def __getattr__(name: str) -> object:
    """Import what run functions use when it is asked for, so that `import dhmpi` is quick."""
    if name == "callbacks":  # which imports Keras
        return importlib.import_module("dhmpi.callbacks")
    if name not in _IN_CONTEXT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("dhmpi.execution.context"), _IN_CONTEXT[name])


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
