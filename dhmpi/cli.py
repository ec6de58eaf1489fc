"""The command line: argv -> a search and its options, or a look into a results file."""

import argparse
import errno
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import dhmpi
from dhmpi import environ, printing
from dhmpi.errors import (
    EXIT_FAILURE,
    EXIT_INPUT,
    DhmpiError,
    InputError,
    LoadError,
    OptionError,
    OutputError,
    StorageError,
    did_you_mean,
)
from dhmpi.options import as_flag
from dhmpi.printing import Printer, tell

if TYPE_CHECKING:
    from dhmpi.results import Results

VIEWS = {
    "show": "what ran, how it went, and the best point",
    "best": "the best evaluation",
    "export": "all evaluations as CSV or JSON, or the best architecture as a Keras model",
    "train": "what becomes of the best architectures when they are trained again",
}
CHECK_SUMMARY = "whether a search proposes the same points when it is asked again, along its results file"
PROBLEM_HELP = "where the problem is now (default: where it was, or beside the results file)"
DATA_HELP = "where the data are, if they come from files"
DRAW_SUMMARY = "a picture of a space of architectures, or of one of them"
EPILOG = """\
examples:
  mpirun -np 4 dhmpi ambs --problem dhmpi.benchmark.hps.polynome2.Problem --run dhmpi.benchmark.hps.polynome2.run
  dhmpi hps-random --problem my_problem.py --run my_run.py --max-evals 50 --output random.h5
  dhmpi show results.h5
  dhmpi launch -n 8 -- ambs --max-evals 500
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, so that rank 0 alone shows them."""

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        raise OptionError(message)

    def _print_message(self, message: str, file: object = None) -> None:
        """Print help; argparse itself says nothing if that cannot be written."""
        print(message, end="", file=Printer())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    environ.open_standard_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    prefix = "dhmpi"
    try:
        try:
            command = _command(words)
            prefix = f"dhmpi {command}"
            act = OTHERS[command].act if command in OTHERS else _view if command in VIEWS else _search
            return act(command, words[1:])
        finally:
            printing.flush()
    except InputError as error:
        return _complain(prefix, error, EXIT_INPUT)
    except DhmpiError as error:
        return _complain(prefix, error, EXIT_FAILURE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        full = StorageError(f"cannot write {error.filename or 'a file'}: {error.strerror}; make room")
        return _complain(prefix, full, EXIT_FAILURE)


def _complain(prefix: str, error: DhmpiError, status: int) -> int:
    if environ.launch().rank > 0:
        return 0  # rank 0 says it; a launcher that saw a failure here could end rank 0 before that
    if isinstance(error, LoadError) and error.details:
        tell(error.details)
    tell(f"{prefix}: error: {error.spelled(as_flag)}")
    return status


def _command(words: list[str]) -> str:
    from dhmpi.search.registry import SEARCHES

    if words and not words[0].startswith("-"):
        names = [*SEARCHES, *VIEWS, *OTHERS]
        if words[0] not in names:
            raise OptionError(f"no such command: {words[0]!r}; {did_you_mean(words[0], names)}")
        return words[0]
    commands = {name: entry.summary for name, entry in SEARCHES.items()} | VIEWS
    commands |= {name: other.summary for name, other in OTHERS.items()}
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
    from dhmpi.evaluation import METHODS
    from dhmpi.options import add_arguments, build, choice
    from dhmpi.search.options import CampaignOptions
    from dhmpi.search.registry import find

    search_class = find(command)
    parser = Parser(f"dhmpi {command}", description=search_class.__doc__ and search_class.__doc__.split("\n\n")[0])
    parser.add_argument(
        "--problem",
        help="problem to search: package.module.Problem, package.module:Problem, path/to/file.py or "
        f"path/to/file.py:Problem (default: that in the file of --run; {search_class.default_problem} without either)",
    )
    parser.add_argument(
        "--run",
        help="function that evaluates a point, named likewise (default: that in the file of --problem; "
        f"{search_class.default_run} without {'it' if search_class.default_run_fits_all else 'either'})",
    )
    parser.add_argument(
        "--evaluator",
        help=f"where points are evaluated: {', '.join(METHODS)} (default: mpi with several ranks, else serial)",
    )
    add_arguments(parser, CampaignOptions)
    add_arguments(parser, search_class.Options)
    values = vars(parser.parse_args(words))
    options = build(CampaignOptions, values, as_flag)
    own_options: object = build(search_class.Options, values, as_flag)
    problem, run = search_class.complete(values["problem"], values["run"], as_flag)
    evaluator = values["evaluator"]
    if evaluator is not None:
        evaluator = choice(METHODS)("--evaluator", evaluator)

    from dhmpi import compose, compose_agents, logs, views

    logs.configure(options.log_level, environ.launch().rank)
    start = compose_agents.run if search_class.has_agents else compose.run
    found = start(
        lambda given: search_class.from_options(problem, run, evaluator, given, own_options), run, evaluator, options
    )
    if found is not None:
        try:
            views.report(found, options.output, Printer())
        except OutputError as error:  # the results are in the file nevertheless
            tell(f"dhmpi {command}: warning: {error}")
    return 0


def _view(command: str, words: list[str]) -> int:
    parser = Parser(f"dhmpi {command}", description=f"Print {VIEWS[command]}.")
    parser.add_argument("file", help="results file; it may still be being written")
    if command == "export":
        form = parser.add_mutually_exclusive_group(required=True)
        form.add_argument("--csv", action="store_true", help="comma-separated values, one line per evaluation")
        form.add_argument("--json", action="store_true", help="one JSON document with the metadata and all evaluations")
        form.add_argument(
            "--keras",
            metavar="MODEL.keras",
            help="train the best architecture again, and save it, with its preprocessing: it predicts on raw data",
        )
        parser.add_argument(
            "--without-preprocessing",
            action="store_true",
            help="with --keras: save the model alone, which takes preprocessed data and predicts scaled targets",
        )
    if command == "train":
        parser.add_argument("--top", default="1", help="how many architectures (default: %(default)s)")
    if command in ("export", "train"):
        parser.add_argument("--epochs", help="how long they are trained (default: as in the search)")
        parser.add_argument("--seed", help="seed of the training (default: the one that it had in the search)")
        parser.add_argument("--data", metavar="DIRECTORY", help=DATA_HELP)
    if command in ("export", "train", "show"):
        parser.add_argument("--problem", help=PROBLEM_HELP)
    if command == "show":
        parser.add_argument(
            "--is-complete",
            action="store_true",
            help="only say whether the campaign is complete; exit status: 0 if so, 3 if not, 4 if not and nothing has "
            "ended since the latest run began",
        )
        parser.add_argument("--since", help="with --is-complete: seconds since 1970, instead of the latest run's begin")
    if command == "best":
        parser.add_argument("--json", action="store_true", help="the point alone, as JSON")
    arguments = parser.parse_args(words)
    if command == "show" and arguments.since is not None and not arguments.is_complete:
        raise OptionError("--since must come with --is-complete; give both, or leave it out")
    if command == "export" and not arguments.keras:
        for name in ("epochs", "seed", "data", "problem", "without_preprocessing"):
            if getattr(arguments, name):
                raise OptionError(f"{as_flag(name)} must come with --keras; give both, or leave it out")

    from dhmpi import results, views, whereabouts

    found, printer = results.read(arguments.file), Printer()
    if command == "show" and arguments.is_complete:
        return views.completeness(found, _since(arguments.since), printer)
    if command == "show":
        views.show(found, printer, whereabouts.described(found, arguments.problem))
    elif command == "best":
        views.best(found, printer, arguments.json)
    elif command == "train" or arguments.keras:
        _train(command, arguments, found, printer)
    elif arguments.csv:
        results.export_csv(found, printer)
    else:
        results.export_json(found, printer)
    return 0


def _since(value: str | None) -> float | None:
    from dhmpi.options import number

    return None if value is None else float(number(0)("--since", value))


def _train(command: str, arguments: argparse.Namespace, found: "Results", printer: Printer) -> None:
    from dhmpi import architectures
    from dhmpi.options import integer

    epochs = None if arguments.epochs is None else integer(1)("--epochs", arguments.epochs)
    seed = None if arguments.seed is None else integer(0)("--seed", arguments.seed)
    again = architectures.Again(epochs, seed, arguments.problem, arguments.data)
    if command == "export":
        architectures.export(found, arguments.keras, again, not arguments.without_preprocessing, printer)
    else:
        architectures.report(found, integer(1)("--top", arguments.top), again, printer)


def _check(command: str, words: list[str]) -> int:
    parser = Parser(
        f"dhmpi {command}",
        description=f"Tell {CHECK_SUMMARY}. What time decided in the campaign is in the file, and decided alike. "
        "Exit status: 0 if so, 1 if a point differs.",
    )
    parser.add_argument("file", help="results file; it may still be being written")
    parser.add_argument("--problem", help=f"{PROBLEM_HELP}; that of hyperparameters is in the file")
    parser.add_argument("--data", metavar="DIRECTORY", help=DATA_HELP)
    arguments = parser.parse_args(words)

    from dhmpi import architectures, replay, results, views

    found = results.read(arguments.file)
    needed = found.metadata.maximises or arguments.problem is not None or arguments.data is not None
    problem = architectures.recall(found, arguments.problem, arguments.data) if needed else None
    return views.repetition(found, replay.first_difference(found, problem), Printer())


def _draw(command: str, words: list[str]) -> int:
    parser = Parser(f"dhmpi {command}", description=f"Write {DRAW_SUMMARY}.")
    parser.add_argument("file", help="ends in .dot; or in .png, .svg or .pdf if Graphviz is installed")
    parser.add_argument("--problem", required=True, help="problem of an architecture search, named as for a search")
    parser.add_argument("--arch", help="decisions of one architecture, as 1,0,3; by default the whole space is drawn")
    arguments = parser.parse_args(words)

    from dhmpi import architectures

    architectures.draw(arguments.problem, arguments.arch, arguments.file)
    return 0


def _launch(command: str, words: list[str]) -> int:
    parser = Parser(
        f"dhmpi {command}",
        usage="dhmpi launch [-h] [-n N] [--ranks-per-node K] [--depth D] [--dry-run] -- SEARCH ...",
        description="Start a search on several ranks, with the launcher of the MPI and the scheduler that are here. "
        "What is run is printed on standard error.",
    )
    parser.add_argument("-n", help="ranks (default: --ranks-per-node on each node of the allocation)")
    parser.add_argument("--ranks-per-node", help="ranks on each node (default: left to the launcher)")
    parser.add_argument("--depth", help="hardware threads for each rank to be bound to (default: ranks are not bound)")
    parser.add_argument("--dry-run", action="store_true", help="only print the line, on standard output")
    split = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:split])
    if not words[split + 1 :]:
        raise OptionError("a search must be given after --, as in: dhmpi launch -n 8 -- ambs --max-evals 500")

    from dhmpi.jobs import launch
    from dhmpi.mpi.comm import library
    from dhmpi.options import integer

    num, per_node, depth = (
        None if value is None else int(integer(1)(name, value))
        for name, value in (
            ("-n", arguments.n),
            ("--ranks-per-node", arguments.ranks_per_node),
            ("--depth", arguments.depth),
        )
    )
    here = launch.survey(library)
    ranks = launch.Ranks(launch.count(num, per_node, here), per_node, depth)
    launch.start([*launch.line(ranks, here), *launch.program(), *words[split + 1 :]], arguments.dry_run)
    return 0


