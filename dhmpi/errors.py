"""Every exception that dhmpi raises.

::

    * DhmpiError
      x InputError         input that cannot be used; exit status 2
        + ProblemError     a problem, one of its dimensions, or a point
        + EvaluationError  an evaluation that cannot be told to a search
        + LoadError        a name or file that should hold a problem or a run function
        + OptionError      an option's value, or a combination of options
        + ResultsError     a results file that cannot be read, begun or resumed
        + DataError        a data set whose files are missing or broken
        + ResumeError      a saved model that has been trained for as many epochs as are wanted, or more
      x StorageError       results cannot be written any more: a full disk, another writer
      x CampaignError      nothing in a campaign is DONE
      x OutputError        what was asked for cannot be printed
        + UnreadError      nobody reads it any more, as behind dhmpi show | head
      x TrainingError      an architecture cannot be built or trained
      x EvaluatorError     an evaluator cannot start or go on
        + ProtocolError    ranks disagree, or a rank is gone
"""

from collections.abc import Callable, Iterable
from typing import Any

# Exit statuses of the command line. The last two are answers of `dhmpi show --is-complete`: a campaign is not complete,
# and has made no progress either.
EXIT_FAILURE, EXIT_INPUT, EXIT_INCOMPLETE, EXIT_NO_PROGRESS = 1, 2, 3, 4
# Of a command whose output nobody reads any more: as if SIGPIPE had ended it, as it ends other programs.
EXIT_UNREAD = 141
# Of a rank whose rank 0 has died.
EXIT_SEARCH_RANK_LOST = 70


_BEGIN, _END = "\ufdd0", "\ufdd1"  # characters that no text contains (Unicode, noncharacters)


def option_name(name: str) -> str:
    """Return how a sentence of an error names an option; the command line spells it as a flag.

    Args:
        name: As it is written in Python, such as `output`; a flag is `resume=True`.
    """
    return f"{_BEGIN}{name}{_END}"


class DhmpiError(Exception):
    """Base class of all errors raised by dhmpi.

    Args:
        message: One sentence: the constraint, and the value received.
        remedy: What to do about it.
    """

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message)
        self._remedy = remedy

    def __str__(self) -> str:
        return self.spelled(str)

    def spelled(self, spell: Callable[[str], str]) -> str:
        """Return the sentence with options as the command line, or Python, spells them.

        Args:
            spell: Makes that of an option's name in Python.
        """
        return _spelled("; ".join(filter(None, (super().__str__(), self._remedy))), spell)


def _spelled(text: str, spell: Callable[[str], str]) -> str:
    before, *parts = text.split(_BEGIN)
    named = [part.partition(_END) for part in parts]
    return before + "".join(spell(name) + rest for name, _, rest in named)


def reason(error: Exception) -> str:
    """Return the sentence of an error without the remedy."""
    return _spelled(Exception.__str__(error), str) if isinstance(error, DhmpiError) else str(error)


class InputError(DhmpiError, ValueError):
    """Input cannot be used."""


class ProblemError(InputError):
    """A problem, one of its dimensions or a point does not fit."""


class EvaluationError(InputError):
    """An evaluation cannot be told to a search."""


class LoadError(InputError):
    """A problem or run function cannot be loaded.

    Args:
        message: One sentence with the name and the remedy.
        details: The traceback of the user's own module, if it was that which failed.
    """

    def __init__(self, message: str = "", details: str = "") -> None:
        super().__init__(message)
        self.details = details


class OptionError(InputError):
    """An option has a value that is not allowed."""


class ResultsError(InputError):
    """A results file cannot be read, begun or resumed."""


class DataError(InputError):
    """A data set cannot be read.

    Args:
        message: One sentence with the remedy.
        fault: What is wrong with its files, in two words or so.
    """

    def __init__(self, message: str = "", *, fault: str = "broken") -> None:
        super().__init__(message)
        self.fault = fault


class ResumeError(InputError, RuntimeError):
    """A saved model cannot be trained on: it has its epochs."""


class StorageError(DhmpiError):
    """Results cannot be written any more: the file system takes no more, or another process writes them."""


class CampaignError(DhmpiError):
    """A campaign has come to its end, or was given up, and nothing in it is DONE.

    Args:
        message: One sentence with the most frequent error.
        results: What is in its file, a `dhmpi.results.Results`.
        remedy: What to do about it.
    """

    def __init__(self, message: str, results: Any, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.results = results


class OutputError(DhmpiError):
    """Standard output, or a file that was asked for, cannot be written."""


class UnreadError(OutputError):
    """Nobody reads any more what was asked for."""


class TrainingError(DhmpiError):
    """An architecture cannot be built or trained."""


class EvaluatorError(DhmpiError):
    """An evaluator cannot start or go on."""


class ProtocolError(EvaluatorError):
    """Ranks disagree about the campaign, or a rank is gone."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return the remedy for a misspelt name: near misses, or else all choices."""
    import difflib  # only errors need it, and interpreters that run user code start often

    known = sorted(choices)
    near = difflib.get_close_matches(name.lower(), [choice.lower() for choice in known], n=1, cutoff=0.6)
    if near:
        match = next(choice for choice in known if choice.lower() == near[0])
        return f"did you mean {match!r}?"
    return "choose from " + ", ".join(known) if known else "there is nothing to choose from"
