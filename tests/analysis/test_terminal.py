import io
import json
import time
from dataclasses import replace

import pytest
from contracts.reported import reported

from dhmpi.analysis import terminal
from dhmpi.analysis.report import overview
from dhmpi.errors import EXIT_INCOMPLETE
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata, Results
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.schema import PolicyRow

METADATA = Metadata("ambs", "pkg.Problem", {"units": (1, 9), "act": ["relu", None]}, seed=7, created=1_000_000.0)
LAYOUT = "3 ranks: rank 0 searches, ranks 1 to 2 evaluate"


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def run(started, ended, why=""):
    return {"started": started, "ended": ended, "num_workers": 2, "hosts": [], "layout": LAYOUT, "why": why}


def evaluation(id, state, objective=None, **fields):
    """One that took 30 s of the run that started at 1,000,000."""
    began = 1_000_000.0 + 10 * id
    point = {"units": id + 1, "act": "relu"}
    return Evaluation(id, point, objective, state, began, began, began + 30, 1, "nid0", **fields)


DONE = [evaluation(0, State.DONE, 2.5), evaluation(1, State.DONE, 1.25, extra={"epochs": 3, "note": "it's"})]
FAILED = [
    evaluation(0, State.FAILED, error="ValueError: the first"),
    evaluation(1, State.TIMEOUT, error="ran longer than 1 s"),
    evaluation(2, State.CANCELLED),
]
COMPLETE = Results.of(
    replace(METADATA, runs=[run(1_000_000.0, 1_000_060.0, "2 evaluations are complete")], complete=True), DONE
)
INTERRUPTED = Results.of(replace(METADATA, runs=[run(1_000_000.0, 1_000_060.0, "stopped by SIGTERM")]), DONE[:1])
UNSUCCESSFUL = Results.of(
    replace(METADATA, runs=[run(1_000_000.0, 1_000_060.0, "2 evaluations are complete")], complete=True), FAILED
)
KILLED = Results.of(
    replace(METADATA, runs=[run(1_000_000.0, 1_000_060.0, "stopped by SIGTERM"), run(1_003_600.0, None)]), DONE[:1]
)
EMPTY = Results.of(METADATA, [])


def text(view, *arguments, **options):
    stream = io.StringIO()
    view(*arguments, stream, **options)
    return stream.getvalue()


BEST = """\
best objective 1.25, evaluation 1:
  units   2
  act     'relu'
its other results:
  epochs  3
  note    "it's"
"""


def test_best():
    assert text(terminal.best, COMPLETE) == BEST


def test_without_other_results_there_is_no_word_of_them():
    assert text(terminal.best, INTERRUPTED) == "best objective 2.5, evaluation 0:\n  units  1\n  act    'relu'\n"


def test_if_nothing_succeeded_the_latest_error_is_shown():
    assert text(terminal.best, UNSUCCESSFUL) == "no evaluation has succeeded\nthe latest error:\nran longer than 1 s\n"


def test_if_nothing_succeeded_nor_failed_there_is_no_error_to_show():
    assert text(terminal.best, EMPTY) == "no evaluation has succeeded\n"


@pytest.mark.parametrize(("results", "point"), [(COMPLETE, {"units": 2, "act": "relu"}), (UNSUCCESSFUL, None)])
def test_best_as_json_is_the_point_alone(results, point):
    shown = text(terminal.best, results, as_json=True)
    assert json.loads(shown) == point
    assert shown.endswith("\n")


@pytest.mark.parametrize(
    ("objective", "shown"),
    [(0.0, "0"), (-1 / 3, "-0.3333333333"), (1e300, "1e+300"), (123456789012.0, "1.23456789e+11")],
)
def test_objectives_are_shown_with_ten_digits(objective, shown):
    results = Results.of(METADATA, [evaluation(0, State.DONE, objective)])
    assert text(terminal.best, results).startswith(f"best objective {shown}, evaluation 0:\n")


def test_the_report_of_a_complete_campaign():
    assert text(terminal.report, COMPLETE, "my.h5") == (
        "2 evaluations are complete: 2 evaluations in 0:01:00, workers 50 % busy\n2 evaluations: 2 DONE\n"
        + BEST
        + "to look further: dhmpi show my.h5, dhmpi export --csv my.h5\n"
    )


def test_paths_with_blanks_are_quoted():
    shown = text(terminal.report, COMPLETE, "my results.h5")
    assert shown.endswith("to look further: dhmpi show 'my results.h5', dhmpi export --csv 'my results.h5'\n")


