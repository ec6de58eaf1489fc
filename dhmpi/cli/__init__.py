"""The command line: parsing, and calling what is meant."""

from dhmpi.cli.main import main
from dhmpi.cli.parser import Parser

__all__ = ["Parser", "main"]
