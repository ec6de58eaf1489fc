import json
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


def test_a_line_may_be_an_object(capsys):
    logs.configure("info", 3, as_json=True)
    try:
        raise ValueError("é\n\x1b")
    except ValueError:
        logging.getLogger("dhmpi.some.module").exception("%d\nranks", 4)
    logging.getLogger("dhmpi").info("next")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first.pop("time"))
    assert first.pop("exception").endswith("ValueError: é\n\x1b")
    assert first == {"level": "error", "logger": "dhmpi.some.module", "rank": 3, "message": "4\nranks"}
    assert (second["level"], second["message"], "exception" in second) == ("info", "next", False)


def test_a_rank_that_has_something_to_say_keeps_it_in_its_file(tmp_path, capsys):
    directory = tmp_path / "results.h5.files"
    logs.configure("warning", 3, directory=str(directory))
    log = logging.getLogger("dhmpi.module")
    log.info("nothing")
    assert not directory.exists()
    log.warning("first")
    (directory / "rank-0003.log").unlink()  # by rank 0, which overwrites an earlier campaign
    log.warning("second \x1b")
    log.warning("third")
    assert [path.name for path in directory.iterdir()] == ["rank-0003.log"]
    assert (directory / "rank-0003.log").read_text().splitlines() == capsys.readouterr().err.splitlines()[1:]
    logs.configure("warning", 3, as_json=True, directory=str(directory))
    log.warning("fourth")
    assert json.loads((directory / "rank-0003.log").read_text().splitlines()[-1])["message"] == "fourth"


def test_a_file_that_cannot_be_written_is_told_once(tmp_path, capsys):
    logs.configure("warning", 4, directory=str(tmp_path / "none" / "results.h5.files"))
    for _ in range(2):
        logging.getLogger("dhmpi").warning("a line")
    lines = capsys.readouterr().err.splitlines()
    assert [line.endswith("a line") for line in lines] == [True, False, True]
    assert "rank-0004.log cannot be written: No such file or directory" in lines[1]
    assert list(tmp_path.iterdir()) == []


def test_rank_0_keeps_nothing_before_the_campaign_has_its_file(tmp_path):
    directory = tmp_path / "results.h5.files"
    logs.configure("warning", 0, directory=str(directory))
    for number in range(4):
        if number == 2:
            assert list(tmp_path.iterdir()) == []
            logs.keep()
        logging.getLogger("dhmpi").warning("line %d", number)
    lines = (directory / "rank-0000.log").read_text().splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [f"line {number}" for number in range(4)]
