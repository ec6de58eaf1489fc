"""The door to Balsam: evaluations as jobs in its active database.

Facts about Balsam are those of balsam-flow 0.5.0.
"""

import contextlib
import importlib.util
import json
import logging
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from dhmpi.errors import OptionError
from dhmpi.execution.context import Feedback
from dhmpi.execution.executor import Setup
from dhmpi.execution.runner import Outcome, Task, unpack_outcomes
from dhmpi.support.json_text import dumps
from dhmpi.support.resources import Resources, SlotOptions

# Balsam's states that a job never leaves.
ENDED = ("JOB_FINISHED", "FAILED", "USER_KILLED")
# A launcher renews its lock on a job every minute; Balsam gives a lock up that is older than this.
LOCK_EXPIRES = timedelta(minutes=3)
ACTIVATE = "run: source balsamactivate NAME"


class UnreachableError(Exception):
    """The database does not answer; it may at the next try."""


class Request(NamedTuple):
    """Request to a job: a task, and the surroundings in which the search would find the run function.

    Attributes:
        task: The evaluation.
        setup: What to run; the resources are this evaluation's.
        directory: Where.
        path: Python's path.
        variables: Environment variables.
    """

    task: Task
    setup: Setup
    directory: str
    path: list[str]
    variables: dict[str, str]

    @property
    def num_ranks(self) -> int:
        """Number of ranks that evaluate it together."""
        return self.setup.resources.num_nodes * self.setup.resources.ranks_per_node


class Reply(NamedTuple):
    """Reply of a job: the outcome, or why the run function could not be loaded.

    Attributes:
        host: Where it ran.
        outcome: What became of the task.
        error: Why it could not be loaded, in one sentence.
        details: The same with a traceback.
    """

    host: str
    outcome: Outcome | None
    error: str = ""
    details: str = ""


class Status(NamedTuple):
    """Status of a job.

    Attributes:
        state: Balsam's word for it.
        begun: When the evaluation began, on the node's clock [s since 1970-01-01 UTC]; None before that.
        reply: What the job has told; None before that.
        is_locked: Whether a launcher that is alive has it.
    """

    state: str
    begun: float | None
    reply: Reply | None
    is_locked: bool


class Jobs:
    """The jobs of one search.

    Args:
        application: Name of what they run.
        command: Its command.
        files: Directory where they run and print.

    Raises:
        OptionError: There is no active database.

    Attributes:
        num_left: How many jobs an earlier search had left unfinished, that used the same directory; they are killed.
    """

    def __init__(self, application: str, command: str, files: str) -> None:
        activate()
        from balsam.core.models import ApplicationDefinition, BalsamJob

        self._table, self._application, self._files = BalsamJob.objects, application, files
        own = os.environ.get("BALSAM_JOB_ID")  # set where the search is a job too
        try:
            with _connection():
                ApplicationDefinition.objects.update_or_create(name=application, defaults={"executable": command})
                self._parent = self._table.filter(pk=own).first() if own else None
                self.num_left = self._kill(self._table.filter(user_workdir=files), "another search uses its directory")
        except UnreachableError as error:
            path = os.environ["BALSAM_DB_PATH"]
            raise OptionError(f"the Balsam database {path} must answer, got {error}; {ACTIVATE}") from error

    def create(self, requests: Mapping[UUID, Request]) -> None:
        """Add jobs, all or none; those that are there already are left alone.

        Raises:
            UnreachableError: They may or may not have been added.
        """
        from balsam.core.models import BalsamJob, history_line

        # Balsam's own steps until a job may run would do no more than make a directory, at intervals of 5 s.
        history = history_line() + history_line("PREPROCESSED")
        jobs = [
            BalsamJob(
                job_id=key,
                name=_name(request.task.id),
                workflow=self._parent.workflow if self._parent else self._application,
                queued_launch=self._parent and self._parent.queued_launch,
                application=self._application,
                user_workdir=self._files,
                **request.setup.resources.of_job(),
                cpu_affinity="depth",
                wall_time_minutes=max(1, math.ceil((request.setup.timeout or 0) / 60)),
                auto_timeout_retry=False,
                state="PREPROCESSED",
                state_history=history,
                data={"request": encode(request)},
            )
            for key, request in requests.items()
        ]
        with _connection():
            self._table.bulk_create(jobs, ignore_conflicts=True)

    def look(self, keys: Iterable[UUID]) -> dict[UUID, Status]:
        """Return where jobs stand; those that have been deleted are not among them.

        Raises:
            UnreachableError: The database does not answer.
        """
        with _connection():
            jobs = self._table.filter(pk__in=list(keys))
            rows = jobs.values_list("pk", "state", "tick", "data__begun", "data__reply")
            expired = datetime.now(UTC) - LOCK_EXPIRES
            return {
                key: Status(state, begun, reply and decode_reply(reply), tick > expired)
                for key, state, tick, begun, reply in rows
            }

    def history(self, key: UUID) -> dict[str, str]:
        """Return the states that a job has been in, and what Balsam remarked on each.

        Raises:
            UnreachableError: The database does not answer.
        """
        with _connection():
            return read_history(self._table.values_list("state_history", flat=True).get(pk=key))

    def kill(self, keys: Iterable[UUID], why: str) -> None:
        """Let jobs not begin, or stop.

        Raises:
            UnreachableError: The database does not answer.
        """
        self._kill(self._table.filter(pk__in=list(keys)), why)

    def _kill(self, jobs: Any, why: str) -> int:
        from balsam.core.models import BalsamJob

        with _connection():
            keys = list(jobs.exclude(state__in=ENDED).values_list("pk", flat=True))
            BalsamJob.batch_update_state(keys, "USER_KILLED", why)
        return len(keys)

    def output(self, id: int) -> str:
        """Return the file to which Balsam sends what an evaluation's job prints."""
        return os.path.join(self._files, _name(id) + ".out")


