"""One evaluation of a benchmark, from the command line."""

import argparse
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from dhmpi.benchmark.hps.network_problem import NetworkProblem, add_options, require_tensorflow
from dhmpi.benchmark.keras_cmdline import create_parser
from dhmpi.errors import EXIT_INPUT, InputError, OptionError
from dhmpi.space.problem import HpProblem
from dhmpi.space.space import Integer, Real
from dhmpi.support.printing import Printer, tell


def main(package: str, words: Sequence[str] | None = None) -> int:
    """Evaluate the point that options describe, and print what comes of it; return the exit status.

    Args:
        package: Name of the benchmark's package.
        words: The command line without the program; by default that of this process.
    """
    benchmark = import_module(package)
    try:
        return _evaluate(package, benchmark, words)
    except InputError as error:
        tell(str(error))
        return EXIT_INPUT


def _evaluate(package: str, benchmark: ModuleType, words: Sequence[str] | None) -> int:
    if isinstance(benchmark.Problem, NetworkProblem):
        require_tensorflow()
    module = import_module(benchmark.run.__module__)
    if hasattr(module, "augment_parser"):
        parser = create_parser()
        module.augment_parser(parser)
    else:
        parser = argparse.ArgumentParser()
        add_options(parser, benchmark.Problem, getattr(module, "DEFAULTS", {}))
    parser.prog = f"python -m {package}"
    parser.description = benchmark.__doc__
    point = vars(parser.parse_args(words))
    _check(point, benchmark.Problem)
    result = benchmark.run(point)
    entries = result if isinstance(result, dict) else {"objective": result}
    Printer().write("".join(f"{name}: {value}\n" for name, value in entries.items()))
    return 0


def _check(point: Mapping[str, Any], problem: HpProblem) -> None:
    """Find out whether options are numbers that make sense; those beyond the range of a dimension may.

    Raises:
        OptionError: One does not.
    """
    dimensions = dict(zip(problem.dimensions.names, problem.dimensions.dimensions, strict=True))
    for name, value in point.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise OptionError(f"--{name} must be a finite number, got {value}")
        dimension = dimensions.get(name)
        if not isinstance(dimension, (Integer, Real)):
            continue
        if dimension.low > 0 and value <= 0:
            raise OptionError(f"--{name} must be above 0, got {value}")
        if dimension.low == 0 and value < 0:
            raise OptionError(f"--{name} must be at least 0, got {value}")
    if not 0 <= point.get("dropout", 0) <= 1:
        raise OptionError(f"--dropout must be from 0 to 1, got {point['dropout']}")
