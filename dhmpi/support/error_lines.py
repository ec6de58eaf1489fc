"""Line of an error that says most, kinds of such lines, and errors that no point causes."""

import re

from dhmpi.evaluation import LAST_OUTPUT

# Characters of an error's line that people want to see.
LONGEST = 200

_TRACEBACK = "Traceback (most recent call last):\n"
_GROUP = "+ Exception Group "
_UNINDENTED = re.compile(r"\n(?! ).*\S")
_BAR = re.compile(r"^ *\| ?", re.MULTILINE)
_STATUS = re.compile(r"exit status \d+$")
# Addresses, identifiers, numbers; but short integers may be statuses, signals or the like.
_VALUE = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"
    r"|\d+\.\d*(e[+-]?\d+)?|\d+e[+-]?\d+|\d{4,}",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
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
    rest = f"\n{_behind_traceback(text)}"
    found = _UNINDENTED.search(rest)
    if found is None:
        return ""
    lines = [line.rstrip() for line in rest[found.start() :].splitlines() if line.strip()]
    return f"{lines[0]} {lines[-1].strip()}" if lines[0].endswith(":") and lines[1:] else lines[0]


def _behind_traceback(text: str) -> str:
    """Return what follows the title of the last traceback; nothing without one.

    It is that of an exception or a group of them, but not of one within a group, whose lines begin with a bar.
    """
    place = len(text)
    while (place := text.rfind(_TRACEBACK, 0, place)) >= 0:
        before, rest = text[max(0, place - len(_GROUP)) : place], text[place + len(_TRACEBACK) :]
        if before == _GROUP:
            return _BAR.sub("", rest)
        if not before.endswith(("| ", "Group ")):
            return rest
    return ""


def _last(text: str) -> str:
    return (text.rstrip().splitlines() or [""])[-1].strip()


def error_kind(line: str) -> str:
    """Return the kind of an error's line: lines that differ only in the values of points have the same."""
    return _VALUE.sub("#", line) if _DIGIT.search(line) else line


def is_hopeless(error: str) -> bool:
    """Return whether no point is to blame for an error: something is missing, or the code is wrong everywhere."""
    line = error_line(error)
    if "SyntaxError" in line and 'File "<' in error:
        return False  # of an expression that has been made from a point, perhaps
    return _HOPELESS.search(line) is not None
