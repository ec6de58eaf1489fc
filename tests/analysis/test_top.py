import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace
from fcntl import ioctl

import pytest
from contracts.campaigns import begun_again
from contracts.reported import reported

from dhmpi.analysis.step_curves import step_cost as step_cost_of
from dhmpi.analysis.summary import summarise
from dhmpi.analysis.top.live_figures import Liveness, live_figures, progress_of, step_cost
from dhmpi.analysis.top.live_page import BLOCKS, Choice, PageSize, campaign_page, fit, help_page, sparkline
from dhmpi.analysis.top.tally import Tally
from dhmpi.analysis.top.watch import Controls, Watch
from dhmpi.cli.main import main
from dhmpi.evaluation import Evaluation, Origin, Report, State
from dhmpi.results import Metadata, Results, ResultsStore, read
from dhmpi.results.owner import Owner
from dhmpi.results.table import FinishedRow, SubmittedRow

BEGUN = 1_700_000_000.0
CHOICE = Choice()
SIZES = [PageSize(80, 23), PageSize(120, 39), PageSize(60, 23), PageSize(40, 9), PageSize(10, 3), PageSize(100)]


def campaign(num_done=40, num_running=30, num_failed=6, **more):
    """Return a campaign of 4 workers on 2 hosts, a second per evaluation, seen after 60 seconds."""
    evaluations = []
    for id in range(num_done + num_failed + num_running):
        begun = BEGUN + id
        host, model = f"node{id % 2}", "start" if not id else "gp-brief" if id % 4 else "random"
        each = Evaluation(id, {"x": 0.5}, submitted=begun, started=begun, rank=id % 4, host=host, origin=Origin(model))
        each = each._replace(state=State.RUNNING, order=-1)
        if id < num_done:
            each = each._replace(state=State.DONE, objective=10.0 - id % 20, ended=begun + 1, order=id)
        elif id < num_done + num_failed:
            error = "ValueError: no \x1b[31mred\n" if id % 2 else f"OSError: bad value {id}.5"
            each = each._replace(state=State.FAILED, error=error, ended=begun + 1, order=id)
        evaluations.append(each)
    run = {"started": BEGUN, "ended": None, "num_workers": 4, "hosts": ["node0", "node1"], "layout": "", "why": ""}
    options = {"max_evals": 100, "max_minutes": 5}
    metadata = Metadata("ambs", "my_problem", {"x": (0.0, 1.0)}, options=options, runs=[run])
    return Results.of(replace(metadata, **more), evaluations)


def tally_of(results):
    tally = Tally()
    tally.begin(results)
    return tally


