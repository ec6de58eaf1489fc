"""Attributes of packages whose modules are imported when first asked for.

So `python -m package.problem` does not find its module imported already, and a problem comes without its run function,
which may bring TensorFlow along.
"""

import importlib
from collections.abc import Callable
from typing import Any


def exported(package: str, **modules: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: Name of the package.
        **modules: For each attribute the module of the package that holds it.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return find
