"""Watching of a campaign: its file is followed, a page is shown, and keys change what it shows."""

import contextlib
import locale
import sys
import time
from dataclasses import dataclass, field

from dhmpi.analysis.top import live_screen
from dhmpi.analysis.top.idle_page import idle_page
from dhmpi.analysis.top.live_figures import LiveFigures, Liveness, live_figures, progress_of
from dhmpi.analysis.top.live_page import KEYS, SORTS, Choice, Line, PageSize, campaign_page, fit, help_page, wrapped
from dhmpi.analysis.top.tally import Tally
from dhmpi.errors import ResultsError
from dhmpi.results import read
from dhmpi.results.follow import Follower
from dhmpi.support.printing import Printer, Stream, tell

# Reading what is new may take so long until the page is drawn again [s]; the rest is read at once after that.
READ_SECONDS = 0.05
# After so many pages that were not up to date, that is told.
MANY_BEHIND = 20
# The idle time of a whole campaign may cost 1/20 of the time.
IDLE_SHARE = 20


@dataclass
class Controls:
    """Controls: what a person has chosen by keys.

    Attributes:
        page: campaign, idle or help.
        choice: What is listed, and how.
        is_paused: Whether the page stays as it is.
        typing: The filter that is being typed; None if none is.
        is_over: Whether it has been enough.
    """

    page: str = "campaign"
    choice: Choice = field(default_factory=Choice)
    is_paused: bool = False
    typing: str | None = None
    is_over: bool = False

    def press(self, key: str) -> None:
        """Do what a key stands for."""
        if key == "Ctrl-C":
            self.is_over = True
        elif self.typing is not None:
            self._type(key)
        elif key in ("q", "Q"):
            self.is_over = True
        elif key == "s":
            names = list(SORTS)
            self.choice = self.choice._replace(sort=names[(names.index(self.choice.sort) + 1) % len(names)])
        elif key == "/":
            self.typing = self.choice.filter
        elif key == "p":
            self.is_paused = not self.is_paused
        elif key in ("?", "h"):
            self.page = "campaign" if self.page == "help" else "help"
        elif key == "i":
            self.page = "campaign" if self.page == "idle" else "idle"
        elif key in ("Esc", "Enter"):
            self.page = "campaign"

    def _type(self, key: str) -> None:
        typed = self.typing or ""
        if key == "Enter":
            self.choice, self.typing = self.choice._replace(filter=typed), None
        elif key == "Esc":
            self.choice, self.typing = self.choice._replace(filter=""), None
        elif key == "Backspace":
            self.typing = typed[:-1]
        elif len(key) == 1 and key.isprintable():
            self.typing = typed + key

    @property
    def foot(self) -> str:
        """The last line of the screen."""
        if self.typing is not None:
            return f"filter: {self.typing}_"
        parts = ["paused"] if self.is_paused else []
        parts += [f"filter: {self.choice.filter}"] if self.choice.filter else []
        return "  ".join([*(f"[{part}]" for part in parts), KEYS])


