"""Every name in the index of the documentation of DeepHyper 0.0.5 can be imported."""

import importlib
import subprocess
import sys

import pytest

from dhmpi.aliases import ALIASES

# The documentation's module index and index, with its misprints put right (evaluator_processPool).
MODULES = [
    "dhmpi",
    "dhmpi.benchmark",
    "dhmpi.benchmark.hps",
    "dhmpi.benchmark.nas",
    "dhmpi.evaluator",
    "dhmpi.search",
    "dhmpi.search.hps.ambs",
    "dhmpi.search.hps.ga",
    "dhmpi.search.nas.agent",
    "dhmpi.search.nas.env",
    "dhmpi.search.nas.model.space.op",
    "dhmpi.search.nas.ppo_a3c_async",
    "dhmpi.search.nas.ppo_a3c_sync",
    "dhmpi.search.nas.random",
    "dhmpi.search.ambs",
    "dhmpi.search.ga",
    "dhmpi.search.nas.cell",
    "dhmpi.search.nas.operation",
    "dhmpi.search.nas.model.run.alpha",
    "dhmpi.search.nas.model.preprocessing",
    "dhmpi.benchmark.benchmark_functions_wrappers",
]
NAMES = {
    "dhmpi.benchmark.problem": ["Problem", "HpProblem"],
    "dhmpi.evaluator._balsam": ["BalsamEvaluator"],
    "dhmpi.evaluator._subprocess": ["SubprocessEvaluator"],
    "dhmpi.evaluator._processPool": ["ProcessPoolEvaluator"],
    "dhmpi.evaluator._threadPool": ["ThreadPoolEvaluator"],
    "dhmpi.search.search": ["Search"],
    "dhmpi.search.hps.ambs": ["AMBS"],
    "dhmpi.search.hps.ga": ["GA"],
    "dhmpi.search.nas.random": ["NasRandom"],
    "dhmpi.search.nas.ppo_a3c_async": ["NasPPOAsyncA3C"],
    "dhmpi.search.nas.ppo_a3c_sync": ["NasPPOSyncA3C"],
    "dhmpi.search.nas.model.run.alpha": ["run"],
    "dhmpi.search.nas.model.space.node": ["Node"],
    "dhmpi.search.nas.model.space.block": ["Block"],
    "dhmpi.search.nas.model.space.cell": ["Cell"],
    "dhmpi.search.nas.model.space.structure": ["KerasStructure", "SequentialStructure"],
    "dhmpi.benchmark": ["Problem", "HpProblem"],
}


@pytest.mark.parametrize("name", sorted({*MODULES, *ALIASES}))
def test_documented_modules_are_there(name):
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("module", NAMES)
def test_documented_names_are_there(module):
    assert all(callable(getattr(importlib.import_module(module), name)) for name in NAMES[module])


INSIDE = {
    "dhmpi.benchmark.mnistmlp.load_data": "dhmpi.benchmark.hps.mnistmlp.load_data",
    "dhmpi.search.nas.agent.policy": "dhmpi.search.nas.policy.policy",
}


@pytest.mark.parametrize(("alias", "name"), (ALIASES | INSIDE).items())
@pytest.mark.parametrize("order", [1, -1])
def test_an_alias_is_the_module_itself(alias, name, order):
    first, second = (alias, name)[::order]
    code = (
        f"import importlib\none, other = importlib.import_module({first!r}), importlib.import_module({second!r})\n"
        f"assert one is other and one.__name__ == one.__spec__.name == {name!r}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_there_is_nothing_else_in_a_package_with_an_alias():
    with pytest.raises(ModuleNotFoundError, match=r"agent\.nothing"):
        importlib.import_module("dhmpi.search.nas.agent.nothing")


def test_methods_of_problems_are_there():
    problem = importlib.import_module("dhmpi.benchmark.problem").HpProblem()
    problem.add_dim("nunits", (10, 20), 10)
    assert problem.starting_point == [10]
