"""What every evaluator must do. A test class inherits a suite and provides the fixture `evaluator`."""

import itertools
import os
import signal
import time

import numpy as np
import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.execution.context import Notice

LIMIT = 20.0
# Texts of points that a shell, a line or an encoding might change.
TEXTS = [
    "it's",
    '"quoted"',
    "back\\slash $HOME `id` %s {x}",
    "é 漢字 \U0001f600",
    "two\nlines\r\n",
    "NUL\0within",
    "",
    " ",
]


def collect(evaluator, num, limit=LIMIT):
    """Gather until there are `num` evaluations."""
    found, end = [], time.monotonic() + limit
    while len(found) < num:
        assert time.monotonic() < end, f"only {len(found)} of {num} evaluations came back"
        found += evaluator.gather(0.5)
    return sorted(found)


def evaluate(evaluator, **point):
    """Evaluate one point."""
    evaluator.submit(Evaluation(0, point))
    return collect(evaluator, 1)[0]


def drive(evaluator, points):
    """Evaluate points, as many at a time as there are idle workers."""
    found, waiting, end = [], [Evaluation(id, point) for id, point in enumerate(points)], time.monotonic() + LIMIT
    while len(found) < len(points):
        assert time.monotonic() < end, f"only {len(found)} of {len(points)} evaluations came back"
        while evaluator.num_idle and waiting:
            evaluator.submit(waiting.pop(0))
        found += evaluator.gather(0.5)
    return sorted(found)


def most_at_once(evaluations):
    """Return how many evaluations were running at the same time, at most."""
    steps = sorted([(each.started, 1) for each in evaluations] + [(each.ended, -1) for each in evaluations])
    return max(itertools.accumulate(step for _, step in steps))


