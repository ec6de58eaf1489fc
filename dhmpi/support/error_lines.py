"""Line of an error that says most, kinds of such lines, and errors that no point causes."""

import re

from dhmpi.evaluation import LAST_OUTPUT

# Characters of an error's line that people want to see.
LONGEST = 200

# Of an exception or a group of them, but not of one within a group, whose lines begin with a bar.
_TRACEBACK = re.compile(r"(\+ Exception Group |(?<!\| )(?<!Group ))Traceback \(most recent call last\):\n")
_BAR = re.compile(r"^ *\| ?", re.MULTILINE)
_STATUS = re.compile(r"exit status \d+$")
# Addresses, identifiers, numbers; but short integers may be statuses, signals or the like.
_VALUE = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"
    r"|\d+\.\d*(e[+-]?\d+)?|\d+e[+-]?\d+|\d{4,}",
    re.IGNORECASE,
)
_NO_FILE = "No such file or directory"
# 126 and 127 are what a shell says of a program that it cannot execute, or does not find.
_HOPELESS = re.compile(
    r"^(.*exit status \d+: )?([\w.]*\.)?(ImportError|ModuleNotFoundError|FileNotFoundError|NameError|SyntaxError"
    rf"|IndentationError|TabError)\b|\bexit status 12[67]\b|{_NO_FILE}"
)


def error_line(error: str) -> str:
    """Return the line of an error that says most: that of the exception, without the frames and what was printed.

    Of a program that only says by its exit status that it has failed, the exception that it has printed, if it has.
    """
    said, _, printed = error.partition(f"\n{LAST_OUTPUT}\n")
    line = _exception(said) or _last(said)
    if _STATUS.search(line):
        last = _last(printed)
        found = _exception(printed) or (last if _NO_FILE in last else "")
        line = f"{line}: {found}" if found else line
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 4]} ..."


def _exception(text: str) -> str:
    """Return the first line behind the frames of the last traceback; nothing without one.

    If it only announces what follows, as Keras does (`ValueError: in user code:`), the last line is added.
    """
    found = [*_TRACEBACK.finditer(text)]
    rest = text[found[-1].end() :] if found else ""
    if found and found[-1][1]:
        rest = _BAR.sub("", rest)
    lines = [line.rstrip() for line in rest.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if not line.startswith(" ")), None)
    if first is None:
        return ""
    line = lines[first]
    return f"{line} {lines[-1].strip()}" if line.endswith(":") and lines[first + 1 :] else line


def _last(text: str) -> str:
    return (text.rstrip().splitlines() or [""])[-1].strip()


def error_kind(line: str) -> str:
    """Return the kind of an error's line: lines that differ only in the values of points have the same."""
    return _VALUE.sub("#", line)


def is_hopeless(error: str) -> bool:
    """Return whether no point is to blame for an error: something is missing, or the code is wrong everywhere."""
    line = error_line(error)
    if "SyntaxError" in line and 'File "<' in error:
        return False  # of an expression that has been made from a point, perhaps
    return _HOPELESS.search(line) is not None
