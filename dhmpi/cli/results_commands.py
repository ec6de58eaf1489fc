"""Commands that look into a results file, or do something with what it holds."""

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dhmpi.cli.parser import Command, Parser
from dhmpi.errors import EXIT_FAILURE, OptionError, ResultsError
from dhmpi.evaluation import turned
from dhmpi.support.options import as_flag
from dhmpi.support.printing import Printer, tell_written

if TYPE_CHECKING:
    from dhmpi.campaign.retraining import Again
    from dhmpi.results import Results

SHOW = "what ran, how it went, and the best point"
BEST = "the best evaluation, or the best ones"
EXPORT = "all evaluations as CSV, JSON, Parquet or a study of Optuna, or the best architecture as a Keras model"
TRAIN = "what becomes of the best architectures when they are trained again"
TOP = "how a campaign is going, while it goes on"
REDO = "evaluations that have failed, for the next --resume to evaluate them again"
DRAW = "a picture of a space of architectures, or of one of them, such as the best one of a campaign"
PROBLEM_HELP = "where the problem is now (default: where it was, or beside the results file)"
DATA_HELP = "where the data are, if they come from files"
# How the files of each form of an export end, if they say by their ends what they are.
ENDS = {".csv": ("csv", "deephyper"), ".json": ("json",), ".parquet": ("parquet",), ".keras": ("keras",)}


def _reader(command: str, summary: str) -> Parser:
    """Return the parser of a command that prints something about a results file."""
    parser = Parser(f"dhmpi {command}", description=f"Print {summary}.")
    parser.add_argument("file", help="results file; it may still be being written")
    return parser


def _show(command: str, words: list[str]) -> int:
    parser = _reader(command, SHOW)
    parser.add_argument("--problem", help=PROBLEM_HELP)
    parser.add_argument(
        "--is-complete",
        action="store_true",
        help="only say whether the campaign is complete; exit status: 0 if so, 3 if not, 4 if not and nothing has "
        "ended, or been paused further than before, since the latest run began, or all have failed",
    )
    parser.add_argument("--since", help="with --is-complete: seconds since 1970, instead of the latest run's begin")
    parser.add_argument("--errors", action="store_true", help="only what has failed: each kind of errors, and where")
    parser.add_argument(
        "--ranks", action="store_true", help="only the ranks of the latest run: where, what for, their cores and GPUs"
    )
    arguments = parser.parse_args(words)
    if arguments.since is not None and not arguments.is_complete:
        raise OptionError("--since must come with --is-complete; give both, or leave it out")

    from dhmpi import results
    from dhmpi.analysis import details, terminal
    from dhmpi.campaign import problem_source
    from dhmpi.support.options import number

    found, printer = results.read(arguments.file), Printer()
    if arguments.is_complete:
        since = None if arguments.since is None else float(number(0)("--since", arguments.since))
        return terminal.completeness(found, since, printer)
    if arguments.ranks:
        terminal.print_ranks(found, printer)
        return 0
    if arguments.errors:
        details.print_all_errors(found.columns, arguments.file, printer)
        return 0
    is_written = found.metadata.is_open and results.is_written(arguments.file)
    if found.metadata.is_open and not is_written:
        found = results.read(arguments.file)  # it may just have ended
    where = problem_source.described(found, arguments.problem)
    terminal.show(found, printer, arguments.file, is_written, where)
    return 0


def _top(command: str, words: list[str]) -> int:
    parser = Parser(f"dhmpi {command}", description=f"Show {TOP}; it only reads. The key ? lists the others.")
    parser.add_argument("file", help="results file; it may still be being written, or come later")
    parser.add_argument("--once", action="store_true", help="print it once, as plain text")
    parser.add_argument("--interval", default="1", help="seconds from one page to the next (default: %(default)s)")
    parser.add_argument("--width", default="100", help="with --once: width of the lines (default: %(default)s)")
    arguments = parser.parse_args(words)

    from dhmpi.support.options import integer, number

    interval = float(number(0.1)("--interval", arguments.interval))
    width = int(integer(20)("--width", arguments.width))

    from dhmpi.analysis.top import watch

    if arguments.once:
        watch.once(arguments.file, Printer(), width)
        return 0
    return watch.live(arguments.file, interval)


def _best(command: str, words: list[str]) -> int:
    parser = _reader(command, BEST)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="the point alone, as JSON; with --top or --pareto a list of objects"
    )
    form.add_argument("--csv", action="store_true", help="as dhmpi export --csv, the best one first")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--top", help="how many DONE evaluations, the best one first (default: 1)")
    which.add_argument("--pareto", action="store_true", help="of several objectives, all that no other one dominates")
    arguments = parser.parse_args(words)

    from dhmpi import results
    from dhmpi.analysis import export, pareto_table, terminal
    from dhmpi.support.options import integer

    found, printer = results.read(arguments.file), Printer()
    if arguments.pareto and not found.metadata.has_several:
        name = found.metadata.main_objective.name
        raise ResultsError(f"--pareto must be of several objectives, got {name!r} alone; use --top")
    top = None if arguments.top is None else int(integer(1)("--top", arguments.top))
    best = found.pareto_set if arguments.pareto else found.ranked(top or 1)
    if arguments.csv:
        export.export_csv(found, printer, best)
    elif arguments.json and (arguments.pareto or top is not None):
        export.export_points(found, printer, best)
    elif arguments.pareto:
        pareto_table.print_pareto_set(found, printer)
    elif top is None or not best:
        terminal.best(found, printer, arguments.json)
    else:
        terminal.print_ranked(best, found.metadata, printer)
    return 0 if best else EXIT_FAILURE


