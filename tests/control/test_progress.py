import fcntl
import os
import pty
import struct
import termios
from types import SimpleNamespace

import pytest

from dhmpi.control import progress
from dhmpi.control.budget import Limits
from dhmpi.control.progress import Progress
from dhmpi.evaluation import Evaluation, State

BEGUN = 1000.0


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands at BEGUN until `now` is set."""
    made = SimpleNamespace(now=BEGUN)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def counts(done, failed=0, **others):
    return {State.DONE: done, State.FAILED: failed} | {State[name]: num for name, num in others.items()}


def best(objective):
    return Evaluation(0, {"x": 1}, objective, State.DONE)


def lines(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_line_says_how_it_goes(clock, capsys):
    shown = Progress(4, Limits(25), None, quiet=False)
    clock.now += 5
    shown.update(counts(3, 1, TIMEOUT=1, CANCELLED=7, LOST=7, RUNNING=7), 2, best(1 / 3), 2 * (clock.now - BEGUN))
    shown.close()
    expected = "3 done, 1 failed, 1 timed out, 2 running | best 0.333333 | 1/s | 50 % busy | 0:00:20 left"
    assert lines(capsys) == [expected]


def test_nothing_has_happened_yet(clock, capsys):
    shown = Progress(4, Limits(25), None, quiet=False)
    clock.now += 1
    shown.update({}, 0, None, 0 * (clock.now - BEGUN))
    assert lines(capsys) == ["0 done, 0 failed, 0 running | no objective yet | 0/s | 0 % busy"]


def test_no_workers_are_no_division_by_zero(clock, capsys):
    shown = Progress(0, Limits(5), None, quiet=False)
    clock.now += 1
    shown.update(counts(0), 0, None, 0 * (clock.now - BEGUN))
    assert lines(capsys) == ["0 done, 0 failed, 0 running | no objective yet | 0/s | 0 % busy"]


def test_lines_come_after_the_first_second_and_then_every_five(clock, capsys):
    shown, due = Progress(1, Limits(), None, quiet=False), []
    for tenth in range(130):
        clock.now = BEGUN + tenth / 10
        if shown.is_due():
            due.append(tenth / 10)
        shown.update(counts(tenth), 1, None, 1 * (clock.now - BEGUN))
    assert due == [1.0, 6.0, 11.0]
    assert [line.split()[0] for line in lines(capsys)] == ["10", "60", "110"]


def test_quiet_shows_nothing(clock, capfd):
    master, slave = pty.openpty()
    with open(slave, "w") as terminal:
        shown = Progress(1, Limits(5), terminal, quiet=True)
        clock.now += 60
        shown.update(counts(3), 1, best(1.0), 1 * (clock.now - BEGUN))
        shown.close()
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
    os.close(master)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("eval_limit", "deadline", "left"),
    [
        (None, None, ""),
        (40, None, " | 0:00:15 left"),  # 30 more at 2/s
        (None, BEGUN + 65, " | 0:01:00 left"),
        (40, BEGUN + 65, " | 0:00:15 left"),
        (400_000, BEGUN + 65, " | 0:01:00 left"),
        (400_010, None, " | 2 days, 7:33:20 left"),
        (None, BEGUN + 2, " | 0:00:00 left"),  # it is over, and never negative
        (10, None, " | 0:00:00 left"),
    ],
)
def test_the_time_left_is_that_of_the_limit_which_comes_first(clock, capsys, eval_limit, deadline, left):
    shown = Progress(1, Limits(eval_limit, deadline), None, quiet=False)
    clock.now += 5
    shown.update(counts(8, 2), 1, best(1.0), 1 * (clock.now - BEGUN))
    assert lines(capsys) == [f"8 done, 2 failed, 1 running | best 1 | 2/s | 100 % busy{left}"]


def test_the_rate_is_that_of_the_last_half_minute(clock, capsys):
    shown, rates = Progress(1, Limits(), None, quiet=False), []
    for seconds, num_done in [(10, 100), (20, 110), (35, 125), (45, 145), (60, 145)]:
        clock.now = BEGUN + seconds
        shown.update(counts(num_done), 1, None, 1 * (clock.now - BEGUN))
        rates += [line.split(" | ")[2] for line in lines(capsys)]
    assert rates == ["10/s", "5.5/s", "3.57/s", "1.29/s", "0.875/s"]  # since 0, 0, 0, 10 and 20 s


@pytest.mark.parametrize(("eval_limit", "deadline"), [(10**15, None), (None, 1e15)])
def test_a_limit_that_is_never_reached_is_no_obstacle(clock, capsys, eval_limit, deadline):
    shown = Progress(1, Limits(eval_limit, deadline), None, quiet=False)
    clock.now += 5
    shown.update(counts(5), 1, None, 1 * (clock.now - BEGUN))
    assert lines(capsys)[0].startswith("5 done, 0 failed, 1 running | no objective yet | 1/s | 100 % busy")


def test_workers_are_busy_for_as_long_as_they_run(clock, capsys):
    shown = Progress(4, Limits(), None, quiet=False)
    clock.now += 2
    shown.update(counts(0), 3, None, 4.5)
    assert "56 % busy" in lines(capsys)[0]  # 4.5 / (2 * 4)


@pytest.fixture
def terminal():
    """A terminal of 24 lines and 120 columns, and what stands on it when it has been closed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    with open(slave, "w") as stream:
        yield SimpleNamespace(stream=stream, read=lambda: os.read(master, 65536).decode())
    os.close(master)


