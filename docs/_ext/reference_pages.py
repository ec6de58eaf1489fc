"""Pages of the API: one for each package with all its modules, and one of the names that DeepHyper 0.0.5 documented."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from generated_pages import escaped, heading, write_changed
from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock

import dhmpi
from dhmpi.aliases import ALIASES

FOLDER = Path(__file__).parents[1] / "reference"
# Packages that programs of users import; the others are inside.
PUBLIC = ("dhmpi", "dhmpi.analysis", "dhmpi.benchmark", "dhmpi.evaluator", "dhmpi.results", "dhmpi.search", "dhmpi.space")
# On the pages of these are the packages in them, too: each is one problem.
PROBLEMS = ("dhmpi.benchmark.hps", "dhmpi.benchmark.nas")


def packages() -> dict[str, list[str]]:
    """Return the names of the modules on the page of each package, without the package itself."""
    pages: dict[str, list[str]] = {"dhmpi": []}
    for found in pkgutil.walk_packages(dhmpi.__path__, "dhmpi."):
        parent = found.name.rpartition(".")[0]
        page = next((each for each in PROBLEMS if parent.startswith(each)), parent)
        if found.ispkg and page not in PROBLEMS:
            pages[found.name] = []
        elif not found.name.endswith("__main__"):
            pages[page].append(found.name)
    return pages


def kind(value: object) -> str:
    """Return the directive that describes a value."""
    return "class" if isinstance(value, type) else "function" if inspect.isroutine(value) else "data"


def home(value: object) -> str | None:
    """Return the name under which a class or a function is described; None for others."""
    return None if kind(value) == "data" else f"{value.__module__}.{value.__qualname__}"  # type: ignore[attr-defined]


def public_names(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public names of a module and their values: those that it lists, else those that it defines."""
    own = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    for name in getattr(module, "__all__", own):
        value = getattr(module, name)
        if not name.startswith("_") and not isinstance(value, ModuleType):
            yield name, value


def reexports(module: ModuleType) -> Iterator[str]:
    """Yield the lines of names in a module that are described elsewhere."""
    for name, value in public_names(module):
        there = home(value)
        if there is None or there != f"{module.__name__}.{name}":
            yield from described(name, value, there)


def described(name: str, value: object, there: str | None) -> Iterator[str]:
    """Yield the lines of a name that is described elsewhere."""
    where = f"Is :py:obj:`{there}`." if there else escaped(f"A {type(value).__name__}.")
    yield from (f".. py:{kind(value)}:: {name}", "", f"    {where}", "")


def members(class_: type) -> Iterator[str]:
    """Yield the lines that put the public members of a class into the index, and show nothing."""
    for name, value in inspect.getmembers(class_):
        if not name.startswith("_"):
            what = "method" if inspect.isroutine(value) else "attribute"
            yield from (f"    .. py:{what}:: {name}", "        :no-typesetting:", "")


def page(package: str, modules: list[str]) -> str:
    """Return the page of a package."""
    lines = [*heading(package, "="), f".. automodule:: {package}", "    :ignore-module-all:", ""]
    lines += reexports(importlib.import_module(package))
    for name in modules:
        lines += [*heading(name, "-"), f".. automodule:: {name}", "    :ignore-module-all:", ""]
        module = importlib.import_module(name)
        if hasattr(module, "__all__"):
            lines += reexports(module)
    return "\n".join(lines)


def names_page() -> str:
    """Return the page of the names that are kept for what is somewhere else."""
    lines = [*heading("Names of DeepHyper 0.0.5", "=")]
    lines += ["What its documentation imports is imported with ``dhmpi`` in place of ``deephyper``. These modules are", ""]
    lines[-1:] = ["the very modules named beside them.", ""]
    for alias, real in ALIASES.items():
        lines += [*heading(alias, "-"), f".. py:module:: {alias}", "", f"Is :py:mod:`{real}`.", ""]
        for name, value in public_names(importlib.import_module(real)):
            lines += described(name, value, home(value))
            lines += members(value) if isinstance(value, type) else ()
    return "\n".join(lines)


def index(pages: list[str]) -> str:
    """Return the page that lists the packages."""
    public = [name for name in pages if name == "dhmpi" or name.startswith(PUBLIC[1:])]
    lines = heading("API", "=")
    for title, names in (("For programs", public), ("Inside", [name for name in pages if name not in public])):
        lines += heading(title, "-")
        for name in names:
            first = (importlib.import_module(name).__doc__ or "").partition("\n")[0]
            lines += [f":doc:`{name}`", f"    {escaped(first)}"]
        lines += ["", ".. toctree::", "    :hidden:", "", *(f"    {name}" for name in names), ""]
    return "\n".join([*lines, ".. toctree::", "    :hidden:", "", "    names", ""])


def write_pages(app: Sphinx) -> None:
    """Write all pages anew."""
    with mock(app.config.autodoc_mock_imports):
        pages = {name: page(name, modules) for name, modules in sorted(packages().items())}
        write_changed(FOLDER, {**pages, "index": index(list(pages)), "names": names_page()})


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