class EvaluatorContract:
    """For all evaluators; the run function is `behaviour.behave`, the time-out of an evaluation 1 s if it has one."""

    many = 300  # evaluations that take no time

    def test_an_objective_comes_back_with_times_and_place(self, evaluator):
        before = time.time()
        found = evaluate(evaluator, do="return", value=2.5)
        assert (found.id, found.objective, found.state, found.error) == (0, 2.5, State.DONE, "")
        assert found.point == {"do": "return", "value": 2.5}
        assert before - 0.1 <= found.submitted <= found.started + 0.1
        assert found.started <= found.ended <= time.time() + 0.1
        assert found.rank >= 0
        assert found.host

    knows_workers = True  # as soon as an evaluation is submitted

    def test_a_running_evaluation_says_where_it_runs(self, evaluator):
        running = evaluator.submit(Evaluation(0, {"do": "return", "value": 2.5}))
        [ended] = collect(evaluator, 1)
        assert running.state is State.RUNNING
        if self.knows_workers:
            assert (running.rank, running.host, running.started) == (ended.rank, ended.host, running.submitted)
        else:
            assert (running.rank, running.host, running.started) == (-1, "", None)
        assert running.ended is None

    @pytest.mark.parametrize(
        ("do", "told"),
        [
            ("nan", "the objective must be a finite number, got nan"),
            ("infinity", "the objective must be a finite number, got inf"),
            ("lacking", "must have the key 'objective', got ['accuracy']"),
            ("raise", "IndexError"),
            ("exit", "SystemExit: 3"),
            ("interrupt", "KeyboardInterrupt"),
            ("memory", "MemoryError: no memory"),
        ],
    )
    def test_a_failure_is_a_state_with_its_reason(self, evaluator, do, told):
        found = evaluate(evaluator, do=do, value=7)
        assert (found.state, found.objective) == (State.FAILED, None)
        assert told in found.error
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    @pytest.mark.parametrize("value", [None, "text", True, "0.5"])
    def test_what_is_no_number_is_a_failure(self, evaluator, value):
        found = evaluate(evaluator, do="return", value=value)
        assert found.state is State.FAILED
        assert repr(value) in found.error

    def test_a_traceback_begins_in_user_code(self, evaluator):
        lines = evaluate(evaluator, do="raise", value=0).error.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert "behaviour.py" in lines[1]

    def test_other_results_are_kept(self, evaluator):
        assert evaluate(evaluator, do="infinity").extra == {"note": "kept"}
        reports = []
        evaluator.on_reports = reports.extend
        evaluation = evaluate(evaluator, do="report")
        assert (evaluation.extra, evaluation.step) == ({}, 2)
        assert [(each.step, each.value) for each in reports] == [(0, 1), (1, 0.5), (2, 1 / 3)]

    def test_what_is_kept_as_text_is_told_once(self, evaluator, caplog):
        found = drive(evaluator, [{"do": "complex", "id": id} for id in range(3)])
        assert [each.extra for each in found] == [{"kept": "(1+2j)"}] * 3
        told = [record for record in caplog.records if "got complex; its text is kept" in record.getMessage()]
        assert len(told) == 1

    def test_values_arrive_with_their_types(self, evaluator):
        point = {"do": "echo", "a": 1, "b": 1.0, "c": True, "d": None, "e": "it's é", "f": 0.1 + 0.2, "g": 2**62}
        found = evaluate(evaluator, **point)
        assert found.extra["point"] == point
        assert found.extra["types"] == {name: type(value).__name__ for name, value in point.items()}

    @pytest.mark.parametrize(
        "text",
        TEXTS,
    )
    def test_texts_arrive_unchanged(self, evaluator, text):
        point = {"do": "echo", "text": text, "nested": {"list": [text, [1, 2.5, None]]}}
        assert evaluate(evaluator, **point).extra["point"] == point

    def test_numpy_values_arrive_as_numbers(self, evaluator):
        found = evaluate(evaluator, do="echo", a=np.int64(3), b=np.float64(0.5), c=np.float32(0.25))
        assert found.extra["point"] == {"do": "echo", "a": 3, "b": 0.5, "c": 0.25}

    def test_a_point_may_have_a_thousand_names(self, evaluator):
        point = {"do": "echo"} | {f"name {number}": number / 7 for number in range(1000)}
        assert evaluate(evaluator, **point).extra["point"] == point

    def test_points_may_be_unlike_each_other(self, evaluator):
        for point in ({"do": "echo", "a": 1}, {"do": "echo", "b": "one", "c": [1]}, {"do": "echo"}):
            assert evaluate(evaluator, **point).extra["point"] == point

    def test_what_json_does_not_know_becomes_text_or_a_list(self, evaluator):
        found = evaluate(evaluator, do="odd")
        assert (found.state, found.objective, found.extra["set"], found.extra["bytes"]) == (
            State.DONE,
            1.0,
            [1],
            "b'1'",
        )
        assert "lock" in found.extra["lock"]
        assert "function" in found.extra["lambda"]

    def test_results_that_are_too_large_are_a_failure(self, evaluator):
        assert evaluate(evaluator, do="large", value=900_000).state is State.DONE
        found = evaluate(evaluator, do="large", value=10_000_000)
        assert (found.state, found.objective, found.extra) == (State.FAILED, None, {})
        assert "besides the objective must take at most 1,000,000 bytes, got 10,000,011;" in found.error

    def test_much_output_does_not_hang(self, evaluator):
        assert evaluate(evaluator, do="much", value=200_000).state is State.DONE

    def test_what_is_printed_is_no_result(self, evaluator):
        assert evaluate(evaluator, do="mimic", value=7).objective == 7.0

    def test_seeds_depend_on_the_campaign_and_the_evaluation_alone(self, evaluator):
        evaluator.seed = 5
        first = evaluate(evaluator, do="context")
        assert first.extra["id"] == 0
        assert evaluate(evaluator, do="context").objective == first.objective
        evaluator.submit(Evaluation(1, {"do": "context"}))
        assert collect(evaluator, 1)[0].objective != first.objective

    def test_an_evaluation_has_a_directory(self, evaluator, files):
        evaluate(evaluator, do="write")
        assert (files / "evaluation-000000" / "model.txt").read_text() == "kept"

    def test_no_more_than_the_idle_workers_take(self, evaluator):
        num = evaluator.num_idle
        assert num >= 1
        for id in range(num):
            assert evaluator.submit(Evaluation(id, {"do": "return", "value": 1.0})).state is State.RUNNING
        assert (evaluator.num_idle, evaluator.num_pending) == (0, num)
        with pytest.raises(ValueError, match="one evaluation per idle worker"):
            evaluator.submit(Evaluation(num, {"do": "return", "value": 1.0}))
        collect(evaluator, num)
        assert evaluator.num_pending == 0
        assert evaluator.num_idle >= 1

    def test_all_workers_work_and_never_more(self, evaluator):
        num, seconds, begun = 4 * evaluator.num_workers, 0.4, time.monotonic()
        found = drive(evaluator, [{"do": "sleep", "value": seconds}] * num)
        assert {each.state for each in found} == {State.DONE}
        assert time.monotonic() - begun >= 4 * seconds
        assert most_at_once(found) == evaluator.num_workers

    def test_every_evaluation_comes_back_once(self, evaluator):
        found = drive(evaluator, [{"do": "return", "value": float(id)} for id in range(self.many)])
        assert [(each.id, each.objective) for each in found] == [(id, float(id)) for id in range(self.many)]

    def test_gathering_nothing_returns_at_once(self, evaluator):
        for _ in range(2):
            begun = time.monotonic()
            assert evaluator.gather(30.0) == []
            assert time.monotonic() - begun < 20
            evaluate(evaluator, do="return", value=1.0)

    def test_cancelling_nothing_returns_nothing(self, evaluator):
        assert evaluator.cancel(5.0) == []


