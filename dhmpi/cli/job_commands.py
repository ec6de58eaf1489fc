"""Commands that start searches: on several ranks, or by a job script."""

from typing import TYPE_CHECKING

from dhmpi.cli.parser import Command, Parser, in_columns
from dhmpi.errors import OptionError
from dhmpi.support.printing import Printer, tell

if TYPE_CHECKING:
    from dhmpi.jobs.script import JobScript

# Options of a search that job scripts give, and what to do instead; and those that only the script for Balsam gives.
TAKEN = dict.fromkeys(("problem", "run", "max_evals", "output"), "give it to dhmpi job itself") | {
    "resume": "a script resumes a results file that is there"
}
BALSAM_TAKEN = dict.fromkeys(("evaluator", "num_workers"), "the script for Balsam gives it")


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
    from dhmpi.support.options import integer

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
    values = vars(_job_parser(command).parse_args(words))

    from pathlib import Path

    from dhmpi.jobs import limits, script
    from dhmpi.jobs.installation import modulefiles
    from dhmpi.jobs.job_options import job_of
    from dhmpi.support.options import as_flag

    if values["all"] is not None:
        others = [as_flag(name) for name, value in values.items() if name != "all" and value is not None]
        if others:
            raise OptionError(
                f"--all must come without other options, since it writes all sites' defaults, got {', '.join(others)}; "
                "leave --all out to print one script"
            )
        if not values["all"] or not Path(values["all"]).is_dir():
            raise OptionError(f"--all must be a directory that exists, got {values['all'] or repr('')}")
        try:
            paths = script.write_all(Path(values["all"]), modulefiles())
        except OSError as error:
            raise OptionError(
                f"--all must be a directory that can be written, got {values['all']} ({error.strerror})"
            ) from error
        for path in paths:
            print(path, file=Printer())
    else:
        job = job_of(values)
        _check_arguments(job)
        print(script.render(job, modulefiles()), end="", file=Printer())
        for doubt in limits.doubts(job):
            tell(f"dhmpi {command}: warning: {doubt}")
    return 0


def _check_arguments(job: "JobScript") -> None:
    """Refuse arguments that the search would refuse when the job begins, and those that the script gives.

    Raises:
        OptionError: They cannot be used.
    """
    if not job.arguments:
        return  # searches take a moment to import

    import shlex

    from dhmpi.cli import search_commands
    from dhmpi.jobs.sites import BALSAM
    from dhmpi.support.options import as_flag

    is_balsam = job.search == BALSAM
    search = "ambs" if is_balsam else job.search
    try:
        search_commands.check(search, shlex.split(job.arguments), TAKEN | BALSAM_TAKEN if is_balsam else TAKEN)
    except OptionError as error:
        reason = error.spelled(as_flag)
        raise OptionError(f"--arguments must be options of {search}, got {job.arguments}: {reason}") from error


def _job_parser(command: str) -> Parser:
    from dhmpi.jobs.sites import BALSAM, SEARCH_JOBS, SITES

    sites = in_columns((name, site.title) for name, site in SITES.items())
    parser = Parser(
        f"dhmpi {command}",
        usage=f"dhmpi {command} --site SITE [OPTION ...]\n       dhmpi {command} --all DIRECTORY",
        description=f"Print a job script for a site and a search.\n\nsites:\n{sites}",
    )
    job = parser.add_argument_group("job")
    job.add_argument("--site", help="one of those above")
    job.add_argument("--nodes", help="nodes of the job (default: the site's)")
    job.add_argument("--walltime", help="minutes, or H:MM (default: the site's)")
    job.add_argument("--queue", help="queue, partition or quality of service (default: the site's)")
    job.add_argument("--account", help="project that pays (default: none; give it to the scheduler)")
    job.add_argument("--ranks-per-node", help="ranks on each node (default: the site's)")
    job.add_argument(
        "--gpus-per-eval", help="GPUs of each evaluation, where the site's are known; 0: none of its own (default: 1)"
    )
    job.add_argument("--module", help="modules that bring dhmpi (default: the site's, or that of this installation)")
    job.add_argument(
        "--chain",
        action="store_const",
        const=True,
        help="let the job submit its successor, until the budget is spent",
    )
    search = parser.add_argument_group("search; defaults of variables, which may be given when the script is submitted")
    search.add_argument(
        "--search",
        help=f"{', '.join(name for name in SEARCH_JOBS if name != BALSAM)}; or {BALSAM} for Theta's workflow with it "
        "(default: ambs)",
    )
    search.add_argument("--problem", help="what is searched (default: an example)")
    search.add_argument("--run", help="what evaluates points (default: that in the file of the problem)")
    search.add_argument("--max-evals", help="budget (default: 1000)")
    search.add_argument("--output", help="results file (default: named after the search)")
    search.add_argument("--arguments", help="more options of the search, as in --arguments='--seed 3 --quiet'")
    parser.add_argument("--all", metavar="DIRECTORY", help="write the scripts of all sites with their defaults instead")
    return parser


JOB_COMMANDS = {
    "job": Command(_job, "a job script for a site and a search"),
    "launch": Command(_launch, "start a search on several ranks, whatever the launcher is called here"),
}
