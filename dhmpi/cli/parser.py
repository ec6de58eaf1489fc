"""Parser of the words of a command, and the record of a command."""

import argparse
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from dhmpi.errors import OptionError
from dhmpi.support.printing import Printer


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, so that rank 0 alone shows them."""

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        raise OptionError(message)

    def _print_message(self, message: str, file: object = None) -> None:
        """Print help; argparse itself says nothing if that cannot be written."""
        print(message, end="", file=Printer())


class Command(NamedTuple):
    """Command of dhmpi.

    Attributes:
        act: Does it, given its name and the words after that; returns the exit status.
        summary: What it is about, in a line.
    """

    act: Callable[[str, list[str]], int]
    summary: str