def wait_for_file(evaluator, path):
    """Wait until user code has written a file."""
    end = time.monotonic() + LIMIT
    while not path.exists():
        assert time.monotonic() < end
        assert evaluator.gather(0.01) == []


class StoppableEvaluatorContract(EvaluatorContract):
    """For evaluators whose user code runs in other processes; the time-out of an evaluation is 1 s."""

    @pytest.fixture(autouse=True)
    def buffering(self, monkeypatch):
        """Keep the machine's settings from children."""
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)

    @pytest.mark.parametrize(
        ("do", "told"),
        [("die", "exit status 3"), ("kill", "signal 9 (SIGKILL)"), ("crash", "signal 11 (SIGSEGV)")],
    )
    def test_the_death_of_a_child_costs_one_evaluation(self, evaluator, do, told):
        found = evaluate(evaluator, do=do)
        assert found.state is State.FAILED
        assert told in found.error
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    def test_the_killing_of_a_child_costs_one_evaluation(self, evaluator, files):
        evaluator.submit(Evaluation(0, {"do": "announce"}))
        path = files / "evaluation-000000" / "pid"
        wait_for_file(evaluator, path)
        os.kill(int(path.read_text()), signal.SIGTERM)
        found = collect(evaluator, 1)[0]
        assert found.state is State.LOST
        assert "the process was killed by signal 15 (SIGTERM)" in found.error
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    @pytest.mark.parametrize(
        ("how", "reason"),
        [
            ("raise", "IndexError: list index out of range"),
            ("return", "the returned dict must have the key 'objective', got []"),
            ("die", "the process ended with exit status 3"),
            ("sleep", "ran longer than 1 s"),
        ],
    )
    def test_a_failure_has_the_last_output(self, evaluator, how, reason):
        error, _, output = evaluate(evaluator, do="fail", value=how).error.partition("\n--- last output ---\n")
        assert reason in error
        assert output.endswith("line 2998\nline 2999\nlast words é")
        assert 1500 < len(output) <= 2000

    @pytest.mark.parametrize("do", ["sleep", "stubborn"])
    def test_a_time_out_kills(self, evaluator, do):
        begun = time.monotonic()
        found = evaluate(evaluator, do=do, value=60)
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 1 s")
        assert time.monotonic() - begun < 10
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    def test_output_goes_to_a_file_per_evaluation(self, evaluator, files, capfd):
        assert evaluate(evaluator, do="print", value=300_000).state is State.DONE
        printed = (files / "evaluation-000000.log").read_text()
        assert printed.count("x") == 300_000
        assert "from a grandchild" in printed
        assert "x" not in capfd.readouterr().out

    def test_a_cancelled_evaluation_comes_back_at_once(self, evaluator):
        evaluator.submit(Evaluation(0, {"do": "sleep", "value": 60}))
        evaluator.gather(0.2)
        begun = time.monotonic()
        found = evaluator.cancel(50.0)
        assert [(each.id, each.state) for each in found] == [(0, State.CANCELLED)]
        assert time.monotonic() - begun < 40
        assert evaluator.num_pending == 0

    def test_what_is_saving_when_the_time_ends_is_paused(self, evaluator, files):
        evaluator.submit(Evaluation(0, {"do": "save"}))
        wait_for_file(evaluator, files / "evaluation-000000" / "begun")
        evaluator.tell(Notice(0, must_save=True))
        wait_for_file(evaluator, files / "evaluation-000000" / "saved")
        assert [(each.state, each.step) for each in evaluator.cancel(50.0)] == [(State.PAUSED, 1.0)]

    def test_what_a_cancelled_evaluation_has_printed_is_kept(self, evaluator, files):
        evaluator.submit(Evaluation(0, {"do": "announce"}))
        wait_for_file(evaluator, files / "evaluation-000000" / "pid")
        assert [each.state for each in evaluator.cancel(50.0)] == [State.CANCELLED]
        assert (files / "evaluation-000000.log").read_text() == "announced\n"

    def test_a_cancelled_evaluation_has_taken_time(self, evaluator):
        evaluator.submit(Evaluation(0, {"do": "sleep", "value": 60}, submitted=time.time()))
        evaluator.gather(0.4)  # it has begun
        [found] = evaluator.cancel(50.0)
        # Of a worker that never answers it is not known when it began: then it is said to be submitted, and ended.
        assert found.ended > (found.submitted if found.started is None else found.started)