def _export(command: str, words: list[str]) -> int:
    parser = _reader(command, EXPORT)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", action="store_true", help="comma-separated values, one line per evaluation")
    form.add_argument("--json", action="store_true", help="one JSON document with the metadata and all evaluations")
    form.add_argument("--parquet", metavar="FILE.parquet", help="a table with the columns of --csv; it needs pyarrow")
    form.add_argument(
        "--deephyper",
        action="store_true",
        help="CSV as results.csv of today's DeepHyper, whose objective is to be large: minus ours, or the reward; F if "
        "an evaluation has failed",
    )
    form.add_argument(
        "--optuna", metavar="URL", help="a study of Optuna, in a database such as sqlite:///study.db; it needs optuna"
    )
    form.add_argument(
        "--keras",
        metavar="MODEL.keras",
        help="train the best architecture again, and save it, with its preprocessing: it predicts on raw data",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="with --csv, --json and --deephyper: where it goes (default: standard output)",
    )
    parser.add_argument("--study", metavar="NAME", help="with --optuna: its name (default: that of the results file)")
    parser.add_argument(
        "--without-preprocessing",
        action="store_true",
        help="with --keras: save the model alone, which takes preprocessed data and predicts scaled targets",
    )
    _add_training(parser)
    arguments = parser.parse_args(words)
    for name in ("epochs", "seed", "data", "problem", "without_preprocessing"):
        if getattr(arguments, name) and arguments.keras is None:
            raise OptionError(f"{as_flag(name)} must come with --keras; give both, or leave it out")
    if arguments.study is not None and arguments.optuna is None:
        raise OptionError("--study must come with --optuna; give both, or leave it out")
    is_text = arguments.csv or arguments.json or arguments.deephyper
    if arguments.output is not None and not is_text:
        raise OptionError("--output must come with --csv, --json or --deephyper; the other forms say where they go")
    _check_end(arguments)

    from dhmpi import results

    found, printer = results.read(arguments.file), Printer()
    if is_text:
        _export_text(found, arguments, printer)
    elif arguments.parquet is not None:
        from dhmpi.support.whole_file import whole_file

        write_parquet = _door("parquet", "pyarrow").write_parquet
        with whole_file(arguments.parquet, "parquet") as path:
            write_parquet(found, path)
        tell_written(arguments.parquet)
    elif arguments.optuna is not None:
        from dhmpi.support.options import text

        name = Path(arguments.file).stem if arguments.study is None else text("--study", arguments.study)
        num = _door("optuna_study", "optuna").write_study(found, arguments.optuna, name)
        print(f"study {name} of {num} trials", file=printer)
    else:
        from dhmpi.campaign import retraining

        again = _training(arguments)
        retraining.export(found, arguments.keras, again, not arguments.without_preprocessing, printer)
    return 0


def _export_text(found: "Results", arguments: argparse.Namespace, printer: Printer) -> None:
    """Write a form that is text, to a file or to standard output."""
    from dhmpi.analysis import deephyper_csv, export

    write = export.export_csv if arguments.csv else export.export_json
    if arguments.deephyper:
        write = deephyper_csv.export_deephyper
    if arguments.output is None:
        write(found, printer)
        return
    from dhmpi.support.whole_file import whole_text_file

    with whole_text_file(arguments.output, "output") as stream:
        write(found, stream)
    tell_written(arguments.output)


def _check_end(arguments: argparse.Namespace) -> None:
    """Refuse the name of a file that says it has another form."""
    if arguments.optuna is not None:
        return
    forms = ("csv", "json", "parquet", "deephyper", "keras")
    form = next(each for each in forms if getattr(arguments, each) not in (None, False))
    name = arguments.output if arguments.output is not None else getattr(arguments, form)
    those = ENDS.get(Path(str(name)).suffix.lower(), (form,))
    if form not in those:
        option = "output" if arguments.output is not None else form
        others = " or ".join(map(as_flag, those))
        raise OptionError(f"{as_flag(option)} must not end as a file of {others} does, got {name!r}; name another one")


