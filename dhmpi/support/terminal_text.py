"""Text as a terminal would show it, without colours and without what has been overwritten, as by a progress bar."""

import re

_COLUMN = re.compile(r"(\r|\x08+|\x1b\[[012]?K)")  # carriage return, backspaces, and what erases a line
_OTHER = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-JL-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\^_])")


def as_shown(text: str) -> str:
    """Return what is left to be read of a text."""
    return "\n".join(map(_line_as_shown, _OTHER.sub("", text).split("\n")))


def _line_as_shown(line: str) -> str:
    shown, column = "", 0
    for part in _COLUMN.split(line):
        if part == "\r":
            column = 0
        elif part.startswith("\b"):
            column = max(0, column - len(part))
        elif part.startswith("\x1b"):
            shown = shown[:column] if part in ("\x1b[K", "\x1b[0K") else " " * column
        else:
            shown = shown[:column] + part + shown[column + len(part) :]
            column += len(part)
    return shown
