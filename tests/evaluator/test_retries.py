from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.retries import Retries


def lost(id):
    return Evaluation(id, {}, None, State.LOST, error="rank 3 is gone")


def test_what_is_lost_once_too_often_fails():
    retries = Retries(2)
    assert [retries.decide(lost(5)).state for _ in range(3)] == [State.LOST, State.LOST, State.FAILED]
    assert Retries(0).decide(lost(5)).error == "lost 1 time; the last time: rank 3 is gone"
    assert retries.decide(lost(5)).error == "lost 4 times; the last time: rank 3 is gone"


def test_evaluations_are_counted_one_by_one():
    retries = Retries(1)
    assert [retries.decide(lost(id)).state for id in (1, 2, 1)] == [State.LOST, State.LOST, State.FAILED]


def test_other_ends_are_left_alone():
    done = Evaluation(1, {}, 1.0, State.DONE)
    assert Retries(0).decide(done) is done
