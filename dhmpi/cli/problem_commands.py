"""Commands about problems: those that are built in, and one's own before it is searched."""

from shlex import quote

from dhmpi.cli.parser import Command, Parser
from dhmpi.cli.results_commands import DATA_HELP, check_file
from dhmpi.cli.search_commands import evaluator_name
from dhmpi.errors import EXIT_FAILURE, OptionError
from dhmpi.support import environment
from dhmpi.support.loader import load_problem
from dhmpi.support.options import as_flag
from dhmpi.support.printing import Printer, tell

PROBLEMS = "the problems that are built in, or one of them"
CHECK = "whether a problem and its run function are fit for a search; or whether a results file can be repeated"
NEW = "a folder with a problem of your own, to begin with"


def _problems(command: str, words: list[str]) -> int:
    parser = Parser(f"dhmpi {command}", description=f"Print {PROBLEMS}.")
    parser.add_argument(
        "name", nargs="?", help="one of them, with a command that searches it; or a file of your own, as problem.py"
    )
    arguments = parser.parse_args(words)

    from dhmpi.campaign import catalogue

    if arguments.name is None:
        catalogue.print_all(Printer())
    elif ".py" in arguments.name:
        print(load_problem(arguments.name), file=Printer())
    else:
        catalogue.print_one(arguments.name, Printer())
    return 0


def _check(command: str, words: list[str]) -> int:
    parser = Parser(
        f"dhmpi {command}",
        description="Evaluate the starting point of a problem and a few random points as a search would, and tell what "
        "is wrong, how long it takes, and how many evaluations fit into a walltime. With a results file: tell whether "
        "its search proposes the same points when it is asked again. Exit status: 0 if all is well, 1 if not.",
    )
    parser.add_argument("file", nargs="?", help="results file instead of a problem; it may still be being written")
    parser.add_argument("--problem", help="problem, named as for a search; with a file: where it is now")
    parser.add_argument("--run", help="run function, named as for a search (default: that in the file of --problem)")
    parser.add_argument("-n", help="random points to evaluate (default: 3)")
    parser.add_argument("--evaluator", help="where points are evaluated, as for a search")
    parser.add_argument("--num-workers", help="evaluations at the same time, as for a search")
    parser.add_argument("--isolation", help="process or inline, as for a search")
    parser.add_argument("--eval-timeout-minutes", help="minutes after which an evaluation is killed (default: 10)")
    parser.add_argument("--walltime", help="minutes, or H:MM, of the job that is planned (default: 60)")
    parser.add_argument("--data", metavar="DIRECTORY", help=f"with a file: {DATA_HELP}")
    arguments = parser.parse_args(words)
    own = ("run", "n", "evaluator", "num_workers", "isolation", "eval_timeout_minutes", "walltime")
    if arguments.file is not None:
        for name in own:
            if getattr(arguments, name) is not None:
                raise OptionError(
                    f"{'-n' if name == 'n' else as_flag(name)} must come without a results file; leave it out"
                )
        if arguments.file.endswith(".py"):
            raise OptionError(f"a problem must be given by --problem, got {arguments.file}; write --problem before it")
        return check_file(arguments.file, arguments.problem, arguments.data)
    if arguments.problem is None and arguments.run is None:
        raise OptionError("a results file or --problem must be given, got neither; see dhmpi check --help")
    if arguments.data is not None:
        raise OptionError("--data must come with a results file; a problem itself says where its data are")

    from dhmpi.campaign.findings import Mark, findings, print_findings
    from dhmpi.campaign.rehearsal import rehearse
    from dhmpi.jobs.job_options import minutes_of
    from dhmpi.search.campaign_options import CampaignOptions
    from dhmpi.support.options import build, integer

    values = {"eval_timeout_minutes": 10} | {
        k: v for k, v in vars(arguments).items() if v is not None or k == "evaluator"
    }
    evaluator = evaluator_name(values)
    options = build(CampaignOptions, values)
    minutes = minutes_of("--walltime", arguments.walltime or "60")
    num = int(integer(1)("-n", arguments.n or 3))
    rehearsal = rehearse(arguments.problem, arguments.run, evaluator, options, num)
    if rehearsal is None:
        if environment.launch().rank > 0:
            return 0
        tell(f"dhmpi {command}: stopped by a signal before anything was evaluated")
        return EXIT_FAILURE
    found = findings(rehearsal, minutes)
    print_findings(found, Printer())
    return EXIT_FAILURE if any(each.mark is Mark.WRONG for each in found) else 0


def _new(command: str, words: list[str]) -> int:
    parser = Parser(f"dhmpi {command}", description=f"Write {NEW}; its example is small and works.")
    parser.add_argument(
        "folder", help="new or empty directory; its name is that of a Python package, such as my_problem"
    )
    parser.add_argument("--nas", action="store_true", help="a search for architectures; it needs TensorFlow")
    arguments = parser.parse_args(words)

    from dhmpi.campaign.new_folder import write_folder

    for path in write_folder(arguments.folder, arguments.nas):
        print(path, file=Printer())
    problem = f"--problem {quote(arguments.folder + '/problem.py')}"
    pair = problem if arguments.nas else f"{problem} --run {quote(arguments.folder + '/model_run.py')}"
    search = "nas-random" if arguments.nas else "ambs"
    print(f"\ntry it:      dhmpi check {pair}\nsearch it:   dhmpi {search} {pair} --max-evals 20", file=Printer())
    return 0


PROBLEM_COMMANDS = {
    "problems": Command(_problems, PROBLEMS),
    "new": Command(_new, NEW),
    "check": Command(_check, CHECK),
}