class Watch:
    """A campaign that is being watched.

    Args:
        path: Its results file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.controls = Controls()
        self._tally = Tally()
        self._follower = Follower(path, self._tally)
        self._note, self._num_campaigns = "", 0
        self._idle: list[Line] = []
        self._next_idle = 0.0

    @property
    def num_ended(self) -> int:
        """Number of evaluations that have ended for good, as far as that has been read."""
        return self._tally.num_ended

    @property
    def num_reads(self) -> int:
        """Number of snapshots that were read."""
        return self._follower.num_reads

    def close(self) -> None:
        """Close the file."""
        self._follower.close()

    def poll(self, seconds: float = READ_SECONDS) -> bool:
        """Read what is new, for about so long at most; return whether that was all.

        Raises:
            ResultsError: It cannot be read now.
        """
        is_all = self._follower.poll(seconds)
        if self._follower.num_campaigns != self._num_campaigns:
            if self._num_campaigns:
                self._note = f"since {time.strftime('%H:%M:%S')}, the file is that of another campaign"
            self._num_campaigns, self._idle = self._follower.num_campaigns, []
        return is_all

    def figures(self) -> LiveFigures:
        """Return the figures of this moment."""
        metadata = self._tally.metadata
        assert metadata is not None
        now = time.time()
        progress = progress_of(metadata, self._follower.owner, self._follower.heard, now)
        return live_figures(self._tally, progress, now)

    def lines(self, size: PageSize) -> list[Line]:
        """Return the page that has been chosen."""
        if self.controls.page == "help":
            return help_page(size)
        if self._tally.metadata is None:
            return []
        figures = self.figures()
        if self.controls.page == "idle":
            return self._idle_lines(figures, size)
        notes = [each for each in (self._follower.dropped, self._note) if each]
        if size.rows is not None:
            size = size._replace(rows=size.rows - len(notes))
        page = campaign_page(self.path, self._tally, figures, self.controls.choice, size)
        return [*page[:2], *(Line(fit(f"{'note':13}{note}", size), "bad") for note in notes), *page[2:]]

    def _idle_lines(self, figures: LiveFigures, size: PageSize) -> list[Line]:
        """Return the page of idle times; it needs the whole file, and so is made only now and then."""
        if not self._idle or time.monotonic() >= self._next_idle:
            began = time.monotonic()
            is_going_on = figures.progress in (Liveness.RUNNING, Liveness.SILENT)
            self._idle = idle_page(read(self.path), figures.now if is_going_on else None, size)
            self._next_idle = time.monotonic() + max(5.0, IDLE_SHARE * (time.monotonic() - began))
        return self._idle


def once(path: str, stream: Stream, columns: int = 100, note: str = "") -> None:
    """Print what the live view shows, as plain text.

    Args:
        path: The results file.
        stream: Where it is printed.
        columns: Width of its lines.
        note: What is told before.

    Raises:
        ResultsError: The file is missing, damaged or no results file.
    """
    watch = Watch(path)
    try:
        watch.poll(seconds=float("inf"))
        if note:
            tell(note)
        for line in watch.lines(PageSize(columns, None, _is_unicode())):
            print(line.text.rstrip(), file=stream)
    finally:
        watch.close()


def live(path: str, interval: float) -> int:
    """Show a campaign on the terminal until that is enough; on what is no terminal, print it once.

    Args:
        path: The results file; it may come later.
        interval: Time between two pages [s].

    Returns:
        The exit status: 0, or 128 and the signal that has ended it.
    """
    if why := live_screen.why_not():
        once(path, Printer(), note=f"{why}; printed once, as --once does")
        return 0
    watch = Watch(path)
    try:
        with live_screen.LiveScreen.taken() as screen:
            _show(watch, screen, interval)
    except live_screen.Terminated as end:
        return 128 + end.number
    except (KeyboardInterrupt, live_screen.Closed):
        return 0
    finally:
        watch.close()
    return 0


def _show(watch: Watch, screen: live_screen.LiveScreen, interval: float) -> None:
    """Show pages until a key ends it."""
    controls, lines, is_unicode = watch.controls, [Line()], _is_unicode()
    num_behind = 0
    while not controls.is_over:
        size = PageSize(screen.columns, screen.rows - 1, is_unicode)
        is_all, trouble = True, ""
        try:
            is_all = watch.poll()
            if not controls.is_paused:
                lines = watch.lines(size)
        except ResultsError as error:
            trouble = f"waiting: {error}"
        num_behind = 0 if is_all else num_behind + 1
        foot = controls.foot if num_behind < MANY_BEHIND else f"[reading the file]  {controls.foot}"
        above = wrapped(Line(trouble, "bad"), size) if trouble else ()
        screen.draw([*above, *lines], Line(fit(foot, size), "dim"))
        for key in screen.keys(interval if is_all else 0.0):
            controls.press(key)
            if not controls.is_paused:
                break  # shown at once
            screen.draw(lines, Line(fit(controls.foot, size), "dim"))
            if controls.is_over:
                break


def _is_unicode() -> bool:
    """Whether the locale, and what standard output makes of it, have more characters than ASCII."""
    with contextlib.suppress(locale.Error):  # a locale that is not installed: ASCII
        locale.setlocale(locale.LC_CTYPE, "")
    encoding = (sys.stdout.encoding or "") if sys.stdout is not None else ""
    names = (locale.nl_langinfo(locale.CODESET), encoding)
    return all(name.lower().replace("-", "") == "utf8" for name in names)