def test_the_report_of_an_interrupted_campaign_says_how_to_continue():
    assert text(terminal.report, INTERRUPTED, "my.h5") == (
        "stopped by SIGTERM: 1 evaluation in 0:01:00, workers 25 % busy\n"
        "1 evaluation: 1 DONE\n"
        "best objective 2.5, evaluation 0:\n"
        "  units  1\n"
        "  act    'relu'\n"
        "to continue: the same command with --resume\n"
        "to look further: dhmpi show my.h5, dhmpi export --csv my.h5\n"
    )


def test_the_report_counts_states():
    assert text(terminal.report, UNSUCCESSFUL, "my.h5").startswith(
        "2 evaluations are complete: 3 evaluations in 0:01:00, workers 75 % busy\n"
        "3 evaluations: 1 CANCELLED, 1 FAILED, 1 TIMEOUT\nno evaluation has succeeded\n"
    )
    assert text(terminal.report, UNSUCCESSFUL, "my.h5").splitlines()[-2] == (
        "to continue, when that is mended: dhmpi redo my.h5, then the same command with --resume"
    )


def stopped(*failed, complete=True):
    evaluations = [evaluation(id, State.STOPPED, 0.5 + id, step=2.0) for id in (0, 1)] + list(failed)
    runs = [run(1_000_000.0, 1_000_060.0, "4 steps have been taken")]
    metadata = replace(METADATA, runs=runs, complete=complete, options={"max_steps": 20.0})
    return Results.of(metadata, evaluations)


def test_a_campaign_in_which_all_were_stopped_has_not_failed():
    assert text(terminal.report, stopped(), "my.h5") == (
        "4 steps have been taken: 2 evaluations in 0:01:00, workers 50 % busy\n"
        "2 evaluations: 2 STOPPED\n"
        "4 steps, 10 % of full training of all 2 evaluations\n"
        "no evaluation came to its end, and 2 were stopped early\n"
        "to let them come to their ends: "
        "dhmpi redo my.h5 --states STOPPED, then the same command with --resume --stopper none\n"
        "to look further: dhmpi show my.h5, dhmpi export --csv my.h5\n"
    )
    found = stopped()
    found.metadata.options["max_steps_total"] = 4.0
    assert text(terminal.report, found, "my.h5").splitlines()[-2].endswith("none and a larger --max-steps-total")
    assert text(terminal.report, stopped(complete=False), "my.h5").splitlines()[-2] == (
        "to continue: the same command with --resume"
    )


def test_what_failed_beside_what_was_stopped_is_to_be_mended():
    failed = evaluation(2, State.FAILED, error="ValueError: bad")
    assert text(terminal.report, stopped(failed), "my.h5").splitlines()[3:-1] == [
        "no evaluation came to its end, and 2 were stopped early",
        "the latest error:",
        "ValueError: bad",
        "to continue, when that is mended: dhmpi redo my.h5, then the same command with --resume",
    ]


def test_a_campaign_that_has_stopped_evaluations_gets_on():
    stream = io.StringIO()
    assert terminal.completeness(stopped(complete=False), None, stream) == EXIT_INCOMPLETE
    assert stream.getvalue() == "not complete: 2 evaluations, 2 of them ended in this run; none is DONE\n"


def test_steps_are_told_beside_those_of_full_training():
    sentence = "9 steps, 64 % of full training of all 5 evaluations"
    found = reported(max_steps=4)
    assert rows(found)["steps"] == sentence
    assert f"\n5 evaluations: 1 DONE, 1 FAILED, 1 RUNNING, 2 STOPPED\n{sentence}\n" in text(
        terminal.report, found, "my.h5"
    )
    assert rows(reported())["steps"] == "9 steps"
    assert "steps" not in rows(COMPLETE)


def test_what_runs_says_how_far_it_is():
    assert " on rank 2 (h), step 2\n" in text(terminal.show, replace(reported(), metadata=KILLED.metadata))


def test_a_run_without_length_has_no_utilisation():
    metadata = replace(METADATA, runs=[run(5.0, 5.0, "stopped by SIGINT")])
    lines = text(terminal.report, Results.of(metadata, []), "my.h5").splitlines()[:2]
    assert lines == ["stopped by SIGINT: 0 evaluations in 0:00:00", "no evaluation has succeeded"]


def test_show():
    assert text(terminal.show, COMPLETE) == (
        "search      ambs\n"
        "problem     pkg.Problem (2 dimensions, smaller objectives are better)\n"
        "seed        7\n"
        "created     1970-01-12 13:46:40\n"
        "evaluations 2: 2 DONE\n"
        "utilisation 50.0 %\n"
        "state       complete\n"
        f"run 1       1970-01-12 13:46:40 for 0:01:00, 2 workers; {LAYOUT}\n"
        "\n" + BEST
    )


