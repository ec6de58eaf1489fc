"""Write the completions of bash for all commands of dhmpi.

    python completion.py FILE

They derive from the parsers of the command line. Needs shtab.
"""

import argparse
import sys
from pathlib import Path

import shtab

from dhmpi import cli

FILES = {"problem", "run", "output", "file", "keras"}


def script() -> str:
    """Return the text."""
    whole = argparse.ArgumentParser("dhmpi")
    whole.add_argument("--version", action="store_true")
    commands = whole.add_subparsers()
    for name, parser in cli.parsers().items():
        for action in parser._actions:  # argparse has no other way to its arguments, and shtab takes the same
            if action.dest in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab looks for it there
        commands.add_parser(name, help=parser.description, parents=[parser], add_help=False)
    text: str = shtab.complete(whole, "bash")
    return text


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(script())