def test_a_terminal_shows_a_live_line_and_is_clean_afterwards(clock, capfd, terminal):
    shown = Progress(4, Limits(25), terminal.stream, quiet=False)
    terminal.read()
    clock.now += 0.25
    shown.update(counts(5, 0), 2, best(0.5), 2 * (clock.now - BEGUN))
    line = terminal.read().split("\r")[-1]
    assert line.partition("|")[2] == "5 done, 0 failed, 2 running | best 0.5 | 20/s | 50 % busy | 0:00:01 left"
    assert "\n" not in line
    assert len(line) <= 120
    shown.close()
    assert terminal.read().rstrip("\r").split("\r")[-1].strip() == ""
    assert capfd.readouterr() == ("", "")


def test_the_bar_is_as_full_as_the_budget_is_spent(clock, terminal):
    shown = Progress(4, Limits(32), terminal.stream, quiet=False)
    terminal.read()
    clock.now += 1
    shown.update(counts(20, 4, LOST=8), 2, None, 2 * (clock.now - BEGUN))
    assert terminal.read().split("\r")[-1].startswith(12 * "█" + 4 * " " + "|")
    shown.close()


@pytest.mark.parametrize(
    ("columns", "num", "shown"),
    [
        (80, 15, "15 done, 0 failed, 2 running | best -0.123457 | 95 % busy | 7:13:20 left"),
        (80, 123_456, "123456 done, 0 failed, 2 running | 95 % busy | 5 days, 17:08:34 left"),
        (70, 15, "15 done, 0 failed, 2 running | 95 % busy | 7:13:20 left"),
        (50, 123_456, "95 % busy | 5 days, 17:08:34 left"),
        (120, 15, "15 done, 0 failed, 2 running | best -0.123457 | 1/s | 95 % busy | 7:13:20 left"),
    ],
)
def test_whether_workers_are_busy_and_the_time_left_are_shown_at_any_width(clock, terminal, columns, num, shown):
    fcntl.ioctl(terminal.stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    limit = {15: 15 + 26_000, 123_456: 123_456 + 493_714}[num]
    progress = Progress(4, Limits(limit), terminal.stream, quiet=False, num_before=num - 1)
    terminal.read()
    clock.now += 1
    progress.update(counts(num), 2, best(-0.1234567), 0.95 * 4)
    bar, _, line = terminal.read().split("\r")[-1].partition("|")
    assert line == shown
    assert len(bar) + 1 + len(line) <= columns
    progress.close()


def test_a_terminal_that_does_not_know_its_size_shows_the_line_nevertheless(clock, terminal):
    fcntl.ioctl(terminal.stream, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    shown = Progress(4, Limits(25), terminal.stream, quiet=False)
    terminal.read()
    clock.now += 0.25
    shown.update(counts(5, 0), 2, best(0.5), 2 * (clock.now - BEGUN))
    assert "5 done, 0 failed, 2 running" in terminal.read()
    shown.close()


def test_a_narrow_terminal_gets_no_second_line(clock, terminal):
    fcntl.ioctl(terminal.stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    shown = Progress(4, Limits(25), terminal.stream, quiet=False)
    clock.now += 1
    shown.update(counts(5, 0), 2, best(0.5), 2 * (clock.now - BEGUN))
    shown.close()
    assert max(map(len, terminal.read().split("\r"))) <= 40