def page(results, size, choice=CHOICE, progress=Liveness.RUNNING, now=BEGUN + 60):
    tally = tally_of(results)
    return [line.text for line in campaign_page("my.h5", tally, live_figures(tally, progress, now), choice, size)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pages_with_reports_fit(size):
    lines = page(reported(max_steps=4), size, now=10.0)
    assert all(len(line) <= size.columns for line in lines)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("num", [(40, 30, 6), (0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 3)], ids=str)
def test_pages_fit_and_are_printable(size, num):
    for lines in (page(campaign(*num), size), [line.text for line in help_page(size)]):
        assert all(len(line) <= size.columns and (line.isprintable() or not line) for line in lines)
    assert size.rows is None or len(page(campaign(*num), size)) <= size.rows


def test_the_page_says_how_a_campaign_goes():
    text = "\n".join(page(campaign(), PageSize(80, 39)))
    assert re.search(r"^my.h5  2023-11-1\d \d\d:\d\d:\d\d  running$", text, re.MULTILINE)
    assert "ambs on my_problem; run 1, 4 workers, 2 hosts, for 0:01:00" in text
    assert "evaluations  46 of 100  30 RUNNING  40 DONE  6 FAILED" in text
    assert "0.767/s, 46/min; left: 0:01:10 to 100 evaluations, 0:04:00 to the\n             end of the time\n" in text
    assert "objective    -9 (evaluation 19) " in text
    assert "gp-brief proposed the latest point; 18 of 75 points without a model" in text
    assert "running, by age: 30" in text
    assert "         46       2    0:00:14  node0" in text
    assert "  3 x FAILED, last 45: ValueError: no \\u001b[31mred" in text
    assert "  3 x FAILED, last 44: OSError: bad value 44.5" in text


def test_utilisation_is_that_of_all_runs_and_so_is_that_of_show():
    earlier = {"started": BEGUN - 200, "ended": BEGUN - 100, "num_workers": 4, "hosts": [], "layout": "", "why": "end"}
    found = campaign(40, 0, 0)
    runs = [earlier, {**found.metadata.runs[0], "num_workers": 1, "ended": BEGUN + 50}]
    found = campaign(40, 0, 0, runs=runs, complete=True)
    found.columns.ended[:8] -= 150  # eight ended in the first run, after 2 s each
    found.columns.submitted[:8] -= 151
    found.columns.started[:8] -= 151
    tally = tally_of(Results.of(found.metadata, found.columns.evaluations()))
    text = "\n".join(
        page(Results.of(found.metadata, found.columns.evaluations()), PageSize(90), CHOICE, Liveness.COMPLETE)
    )
    share = summarise(Results.of(found.metadata, found.columns.evaluations())).utilisation
    assert share == pytest.approx((8 * 2 + 32) / (400 + 50))
    assert f"utilisation  {100 * share:.1f} % [" in text
    assert "] of all 2 runs; latest run 64.0 %" in text
    assert "run 2, 1 worker, 2 hosts, for 0:00:50" in text
    assert "hosts in the latest run, the least busy first: 2" in text
    # The same if the second run begins while the first is watched.
    tally = Tally()
    first = replace(found.metadata, runs=[{**earlier, "ended": None}], complete=False)
    tally.begin(Results.of(first, found.columns.evaluations(range(8))))
    tally.changed(replace(first, runs=[earlier]))
    tally.changed(found.metadata)
    assert (tally.busy_before, tally.available_before) == pytest.approx((16.0, 400.0))


@pytest.mark.parametrize("is_killed", [False, True])
def test_workers_were_busy_with_what_began_again(is_killed):
    """Whether it is read, or seen."""
    found = begun_again(is_killed)
    read_at_once, followed = tally_of(found), tally_of(begun_again(is_killed, num_runs=1))
    followed.changed(found.metadata)
    for each in found.evaluations[:2]:
        followed.submitted([SubmittedRow(each.id, [0.5], each.submitted, rank=each.rank, host=each.host)])
        followed.finished([FinishedRow(each.id, "DONE", 1.0, each.started, each.ended, each.rank, each.host, "", "")])
    for tally in (read_at_once, followed):
        assert (tally.busy_before, tally.available_before, tally.busy) == (20.0, 20.0, {"a": 10.0, "b": 10.0})
        figures = live_figures(tally, Liveness.ENDED, 110.0)
        assert (figures.utilisation, figures.utilisation_of_all) == (1.0, 1.0)


def test_what_began_again_in_the_same_run_was_busy_twice():
    found = begun_again()
    found = Results(replace(found.metadata, runs=[{**found.metadata.runs[0], "ended": 110.0}]), found.columns)
    tally = tally_of(found)
    assert tally.busy == {"a": 20.0, "b": 20.0}
    tally.submitted([SubmittedRow(5, [0.5], 105.0, rank=1, host="a")])
    for state, moment in (("LOST", 106.0), ("DONE", 108.0)):
        tally.finished([FinishedRow(5, state, None, 105.0, moment, 1, "a", "", "")])
        tally.submitted([SubmittedRow(5, [0.5], 107.0, rank=1, host="a")])
    assert tally.busy["a"] == 24.0


def test_workers_of_a_pool_are_no_ranks():
    run = campaign().metadata.runs[0]
    pool = campaign(runs=[{**run, "roles": {"size": 1, "nodes": []}}])
    assert "id    rank " in "\n".join(page(campaign(), PageSize(80)))
    text = "\n".join(page(pool, PageSize(80), Choice("rank")))
    assert "running, by worker: 30" in text
    assert "rank" not in text


def test_at_80_by_24_there_is_some_of_everything():
    text = "\n".join(page(campaign(), PageSize(80, 23)))
    assert all(f"\n{title}" in text for title in ("running, by", "hosts, the least", "errors, the latest"))


def test_rewards_are_shown_with_their_sign():
    text = "\n".join(page(campaign(maximises=True), PageSize(80, 39)))
    assert "reward       9 (evaluation 19)" in text
    assert "█" in text


@pytest.mark.parametrize(
    ("size", "maximises", "titles", "row"),
    [
        (PageSize(80), False, "         id    rank       time       step        value  host", "2/4          0.3  h"),
        (PageSize(80), True, "         id    rank       time       step        value  host", "2/4         -0.3  h"),
        (PageSize(40), False, " id rank  time step value host", " 3    2 9.7 s  2/4   0.3 h"),
    ],
)
def test_what_runs_says_what_it_has_reported(size, maximises, titles, row):
    lines = page(reported(maximises=maximises, max_steps=4), size, now=10.0)
    place = next(number for number, line in enumerate(lines) if line.startswith("running, by age: 1"))
    assert lines[place + 1] == titles
    assert lines[place + 2].endswith(row)
    assert any(line.startswith("steps        9 steps, 64 % of full") for line in lines)


def test_reports_are_followed_until_the_end():
    found = reported(max_steps=4)
    tally = tally_of(found)
    tally.reported([Report(3, 3.0, float("nan"), 5.0), Report(99, 1.0, 0.5, 5.0)])
    [row] = [line.text for line in _lines(tally) if line.text.startswith("          3")]
    assert row.split()[-3:] == ["3/4", "nan", "h"]
    assert tally.latest_reports.keys() == {3}
    tally.finished([FinishedRow(3, "STOPPED", 0.3, 0.3, 1.0, 2, "h", "", "", 3.0)])
    assert not tally.latest_reports
    assert str(step_cost(tally)) == "10 steps, 62 % of full training of all 5 evaluations"


def test_steps_are_those_of_show():
    for found in (reported(max_steps=4), reported(), reported(max_steps=4, statistics={"steps": 30.0})):
        assert step_cost(tally_of(found)) == step_cost_of(found)
    assert step_cost(tally_of(campaign())) is None


def _lines(tally):
    return campaign_page("my.h5", tally, live_figures(tally, Liveness.RUNNING, 10.0), CHOICE, PageSize(80))


def test_what_runs_without_a_report_has_none():
    curves = {0: (State.RUNNING, [0.5]), 1: (State.RUNNING, [])}
    rows = [line for line in page(reported(curves), PageSize(80), now=10.0) if line.endswith("  h")]
    assert [row.split()[-3:] for row in rows[:2]] == [["1", "0.5", "h"], ["-", "-", "h"]]


def test_running_evaluations_count_as_busy():
    tally = tally_of(campaign(2, 1, 0))
    figures = live_figures(tally, Liveness.RUNNING, BEGUN + 10)
    assert figures.utilisation == pytest.approx((2 + 8) / 40)
    nodes = {node.host: node for node in figures.nodes}
    assert nodes["node0"].num_running == 1
    assert nodes["node0"].utilisation == pytest.approx(9 / (2 * 10))
    assert nodes["node1"].utilisation == pytest.approx(1 / 10)


def test_the_rate_is_of_late_and_of_an_ended_run_its_mean():
    tally = tally_of(campaign(46, 0, 0))
    assert live_figures(tally, Liveness.RUNNING, BEGUN + 60).rate == pytest.approx(46 / 60)
    late = live_figures(tally, Liveness.RUNNING, BEGUN + 1000).rate
    assert late == pytest.approx(10 / (1000 - 37))  # the last ten, the first of which ended at 37
    assert live_figures(tally, Liveness.KILLED, BEGUN + 1000).rate == pytest.approx(1.0)


def test_the_time_ends_when_the_run_says():
    found = campaign()
    runs = [{**found.metadata.runs[0], "limit": BEGUN + 90}]
    text = "\n".join(page(replace(found, metadata=replace(found.metadata, runs=runs)), PageSize(120)))
    assert "left: 0:00:30 to the end of the time, 0:01:10 to 100 evaluations" in text


def test_a_run_says_when_its_time_ends(path):
    problem = ["--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "dhmpi.benchmark.hps.polynome2.run"]
    assert main(["hps-random", *problem, "--max-evals", "3", "--max-minutes", "5", "--output", "my.h5", "--quiet"]) == 0
    [run] = read(path).metadata.runs
    assert 200 < run["limit"] - run["started"] <= 300


@pytest.mark.parametrize("maximises", [False, True])
def test_the_curve_shows_the_best_so_far(maximises):
    tally = tally_of(campaign(40, 0, 0, maximises=maximises))
    curve = sparkline(tally, 20, True)
    assert len(curve) == 20
    low_to_high = [BLOCKS.index(block) for block in curve]
    assert low_to_high == sorted(low_to_high, reverse=not maximises)
    assert {curve[0], curve[-1]} == {BLOCKS[0], BLOCKS[-1]}
    assert sparkline(tally, 20, False).isascii()


def test_extreme_objectives_are_drawn():
    found = campaign(3, 0, 0)
    found.columns.objective[:] = [1e308, -1e308, 0.0]
    assert sparkline(tally_of(found), 20, True) == "█▁▁"


def test_wide_characters_take_two_columns():
    assert fit("日本語", PageSize(5)) == "日本"
    assert fit("a\x1b[2Jé", PageSize(20, is_unicode=False)) == "a\\u001b[2J\\xe9"


@pytest.mark.parametrize(("sort", "first"), [("age", "46       2"), ("rank", "48       0"), ("host", "48       0")])
def test_running_evaluations_are_sorted(sort, first):
    lines = page(campaign(), PageSize(80), Choice(sort))
    assert lines[lines.index(f"running, by {sort}: 30") + 2].strip().startswith(first)


def test_a_filter_leaves_what_holds_its_text():
    text = "\n".join(page(campaign(), PageSize(80), Choice("age", "NODE1")))
    assert "running, by age: 15" in text
    assert "hosts, the least busy first: 1" in text
    assert "errors" not in text
    assert "  3 x FAILED" in "\n".join(page(campaign(), PageSize(80), Choice("age", "oserror")))


def test_keys_change_what_is_shown():
    controls = Controls()
    for key in "s/ab":
        controls.press(key)
    assert (controls.choice, controls.foot) == (Choice("host"), "filter: ab_")
    for key in ("Backspace", "q", "Enter"):
        controls.press(key)
    assert controls.choice == Choice("host", "aq")
    assert controls.foot.startswith("[filter: aq]")
    for key in ("/", "Esc", "p", "i"):
        controls.press(key)
    assert (controls.choice.filter, controls.is_paused, controls.page) == ("", True, "idle")
    controls.press("Esc")
    controls.press("?")
    assert (controls.page, controls.is_over) == ("help", False)
    controls.press("q")
    assert controls.is_over


def test_what_a_campaign_is_doing():
    metadata = campaign().metadata
    here, elsewhere = Owner.current(), Owner("elsewhere", 1, 1, "there", "token")
    dead = here._replace(pid=2**22 + 1)
    other = here._replace(pid=os.getppid(), started=_started(os.getppid()))
    assert progress_of(metadata, None, None, 100.0) is Liveness.KILLED
    assert progress_of(metadata, dead, 100.0, 100.0) is Liveness.KILLED
    assert progress_of(metadata, other, 0.0, 100.0) is Liveness.RUNNING
    assert progress_of(metadata, elsewhere, 95.0, 100.0) is Liveness.RUNNING
    assert progress_of(metadata, elsewhere, 60.0, 100.0) is Liveness.SILENT
    assert progress_of(metadata.end_run(1.0, "enough"), None, None, 100.0) is Liveness.ENDED
    assert progress_of(replace(metadata, complete=True), None, None, 100.0) is Liveness.COMPLETE


def _started(pid):
    from dhmpi.results import owner

    return owner._started(pid)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my.h5"


@pytest.fixture
def store(path):
    found = campaign()
    store = ResultsStore.create(path, found.metadata)
    store.submitted([each._replace(state=State.PENDING) for each in found.evaluations])
    store.finished([each for each in found.evaluations if each.state is not State.RUNNING])
    store.commit()
    yield store
    store.close("the end", complete=True)


def test_it_is_printed_once_as_text(store, capfd):
    assert main(["top", "my.h5", "--once", "--width", "60"]) == 0
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert "evaluations  46 of 100" in out
    assert max(map(len, out.splitlines())) <= 60
    assert out.count("node0") >= 1


def test_what_is_no_terminal_gets_it_once(store, capfd):
    assert main(["top", "my.h5"]) == 0
    out, err = capfd.readouterr()
    assert "evaluations  46 of 100" in out
    assert err == "standard input and output must be a terminal to watch a campaign; printed once, as --once does\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["no.h5", "--once"], "no.h5 does not exist"),
        (["no.h5", "--once", "--interval", "0"], "--interval must be a finite number of at least 0.1, got 0"),
        (["no.h5", "--once", "--width", "1"], "--width must be an integer of at least 20, got 1"),
    ],
)
def test_bad_input_is_told(words, sentence, path, capfd):
    assert main(["top", *words]) == 2
    assert sentence in capfd.readouterr().err


