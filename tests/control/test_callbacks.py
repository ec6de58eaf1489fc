import logging
import os
import signal
import time

import pytest

from dhmpi import results
from dhmpi.benchmark.hps import polynome2
from dhmpi.benchmark.nas import table
from dhmpi.control.callbacks import Callbacks
from dhmpi.control.signals import StopRequest
from dhmpi.errors import CampaignError, OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.nas.ppo_a3c_sync import NasPPOSyncA3C
from dhmpi.search.nas.random import NasRandom

OPTIONS = {"isolation": "inline", "quiet": True, "max_evals": 4}


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Diary:
    def __init__(self):
        self.told = []

    def on_begin(self, results):
        self.told.append(("begin", len(results.evaluations), results.metadata.runs[-1]["num_workers"]))

    def on_result(self, evaluation):
        self.told.append(evaluation)

    def on_end(self, results):
        self.told.append(("end", len(results.evaluations), results.metadata.complete))


def fail(point):
    raise ValueError("no")


@pytest.mark.parametrize("search", [AMBS, GA, RandomSearch, NasRandom, NasPPOSyncA3C])
def test_every_search_tells_of_the_beginning_each_result_and_the_end(search):
    module, diary = (table if search.maximises else polynome2), Diary()
    problem = f"{module.__name__}.Problem"
    found = search(problem, f"{module.__name__}.run", callbacks=[diary], **OPTIONS).main()
    begin, *told, end = diary.told
    assert (begin, end) == (("begin", 0, 1), ("end", 4, True))
    assert sorted(each.id for each in told) == [0, 1, 2, 3]
    for each in told:
        assert each._replace(order=0) == found.evaluations[each.id]._replace(order=0, origin=each.origin)


def learn(point, context):
    for step in (1, 2):
        context.report(step, point["e0"] / step)
    return {"objective": 0.0, "mine": 3}


def test_reports_are_told_before_the_result_that_they_came_with():
    class Curve(Diary):
        def on_report(self, evaluation, step, value):
            self.told.append((evaluation.id, step, value))

    diary = Curve()
    RandomSearch(polynome2.Problem, learn, callbacks=[diary], **OPTIONS | {"max_evals": 1}).main()
    _, first, second, result, _ = diary.told
    assert (first, second) == ((0, 1, result.point["e0"]), (0, 2, result.point["e0"] / 2))


def test_what_a_run_function_calls_reports_is_no_report():
    class Curve:
        def on_report(self, evaluation, step, value):
            raise AssertionError

    callbacks = Callbacks([Curve()])
    callbacks.begin(None, StopRequest())
    for reports in (3, "ab", [1], [[1, 2, 3]]):
        callbacks.note([Evaluation(0, {}, 1.0, State.DONE, extra={"reports": reports})])
    callbacks.call()
    assert not callbacks._failures


def test_what_was_before_is_not_told_again():
    RandomSearch(polynome2.Problem, polynome2.run, **OPTIONS).main()
    diary = Diary()
    RandomSearch(polynome2.Problem, polynome2.run, callbacks=[diary], resume=True, **OPTIONS | {"max_evals": 6}).main()
    assert [each if isinstance(each, tuple) and each[0] == "begin" else each[0] for each in diary.told] == [
        ("begin", 4, 1),
        *(4, 5),
        "end",
    ]


def test_failures_are_told_and_the_end_of_a_vain_campaign():
    diary = Diary()
    with pytest.raises(CampaignError):
        RandomSearch(polynome2.Problem, fail, callbacks=[diary], **OPTIONS).main()
    assert [each.state for each in diary.told[1:-1]] == [State.FAILED] * 4
    assert diary.told[-1] == ("end", 4, False)


class Broken(Diary):
    def on_begin(self, results):
        super().on_begin(results)
        raise OSError("no network")

    def on_result(self, evaluation):
        super().on_result(evaluation)
        raise SystemExit(7)

    def on_end(self, results):
        super().on_end(results)
        raise KeyError("end")


def test_a_callback_that_raises_costs_nothing_and_is_logged_once(caplog):
    broken, diary = Broken(), Diary()
    found = RandomSearch(polynome2.Problem, polynome2.run, callbacks=[broken, diary], **OPTIONS).main()
    assert found.metadata.complete
    assert len(broken.told) == len(diary.told) == 6
    logged = [(each.getMessage(), each.exc_info and each.exc_info[0]) for each in caplog.records]
    assert logged == [
        ("callback Broken.on_begin has raised an exception; the campaign goes on", OSError),
        ("callback Broken.on_result has raised an exception; the campaign goes on", SystemExit),
        ("callback Broken.on_end has raised an exception; the campaign goes on", KeyError),
        ("callback Broken.on_begin has raised 1 exception", None),
        ("callback Broken.on_result has raised 4 exceptions", None),
        ("callback Broken.on_end has raised 1 exception", None),
    ]
    assert all(each.levelno == logging.WARNING for each in caplog.records)


