"""Write the completions of bash for all commands of dhmpi.

    python completion.py FILE

They derive from the parsers of the command line: every command is asked for its help, and the parser that is about to
print it is kept. Needs shtab.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn
from unittest import mock

from dhmpi import cli
from dhmpi.cli.main import COMMANDS

FILES = {"problem", "run", "output", "file", "keras"}


class Asked(Exception):  # noqa: N818  # no error, but the way out of a parser
    """A parser was asked to print its help."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(*command: str) -> argparse.ArgumentParser:
    """Return the parser of a command, or without one, of the program."""

    def keep(parser: argparse.ArgumentParser, file: object = None) -> NoReturn:
        raise Asked(parser)

    with mock.patch.object(cli.Parser, "print_help", keep):
        try:
            cli.main([*command, "--help"])
        except Asked as asked:
            return asked.parser
    raise SystemExit(f"dhmpi {' '.join(command)} --help must print help, but did not")


def commands() -> list[str]:
    """Return the names of all commands, in the order of the program's help."""
    return list(COMMANDS)


def script() -> str:
    """Return the text."""
    import shtab  # the pages of commands are made with the parsers alone

    whole = argparse.ArgumentParser("dhmpi", parents=[parser_of()], add_help=False)
    subparsers = whole.add_subparsers()
    for name in commands():
        parser = parser_of(name)
        for action in parser._actions:  # argparse has no other way to its arguments, and shtab takes the same
            if action.dest in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab looks for it there
        subparsers.add_parser(name, help=parser.description, parents=[parser], add_help=False)
    text: str = shtab.complete(whole, "bash")
    return text


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(script())