def test_without_a_terminal_a_missing_file_is_all_that_is_told(path, capfd):
    assert main(["top", "no.h5"]) == 2
    assert capfd.readouterr().err == f"dhmpi top: error: {path.with_name('no.h5')} does not exist; check the name\n"


def test_a_campaign_under_the_same_name_is_noticed(store, path):
    watch = Watch("my.h5")
    watch.poll()
    assert not any("note" in line.text for line in watch.lines(PageSize(80, 23)))
    store.close("the end")
    again = ResultsStore.create(path, store.metadata, overwrite=True)
    watch.poll()
    text = "\n".join(line.text for line in watch.lines(PageSize(80, 23)))
    assert "the file is that of another campaign" in text
    again.close("the end")
    watch.close()


def test_idle_time_is_explained(store):
    watch = Watch("my.h5")
    watch.poll()
    watch.controls.press("i")
    lines = [line.text for line in watch.lines(PageSize(80, 23))]
    assert lines[0] == "why workers are idle"
    assert "workers times the lengths of all runs" in lines[2]
    assert all(len(line) <= 80 for line in lines)
    watch.close()


class Terminal:
    """A terminal of its own in which the live view runs."""

    def __init__(self, *words, rows=24, columns=80, **env):
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        env = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **env}
        command = [sys.executable, "-m", "dhmpi", "top", *words]
        self.process = subprocess.Popen(command, env=env, preexec_fn=lambda: os.login_tty(os.dup(self.slave)))
        self.text = ""

    def resize(self, rows, columns):
        ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, *texts):
        """Read until some texts have come since the last time."""
        end = time.monotonic() + 60
        while not all(text in self.text for text in texts):
            assert time.monotonic() < end, f"{texts} must come, got {self.text!r}"
            if select.select([self.master], [], [], 1.0)[0]:
                self.text += os.read(self.master, 1 << 16).decode(errors="replace")
        found, self.text = self.text, ""
        return found

    def press(self, text):
        os.write(self.master, text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def ended(self):
        """Return the exit status; the terminal must be as it was."""
        self.until("\x1b[?1049l")
        status = self.process.wait(60)
        assert termios.tcgetattr(self.slave) == self.before
        return status


def test_it_is_watched_and_keys_do_something(store):
    with Terminal("my.h5", "--interval", "0.2") as terminal:
        terminal.until("my_problem", "46 of 100", "q quit")
        store.set_statistics({"agents": 12345})
        store.commit()
        terminal.until("12345")  # what is new comes by itself
        terminal.press("?")
        terminal.until("keys and figures")
        terminal.press("i")
        terminal.until("why workers are idle")
        terminal.press("i/")
        terminal.until("filter: _")
        terminal.press("node1\np")
        terminal.until("paused")
        terminal.resize(30, 100)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.press("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (None, 0)])
def test_the_terminal_is_given_back(number, status, store):
    with Terminal("my.h5", "--interval", "30") as terminal:
        terminal.until("q quit")
        if number is None:
            terminal.press("\x03")
        else:
            os.kill(terminal.process.pid, number)
        assert terminal.ended() == status


def test_it_waits_for_a_file_without_colours_in_ascii(path):
    with Terminal("my.h5", "--interval", "0.2", rows=30, NO_COLOR="1", LC_ALL="C") as terminal:
        terminal.until("does not exist")
        found = campaign()
        store = ResultsStore.create(path, found.metadata)
        store.submitted([each._replace(state=State.PENDING) for each in found.evaluations])
        store.finished([each for each in found.evaluations if each.state is not State.RUNNING])
        store.commit()
        shown = terminal.until("46 of 100", "node1")
        assert shown.isascii()
        assert not re.search(r"\x1b\[3[0-7]m", shown)
        terminal.press("q")
        assert terminal.ended() == 0
        store.close("the end")


def test_a_terminal_that_cannot_be_drawn_on_gets_it_once(store):
    with Terminal("my.h5", TERM="dumb") as terminal:
        shown = terminal.until("TERM must name a terminal whose cursor can be moved, got 'dumb'; printed once", "node1")
        assert "\x1b" not in shown
        assert terminal.process.wait(60) == 0
