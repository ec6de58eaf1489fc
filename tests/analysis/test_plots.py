import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from contracts.campaigns import campaign, evaluation, run
from matplotlib import rcParams
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from dhmpi.analysis import plots
from dhmpi.analysis.kind_names import KINDS, SEVERAL
from dhmpi.analysis.plots import View, kinds, sheet, style
from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata, Results
from dhmpi.results.schema import PolicyRow

HOSTILE = {
    "<script>": (0.0, 1.0),
    "a$b$^{": [None, "\x1b[31mred", "$\\frac{1$", "é"],
    "l\nb": (1, 3),
    "flag": [True, False],
    "lists": [[1, 2], [3]],
    "one": ["only"],
    "log": (1e-300, 1e300, "log-uniform"),
    "wide": (-1e308, 1e308),
}


def hostile(num=40, maximises=False, extreme=False):
    rng = np.random.default_rng(0)
    evaluations = []
    for k in range(num):
        point = {
            name: form[int(rng.integers(len(form)))] if isinstance(form, list) else float(rng.random())
            for name, form in HOSTILE.items()
        }
        point["l\nb"] = int(rng.integers(1, 4))
        state = State.FAILED if k % 5 == 4 else State.DONE
        value = float(rng.choice([1e308, -1e308, 1e300, 1.0]) if extreme else rng.normal())
        evaluations.append(
            Evaluation(
                k,
                point,
                value if state is State.DONE else None,
                state,
                k * 0.5,
                k * 0.5 + 0.1,
                k * 0.5 + 1.5,
                rank=k % 3,
                host=f"h\x1b{k % 2}",
                error="" if state is State.DONE else f"<b>Bad$: \x1b[1m{k}$",
                order=k,
                origin=Origin("m$odel", k, max(0, k - 3)),
            )
        )
    runs = [run(0.0, num * 0.25, 3), run(num * 0.4, num * 1.0, 5)]
    return Results.of(Metadata("s$<x>", "p\n$", HOSTILE, runs=runs, maximises=maximises), evaluations)


ODD = {
    "empty": campaign([]),
    "no run": campaign([], []),
    "one": campaign([evaluation(0, 0, 1)]),
    "failed": campaign([evaluation(k, k, k + 1, state=State.FAILED) for k in range(20)]),
    "constant": campaign([evaluation(k, k, k + 1, x=0.5) for k in range(20)], space={"x": [0.5]}),
    "running": campaign([evaluation(0, 0, None, state=State.RUNNING)], [run(0.0, None)]),
    "no dimension": Results.of(
        Metadata("s", "p", {}, runs=[run(0.0, 5.0)]),
        [Evaluation(k, {}, float(k), State.DONE, 0.0, 0.0, 1.0, rank=1, order=k) for k in range(15)],
    ),
    "hostile": hostile(),
    "extreme rewards": hostile(maximises=True, extreme=True),
}


