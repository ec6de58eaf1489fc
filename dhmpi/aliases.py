"""Aliases of modules and packages: names that DeepHyper 0.0.5 documented for what is somewhere else in this package."""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

ALIASES = {
    "dhmpi.benchmark.benchmark_functions": "dhmpi.benchmark.functions",
    "dhmpi.benchmark.hps.gen": "dhmpi.benchmark.hps.gcn",
    "dhmpi.benchmark.hps.mnistenn": "dhmpi.benchmark.hps.mnistcnn",
    "dhmpi.benchmark.mnistmlp": "dhmpi.benchmark.hps.mnistmlp",
    "dhmpi.benchmark.problem": "dhmpi.space.problem",
    "dhmpi.evaluator._balsam": "dhmpi.evaluator.methods",
    "dhmpi.evaluator._processPool": "dhmpi.evaluator.methods",
    "dhmpi.evaluator._subprocess": "dhmpi.evaluator.methods",
    "dhmpi.evaluator._threadPool": "dhmpi.evaluator.methods",
    "dhmpi.search.ambs": "dhmpi.search.hps.ambs",
    "dhmpi.search.ga": "dhmpi.search.hps.ga",
    "dhmpi.search.nas.agent": "dhmpi.search.nas.policy",
    "dhmpi.search.nas.cell": "dhmpi.search.nas.model.space.cell",
    "dhmpi.search.nas.env": "dhmpi.search.nas.nas_search",
    "dhmpi.search.nas.operation": "dhmpi.search.nas.model.space.op.basic",
}


def resolved(name: str) -> str | None:
    """Return the name of the module that an alias, or a module in a package with an alias, stands for; else None."""
    if name in ALIASES or not name.startswith("dhmpi."):
        return ALIASES.get(name)
    package, _, module = name.rpartition(".")
    real = resolved(package)
    return None if real is None else f"{real}.{module}"


class AliasFinder:
    """Finder and loader of aliases; an alias is the very module that it stands for, not a copy."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of an alias, or None for any other name."""
        real = resolved(name)
        found = None if real is None else importlib.util.find_spec(real)
        if found is None:
            return None
        spec = ModuleSpec(name, cls(), origin=found.origin)  # type: ignore[arg-type]  # it has the methods
        spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that an alias stands for."""
        real = resolved(spec.name)
        assert real is not None
        module = importlib.import_module(real)
        self._spec = module.__spec__
        return module

    def get_code(self, name: str) -> CodeType | None:
        """Return the code of what an alias stands for, as `python -m` asks for it."""
        real = resolved(name)
        assert real is not None
        found = importlib.util.find_spec(real)
        assert found is not None
        code: CodeType | None = found.loader.get_code(real)  # type: ignore[union-attr]  # loaders of files have it
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Give the module back its own spec; it has been executed."""
        module.__spec__ = self._spec


def install() -> None:
    """Let the import system know the aliases, before its own finders make copies of what is in aliased packages."""
    if AliasFinder not in sys.meta_path:
        sys.meta_path.insert(0, AliasFinder)