class OwnJob:
    """The job in which this process runs; it holds no connection meanwhile, since a database has 128 of them.

    Raises:
        OptionError: There is no active database.
        UnreachableError: The database does not answer.
    """

    def __init__(self) -> None:
        activate()
        from balsam.core.models import BalsamJob

        self._row = BalsamJob.objects.filter(pk=os.environ["BALSAM_JOB_ID"])
        with _connection():
            self._data = self._row.values_list("data", flat=True).get()
            close_connection()

    @property
    def request(self) -> Request:
        """Request to the job."""
        return decode_request(self._data["request"])

    def is_wanted(self) -> bool:
        """Return whether it has been neither killed nor deleted.

        Raises:
            UnreachableError: The database does not answer.
        """
        with _connection():
            wanted = bool(self._row.exclude(state="USER_KILLED").exists())
            close_connection()
        return wanted

    def begin(self, begun: float) -> None:
        """Tell when the evaluation has begun.

        Raises:
            UnreachableError: The database does not answer.
        """
        self._store("begun", begun)

    def reply(self, reply: Reply) -> None:
        """Tell what became of it.

        Raises:
            UnreachableError: The database does not answer.
        """
        self._store("reply", dumps(reply))

    def _store(self, name: str, value: object) -> None:
        self._data[name] = value
        with _connection():
            self._row.update(data=self._data)  # this column only: the launcher owns the others
            close_connection()


# --- connecting


def activate() -> None:
    """Import Balsam for the database that BALSAM_DB_PATH names.

    Raises:
        OptionError: Balsam is not installed, or there is no active database.
    """
    for library in ("balsam", "django"):
        if importlib.util.find_spec(library) is None:
            raise OptionError(f'the evaluator balsam needs {library}, got none; run: pip install "dhmpi[balsam]"')
    path = os.environ.get("BALSAM_DB_PATH", "")
    if not path:  # the import would end this process
        raise OptionError(f"an active Balsam database is needed, got no BALSAM_DB_PATH; {ACTIVATE}")
    if not os.path.isfile(os.path.join(os.path.expanduser(path), "server-info")):
        raise OptionError(f"BALSAM_DB_PATH must be the directory of a Balsam database, got {path!r}; {ACTIVATE}")
    # The import makes everybody's logging verbose and handles uncaught exceptions its own way.
    level, hook = logging.getLogger().level, sys.excepthook
    try:
        import balsam.core.models  # noqa: F401  # what it needs is set up by that
    finally:
        logging.getLogger().setLevel(level)
        sys.excepthook = hook


def close_connection() -> None:
    """Close the connection; the next query opens another."""
    from django.db import connections

    connections.close_all()


@contextlib.contextmanager
def _connection() -> Iterator[None]:
    """Turn errors of the connection into UnreachableError, and let the next try connect anew."""
    from django.db import InterfaceError, OperationalError

    try:
        yield
    except (OperationalError, InterfaceError) as error:
        _reset_connection()
        lines = str(error).strip().splitlines()
        raise UnreachableError(lines[0] if lines else type(error).__name__) from error


def _reset_connection() -> None:
    """Forget the connection, and read the server's address again, since it gets another port when it is restarted."""
    from balsam.django_config.serverinfo import ServerInfo
    from django.conf import settings

    close_connection()
    with contextlib.suppress(ValueError):  # half written: the next try reads it again
        info = ServerInfo(settings.BALSAM_PATH)
        settings.DATABASES["default"].update(HOST=info.get("host", ""), PORT=info.get("port", ""))


# --- what travels, as JSON in a text: PostgreSQL's own JSON has neither NaN nor NUL


def encode(request: Request) -> str:
    """Return what a job is told, as it travels."""
    task, setup, *rest = request
    return dumps([task, asdict(setup) | {"slot": None}, *rest])


def decode_request(text: str) -> Request:
    """Return what has travelled."""
    task, setup, *rest = json.loads(text)
    setup |= {"resources": Resources(**setup["resources"]), "slot": SlotOptions()}  # these are Balsam's business
    setup["feedback"] = Feedback(*setup["feedback"])
    return Request(Task(*task), Setup(**setup), *rest)


def decode_reply(text: str) -> Reply:
    """Return what has travelled; replies do as they are."""
    host, outcome, error, details = json.loads(text)
    return Reply(host, None if outcome is None else unpack_outcomes([outcome])[0], error, details)


def read_history(text: str) -> dict[str, str]:
    """Return the states in a job's history, and the remark on each, which may have several lines."""
    entries = re.split(r"^ *\[[\d-]+ [\d:.]+ (\w+) *\] ?", text, flags=re.MULTILINE)[1:]
    return dict(zip(entries[::2], map(str.strip, entries[1::2]), strict=True))


def _name(id: int) -> str:
    return f"evaluation-{id:06d}"
