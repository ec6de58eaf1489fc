from xml.etree import ElementTree

import numpy as np
import pytest
from contracts.campaigns import campaign, evaluation
from contracts.reported import reported
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from dhmpi.analysis import plots
from dhmpi.analysis.plots import View, kinds, sheet, style
from dhmpi.analysis.plots.reported import FEW_CURVES, MOST_CURVES
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results


def drawn(draw, results):
    return draw(Figure().add_subplot(), View(results))


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_curves_have_the_colours_of_their_states_and_the_best_stands_out():
    axes = drawn(plots.learning, reported())
    assert legend(axes) == ["DONE", "STOPPED", "RUNNING", "best, evaluation 0"]
    lines = {to_hex(each.get_colors()[0], keep_alpha=False): len(each.get_segments()) for each in axes.collections}
    colours = style.STATE_COLOURS
    states = {State.DONE: 1, State.STOPPED: 2, State.RUNNING: 1}
    assert lines == {colours[state].lower(): num for state, num in states.items()}
    *_, best, star = axes.lines
    assert best.get_ydata().tolist() == [0.9, 0.5, 0.2, 0.1]
    assert (star.get_xydata().tolist(), star.get_marker()) == ([[4.0, 0.1]], "*")
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == (
        "learning curves",
        "step",
        "objective",
    )


@pytest.mark.parametrize("draw", [plots.learning, plots.stopped, plots.states])
def test_legends_cover_no_data(draw):
    figure = Figure(layout="constrained")
    axes = draw(figure.add_subplot(), View(reported(max_steps=4)))
    figure.draw_without_rendering()
    assert axes.get_legend().get_window_extent().y1 <= axes.get_window_extent().y0


def test_what_was_stopped_ends_with_a_mark():
    axes = drawn(plots.learning, reported())
    [marks] = [line for line in axes.lines if line.get_marker() == "^"]
    assert marks.get_xydata().tolist() == [[1.0, 0.95], [2.0, 0.7]]
    assert marks.get_markerfacecolor() == "none"
    *_, best, _ = axes.lines
    assert marks.get_zorder() > best.get_zorder()  # which is thick


def test_rewards_are_drawn_as_run_functions_report_them():
    axes = drawn(plots.learning, reported(maximises=True))
    assert axes.lines[-1].get_ydata().tolist() == [-0.1]
    assert axes.get_ylabel() == "reward"


def test_of_many_evaluations_it_says_how_many_are_drawn_and_has_some_of_each_state():
    curves = {number: (State.STOPPED, [0.5, 0.4]) for number in range(2000)}
    curves |= {number: (State.DONE, [0.5, 0.3, 0.2]) for number in range(100, 120)}
    axes = drawn(plots.learning, reported(curves))
    numbers = [len(each.get_segments()) for each in axes.collections]
    assert numbers == [FEW_CURVES, round(MOST_CURVES * 0.99)]
    assert axes.get_title(loc="left") == f"learning curves: {sum(numbers)} of 2,000 evaluations"


@pytest.mark.parametrize(
    ("num", "scales"), [(10, ("linear", "linear")), (30, ("log", "linear")), (300, ("log", "log"))]
)
def test_steps_are_logarithmic_where_the_first_ones_would_be_hidden(num, scales):
    values = np.linspace(1.0, 0.1, num).tolist()
    curves = {0: (State.DONE, values), 1: (State.STOPPED, values[:-1]), 2: (State.STOPPED, values[:1])}
    found = reported(curves)
    assert tuple(drawn(draw, found).get_xscale() for draw in (plots.learning, plots.stopped)) == scales


@pytest.mark.parametrize(
    ("least", "maximises", "scale"), [(0.1, False, "linear"), (0.01, False, "log"), (0.01, True, "linear")]
)
def test_small_values_are_told_apart(least, maximises, scale):
    curves = {number: (State.DONE, [1.0, least * (1 + number / 100)]) for number in range(50)}
    axes = drawn(plots.learning, reported(curves, maximises))
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    best = -least if maximises else least
    assert low <= best <= high


def test_a_curve_far_away_hides_no_other():
    curves = {number: (State.DONE, [1.0, 0.5 + number / 1000]) for number in range(60)} | {60: (State.DONE, [1.0, 1e9])}
    assert drawn(plots.learning, reported(curves)).get_ylim()[1] < 10


def test_evaluations_that_go_on_are_stacked_by_state_with_what_was_saved_above():
    axes = drawn(plots.stopped, reported(max_steps=4))
    assert legend(axes) == ["DONE", "RUNNING", "STOPPED", "saved: 5 steps"]
    assert axes.get_title(loc="left") == (
        "evaluations still going on; 9 steps, 64 % of full\ntraining of all 5 evaluations"
    )
    tops = [each.get_paths()[0].vertices[:, 1].max() for each in axes.collections]
    assert tops == [1.0, 2.0, 4.0, 4.0]
    assert axes.get_xlim() == (0.0, 4.0)


def test_without_the_last_step_nothing_is_said_of_what_was_saved():
    axes = drawn(plots.stopped, reported())
    assert legend(axes) == ["DONE", "RUNNING", "STOPPED"]
    assert axes.get_title(loc="left") == "evaluations still going on; 9 steps"


@pytest.mark.parametrize("draw", [plots.learning, plots.stopped])
def test_without_reports_there_is_a_sentence(draw):
    axes = drawn(draw, campaign([evaluation(0, 0.0, 1.0)]))
    assert [text.get_text() for text in axes.texts] == ["no evaluation has reported anything (context.report)"]


@pytest.mark.parametrize(
    "curves",
    [
        {0: (State.RUNNING, [0.5])},
        {0: (State.STOPPED, [0.5]), 1: (State.PAUSED, [0.1, 0.2])},
        {0: (State.FAILED, [np.nan, np.inf, -np.inf]), 1: (State.DONE, [1e308, -1e308])},
        {0: (State.FAILED, [np.nan])},
        {0: (State.DONE, [0.5, 0.5]), 1: (State.LOST, [0.5]), 2: (State.TIMEOUT, [0.5])},
        {number: (State.DONE, [float(10**number)] * 5) for number in range(0, 300, 10)},
    ],
)
@pytest.mark.parametrize("max_steps", [None, 1, 1e300])
def test_odd_curves_are_drawn(curves, max_steps, tmp_path):
    found = View(reported(curves, max_steps=max_steps))
    drawn = sheet.figure([found], ["curves", "survival"])
    sheet.save(drawn, str(tmp_path / "odd.svg"))
    sheet.save(drawn, str(tmp_path / "odd.png"))
    ElementTree.parse(tmp_path / "odd.svg")


def test_the_sheet_has_them_where_there_are_reports():
    titles = [each.get_title(loc="left") for each in sheet.figure([View(reported())]).axes]
    assert len(kinds.panels([View(reported())], [])) == 9
    assert [title.partition(";")[0] for title in titles if "curves" in title or "going on" in title] == [
        "learning curves",
        "evaluations still going on",
    ]


def test_the_sheet_shows_nothing_twice():
    found = Results.of(Metadata("s", "p", {}), [Evaluation(0, {}, 0.5, State.DONE, 0.0, 0.0, 1.0, order=0, step=2.0)])
    panels = kinds.panels([View(found)], [])
    assert len({(panel.func, *panel.keywords.items()) for panel in panels}) == len(panels) == 9