def test_a_fork_of_a_callback_does_not_run_the_campaign():
    class Fork:
        def on_result(self, evaluation):
            if os.fork():
                os.wait()

    found = RandomSearch(polynome2.Problem, polynome2.run, callbacks=[Fork()], **OPTIONS).main()
    assert found.metadata.complete
    assert results.read(found.path or "results.h5").evaluations == found.evaluations


def test_metadata_are_a_copy():
    class Thief:
        def on_begin(self, results):
            for each in (results.metadata.space, results.metadata.options, results.metadata.runs):
                each.clear()

    RandomSearch(polynome2.Problem, polynome2.run, callbacks=[Thief()], **OPTIONS).main()
    found = results.read("results.h5").metadata
    assert len(found.space) == 10
    assert found.options
    assert len(found.runs) == 1


def test_what_a_callback_does_to_an_evaluation_stays_with_it():
    class Vandal:
        def on_result(self, evaluation):
            evaluation.point.clear()
            evaluation.extra["more"] = 1

    found = AMBS(polynome2.Problem, polynome2.run, callbacks=[Vandal()], **OPTIONS).main()
    assert all(len(each.point) > 1 and not each.extra for each in results.read("results.h5").evaluations)
    assert found.metadata.statistics["callbacks_seconds"] > 0


def test_without_callbacks_none_are_measured():
    found = RandomSearch(polynome2.Problem, polynome2.run, **OPTIONS).main()
    assert "callbacks_seconds" not in found.metadata.statistics


@pytest.mark.parametrize("search", [RandomSearch, NasPPOSyncA3C])
def test_a_signal_interrupts_a_slow_callback_and_what_is_left_is_told_in_the_end(search):
    class Slow(Diary):
        def on_result(self, evaluation):
            super().on_result(evaluation)
            if len(self.told) == 2:
                os.kill(os.getpid(), signal.SIGUSR1)
                time.sleep(60)

    module, slow, begun = (table if search.maximises else polynome2), Slow(), time.monotonic()
    problem, run = f"{module.__name__}.Problem", f"{module.__name__}.run"
    found = search(problem, run, callbacks=[slow], **OPTIONS | {"max_evals": 1000}).main()
    assert time.monotonic() - begun < 30
    assert found.metadata.runs[-1]["why"] == "stopped by SIGUSR1"
    told = [each.id for each in slow.told if isinstance(each, Evaluation)]
    assert sorted(told) == [each.id for each in found.evaluations if each.state.is_final]
    assert slow.told[-1] == ("end", len(found.evaluations), False)


def test_a_signal_interrupts_the_end_too():
    class Slow:
        def on_end(self, results):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(60)

    begun = time.monotonic()
    found = RandomSearch(polynome2.Problem, polynome2.run, callbacks=[Slow()], **OPTIONS).main()
    assert time.monotonic() - begun < 30
    assert found.metadata.complete


def test_the_end_is_told_only_if_the_beginning_was():
    diary = Diary()
    callbacks = Callbacks([diary])
    callbacks.end(None)
    assert diary.told == []
    assert not Callbacks()


def test_results_wait_until_they_may_be_told():
    diary = Diary()
    diary.on_begin = lambda results: None
    callbacks = Callbacks([diary])
    with StopRequest() as stop:
        callbacks.begin(None, stop)
        callbacks.note([Evaluation(0, {}, state=State.FAILED), Evaluation(1, {}, state=State.LOST)])
        assert diary.told == []
        callbacks.call()
        callbacks.call()
    assert [each.id for each in diary.told] == [0]


class Coroutine:
    async def on_result(self, evaluation):
        pass


class Misspelt:
    def on_results(self, evaluation):
        pass


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([Diary], r"must be objects, got the class Diary; write Diary\(\)$"),
        ([Misspelt()], r"on_begin, on_report, on_result, on_end, got on_results; did you mean 'on_result'\?$"),
        ([print], "on_begin, on_report, on_result, on_end, got none in <built-in function print>$"),
        ([Coroutine()], "must be plain functions, got the coroutine on_result; write def$"),
        (Diary(), "callbacks must be a list of objects, got <"),
        ("log", "callbacks must be a list of objects, got 'log'$"),
    ],
)
def test_what_can_never_be_called_is_refused(given, sentence):
    with pytest.raises(OptionError, match=sentence):
        RandomSearch(polynome2.Problem, callbacks=given)