class LastingEvaluatorContract(StoppableEvaluatorContract):
    """For those whose children stay between evaluations."""

    def test_a_child_stays_between_evaluations(self, evaluator):
        pids = {evaluate(evaluator, do="pid").objective for _ in range(3 * evaluator.num_workers)}
        assert len(pids) <= evaluator.num_workers


def polled(evaluator, num):
    """Poll until there are `num` answers, by hand."""
    found, end = [], time.monotonic() + LIMIT
    while len(found) < num:
        assert time.monotonic() < end, f"only {len(found)} of {num} answers came"
        found += evaluator.get_finished_evals()
    return found


class HandDrivenContract:
    """For all evaluators as `create` makes them, which start when the first request comes; else as above."""

    def test_equal_points_are_evaluated_once(self, evaluator):
        points = [{"do": "random", "x": 1}, {"do": "random", "x": 2}, {"x": 1.0, "do": "random"}]
        evaluator.add_eval(points[0])
        evaluator.add_eval_batch(points[1:])
        found = polled(evaluator, 3)
        assert sorted(point["x"] for point, _ in found) == [1, 1, 2]
        values = {point["x"]: value for point, value in found}
        assert len({value for _, value in found}) == len(values) == 2
        assert list(evaluator.get_finished_evals()) == []
        assert list(evaluator.await_evals(points)) == [(point, values[point["x"]]) for point in points]

    def test_a_point_that_has_been_evaluated_is_answered_again(self, evaluator):
        values = set()
        for _ in range(3):
            evaluator.add_eval({"do": "random"})
            values |= {value for _, value in polled(evaluator, 1)}
        assert len(values) == 1

    def test_any_number_of_requests_is_taken(self, evaluator):
        points = [{"do": "return", "value": number} for number in range(2 * evaluator.num_workers + 5)]
        evaluator.add_eval_batch(iter(points))
        assert sorted(polled(evaluator, len(points)), key=lambda each: each[1]) == [
            (point, float(point["value"])) for point in points
        ]

    def test_awaited_answers_are_in_the_order_of_the_points(self, evaluator):
        points = [{"do": "return", "value": value} for value in (3, 1, 2)]
        evaluator.add_eval_batch(points)
        assert list(evaluator.await_evals([points[2], points[0]])) == [(points[2], 2.0), (points[0], 3.0)]
        assert list(evaluator.await_evals(points[1:2])) == [(points[1], 1.0)]
        assert list(evaluator.get_finished_evals()) == []

    def test_a_poll_without_requests_is_empty(self, evaluator):
        assert list(evaluator.get_finished_evals()) == []
        begun = time.monotonic()
        assert list(evaluator.get_finished_evals()) == []
        assert list(evaluator.await_evals([])) == []
        assert time.monotonic() - begun < 20

    def test_a_failure_has_a_value_of_its_own(self, evaluator):
        points = [{"do": "raise", "value": 0}, {"do": "raise", "value": 1}]
        evaluator.add_eval_batch(points)
        assert list(evaluator.await_evals(points[:1])) == [(points[0], evaluator.FAIL_RETURN_VALUE)]
        assert polled(evaluator, 1) == [(points[1], evaluator.FAIL_RETURN_VALUE)]

    def test_what_has_not_been_requested_cannot_be_awaited(self, evaluator):
        evaluator.add_eval({"do": "return", "value": 1})
        with pytest.raises(KeyError, match="add_eval"):
            list(evaluator.await_evals([{"do": "return", "value": 1}, {"do": "return", "value": 2}]))
        assert polled(evaluator, 1) == [({"do": "return", "value": 1}, 1.0)]


