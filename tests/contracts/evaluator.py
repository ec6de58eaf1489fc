"""What every evaluator must do. A test class inherits a suite and provides the fixture `evaluator`."""

import time

import pytest

from dhmpi.evaluation import Evaluation, State

LIMIT = 20.0


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


class EvaluatorContract:
    """For all evaluators; the run function is `behaviour.behave`, the time-out of an evaluation 1 s if it has one."""

    def test_an_objective_comes_back_with_times_and_place(self, evaluator):
        before = time.time()
        found = evaluate(evaluator, do="return", value=2.5)
        assert (found.id, found.objective, found.state, found.error) == (0, 2.5, State.DONE, "")
        assert found.point == {"do": "return", "value": 2.5}
        assert before - 0.1 <= found.submitted <= found.started + 0.1
        assert found.started <= found.ended <= time.time() + 0.1
        assert found.rank >= 0
        assert found.host

    @pytest.mark.parametrize(
        ("do", "told"),
        [
            ("nan", "the objective must be a finite number, got nan"),
            ("infinity", "the objective must be a finite number, got inf"),
            ("lacking", "must have the key 'objective', got ['accuracy']"),
            ("raise", "IndexError"),
            ("exit", "SystemExit: 3"),
            ("interrupt", "KeyboardInterrupt"),
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
        assert evaluate(evaluator, do="report").extra == {"reports": [[0, 1], [1, 0.5], [2, 1 / 3]]}

    def test_values_arrive_with_their_types(self, evaluator):
        point = {"do": "echo", "a": 1, "b": 1.0, "c": True, "d": None, "e": "it's é", "f": 0.1 + 0.2, "g": 2**62}
        found = evaluate(evaluator, **point)
        assert found.extra["point"] == point
        assert found.extra["types"] == {name: type(value).__name__ for name, value in point.items()}

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

    def test_every_evaluation_comes_back_once(self, evaluator):
        found, next_id, end = [], 0, time.monotonic() + LIMIT
        while len(found) < 300:
            assert time.monotonic() < end
            while evaluator.num_idle and next_id < 300:
                evaluator.submit(Evaluation(next_id, {"do": "return", "value": float(next_id)}))
                next_id += 1
            found += evaluator.gather(0.5)
        assert sorted((each.id, each.objective) for each in found) == [(id, float(id)) for id in range(300)]

    def test_gathering_nothing_returns(self, evaluator):
        begun = time.monotonic()
        assert evaluator.gather(0.05) == []
        assert time.monotonic() - begun < 5

    def test_cancelling_nothing_returns_nothing(self, evaluator):
        assert evaluator.cancel(5.0) == []


class StoppableEvaluatorContract(EvaluatorContract):
    """For evaluators whose user code runs in other processes; the time-out of an evaluation is 1 s."""

    @pytest.mark.parametrize(
        ("do", "told"),
        [("die", "exit status 3"), ("kill", "signal 9 (SIGKILL)"), ("crash", "signal 11 (SIGSEGV)")],
    )
    def test_the_death_of_a_child_costs_one_evaluation(self, evaluator, do, told):
        found = evaluate(evaluator, do=do)
        assert found.state is State.FAILED
        assert told in found.error
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    @pytest.mark.parametrize("do", ["sleep", "stubborn"])
    def test_a_time_out_kills(self, evaluator, do):
        begun = time.monotonic()
        found = evaluate(evaluator, do=do, value=60)
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 1 s")
        assert time.monotonic() - begun < 10
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    def test_a_child_stays_between_evaluations(self, evaluator):
        pids = {evaluate(evaluator, do="pid").objective for _ in range(3 * evaluator.num_workers)}
        assert len(pids) <= evaluator.num_workers

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
        found = evaluator.cancel(5.0)
        assert [(each.id, each.state) for each in found] == [(0, State.CANCELLED)]
        assert time.monotonic() - begun < 4
        assert evaluator.num_pending == 0