def test_show_says_what_proposed_the_points_and_what_that_cost():
    statistics = {"mode": "gp", "ask_median": 0.0123, "ask_p99": 0.0456, "busy_share": 0.034}
    results = Results.of(replace(METADATA, statistics=statistics), [])
    assert rows(results)["surrogate"] == (
        "gp; a point took 12.3 ms, 99 % of them at most 45.6 ms; rank 0 was computing 3 % of the time"
    )


def test_where_no_point_was_asked_none_took_any_time():
    """As when a complete campaign is resumed."""
    results = Results.of(replace(METADATA, statistics={"mode": "gp", "busy_share": 0.5}), [])
    assert rows(results)["surrogate"] == "gp; no point was asked"


def test_models_may_be_one_result_behind():
    origin = Origin("gp", 2, 1)
    results = Results.of(METADATA, [each._replace(origin=origin) for each in DONE[:2]])
    assert rows(results)["models"] == "0 of 2 points without a model; models were 1 result behind (median; at most 1)"


def test_what_a_stopper_could_not_do_is_told():
    metadata = replace(COMPLETE.metadata, options={"stopper": "asha"})
    results = Results.of(metadata, COMPLETE.evaluations)
    sentence = "--stopper asha has stopped nothing, since no evaluation has reported anything; "
    assert rows(results)["note"].startswith(sentence)
    assert f"\n{sentence}" in text(lambda found, stream: terminal.report(found, "r.h5", stream), results)
    assert "note" not in rows(COMPLETE)


def test_show_says_how_agents_have_learned():
    statistics = {"agents": 2, "lost_agents": 0, "episodes": 250, "hits": 40, "shared": 10, "updates": 3}
    policy = PolicyLog()
    for number, (episodes, entropy) in enumerate([(8, 2.5), (8, 1.25), (0, float("nan"))]):
        fields = dict.fromkeys(PolicyRow._fields, 0.0)
        fields |= {"agent": 1, "update": number, "episodes": episodes, "entropy": entropy}
        policy.append([PolicyRow(**fields)])
    results = Results.of(replace(METADATA, statistics=statistics), [], policy=policy)
    shown = (
        "2 agents, 3 updates; 250 architectures chosen, 50 of them known already; entropy 2.5 at first, 1.25 at last"
    )
    assert rows(results)["agents"] == shown
    more = {"gradients": 12, "gradient_staleness_mean": 1.75, "lost_agents": 1}
    results = Results.of(replace(METADATA, statistics=statistics | more), [], policy=policy)
    assert rows(results)["agents"] == f"{shown}; gradients 1.75 steps old; 1 agent given up"


def rows(results):
    shown = text(terminal.show, results).partition("\n\n")[0].splitlines()
    return {line[:12].strip(): line[12:] for line in shown}


@pytest.mark.parametrize(
    ("results", "state"),
    [
        (COMPLETE, "complete"),
        (INTERRUPTED, "stopped by SIGTERM: continue with --resume"),
        (KILLED, "running, or killed: continue with --resume"),
        (EMPTY, "running, or killed: continue with --resume"),
    ],
)
def test_the_state_says_what_can_be_done(results, state):
    assert rows(results)["state"] == state


def test_every_run_has_a_row():
    shown = rows(KILLED)
    assert shown["run 1"] == f"1970-01-12 13:46:40 for 0:01:00, 2 workers; {LAYOUT}"
    assert shown["run 2"] == f"1970-01-12 14:46:40, 2 workers; {LAYOUT}"


def test_what_is_not_known_is_said():
    shown = rows(EMPTY)
    assert (shown["evaluations"], shown["utilisation"]) == ("none", "unknown")
    assert "note" not in shown


@pytest.mark.parametrize(("is_written", "state"), [(True, "running"), (False, "killed: continue with --resume")])
def test_a_running_campaign_is_told_from_a_killed_one(is_written, state):
    stream = io.StringIO()
    now = time.time()
    running = [evaluation(1, State.RUNNING)._replace(started=now - age, rank=age, id=age) for age in (5, 70, 1)]
    terminal.show(Results.of(KILLED.metadata, running), stream, is_written=is_written)
    shown = stream.getvalue()
    assert f"\nstate       {state}\n" in shown
    if is_written:
        assert "running:\n  evaluation 70 for 0:01:10 on rank 70 (nid0)\n  evaluation  5 for 0:00:0" in shown
    else:
        assert "running when it was killed, and begun again by --resume:\n  evaluation 70 since " in shown


def test_a_campaign_that_has_ended_runs_nothing():
    ended = Results.of(INTERRUPTED.metadata, [evaluation(0, State.RUNNING)])
    assert "running" not in text(terminal.show, ended)


def test_states_are_counted():
    assert rows(UNSUCCESSFUL)["evaluations"] == "3: 1 CANCELLED, 1 FAILED, 1 TIMEOUT"