def _door(module: str, library: str) -> Any:
    """Return the module of dhmpi.analysis that imports a library, which is an extra of this package by that name.

    Raises:
        OptionError: The library is not installed.
    """
    try:
        return importlib.import_module(f"dhmpi.analysis.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        extra = module.removesuffix("_study")
        raise OptionError(
            f'--{extra} must have {library} installed, got none; run: pip install "dhmpi[{extra}]"'
        ) from error


def _train(command: str, words: list[str]) -> int:
    parser = _reader(command, TRAIN)
    parser.add_argument("--top", default="1", help="how many architectures (default: %(default)s)")
    _add_training(parser)
    arguments = parser.parse_args(words)

    from dhmpi import results
    from dhmpi.campaign import retraining
    from dhmpi.support.options import integer

    found = results.read(arguments.file)
    retraining.report(found, integer(1)("--top", arguments.top), _training(arguments), Printer())
    return 0


def _add_training(parser: Parser) -> None:
    """Add the options of whatever trains architectures again."""
    parser.add_argument("--epochs", help="how long they are trained (default: as in the search)")
    parser.add_argument("--seed", help="seed of the training (default: the one that it had in the search)")
    parser.add_argument("--data", metavar="DIRECTORY", help=DATA_HELP)
    parser.add_argument("--problem", help=PROBLEM_HELP)


def _training(arguments: argparse.Namespace) -> "Again":
    """Return how architectures are trained again."""
    from dhmpi.campaign.retraining import Again
    from dhmpi.support.options import integer

    epochs = None if arguments.epochs is None else integer(1)("--epochs", arguments.epochs)
    seed = None if arguments.seed is None else integer(0)("--seed", arguments.seed)
    return Again(epochs, seed, arguments.problem, arguments.data)


def check_file(file: str, problem: str | None, data: str | None) -> int:
    """Tell whether a search proposes the same points when it is asked again, along its results file.

    What time decided in the campaign is in the file, and decided alike.

    Args:
        file: The results file.
        problem: Where the problem of an architecture search is now; that of hyperparameters is in the file.
        data: Where the data are, if they come from files.

    Returns:
        The exit status: 0 if so, 1 if a point differs.
    """
    from dhmpi import results
    from dhmpi.analysis import terminal
    from dhmpi.campaign import replay, retraining

    found = results.read(file)
    needed = found.metadata.seeks_architectures or problem is not None or data is not None
    recalled = retraining.recall(found, problem, data) if needed else None
    return terminal.repetition(found, replay.first_difference(found, recalled), Printer())


def _redo(command: str, words: list[str]) -> int:
    parser = Parser(f"dhmpi {command}", description=f"Mark {REDO}.")
    parser.add_argument("file", help="results file, which no campaign must be writing")
    parser.add_argument("--states", help="those in these states, as A,B (default: FAILED,TIMEOUT; with --ids any)")
    parser.add_argument("--ids", help="those with these numbers, as 3,7-9 (default: all)")
    arguments = parser.parse_args(words)

    from itertools import chain

    from dhmpi import results
    from dhmpi.analysis import terminal
    from dhmpi.evaluation import State
    from dhmpi.support.options import choices, ranges

    states = None
    if arguments.states is not None:
        states = [State(each) for each in choices([each.value for each in State])("--states", arguments.states)]
    ids = None if arguments.ids is None else chain.from_iterable(ranges("--ids", arguments.ids))
    terminal.redone(results.redo(arguments.file, states, ids), Printer())
    return 0


def _draw(command: str, words: list[str]) -> int:
    parser = Parser(
        f"dhmpi {command}",
        description=f"Write {DRAW}. If FILE is a results file, which its content decides, this is its best "
        "architecture, and the picture goes to --output; else FILE is the picture, of a space or an architecture of "
        "--problem.",
    )
    parser.add_argument(
        "file", help="results file; or picture: ends in .dot, or in .png, .svg or .pdf if Graphviz is installed"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="with a results file: picture (default: FILE.dot beside it)"
    )
    parser.add_argument(
        "--problem",
        help=f"problem of an architecture search, named as for a search; with a results file: {PROBLEM_HELP}",
    )
    parser.add_argument(
        "--arch", help="decisions of one architecture of --problem, as 1,0,3; by default the whole space is drawn"
    )
    arguments = parser.parse_args(words)

    from dhmpi import results
    from dhmpi.campaign import retraining

    if not results.is_results_file(arguments.file):
        if arguments.problem is None:
            why = "is no results file that can be read" if Path(arguments.file).exists() else "does not exist"
            raise OptionError(f"a results file or --problem must be given, got {arguments.file!r}, which {why}")
        if arguments.output is not None:
            raise OptionError(f"--output must come with a results file, got {arguments.file}; leave it out")
        retraining.draw(arguments.problem, arguments.arch, arguments.file)
        return 0
    if arguments.arch is not None:
        raise OptionError("--arch must come without a results file, whose best architecture is drawn; leave it out")
    output = str(Path(arguments.file).with_suffix(".dot")) if arguments.output is None else arguments.output
    from dhmpi.support.whole_file import require_no_results

    found = results.read(arguments.file)
    require_no_results(output, "output")
    best = retraining.draw_best(found, arguments.problem, output)
    print(f"{output}: evaluation {best.id}, reward {turned(best.objective, True):.6g}", file=Printer())
    return 0


RESULTS_COMMANDS = {
    "show": Command(_show, SHOW),
    "top": Command(_top, TOP),
    "best": Command(_best, BEST),
    "export": Command(_export, EXPORT),
    "train": Command(_train, TRAIN),
    "redo": Command(_redo, REDO),
    "draw": Command(_draw, DRAW),
}
