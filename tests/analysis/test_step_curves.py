import numpy as np
import pytest
from contracts.campaigns import campaign, evaluation
from contracts.reported import CURVES, reported

from dhmpi.analysis.step_curves import learning_curves, step_cost, step_doubts, survival
from dhmpi.analysis.top.live_figures import step_cost as step_cost_of_tally
from dhmpi.analysis.top.tally import Tally
from dhmpi.evaluation import State


def test_curves_are_told_apart_although_reports_come_mixed():
    found = learning_curves(reported())
    assert found.row.tolist() == [0, 1, 2, 3]
    for place, number in enumerate(found.row.tolist()):
        curve = found.at(place)
        assert curve.step.tolist() == [1.0 + step for step in range(len(CURVES[number][1]))]
        np.testing.assert_array_equal(curve.value, CURVES[number][1])


def test_rewards_have_the_sign_that_people_know():
    np.testing.assert_array_equal(learning_curves(reported(maximises=True)).at(0).value, [-0.9, -0.5, -0.2, -0.1])


def test_what_is_no_finite_number_is_no_value():
    found = learning_curves(reported({0: (State.FAILED, [0.5, np.inf])}))
    np.testing.assert_array_equal(found.at(0).value, [0.5, np.nan])


def test_without_reports_there_are_no_curves():
    found = campaign([evaluation(0, 0.0, 1.0)])
    assert len(learning_curves(found)) == 0
    assert len(survival(found).step) == 0
    assert step_cost(found) is None


def test_evaluations_go_on_until_their_last_steps():
    found = survival(reported(max_steps=6))
    assert found.step.tolist() == [1.0, 2.0, 4.0]
    assert found.end == 6.0
    assert {state: num.tolist() for state, num in found.num.items()} == {
        State.DONE: [1, 1, 1],
        State.STOPPED: [2, 1, 0],
        State.RUNNING: [1, 1, 0],
    }


def test_of_many_last_steps_the_first_ones_are_kept():
    curves = {number: (State.STOPPED, [0.5] * (number + 1)) for number in range(300)}
    found = survival(reported(curves), 50)
    assert len(found.step) <= 50
    assert found.step[:5].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert found.step[-1] == 300.0
    np.testing.assert_array_equal(found.num[State.STOPPED], 301 - found.step)


def test_stopping_saves_what_a_full_training_would_have_taken():
    cost = step_cost(reported(max_steps=4))
    assert (cost.taken, cost.saved, cost.repeated, cost.num) == (9.0, 5.0, 0.0, 5)
    assert cost.share == pytest.approx(9 / 14)
    assert str(cost) == "9 steps, 64 % of full training of all 5 evaluations"


@pytest.mark.parametrize("maximum", [None, 1.0, 1e308])
def test_steps_may_be_too_many_for_a_number(maximum):
    """Warnings are errors."""
    curves = {number: (State.STOPPED, [0.5]) for number in range(3)}
    found = reported(curves, max_steps=maximum)
    found.columns.step[:] = 1.7e308
    assert str(step_cost(found)).startswith("1.8e+308 steps")
    tally = Tally()
    tally.begin(found)
    assert str(step_cost_of_tally(tally)).startswith("1.8e+308 steps")


@pytest.mark.parametrize("stopper", ["asha", "auto"])
def test_a_stopper_that_hears_nothing_is_told(stopper):
    done = campaign([evaluation(0, 0.0, 1.0)], options={"stopper": stopper})
    assert step_doubts(done) == [
        f"--stopper {stopper} has stopped nothing, since no evaluation has reported anything; "
        "run functions report by context.report(step, value)"
    ]
    assert step_doubts(campaign([evaluation(0, 0.0, 1.0)], options={"stopper": "none"})) == []
    assert step_doubts(campaign([evaluation(0, 0.0, None, state=State.RUNNING)], options={"stopper": stopper})) == []


def test_steps_beyond_the_last_one_are_told():
    assert step_doubts(reported(max_steps=4)) == []
    assert step_doubts(reported(max_steps=3)) == [
        "evaluations have reported up to step 4, beyond --max-steps 3, "
        "where a full training ends and nothing is stopped any more; give its last step"
    ]


def test_without_the_last_step_there_is_no_share():
    assert str(step_cost(reported())) == "9 steps"


@pytest.mark.parametrize("noted", [0, 3, "many", None, float("nan")])
def test_what_runs_now_counts_beside_what_was_noted_at_the_end_of_earlier_runs(noted):
    assert step_cost(reported(statistics={"steps": noted})).taken == 9.0


def test_steps_that_were_taken_again_cost_too():
    cost = step_cost(reported(max_steps=4, statistics={"steps": 21.0}))
    assert cost.repeated == 12.0
    assert str(cost) == "21 steps, 150 % of full training of all 5 evaluations"


def test_large_and_small_numbers_are_readable():
    curves = {0: (State.DONE, [0.5]), 1: (State.STOPPED, [0.5])}
    cost = step_cost(reported(curves, max_steps=1_000_000, statistics={"steps": 2345.6}))
    assert str(cost) == "2,346 steps, 0.23 % of full training of all 2 evaluations"
    assert str(step_cost(reported({0: (State.STOPPED, [0.5])}, max_steps=4))) == "1 step, 25 % of full training"


@pytest.mark.parametrize("state", [State.DONE, State.RUNNING, State.FAILED])
def test_where_nothing_was_stopped_there_is_no_share(state):
    cost = step_cost(reported({0: (state, [0.5, 0.4])}, max_steps=4))
    assert (cost.share, str(cost)) == (None, "2 steps")
