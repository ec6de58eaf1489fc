import logging
import re

import pytest

from dhmpi.support import logs


@pytest.fixture(autouse=True)
def logger():
    made = logging.getLogger("dhmpi")
    before = made.handlers[:], made.level
    yield made
    made.handlers[:] = before[0]
    made.setLevel(before[1])


def test_a_line_names_time_rank_level_and_module(capsys):
    logs.configure("info", 3)
    logging.getLogger("dhmpi.some.module").info("%d ranks", 4)
    captured = capsys.readouterr()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} rank 3 INFO dhmpi.some.module: 4 ranks\n", captured.err)
    assert captured.out == ""


@pytest.mark.parametrize(
    ("level", "shown"),
    [("debug", ["d", "i", "w", "e"]), ("info", ["i", "w", "e"]), ("warning", ["w", "e"]), ("error", ["e"])],
)
def test_the_level_is_a_threshold(capsys, level, shown):
    logs.configure(level, 0)
    module = logging.getLogger("dhmpi.module")
    for log, message in [(module.debug, "d"), (module.info, "i"), (module.warning, "w"), (module.error, "e")]:
        log(message)
    assert [line[-1] for line in capsys.readouterr().err.splitlines()] == shown


def test_a_second_configuration_takes_the_place_of_the_first(capsys):
    logs.configure("debug", 0)
    logs.configure("warning", 1)
    logging.getLogger("dhmpi").warning("once")
    logging.getLogger("dhmpi").info("never")
    [line] = capsys.readouterr().err.splitlines()
    assert "rank 1 WARNING dhmpi: once" in line


def test_other_packages_keep_their_settings():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("debug", 0)
    assert (root.handlers, root.level) == before
