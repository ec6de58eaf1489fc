"""The command line from its words to the exit status."""

import errno
import sys
from collections.abc import Sequence

import dhmpi
from dhmpi.cli.job_commands import JOB_COMMANDS
from dhmpi.cli.parser import Parser, in_columns
from dhmpi.cli.picture_commands import PICTURE_COMMANDS
from dhmpi.cli.problem_commands import PROBLEM_COMMANDS
from dhmpi.cli.results_commands import RESULTS_COMMANDS
from dhmpi.cli.search_commands import SEARCH_COMMANDS
from dhmpi.errors import (
    EXIT_FAILURE,
    EXIT_INPUT,
    EXIT_UNREAD,
    DhmpiError,
    InputError,
    LoadError,
    OptionError,
    OutputError,
    StorageError,
    UnreadError,
    did_you_mean,
)
from dhmpi.support import environment, printing
from dhmpi.support.options import as_flag
from dhmpi.support.printing import escape, tell

# In the order of a campaign: what help lists them under.
GROUPS = {
    "prepare a problem": PROBLEM_COMMANDS,
    "search": SEARCH_COMMANDS,
    "look at results, and go on from them": RESULTS_COMMANDS | PICTURE_COMMANDS,
    "prepare jobs": JOB_COMMANDS,
}
COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
EPILOG = """\
dhmpi COMMAND --help tells of a command.

examples:
  mpirun -np 4 dhmpi ambs --problem dhmpi.benchmark.hps.polynome2.Problem
  dhmpi hps-random --problem my_problem.py --max-evals 50 --output random.h5
  dhmpi show random.h5
  dhmpi launch -n 8 -- ambs --problem my_problem.py --max-evals 500
  dhmpi job --site polaris --nodes 10 --walltime 3:00 --problem my_problem.py
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    environment.open_standard_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    prefix = "dhmpi"
    try:
        try:
            command = _command(words)
            prefix = f"dhmpi {command}"
            return COMMANDS[command].act(command, words[1:])
        finally:
            printing.flush()
    except InputError as error:
        return _complain(prefix, error, EXIT_INPUT)
    except UnreadError:
        return EXIT_UNREAD
    except DhmpiError as error:
        return _complain(prefix, error, EXIT_FAILURE)
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        scarce = OutputError(f"memory must hold what the command reads and makes, got too little{detail}")
        return _complain(prefix, scarce, EXIT_FAILURE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        full = StorageError(f"cannot write {error.filename or 'a file'}: {error.strerror}; make room")
        return _complain(prefix, full, EXIT_FAILURE)


def _complain(prefix: str, error: DhmpiError, status: int) -> int:
    if environment.launch().rank > 0:
        return 0  # rank 0 says it; a launcher that saw a failure here could end rank 0 before that
    if isinstance(error, LoadError) and error.details:
        tell(error.details)
    tell(f"{prefix}: error: {escape(error.spelled(as_flag), keep='')}")  # names may hold line breaks
    return status


def _listed() -> str:
    """Return the commands, by group, in the columns of argparse."""
    groups = GROUPS.items()
    return "\n\n".join(
        f"{title}:\n{in_columns((name, each.summary) for name, each in group.items())}" for title, group in groups
    )


def _command(words: list[str]) -> str:
    if words and not words[0].startswith("-"):
        if words[0] not in COMMANDS:
            raise OptionError(f"no such command: {words[0]!r}; {did_you_mean(words[0], COMMANDS)}")
        return words[0]
    parser = Parser(
        "dhmpi", usage="dhmpi COMMAND [OPTION ...]", description=f"{dhmpi.__doc__}\n\n{_listed()}", epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=f"dhmpi {dhmpi.__version__}")
    parser.parse_args(words)
    parser.print_help()
    raise OptionError(f"a command must be given; choose from {', '.join(COMMANDS)}")
