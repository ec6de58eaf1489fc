import json
import math

import pytest
from contracts.campaigns import campaign, evaluation
from contracts.reported import CURVES, reported

from dhmpi.analysis.report.content import content_of
from dhmpi.analysis.report.learning_figures import FEW_CURVES, MOST_CURVES
from dhmpi.evaluation import State


def content(results):
    (found,) = content_of([results]).campaigns
    json.dumps(found.data, allow_nan=False)
    return found


def captions(found):
    return {figure.name: figure.caption for figure in found.figures if figure.part == "curves"}


def test_curves_are_those_of_the_evaluations_that_are_shown():
    data = content(reported()).data
    assert data["figures"]["learning"]["drawn"] == [0, 1, 2, 3]
    assert data["figures"]["learning"]["curves"] == {
        number: [[1.0 + step for step in range(len(values))], values]
        for number, (_, values) in CURVES.items()
        if values
    }
    assert data["rows"]["step"] == [4.0, 1.0, 2.0, 2.0, None]
    assert data["rows"]["stopped"] == [None, 0.95, 0.7, None, None]


def test_rewards_have_the_sign_that_people_know():
    data = content(reported(maximises=True)).data
    assert data["figures"]["learning"]["curves"][1] == [[1.0], [-0.95]]
    assert data["rows"]["stopped"][:2] == [None, -0.95]


def test_captions_say_what_was_saved():
    assert captions(content(reported(max_steps=4)))["survival"] == (
        "How many evaluations took at least so many steps, by the states they are in now. Together 9 steps, 64 % of "
        "full training of all 5 evaluations. Stopping saved 5 steps, 36 %."
    )
    assert captions(content(reported()))["survival"].endswith("in now. Together 9 steps.")


def test_what_went_on_is_counted():
    assert content(reported(max_steps=6)).data["figures"]["survival"] == {
        "step": [1.0, 2.0, 4.0],
        "num": [["RUNNING", [1, 1, 0]], ["DONE", [1, 1, 1]], ["STOPPED", [2, 1, 0]]],
        "end": 6.0,
        "saved": True,
    }


def test_without_reports_there_is_no_such_part():
    found = content(campaign([evaluation(0, 0.0, 1.0)]))
    assert captions(found) == {}
    assert found.data["rows"]["step"] == [None]


def test_long_curves_are_thinned_out_and_of_many_some_are_drawn():
    curves = {number: (State.STOPPED, [0.5] * 3) for number in range(1000)}
    curves[7] = (State.DONE, [1 / (1 + step) for step in range(5000)])
    found = content(reported(curves))
    learning = found.data["figures"]["learning"]
    steps, values = learning["curves"][7]
    assert len(steps) == len(values) <= 100
    assert (steps[0], steps[-1], values[0]) == (1.0, 5000.0, 1.0)
    assert len(learning["drawn"]) == MOST_CURVES + 1
    assert 7 in learning["drawn"]
    assert f"What {MOST_CURVES + 1} of 1,000 evaluations reported" in captions(found)["learning"]


@pytest.mark.parametrize("num", [FEW_CURVES, 3])
def test_rare_states_are_drawn_too(num):
    curves = {number: (State.STOPPED, [0.5]) for number in range(5000)}
    curves |= {number: (State.FAILED, [0.5]) for number in range(num)}
    data = content(reported(curves)).data
    drawn = [data["states"][data["rows"]["state"][place]] for place in data["figures"]["learning"]["drawn"]]
    assert drawn.count("FAILED") == num


def test_values_that_are_no_numbers_are_none():
    curves = content(reported({0: (State.FAILED, [math.nan, 0.5, math.inf])})).data["figures"]["learning"]["curves"]
    assert curves[0] == [[1.0, 2.0, 3.0], [None, 0.5, None]]


def test_steps_are_a_figure_of_the_overview():
    [tile] = [each for each in content(reported(max_steps=4)).tiles if each.title == "steps"]
    assert (tile.value, tile.detail) == ("9", "64 % of full training")
    assert not [each for each in content(campaign([evaluation(0, 0.0, 1.0)])).tiles if each.title == "steps"]


def test_a_campaign_in_which_all_were_stopped_has_not_failed():
    found = content(reported({0: (State.STOPPED, [0.5]), 1: (State.STOPPED, [0.4])}))
    assert "No evaluation came to its end, and 2 were stopped early." in found.lead
    assert found.tiles[0].detail == "no evaluation came to its end, and 2 were stopped early"
