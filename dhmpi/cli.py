"""The command line: argv -> a search and its options, or a look into a results file."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

import dhmpi
from dhmpi import environ
from dhmpi.errors import EXIT_FAILURE, EXIT_INPUT, DhmpiError, InputError, LoadError, OptionError, did_you_mean

DEFAULT_PROBLEM = "dhmpi.benchmark.hps.rosen2.problem.Problem"
DEFAULT_RUN = "dhmpi.benchmark.hps.rosen2.rosenbrock2.run"
VIEWS = {
    "show": "what ran, how it went, and the best point",
    "best": "the best evaluation",
    "export": "all evaluations as CSV or JSON",
}
EPILOG = """\
examples:
  mpirun -np 4 dhmpi ambs --problem dhmpi.benchmark.hps.polynome2.Problem --run dhmpi.benchmark.hps.polynome2.run
  dhmpi hps-random --problem my_problem.py --run my_run.py --max-evals 50 --output random.h5
  dhmpi show results.h5
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, so that rank 0 alone shows them."""

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        raise OptionError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    prefix = "dhmpi"
    try:
        command = _command(words)
        prefix = f"dhmpi {command}"
        return _view(command, words[1:]) if command in VIEWS else _search(command, words[1:])
    except InputError as error:
        return _complain(prefix, error, EXIT_INPUT)
    except DhmpiError as error:
        return _complain(prefix, error, EXIT_FAILURE)
    except BrokenPipeError:  # whoever reads the output has seen enough
        sys.stderr.close()
        return EXIT_FAILURE


def _complain(prefix: str, error: DhmpiError, status: int) -> int:
    if environ.launch().rank > 0:
        return 0  # rank 0 says it; a launcher that saw a failure here could end rank 0 before that
    if isinstance(error, LoadError) and error.details:
        print(error.details, file=sys.stderr)
    print(f"{prefix}: error: {error}", file=sys.stderr, flush=True)
    return status


def _command(words: list[str]) -> str:
    from dhmpi.search.registry import SEARCHES

    if words and not words[0].startswith("-"):
        names = [*SEARCHES, *VIEWS]
        if words[0] not in names:
            raise OptionError(f"no such command: {words[0]!r}; {did_you_mean(words[0], names)}")
        return words[0]
    commands = {name: entry.summary for name, entry in SEARCHES.items()} | VIEWS
    listed = "\n".join(f"  {name:12}{summary}" for name, summary in commands.items())
    parser = Parser(
        "dhmpi",
        description=f"{dhmpi.__doc__}\n\ncommands (each has --help):\n{listed}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dhmpi {dhmpi.__version__}")
    parser.parse_args(words)
    parser.print_help()
    raise OptionError(f"a command must be given; choose from {', '.join(commands)}")


def _search(command: str, words: list[str]) -> int:
    from dhmpi.options import add_arguments, as_flag, build, choice
    from dhmpi.search.options import EVALUATORS, CampaignOptions
    from dhmpi.search.registry import find

    search_class = find(command)
    parser = Parser(f"dhmpi {command}", description=search_class.__doc__ and search_class.__doc__.split("\n\n")[0])
    parser.add_argument(
        "--problem",
        default=DEFAULT_PROBLEM,
        help="problem to search: package.module.Problem, package.module:Problem, path/to/file.py or "
        "path/to/file.py:Problem (default: %(default)s)",
    )
    parser.add_argument(
        "--run", default=DEFAULT_RUN, help="function that evaluates a point, named likewise (default: %(default)s)"
    )
    parser.add_argument(
        "--evaluator", help="where points are evaluated: mpi, serial (default: mpi with several ranks, else serial)"
    )
    add_arguments(parser, CampaignOptions)
    add_arguments(parser, search_class.Options)
    values = vars(parser.parse_args(words))
    options = build(CampaignOptions, values, as_flag)
    own_options: object = build(search_class.Options, values, as_flag)
    problem, run, evaluator = values["problem"], values["run"], values["evaluator"]
    if evaluator is not None:
        evaluator = choice(EVALUATORS)("--evaluator", evaluator)

    from dhmpi import compose, logs, views

    logs.configure(options.log_level, environ.launch().rank)
    found = compose.run(
        lambda given: search_class.from_options(problem, run, evaluator, given, own_options), run, evaluator, options
    )
    if found is not None:
        views.report(found, options.output, sys.stdout)
    return 0


def _view(command: str, words: list[str]) -> int:
    parser = Parser(f"dhmpi {command}", description=f"Print {VIEWS[command]}.")
    parser.add_argument("file", help="results file; it may still be being written")
    if command == "export":
        form = parser.add_mutually_exclusive_group(required=True)
        form.add_argument("--csv", action="store_true", help="comma-separated values, one line per evaluation")
        form.add_argument("--json", action="store_true", help="one JSON document with the metadata and all evaluations")
    if command == "best":
        parser.add_argument("--json", action="store_true", help="the point alone, as JSON")
    arguments = parser.parse_args(words)

    from dhmpi import results, views

    found = results.read(arguments.file)
    if command == "show":
        views.show(found, sys.stdout)
    elif command == "best":
        views.best(found, sys.stdout, arguments.json)
    elif arguments.csv:
        results.export_csv(found, sys.stdout)
    else:
        results.export_json(found, sys.stdout)
    return 0