def test_the_most_frequent_errors_are_shown():
    failed = [evaluation(id, State.FAILED, error=f"KeyError: 'kind {id % 7}'") for id in range(1, 23)]
    stream = io.StringIO()
    terminal.show(Results.of(METADATA, [*DONE[:1], *failed]), stream, "my.h5")
    shown = stream.getvalue()
    assert shown.partition("\n\n")[2].startswith(
        "errors:\n"
        "  4 x FAILED: KeyError: 'kind 1' (evaluation 1; no log)\n"
        "  3 x FAILED: KeyError: 'kind 2' (evaluation 2; no log)\n"
        "  3 x FAILED: KeyError: 'kind 3' (evaluation 3; no log)\n"
        "  3 x FAILED: KeyError: 'kind 4' (evaluation 4; no log)\n"
        "  3 x FAILED: KeyError: 'kind 5' (evaluation 5; no log)\n"
        "  2 more kinds, and all that they say: dhmpi show --errors my.h5\n"
        "\nbest objective 2.5"
    )


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        ({}, "nothing is to be evaluated again that would not be anyway\n"),
        (
            {3: State.TIMEOUT, 7: State.FAILED, 8: State.FAILED},
            "3 evaluations to be evaluated again: 2 FAILED, 1 TIMEOUT\n"
            "to evaluate them: the command of the campaign with --resume\n",
        ),
    ],
)
def test_what_is_redone_is_said(states, sentence):
    assert text(terminal.redone, states) == sentence


def test_what_was_lost_is_noted():
    assert rows(replace(COMPLETE, dropped="7 bytes were left out"))["note"] == "7 bytes were left out"


LOST = {"lost_idle_seconds": 41.4, "lost_cancelled_seconds": 12.0}


def test_lost_time_is_told():
    results = Results.of(replace(INTERRUPTED.metadata, statistics=LOST), INTERRUPTED.evaluations)
    sentence = "41 worker-seconds without work, 12 in evaluations that were cancelled"
    assert f"\nlost at the end: {sentence}\n" in text(terminal.report, results, "my.h5")
    assert f"\nlost time   {sentence}\n" in text(terminal.show, results)


def test_figures_say_of_which_runs_they_are():
    ended = run(1_003_600.0, 1_003_660.0, "end")
    results = Results.of(replace(KILLED.metadata, runs=[KILLED.metadata.runs[0], ended], statistics=LOST), DONE[:1])
    shown = text(terminal.show, results)
    assert "\nutilisation 12.5 % of all 2 runs\n" in shown
    assert "\nlost time   latest run: 41 worker-seconds" in shown
    reported = text(terminal.report, results, "my.h5")
    assert "end: 1 evaluation in 0:02:00 of 2 runs, workers 12 % busy\n" in reported
    assert "\nlost at the end of this run: 41 worker-seconds" in reported


def test_workers_of_a_pool_are_no_ranks():
    running = [evaluation(3, State.RUNNING)._replace(ended=None)]
    assert " on rank 1 (nid0)\n" in text(terminal.show, Results.of(replace(METADATA, runs=[run(1e6, None)]), running))
    pool = replace(METADATA, runs=[run(1e6, None) | {"roles": {"size": 1, "nodes": []}}])
    shown = text(terminal.show, Results.of(pool, running))
    assert " on worker 1 (nid0)\n" in shown


def test_less_than_a_second_is_nothing():
    results = Results.of(replace(INTERRUPTED.metadata, statistics=dict.fromkeys(LOST, 0.4)), INTERRUPTED.evaluations)
    assert "lost" not in text(terminal.report, results, "my.h5")


def test_show_says_from_which_models_points_came():
    origins = [Origin("start"), Origin("design", 3), Origin("gp", 12, 10), Origin("random", 13), Origin("gp", 20, 13)]
    evaluations = [evaluation(id, State.DONE, 1.0, origin=origin) for id, origin in enumerate(origins)]
    sentence = "1 of 3 points without a model; models were 4 results behind (median; at most 7)"
    assert f"\nmodels      {sentence}\n" in text(terminal.show, Results.of(METADATA, evaluations))
    assert "\nmodels" not in text(terminal.show, Results.of(METADATA, evaluations[:2]))


def test_values_have_their_units():
    labelled = replace(METADATA, labels={"units": {"unit": "cells", "description": "of the network"}})
    done = Evaluation(0, {"units": 3, "act": None}, 1.0, State.DONE)
    stream = io.StringIO()
    terminal.best(Results.of(labelled, [done]), stream)
    terminal.print_ranked([done], labelled, stream)
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert [line for line in lines if line[0] == "units"] == [["units", "3", "cells"]] * 2
    assert overview.best_point(Results.of(labelled, [done]))[0] == ("units", "3", "(1, 9), cells, of the network")
