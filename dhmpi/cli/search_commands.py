"""Commands that search."""

import argparse
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dhmpi.cli.parser import Command, Parser
from dhmpi.errors import CampaignError, OptionError, OutputError, UnreadError
from dhmpi.search.registry import SEARCHES, find
from dhmpi.support import environment
from dhmpi.support.printing import Printer, tell

if TYPE_CHECKING:
    from dhmpi.results import Results
    from dhmpi.search.campaign_options import CampaignOptions
    from dhmpi.search.search import Search


def run_search(command: str, words: list[str]) -> int:
    """Run a search, and print what came of it."""
    from dhmpi.support.options import argument_group

    search_class = find(command)
    parser = _parser(command, search_class)
    argument_group(parser, "help").add_argument("-h", "--help", action="help", help="show this help and exit")
    values = vars(parser.parse_args(words))
    values["log_level"] = values["log_level"] or _usual_log_level()
    evaluator, options, own_options = _options(search_class, values)
    problem, run = search_class.complete(values["problem"], values["run"])

    from dhmpi.campaign import start
    from dhmpi.support import logs

    rank = environment.launch().rank
    logs.configure(options.log_level or "warning", rank, options.log_json, options.log_files)

    def report(found: "Results") -> None:
        from dhmpi.analysis import terminal  # rank 0 alone needs it

        try:
            terminal.report(found, options.output, Printer())
        except UnreadError:
            pass
        except OutputError as error:  # the results are in the file nevertheless
            tell(f"dhmpi {command}: warning: {error}")

    try:
        found = start.run(
            lambda: search_class.from_options(problem, run, evaluator, options, own_options),
            *(run, evaluator, options, search_class.has_agents),
            begun=time.monotonic() - environment.process_age(),
        )
    except CampaignError as error:
        report(error.results)
        raise
    if found is not None:
        report(found)
    return 0


def check(command: str, words: list[str], taken: Mapping[str, str]) -> None:
    """Refuse words that a search would refuse; what it is to search is not looked for.

    Args:
        command: The search.
        words: Options of it, without --help.
        taken: What to do instead, by the names of options that must not be among them.

    Raises:
        OptionError: They cannot be used.
    """
    from dhmpi.support.options import as_flag

    search_class = find(command)
    unsaid = argparse.Namespace(**dict.fromkeys(taken))  # argparse sets no defaults of what is there
    values = vars(_parser(command, search_class).parse_args(words, unsaid))
    for name, remedy in taken.items():
        if values.pop(name) is not None:
            raise OptionError(f"{as_flag(name)} must not be among them; {remedy}")
    _options(search_class, {"evaluator": None} | values)


def _options(search_class: "type[Search]", values: dict[str, Any]) -> "tuple[str | None, CampaignOptions, object]":
    """Return the evaluator's name, the options of the campaign and those of the search, checked."""
    from dhmpi.search.campaign_options import CampaignOptions
    from dhmpi.support.options import build

    evaluator = evaluator_name(values)
    return evaluator, build(CampaignOptions, values), build(search_class.Options, values)


def _usual_log_level() -> str | None:
    """Return the level of logs in the environment; None if there is none."""
    from dhmpi.search.campaign_options import LOG_LEVEL_VARIABLE, LOG_LEVELS
    from dhmpi.support.options import choice_with_settings

    level = os.environ.get(LOG_LEVEL_VARIABLE)
    return str(choice_with_settings(LOG_LEVELS)(LOG_LEVEL_VARIABLE, level)) if level else None


def evaluator_name(values: dict[str, Any]) -> str | None:
    """Return the name of the evaluator; its settings are options, which `build` finds."""
    from dhmpi.evaluation import METHODS
    from dhmpi.support.options import choice_with_settings, name_alone

    if values["evaluator"] is None:
        return None
    values["evaluator"] = choice_with_settings(METHODS)("--evaluator", values["evaluator"])
    return name_alone(values["evaluator"])


def _parser(command: str, search_class: "type[Search]") -> Parser:
    """Return the parser of a search, whose help is in the order in which people need it."""
    from dhmpi.evaluation import METHODS
    from dhmpi.search.campaign_options import BUDGET, EVALUATION, PROBLEM, RESULTS, SEARCH, STOPPING, CampaignOptions
    from dhmpi.support.options import add_arguments, argument_group

    parser = Parser(
        f"dhmpi {command}",
        usage=f"dhmpi {command} [--problem PROBLEM] [--run RUN] [OPTION ...]",
        description=search_class.__doc__ and search_class.__doc__.split("\n\n")[0],
        add_help=False,
    )
    order = (PROBLEM, BUDGET, STOPPING, EVALUATION, RESULTS, SEARCH)
    problem, _, _, evaluation, *_ = [argument_group(parser, title) for title in order]
    problem.add_argument(
        "--problem",
        help="problem to search: package.module.Problem, package.module:Problem, path/to/file.py or "
        f"path/to/file.py:Problem (default: that in the file of --run; {search_class.default_problem} without either)",
    )
    problem.add_argument(
        "--run",
        help="function that evaluates a point, named in the same way (default: that in the file of --problem; "
        f"{search_class.default_run} without {'it' if search_class.default_run_fits_all else 'either'})",
    )
    evaluation.add_argument(
        "--evaluator",
        help=f"where points are evaluated: {', '.join(METHODS)} (default: mpi with several ranks, else serial)",
    )
    add_arguments(parser, search_class.Options, SEARCH)
    add_arguments(parser, CampaignOptions, EVALUATION)
    return parser


SEARCH_COMMANDS = {name: Command(run_search, entry.summary) for name, entry in SEARCHES.items()}