def _job(command: str, words: list[str]) -> int:
    from dhmpi.jobs.sites import SEARCH_JOBS, SITES

    parser = Parser(f"dhmpi {command}", description="Print a job script for a site and a search.")
    parser.add_argument("--site", help=", ".join(f"{name} ({site.title})" for name, site in SITES.items()))
    parser.add_argument("--search", default="ambs", help=f"{', '.join(SEARCH_JOBS)} (default: %(default)s)")
    parser.add_argument("--nodes", help="nodes of the job (default: the site's)")
    parser.add_argument("--walltime", help="minutes, or H:MM (default: the site's)")
    parser.add_argument("--ranks-per-node", help="ranks on each node (default: the site's)")
    parser.add_argument("--account", default="", help="project that pays (default: none; give it to the scheduler)")
    parser.add_argument("--queue", default="", help="queue, partition or quality of service (default: the site's)")
    parser.add_argument("--problem", default="", help="default of the variable PROBLEM")
    parser.add_argument("--run", default="", help="default of the variable RUN")
    parser.add_argument("--max-evals", help="default of the variable MAX_EVALS")
    parser.add_argument("--output", default="", help="default of the variable OUTPUT: the results file")
    parser.add_argument(
        "--chain", action="store_true", help="let the job submit its successor, until the budget is spent"
    )
    parser.add_argument("--all", metavar="DIRECTORY", help="write the scripts of all sites with their defaults instead")
    values = vars(parser.parse_args(words))

    from pathlib import Path

    from dhmpi.jobs import script
    from dhmpi.jobs.options import job_of

    if values["all"] is not None:
        if not Path(values["all"]).is_dir():
            raise OptionError(f"--all must be a directory that exists, got {values['all']}")
        for path in script.write_all(Path(values["all"])):
            print(path, file=Printer())
    else:
        print(script.render(job_of(values)), end="", file=Printer())
    return 0


class Other(NamedTuple):
    """A command that neither searches nor looks into a results file."""

    act: Callable[[str, list[str]], int]
    summary: str


OTHERS = {
    "check": Other(_check, CHECK_SUMMARY),
    "draw": Other(_draw, DRAW_SUMMARY),
    "job": Other(_job, "a job script for a site and a search"),
    "launch": Other(_launch, "start a search on several ranks, whatever the launcher is called here"),
}
