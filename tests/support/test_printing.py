import errno
import io
import os
import subprocess
import sys

import pytest

from dhmpi.errors import OutputError
from dhmpi.support import printing
from dhmpi.support.printing import Printer, escape, tell


class Refusing(io.StringIO):
    """A stream that cannot be written."""

    encoding = "utf-8"

    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain, \u00e9 \u65e5\n\tand so on", "plain, \u00e9 \u65e5\n\tand so on"),
        ("\x1b]52;c;ZXZpbA==\x07", r"\u001b]52;c;ZXZpbA==\u0007"),
        ("a\rb\x00\x7f", r"a\u000db\u0000\u007f"),
        ("\x9b31m", r"\u009b31m"),
        ("\u202e\u2066\u2028", r"\u202e\u2066\u2028"),
    ],
)
def test_control_characters_are_written_out(text, escaped):
    assert escape(text) == escaped


def test_names_are_in_one_line():
    assert escape("a\nb\tc", keep="") == r"a\u000ab\u0009c"


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "\u00e9\\ud800"), ("ascii", r"\xe9\ud800")])
def test_what_the_encoding_does_not_have_is_escaped(monkeypatch, encoding, shown):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print("\u00e9\ud800", end="", file=Printer())
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == shown


@pytest.mark.parametrize(
    ("stream", "reason"), [(Refusing(), "cannot be written: No space left"), (None, "must be open")]
)
def test_standard_output_that_cannot_be_written_is_a_sentence(monkeypatch, stream, reason):
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(OutputError, match=f"standard output {reason}"):
        print("text", file=Printer())


@pytest.mark.parametrize("stream", [Refusing(), None])
def test_what_cannot_be_told_is_dropped(monkeypatch, stream, capsys):
    monkeypatch.setattr(sys, "stderr", stream)
    tell("text")
    assert capsys.readouterr().out == ""


def test_told_lines_are_escaped(capsys):
    tell("a\x1b[31m")
    assert capsys.readouterr().err == "a\\u001b[31m\n"


def test_what_is_left_is_thrown_away_if_it_must_be():
    """Otherwise the interpreter would complain at its end, with exit status 120."""
    code = (
        "import sys\nfrom dhmpi.support import printing\nfrom dhmpi.errors import OutputError\nsys.stdout.write('x')\n"
        "sys.stderr.write('y')\ntry:\n    printing.flush()\nexcept OutputError:\n    sys.exit(7)"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=full, env=env, check=False)
    assert done.returncode == 7
    assert printing.flush() is None
