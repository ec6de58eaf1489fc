"""Aliases of modules: names that DeepHyper 0.0.5 documented for what is somewhere else in this package."""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

ALIASES = {
    "dhmpi.benchmark.benchmark_functions": "dhmpi.benchmark.functions",
    "dhmpi.benchmark.problem": "dhmpi.space.problem",
    "dhmpi.evaluator._balsam": "dhmpi.evaluator.by_hand",
    "dhmpi.evaluator._processPool": "dhmpi.evaluator.by_hand",
    "dhmpi.evaluator._subprocess": "dhmpi.evaluator.by_hand",
    "dhmpi.evaluator._threadPool": "dhmpi.evaluator.by_hand",
    "dhmpi.search.ambs": "dhmpi.search.hps.ambs",
    "dhmpi.search.ga": "dhmpi.search.hps.ga",
    "dhmpi.search.nas.cell": "dhmpi.search.nas.model.space.cell",
    "dhmpi.search.nas.env": "dhmpi.search.nas.nas_search",
    "dhmpi.search.nas.operation": "dhmpi.search.nas.model.space.op.basic",
}


class AliasFinder:
    """Finder and loader of aliases; an alias is the very module that it stands for, not a copy."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of an alias, or None for any other name."""
        return ModuleSpec(name, cls()) if name in ALIASES else None  # type: ignore[arg-type]  # it has the methods

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that an alias stands for."""
        module = importlib.import_module(ALIASES[spec.name])
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module back its own spec; it has been executed."""
        module.__spec__ = self._spec


def install() -> None:
    """Let the import system know the aliases."""
    if AliasFinder not in sys.meta_path:
        sys.meta_path.append(AliasFinder)
