"""What a campaign logs that is started from Python, and who may write its file meanwhile."""

import logging
import re
import threading

import pytest

from dhmpi import results
from dhmpi.benchmark import HpProblem
from dhmpi.errors import OptionError, ResultsError
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.random import RandomSearch


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Begin in an empty directory, with a logger that nothing has configured."""
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("dhmpi")
    monkeypatch.setattr(logger, "handlers", [])
    before = logger.level
    logger.setLevel(logging.NOTSET)
    yield
    logger.setLevel(before)


def problem():
    made = HpProblem()
    made.add_dim("x", (0, 99))
    return made


def run(point):
    if point["x"] % 5 == 0:
        raise ValueError(f"bad {point['x']}")
    return float(point["x"])


def search(search_class=RandomSearch, **options):
    return search_class(problem(), run, **{"isolation": "inline", "quiet": True, "max_evals": 9} | options)


class Raising:
    def on_begin(self, results):
        raise ValueError("begin")


def test_a_search_that_is_started_from_python_keeps_its_log(tmp_path):
    logger = logging.getLogger("dhmpi")
    before = logger.handlers[:], logger.level
    search(callbacks=[Raising()]).main()
    lines = (tmp_path / "results.h5.files" / "rank-0000.log").read_text().splitlines()
    assert "rank 0 WARNING dhmpi.control.callbacks: callback Raising.on_begin has raised an exception" in lines[0]
    assert lines[-1].endswith("callback Raising.on_begin has raised 1 exception")
    search(callbacks=[Raising()], overwrite=True, logs="none").main()
    assert not (tmp_path / "results.h5.files" / "rank-0000.log").exists()
    assert (logger.handlers, logger.level) == before


def test_a_program_without_handlers_gets_lines_on_standard_error(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    search(callbacks=[Raising()]).main()
    assert "rank 0 WARNING dhmpi.control.callbacks: callback Raising" in capsys.readouterr().err


def test_info_tells_of_the_campaign_and_its_resumption(caplog):
    search(AMBS, max_evals=30, log_level="info").main()
    messages = [each.getMessage() for each in caplog.records]
    begins, *others, ends = messages
    assert begins.startswith("ambs begins on HpProblem, seed 12345, output results.h5: 1 worker, SerialEvaluator (")
    assert any(each.startswith("model gp-thorough, fitted to ") for each in others)
    failed = [each for each in others if each.startswith("evaluation ")]
    assert failed
    assert all(" FAILED on worker 0 (" in each and ": ValueError: bad " in each for each in failed)
    assert ends.startswith("ends after 0:00:")
    num = int(re.search(r"(\d+) FAILED$", ends)[1])
    assert num >= len(failed)  # of many at once, some are only counted
    assert ends.endswith(f": {30 - num} DONE, {num} FAILED")
    caplog.clear()
    search(AMBS, max_evals=30, log_level="info", resume=True).main()
    resumed = caplog.records[1].getMessage()
    assert resumed == f"resumed with 30 evaluations: {30 - num} DONE, {num} FAILED"


@pytest.mark.parametrize("more", [{"overwrite": True}, {"resume": True}])
def test_a_callback_cannot_begin_a_campaign_on_the_same_file(more):
    refused = []

    class Again:
        def on_result(self, evaluation):
            assert len(results.read("results.h5").columns) > evaluation.id  # reading is allowed
            if evaluation.id == 3:
                try:
                    search(**more).main()
                except ResultsError as error:
                    refused.append(str(error))

        def on_end(self, found):
            search(output="other.h5").main()

    search(max_evals=12, callbacks=[Again()]).main()
    assert len(refused) == 1
    assert "results.h5 must have one writer, and this process is writing it" in refused[0]
    assert len(results.read("results.h5").columns) == 12
    assert len(results.read("other.h5").columns) == 9
    search(overwrite=True).main()


def test_a_campaign_in_another_thread_is_a_sentence():
    said = []

    def begin():
        try:
            search().main()
        except OptionError as error:
            said.append(str(error))

    thread = threading.Thread(target=begin, name="mine")
    thread.start()
    thread.join(60)
    [sentence] = said
    assert sentence.startswith(
        "a campaign must run in the main thread, which gets the signals, got mine; start it there"
    )
