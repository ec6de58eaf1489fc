import pytest
from contracts.campaigns import begun_again, campaign, evaluation, run

from dhmpi.analysis.idle import Reason, idle_time, sentences
from dhmpi.evaluation import State


def test_every_idle_second_has_a_reason():
    found = campaign(
        [
            evaluation(0, 1, 3, rank=1, submitted=0.0),
            evaluation(1, 6, 7, rank=1, submitted=5.0),  # 2 s without a point, 1 s on the way
            evaluation(2, 2, 4, rank=2, submitted=0.0, state=State.FAILED),
        ],
        [run(0.0, 12.0, 3)],
    )
    shown = idle_time(found)
    assert (shown.available, shown.busy) == (36.0, 5.0)
    assert shown.idle == {
        Reason.START: 3.0,
        Reason.POINT: 4.0,  # and rank 2 until the last evaluation began, which is not longer than others waited
        Reason.HANDOVER: 1.0,
        Reason.TAIL: 11.0,
        Reason.UNUSED: 12.0,
    }
    assert shown.spent == {State.DONE: 3.0, State.FAILED: 2.0}
    assert sentences(shown)[0].startswith("33.3 % never used")


def test_a_worker_that_gets_nothing_more_is_told_from_one_that_waits():
    evaluations = [evaluation(0, 0, 2, rank=1)]
    evaluations += [evaluation(number, 2 * number, 2 * number + 2, rank=2) for number in range(1, 10)]
    shown = idle_time(campaign(evaluations, [run(0.0, 20.0)]))
    assert shown.idle == {Reason.START: 2.0, Reason.DROPPED: 16.0, Reason.TAIL: 2.0}


def test_what_began_again_was_no_idle_time():
    shown = idle_time(begun_again())
    assert (shown.available, shown.busy, shown.idle) == (40.0, 40.0, {})
    assert shown.spent == {State.PAUSED: 10.0, State.CANCELLED: 10.0, State.DONE: 20.0}
    assert idle_time(begun_again(is_killed=True)).spent == {State.PAUSED: 10.0, State.RUNNING: 10.0, State.DONE: 20.0}


def test_seconds_count_once_where_spans_overlap():
    shown = idle_time(campaign([evaluation(0, 0, 6), evaluation(1, 1, 2), evaluation(2, 4, 8)], [run(0.0, 8.0, 1)]))
    assert (shown.busy, shown.idle) == (8.0, {})


def test_what_the_file_does_not_say_is_not_known():
    more_than_there_were = [evaluation(number, 0, 4, rank=number) for number in range(3)]
    assert idle_time(campaign(more_than_there_were, [run(0.0, 10.0)])).idle == {Reason.UNKNOWN: 8.0}
    assert idle_time(campaign([evaluation(0, 0, 4, rank=-1)])).idle == {Reason.UNKNOWN: 16.0}


def test_a_campaign_that_goes_on_has_no_end():
    found = campaign([evaluation(0, 0, 4)], [run(0.0, None, 1)])
    assert idle_time(found).idle == {}
    running = [evaluation(0, 0, 4), evaluation(1, 4, None, state=State.RUNNING, rank=2)]
    shown = idle_time(campaign([*running, evaluation(2, 6, 8)], [run(0.0, None)]))
    assert (shown.busy, shown.idle) == (10.0, {Reason.START: 4.0, Reason.POINT: 2.0})


@pytest.mark.parametrize("seed", range(20))
def test_reasons_add_up(seed):
    import random

    chance = random.Random(seed)
    runs = [run(0.0, 50.0, chance.randint(1, 5)), run(80.0, chance.choice([120.0, None]), chance.randint(1, 5))]
    evaluations = []
    for number in range(40):
        begun = chance.choice([0.0, 80.0]) + chance.random() * 40
        end = begun + chance.random() * 9
        evaluations.append(evaluation(number, begun, end, rank=chance.randint(1, 5), submitted=begun - chance.random()))
    shown = idle_time(campaign(evaluations, runs))
    assert shown.busy + sum(shown.idle.values()) == pytest.approx(shown.available)
    assert min(shown.idle.values(), default=0.0) >= 0


def test_nothing_is_idle_without_a_run():
    assert idle_time(campaign([], [])) == (0.0, 0.0, {}, {})
    assert sentences(idle_time(campaign([], []))) == []
