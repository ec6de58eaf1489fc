"""Text as a terminal would show it."""

import pytest

from dhmpi.support.terminal_text import as_shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n  text\n", "plain\n  text\n"),
        ("10%\r100%", "100%"),
        ("abc\rX", "Xbc"),
        ("1/2" + "\b" * 3 + "2/2 done\n", "2/2 done\n"),
        ("\b\bx", "x"),
        ("dos\r\nlines\r\n", "dos\nlines\n"),
        ("\x1b[1m\x1b[32mgreen\x1b[0m", "green"),
        ("long line\r\x1b[Kshort", "short"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[1m1/2\x1b[0m \x1b[32m---\x1b[0m" + "\b" * 7 + "\x1b[1m2/2\x1b[0m loss", "2/2 loss"),
    ],
)
def test_what_is_left(text, shown):
    assert as_shown(text) == shown
