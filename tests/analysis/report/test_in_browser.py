"""The page of a report in a browser: what readers do, and that nothing else happens."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from contracts.campaigns import campaign, evaluation, run
from contracts.hostile_campaign import ATTACK, NAMES, hostile
from contracts.reported import CURVES, reported

from dhmpi.analysis.report import page
from dhmpi.analysis.report.content import content_of
from dhmpi.evaluation import Objective, State

# `scripts/browser` brings both.
CHROMIUM = shutil.which("chromium")
AXE = sorted(Path(sys.prefix).glob("axe-core/axe-*.js"))
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 640}

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: scripts/browser .venv installs it on Debian")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra tests")
    with sync_api.sync_playwright() as playwright:
        # Without a sandbox root may start it too; the page is one of our own.
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    path.write_bytes(page.render(content_of([hostile(folder / "<b>a.h5")])))
    return path


@pytest.fixture(scope="module")
def reader(browser):
    """Opens pages, and notes what they complain of, and what they ask the network for."""
    troubles, contexts = [], []

    def opened(path, size=WIDE, **options):
        context = browser.new_context(viewport=size, **options)
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda message: troubles.append(message.text))
        shown.on("pageerror", lambda error: troubles.append(str(error)))
        shown.on("request", lambda request: troubles.append(request.url) if is_foreign(request.url, path) else None)
        shown.goto(path.as_uri())
        shown.wait_for_selector("html[data-ready]", timeout=60_000)
        return shown

    opened.troubles = troubles
    yield opened
    for context in contexts:
        context.close()


def is_foreign(url, path):
    return url != path.as_uri() and not url.startswith(("data:", "blob:"))


@pytest.fixture(scope="module")
def shown(reader, report):
    return reader(report)


def choice(part, name):
    return part.get_by_role("combobox", name=name)


def first_cells(shown, number):
    return shown.locator(".evaluations tbody tr").evaluate_all(
        "(rows, number) => rows.map((row) => row.children[number].textContent)", number
    )


def test_the_table_is_sorted_by_its_titles(shown):
    assert first_cells(shown, 2)[0] == "-1e300"
    title = shown.get_by_role("button", name="id", exact=True)
    title.click()
    assert first_cells(shown, 0)[:3] == ["0", "1", "2"]
    title.click()
    assert first_cells(shown, 0)[:3] == ["99", "98", "97"]
    assert shown.locator("th[aria-sort=descending]").inner_text().startswith("id")


def test_the_table_is_filtered_and_searched(shown):
    state, search = choice(shown, "State"), shown.get_by_role("searchbox", name="Search")
    state.select_option("TIMEOUT")
    assert first_cells(shown, 0) == ["95"]
    state.select_option("")
    search.fill("objective<5 objective>0")
    shown.get_by_text("1 to 4 of 4 evaluations").wait_for()
    assert sorted(first_cells(shown, 0)) == ["48", "49", "51", "52"]
    search.fill("<no such thing>")
    shown.get_by_text("No evaluation is like that.").wait_for()
    search.fill("")
    shown.get_by_text("1 to 25 of 100 evaluations").wait_for()
    choice(shown, "Cause of failure").select_option("0")
    assert len(first_cells(shown, 0)) == 9
    choice(shown, "Cause of failure").select_option("")


def test_a_row_shows_all_of_its_evaluation(shown):
    choice(shown, "State").select_option("FAILED")
    shown.get_by_role("button", name="Evaluation 5", exact=True).click()
    dialog = shown.get_by_role("dialog")
    said = dialog.inner_text()
    assert "Evaluation 5" in said
    assert ATTACK in said
    assert "<img src=x onerror=alert(1)> end" in said
    assert "rank 3 on <b>1</b>" in said
    shown.keyboard.press("Escape")
    assert not dialog.is_visible()
    choice(shown, "State").select_option("")


def test_a_point_of_a_chart_shows_all_of_its_evaluation(shown):
    figure = shown.locator("figure[data-chart=states]")
    figure.scroll_into_view_if_needed()
    figure.locator("canvas").wait_for()
    # Where a point is only the chart knows.
    x, y = figure.locator(".canvas").evaluate(
        """(canvas) => {
            const chart = echarts.getInstanceByDom(canvas);
            const series = chart.getOption().series.findIndex((each) => each.name === 'TIMEOUT');
            const box = canvas.getBoundingClientRect();
            const found = chart.convertToPixel({ seriesIndex: series }, chart.getOption().series[series].data[0].value);
            return [box.x + found[0], box.y + found[1]];
        }"""
    )
    shown.mouse.click(x, y)
    assert shown.get_by_role("dialog").inner_text().startswith("Evaluation 95")
    shown.get_by_role("button", name="Close").click()


def test_every_chart_is_drawn_and_is_a_table_too(shown):
    figures = shown.locator("figure[data-chart]")
    assert figures.count() >= 8
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        figure.locator("canvas").first.wait_for()
        figure.get_by_text("As a table").click()
        figure.locator("table tbody tr").first.wait_for()
    assert shown.evaluate(INHERITED) == []


# What any object has besides its own; a chart of something called __proto__ must not change that.
INHERITED = "(() => { const found = []; for (const key in {}) found.push(key); return found; })()"


def test_choices_of_charts_draw_them_again(shown):
    figure = shown.locator("figure[data-chart=slices]")
    for number in range(len(NAMES)):
        choice(figure, "Dimension").select_option(str(number))
    choice(shown.locator("figure[data-chart=convergence]"), "Across").select_option("seconds")


def test_the_theme_can_be_chosen(shown):
    background = "getComputedStyle(document.body).backgroundColor"
    assert shown.evaluate(background) == "rgb(255, 255, 255)"
    button = shown.get_by_role("button", name="Theme")
    for theme, colour in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 28)"), ("as the system", None)):
        button.click()
        assert button.inner_text() == f"Theme: {theme}"
        assert colour in (None, shown.evaluate(background))


def test_names_and_texts_are_texts(shown):
    assert shown.title() == "<b>a.h5 - dhmpi report"
    assert shown.evaluate("document.scripts.length") == 3
    assert shown.locator("img, main script, main b b").count() == 0
    assert ATTACK in shown.locator(".lead").inner_text()
    command = shown.locator(".command code").inner_text()
    assert command.startswith("dhmpi ambs --problem 'it'")


def test_the_page_is_printed(shown, tmp_path):
    shown.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


def test_without_script_the_rest_is_there(browser, report):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(report.as_uri())
    assert "To repeat it" in plain.locator("main").inner_text()
    assert plain.locator("noscript p").is_visible()
    context.close()


@pytest.mark.skipif(not AXE, reason="needs axe-core: scripts/browser .venv fetches it with npm")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_everybody_can_read_and_reach_everything(reader, report, size, theme):
    shown = reader(report, size, color_scheme=theme)
    shown.evaluate(AXE[-1].read_text())
    shown.get_by_role("button", name="Evaluation 4", exact=True).click()
    found = [*violations(shown, "dialog")]
    shown.keyboard.press("Escape")
    found += violations(shown, "document")
    assert found == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= size["width"]
    shown.context.close()


def violations(shown, where):
    target = "document" if where == "document" else f"document.querySelector({json.dumps(where)})"
    found = shown.evaluate(f"axe.run({target}).then((found) => found.violations)")
    return [
        (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in ("moderate", "serious", "critical")
    ]


def test_several_campaigns_are_compared_and_one_of_them_is_shown(reader, tmp_path):
    path = tmp_path / "compared.html"
    path.write_bytes(page.render(content_of([hostile(tmp_path / f"{letter}.h5") for letter in "ab"])))
    shown = reader(path)
    figure = shown.locator("figure[data-chart=comparison]")
    figure.locator("canvas").wait_for()
    choice(figure, "Across").select_option("seconds")
    assert shown.locator("article:visible h2.name").inner_text() == "a.h5"
    choice(shown, "Campaign").select_option("1")
    assert shown.locator("article:visible h2.name").inner_text() == "b.h5"
    assert shown.locator("article:visible .evaluations tbody tr").count() == 25
    figure = shown.locator("article:visible figure[data-chart=convergence]")
    figure.scroll_into_view_if_needed()
    figure.locator("canvas").wait_for()
    if AXE:
        shown.evaluate(AXE[-1].read_text())
        assert violations(shown, "document") == []
    shown.context.close()


def test_a_learning_curve_shows_its_evaluation_and_is_drawn_there(reader, tmp_path):
    path = tmp_path / "curves.html"
    curves = {**CURVES, 5: (State.FAILED, [float("nan")]), 6: (State.TIMEOUT, [2.0, 0.5])}
    path.write_bytes(page.render(content_of([reported(curves, max_steps=30)])))
    shown = reader(path)
    for name, setting in (("learning", "log"), ("survival", "value")):
        figure = shown.locator(f"figure[data-chart={name}]")
        figure.scroll_into_view_if_needed()
        choice(figure, "Steps").select_option(setting)
        figure.locator("canvas").first.wait_for()
        figure.get_by_text("As a table").click()
        figure.locator("table tbody tr").first.wait_for()
    figure = shown.locator("figure[data-chart=learning]")
    choice(figure, "Values").select_option("log")
    figure.scroll_into_view_if_needed()
    # In the middle of the line of evaluation 2.
    x, y = figure.locator(".canvas").evaluate(
        """(canvas) => {
            const chart = echarts.getInstanceByDom(canvas);
            const found = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [2 ** 0.5, 0.56 ** 0.5]);
            const box = canvas.getBoundingClientRect();
            return [box.x + found[0], box.y + found[1]];
        }"""
    )
    shown.mouse.click(x, y)
    dialog = shown.get_by_role("dialog")
    said = dialog.inner_text()
    assert said.startswith("Evaluation 2")
    assert "2, where it was stopped with 0.7" in said
    dialog.locator(".curve canvas").wait_for()
    dialog.get_by_text("As a table").click()
    assert dialog.locator("tbody tr").all_inner_texts() == ["1\t0.8", "2\t0.7"]
    if AXE:
        shown.evaluate(AXE[-1].read_text())
        assert violations(shown, "dialog") == []
    shown.keyboard.press("Escape")
    shown.get_by_role("button", name="Evaluation 4", exact=True).click()
    assert dialog.locator(".curve").count() == 0
    shown.keyboard.press("Escape")
    shown.get_by_role("button", name="Evaluation 5", exact=True).click()
    dialog.locator(".curve canvas").wait_for()
    shown.context.close()


def test_the_front_of_several_objectives_is_drawn(reader, tmp_path):
    path, objectives = tmp_path / "front.html", (Objective("__proto__", True), Objective("<b>b"), Objective("c"))
    space, num = {"x": (0.0, 1.0)}, 20
    evaluations = [
        done._replace(extra={"<b>b": 1.0 - id / num, "c": id % 3})
        for id, done in enumerate(evaluation(id, id, id + 1.0, -id / num) for id in range(num))
    ]
    found = campaign(evaluations, [run(0.0, 30.0)], maximises=True, space=space, objectives=objectives)
    path.write_bytes(page.render(content_of([found])))
    shown = reader(path)
    choice(shown.locator("figure[data-chart=pareto]"), "Up").select_option("2")
    for name in ("pareto", "hypervolume"):
        figure = shown.locator(f"figure[data-chart={name}]")
        figure.scroll_into_view_if_needed()
        figure.locator("canvas").first.wait_for()
        figure.get_by_text("As a table").click()
        figure.locator("table tbody tr").first.wait_for()
    assert shown.evaluate(INHERITED) == []


def test_nothing_was_complained_of_or_asked_for(shown, reader):
    """The last test: what happened in all of them."""
    assert reader.troubles == []
