from dhmpi.control.vain_pauses import VainPauses
from dhmpi.evaluation import Evaluation, State


def paused(step, **extra):
    return Evaluation(7, {"x": 1}, state=State.PAUSED, extra=extra, step=step)


def decided(steps):
    """What becomes of an evaluation that is paused at these steps, each in a run of its own."""
    found, evaluation = [], None
    for step in steps:
        pauses = VainPauses()
        pauses.recall([evaluation] if evaluation else [])
        evaluation = pauses.decide(paused(step))
        found.append(evaluation)
    return found


def test_what_gets_further_is_paused_for_ever():
    assert [each.state for each in decided(range(1, 20))] == [State.PAUSED] * 19
    assert all(each.extra == {} for each in decided(range(1, 20)))


def test_what_gets_no_further_twice_in_a_row_fails():
    assert [each.state for each in decided([5, 5, 5])] == [State.PAUSED, State.PAUSED, State.FAILED]
    assert decided([5, 4])[-1].extra == {"pauses_in_vain": 1, "furthest_pause": 5}


def test_the_furthest_pause_counts_and_not_the_last():
    assert [each.state for each in decided([5, 3, 4])][-1] is State.FAILED
    *_, last = decided([5, 3, 6, 6])
    assert (last.state, last.extra) == (State.PAUSED, {"pauses_in_vain": 1, "furthest_pause": 6})
    assert "got step 4 now and step 5 2 pauses ago" in decided([5, 3, 4])[-1].error


def test_of_what_reports_nothing_nothing_is_known():
    assert [each.state for each in decided([None] * 5)] == [State.PAUSED] * 5


def test_what_a_run_function_has_returned_is_not_mistaken():
    pauses = VainPauses()
    assert pauses.decide(paused(3, pauses_in_vain="many", loss=1)).extra == {"loss": 1}


def test_what_was_not_paused_says_nothing_of_pauses():
    pauses = VainPauses()
    pauses.recall([paused(9)._replace(state=State.CANCELLED)])
    assert pauses.decide(paused(3)).extra == {}
