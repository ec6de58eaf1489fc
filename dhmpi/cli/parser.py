"""Parser of the words of a command, and the record of a command."""

import argparse
import shutil
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

from dhmpi.errors import OptionError, did_you_mean
from dhmpi.support import environment
from dhmpi.support.printing import Printer


class HelpFormatter(argparse.HelpFormatter):
    """A formatter that leaves texts of several lines as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "".join(f"{indent}{line}\n" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, so that rank 0 alone shows them.

    Args:
        prog: The program and the command.
        **options: Those of argparse.
    """

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"formatter_class": HelpFormatter} | options)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse words; an option that does not exist might be a misspelt one."""
        found, extra = self.parse_known_args(args, namespace)
        if extra:
            raise OptionError(f"unrecognized arguments: {' '.join(extra)}{self._remedy(extra)}")
        return found

    def _remedy(self, words: list[str]) -> str:
        misspelt = next((word.partition("=")[0] for word in words if word.startswith("-")), None)
        if misspelt is None:
            is_problem = "--problem" in self._option_string_actions and any(".py" in word for word in words)
            return "; write --problem before the file of a problem" if is_problem else ""
        shown = [action for action in self._actions if action.help is not argparse.SUPPRESS]
        remedy = did_you_mean(misspelt, [name for action in shown for name in action.option_strings])
        return f"; {remedy if remedy.startswith('did') else f'see {self.prog} --help'}"

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        raise OptionError(message)

    def _print_message(self, message: str, file: object = None) -> None:
        """Print help; argparse itself says nothing if that cannot be written."""
        if environment.launch().rank == 0:  # one rank is enough
            print(message, end="", file=Printer())


def in_columns(rows: Iterable[tuple[str, str]]) -> str:
    """Return lines of names and what they mean, in two columns that fit the terminal, for `HelpFormatter`."""
    width = shutil.get_terminal_size().columns - 2
    rows = list(rows)
    first = max(12, *(len(name) + 1 for name, _ in rows))
    indent = (first + 2) * " "
    lines = (textwrap.wrap(f"  {name:{first}}{meaning}", width, subsequent_indent=indent) for name, meaning in rows)
    return "\n".join(line for wrapped in lines for line in wrapped)


class Command(NamedTuple):
    """Command of dhmpi.

    Attributes:
        act: Does it, given its name and the words after that; returns the exit status.
        summary: What it is about, in a line.
    """

    act: Callable[[str, list[str]], int]
    summary: str