@pytest.mark.parametrize("found", ODD.values(), ids=ODD)
def test_odd_campaigns_are_drawn(found, tmp_path):
    view = View(found)
    ones = [kind for kind in KINDS if kind not in ("finals", "targets", "contours")]
    drawn = Figure(figsize=(40, 12))
    panels = [panel for kind in ones for panel in (kinds.panels([view], [kind]) if found.metadata.space else ())]
    for place, panel in enumerate([*panels, *kinds.panels([view], [])]):
        panel(drawn.add_subplot(4, 12, place + 1))
    sheet.save(drawn, str(tmp_path / "all.svg"))
    ElementTree.parse(tmp_path / "all.svg")
    sheet.save(sheet.figure([view, view]), str(tmp_path / "several.png"))
    assert (tmp_path / "several.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("found", [hostile(), hostile(extreme=True)], ids=["hostile", "extreme"])
def test_contours_of_immense_ranges(found, tmp_path):
    for pair in [("log", "wide"), ("a$b$^{", "log"), ("l\nb", "<script>")]:
        drawn = Figure()
        plots.contours(drawn.add_subplot(), View(found), pair)
        sheet.save(drawn, str(tmp_path / "contours.png"))
    assert len(kinds.panels([View(found)], ["contours"])) == 3


def test_axes_come_back_with_labels_and_nothing_global_changes():
    before = dict(rcParams)
    view = View(hostile())
    axes = plots.incumbent(Figure().add_subplot(), view, "seconds")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time [s]", "objective")
    axes = plots.utilisation(Figure().add_subplot(), view)
    assert axes.get_ylabel() == "workers"
    [step] = plots.incumbent(Figure().add_subplot(), View(campaign([evaluation(0, 0, 1, -5.0)], maximises=True))).lines
    assert step.get_ydata()[-1] == 5.0
    assert dict(rcParams) == before


def test_what_agents_learned():
    found = hostile(maximises=True)
    row = PolicyRow(*[0.0] * len(PolicyRow._fields))
    found.policy.append(row._replace(update=k, ended=float(k), episodes=8, entropy=2.0 - k / 40) for k in range(40))
    axes = plots.learned(Figure().add_subplot(), View(found))
    assert axes.lines[0].get_ydata()[0] == pytest.approx(2.0 - 0.5 / 40)  # of two updates
    assert axes.get_ylabel() == "entropy of a decision [nat]"
    assert len(kinds.panels([View(found)], [])) == 6


def test_a_chart_of_many_workers_is_a_picture_of_shares():
    evaluations = [evaluation(k, k % 7, k % 7 + 1, rank=k, state=State.DONE) for k in range(1000)]
    axes = plots.gantt(Figure().add_subplot(), View(campaign(evaluations, [run(0.0, 8.0, 1000)])))
    assert len(axes.images) == 1
    assert len(axes.get_yticks()) <= 20


def test_kinds_say_how_many_files_they_show():
    view = View(hostile())
    with pytest.raises(OptionError, match="the picture gantt must be of one file, got 2"):
        kinds.panels([view, view], ["gantt"])
    with pytest.raises(OptionError, match="the picture finals must be of several files, got 1"):
        kinds.panels([view], ["finals"])
    assert len(kinds.panels([view, view], [])) == len(SEVERAL) - 1  # nothing has been reported
    assert len(kinds.panels([view], [])) == 6


@pytest.mark.parametrize("name", ["a.gif", "a", "a.h5"])
def test_formats(name):
    with pytest.raises(OptionError, match=r"must end in .png, .svg or .pdf"):
        sheet.check_name(name)


def test_curve_of_characters():
    from io import StringIO

    from dhmpi.analysis.text_plot import print_incumbent

    values = [4.0, 3.0, 3.5, 0.0]
    found = campaign([evaluation(k, k, k + 1, value) for k, value in enumerate(values)])
    stream = StringIO()
    print_incumbent(found, stream, 40, is_unicode=False, path="é\x1b.h5")
    lines = stream.getvalue().splitlines()
    assert stream.getvalue().isascii()
    assert max(map(len, lines)) <= 40 or lines[0].startswith("best objective so far, s on p")
    assert lines[1].startswith(" 4|*")
    assert lines[15].startswith(" 0|")
    assert lines[15].endswith("*")
    assert lines[-1].split() == ["1", "evaluations", "4"]
    for odd in ODD.values():
        for is_unicode in (True, False):
            print_incumbent(odd, StringIO(), 10, is_unicode)


def test_pictures_need_no_search():
    code = "import sys, dhmpi.analysis.plots.sheet; print([n for n in sys.modules if n.startswith('dhmpi.search')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_what_is_counted_has_whole_numbers():
    view = View(campaign([evaluation(k, k, k + 1) for k in range(2)]))
    for draw in (plots.incumbent, plots.distinct, plots.rewards):
        axes = draw(Figure().add_subplot(), view)
        assert all(tick == round(tick) for tick in axes.get_xticks())
    assert all(tick == round(tick) for tick in plots.utilisation(Figure().add_subplot(), view).get_yticks())


def test_runs_are_marked_in_time():
    def marked(ended):
        view = View(campaign([evaluation(0, 0, 1), evaluation(1, 6, 7)], [run(0.0, ended), run(5.0, 8.0)]))
        return [line.get_xdata()[0] for line in plots.incumbent(Figure().add_subplot(), view, "seconds").lines][1:]

    assert marked(3.0) == [3.0]


def test_equal_lines_are_drawn_around_each_other():
    views = [View(campaign([evaluation(0, 0, 1)], search=name)) for name in ("a", "b", "c")]
    for panel in kinds.panels(views, ["targets", "incumbent", "time"]):
        widths = [line.get_linewidth() for line in panel(Figure().add_subplot()).lines]
        assert len(widths) == 3
        assert widths == sorted(widths, reverse=True)
        assert len(set(widths)) == 3


def test_dark_is_good_everywhere():
    def shade(drawn, value):
        return sum(drawn.to_rgba(value)[:3])

    for maximises in (False, True):
        evaluations = [
            Evaluation(k, {"x": k / 30, "y": 1 + k % 2}, float(k % 7), State.DONE, k, k, k + 1, order=k)
            for k in range(30)
        ]
        found = campaign(evaluations, space=TWO, maximises=maximises)
        figure = Figure()
        axes = plots.contours(figure.add_subplot(), View(found), ("x", "y"))
        [drawn] = [each for each in axes.collections if each.get_array() is not None]
        low, high = drawn.get_clim()
        assert (shade(drawn, low) < shade(drawn, high)) != maximises
        assert figure.axes[1].get_ylabel() == f"{'reward' if maximises else 'objective'}, dark is good"
        [lines] = plots.parallel(Figure().add_subplot(), View(found)).collections
        assert shade(lines, lines.get_array()[-1]) < shade(lines, lines.get_array()[0])  # the best is drawn last


TWO = {"x": (0.0, 1.0), "y": [1, 2]}


def test_random_search_has_no_model_and_titles_fit():
    view = View(campaign([evaluation(0, 0, 1)], search="hps-random"))
    axes = plots.models(Figure().add_subplot(), view)
    assert axes.texts[0].get_text() == "all points: drawn at random, without a model"
    axes = plots.importance(Figure().add_subplot(), View(hostile()), "ped-anova")
    assert axes.get_title("left").startswith("PED-ANOVA: ")
    assert max(map(len, axes.get_title("left").splitlines())) <= style.TITLE_WIDTH


@pytest.mark.parametrize("name", ["x", "a dimension of a long name, too"])
@pytest.mark.parametrize("kind", ["importance", "ped-anova"])
def test_titles_and_whiskers_of_importances_are_within_the_picture(kind, name):
    rng = np.random.default_rng(1)
    evaluations = [
        Evaluation(number, {name: x, "y": y}, x, State.DONE, number, number, number + 1, order=number)
        for number, (x, y) in enumerate(rng.random((12, 2)).tolist())
    ]
    view = View(campaign(evaluations, space={name: (0.0, 1.0), "y": (0.0, 1.0)}))
    figure = sheet.figure([view], [kind])
    figure.draw_without_rendering()
    [axes] = figure.axes
    [title] = [each for each in axes.findobj(Text) if each.get_text() == axes.get_title("left")]
    assert title.get_window_extent().x1 <= figure.bbox.x1
    [whiskers] = [each for each in axes.collections if isinstance(each, LineCollection)]
    ends = np.concatenate(whiskers.get_segments())[:, 0]
    assert 0.0 <= ends.min() <= ends.max() <= 100.0


def test_values_against_steps_are_a_picture():
    steps = [evaluation(number, number, number + 1)._replace(step=2.0 + number) for number in range(3)]
    axes = plots.incumbent(Figure().add_subplot(), View(campaign(steps)), "steps")
    assert axes.get_xlabel() == "steps of all evaluations"
    assert axes.lines[0].get_xdata()[-1] == 2 + 3 + 4
    axes = plots.incumbent(Figure().add_subplot(), View(campaign([evaluation(0, 0, 1)])), "steps")
    assert axes.texts[0].get_text().startswith("no evaluation has reported anything")
