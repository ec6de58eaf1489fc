"""Pages of the API: one for each package with all its modules, and one of the names that DeepHyper 0.0.5 documented."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from generated_pages import escaped, heading, write_changed
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer

import dhmpi
from dhmpi.aliases import ALIASES

FOLDER = Path(__file__).parents[1] / "reference"
# What programs of users import; the rest is for those who read the code.
PUBLIC = (
    *("dhmpi.callbacks", "dhmpi.errors", "dhmpi.evaluation", "dhmpi.analysis.plots", "dhmpi.benchmark"),
    *("dhmpi.evaluator", "dhmpi.results", "dhmpi.search", "dhmpi.space"),
)
NOT_PUBLIC = ("dhmpi.search.hps.surrogate",)
# On the pages of these are the packages in them: each is one problem, and shown without its modules.
PROBLEMS = ("dhmpi.benchmark.hps", "dhmpi.benchmark.nas")


def packages() -> dict[str, list[str]]:
    """Return the names of the modules on the page of each package, without the package itself."""
    pages: dict[str, list[str]] = {"dhmpi": []}
    for found in pkgutil.walk_packages(dhmpi.__path__, "dhmpi."):
        if not found.name.startswith(PUBLIC) or found.name.startswith(NOT_PUBLIC):
            continue
        parent = found.name.rpartition(".")[0]
        if parent in PROBLEMS:
            pages[parent] += [found.name] if found.ispkg else []
        elif found.ispkg:
            pages[found.name] = []
        elif not parent.startswith(PROBLEMS):
            pages[parent].append(found.name)
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
            yield from described(name, value, there, f"{module.__name__}.{name}" in sys.modules)


def described(name: str, value: object, there: str | None, is_module: bool = False) -> Iterator[str]:
    """Yield the lines of a name that is described elsewhere; in the index it may be that of a module, too."""
    where = f"The same as :py:obj:`{there}`." if there else escaped(f"A {type(value).__name__}.")
    yield from (f".. py:{kind(value)}:: {name}", *(["    :no-index:"] if is_module else []), "", f"    {where}", "")


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
    lines += ["What its documentation imports is imported with ``dhmpi`` in place of ``deephyper``.", ""]
    for alias, real in ALIASES.items():
        lines += [*heading(alias, "-"), f".. py:module:: {alias}", "", f"The same as :py:mod:`{real}`.", ""]
        for name, value in public_names(importlib.import_module(real)):
            lines += described(name, value, home(value))
            lines += members(value) if isinstance(value, type) else ()
    return "\n".join(lines)


def index(pages: list[str]) -> str:
    """Return the page that lists the packages."""
    lines = heading("API", "=")
    for name in pages:
        first = (importlib.import_module(name).__doc__ or "").partition("\n")[0]
        lines += [f":doc:`{name}`", f"    {escaped(first)}"]
    lines += [":doc:`names`", "    Names of DeepHyper 0.0.5, for what is somewhere else.", ""]
    return "\n".join([*lines, ".. toctree::", "    :hidden:", "", *(f"    {name}" for name in [*pages, "names"]), ""])


def write_pages(app: Sphinx) -> None:
    """Write all pages anew."""
    pages = {name: page(name, modules) for name, modules in sorted(packages().items())}
    write_changed(FOLDER, {**pages, "index": index(list(pages)), "names": names_page()})


def mark_aliases(app: Sphinx, env: BuildEnvironment) -> None:
    """Let a class's own name be found where only its last part is given, not those under which others offer it."""
    objects = env.domains.python_domain.objects
    for name, found in objects.items():
        module = sys.modules.get(name.rpartition(".")[0])
        there = home(getattr(module, name.rpartition(".")[2], None)) if found.objtype == "class" else name
        if found.docname.endswith("/names") or there != name:
            objects[name] = found._replace(aliased=True)


def leave_out_navigation(app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave out the list of all pages beside the code, which would be most of the site."""
    if name.startswith("_modules/"):
        context["toctree"] = lambda **options: ""


def source(app: Sphinx, module: str) -> tuple[str, dict[str, Any]] | None:
    """Return the code of a module without places in it if Sphinx does not find them; None for all others."""
    try:
        analyzer = ModuleAnalyzer.for_module(module)
    except PycodeError:
        return None  # left out
    try:
        analyzer.find_tags()
    except PycodeError:
        return analyzer.code, {}  # an f-string in an annotation
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    app.connect("env-updated", mark_aliases)
    app.connect("viewcode-find-source", source)
    app.connect("html-page-context", leave_out_navigation, priority=400)  # before the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