class BackgroundContract(HandDrivenContract):
    """For those that evaluate while others do something else."""

    def test_equal_points_are_evaluated_once_while_the_first_still_runs(self, evaluator):
        point = {"do": "random", "value": 0.3}
        evaluator.add_eval_batch([point, dict(point)])
        assert list(evaluator.get_finished_evals()) == []
        evaluator.add_eval(dict(point))
        assert len({value for _, value in polled(evaluator, 3)}) == 1

    def test_a_slow_evaluation_delays_no_other(self, evaluator):
        if evaluator.num_workers == 1:
            pytest.skip("takes two workers")
        slow, quick = {"do": "random", "value": 0.8}, {"do": "return", "value": 1}
        evaluator.add_eval_batch([slow, quick])
        assert [point for point, _ in polled(evaluator, 2)] == [quick, slow]

    def test_what_is_known_needs_no_idle_worker(self, evaluator):
        evaluator.add_eval({"do": "return", "value": 1})
        polled(evaluator, 1)
        evaluator.add_eval_batch({"do": "random", "value": 0.8, "x": x} for x in range(2 * evaluator.num_workers))
        evaluator.add_eval({"do": "return", "value": 1})
        assert polled(evaluator, 1) == [({"do": "return", "value": 1}, 1.0)]
        polled(evaluator, 2 * evaluator.num_workers)

    def test_awaiting_ends_with_its_time(self, evaluator):
        points = [{"do": "return", "value": 1}, {"do": "random", "value": 0.8}]
        evaluator.add_eval_batch(points)
        with pytest.raises(TimeoutError, match=r"all 2 evaluations must end within 0\.3 s, got [12] unfinished"):
            list(evaluator.await_evals(points, timeout=0.3))
        assert sorted(map(str, (point for point, _ in polled(evaluator, 2)))) == sorted(map(str, points))
