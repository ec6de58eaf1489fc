"""Storages of Optuna: how they are opened, and the trials in them."""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import turned

# What brings the drivers of databases, by the module that is missing, where that has another name.
_DRIVERS = {
    "MySQLdb": "pip install mysqlclient; or pip install pymysql, and write mysql+pymysql://",
    "psycopg2": "pip install psycopg2-binary",
    "psycopg": 'pip install "psycopg[binary]"',
}
# Passwords in URLs: before the host, and among the parameters.
_PASSWORD = re.compile(
    r"((?<=://)[^:/?]*:|^(?!.*://))(.+)(?=@)|([?&][^=&]*(?:pass|pwd|secret|token)[^=&]*=)([^&]+)",
    re.IGNORECASE | re.DOTALL,
)


class Trial(NamedTuple):
    """Trial of a study.

    Attributes:
        values: Parameters by name.
        objective: Its value, or minus that if the study maximises; None unless it is complete.
        state: COMPLETE, PRUNED, FAIL, RUNNING or WAITING.
    """

    values: dict[str, Any]
    objective: float | None
    state: str


def open_storage(url: str, option: str = "optuna") -> Any:
    """Open a database.

    Args:
        url: As SQLAlchemy names it.
        option: Name of the option that has it.

    Raises:
        OptionError: It cannot be opened, or its driver is missing.
    """
    try:
        return optuna.storages.get_storage(url)
    except ImportError as error:
        raise OptionError(
            f"{option_name(option)} must name a database whose driver is installed, got {shown(url)} and none; "
            f"run: {_remedy(error)}"
        ) from error
    except Exception as error:  # of SQLAlchemy, a driver, or the database
        raise OptionError(
            f"{option_name(option)} must be the URL of a database, such as sqlite:///study.db, "
            f"got {shown(url)!r}: {said(error, url)}"
        ) from error


def read_trials(source: str, study: str | None) -> list[Trial]:
    """Return the trials of a study.

    Args:
        source: URL of a database, or a journal file.
        study: Name of the study; None if there is just one.

    Raises:
        OptionError: There is no such study, or it has several objectives.
    """
    with quiet():
        if "://" in source:
            _check_file(source)
            storage = open_storage(source, "warm_start")
        else:
            backend = JournalFileBackend(source)
            storage = JournalStorage(backend)
        names = optuna.get_all_study_names(storage)
        if (study is None and len(names) != 1) or (study is not None and study not in names):
            remedy = f"write {shown(source)}#NAME" if names else "name another storage"
            got = f"{len(names)} studies" if study is None else repr(study)
            known = f": {', '.join(names)}" if names else ""
            raise OptionError(f"{option_name('warm_start')} must name one study, got {got}{known}; {remedy}")
        found = optuna.load_study(study_name=study or names[0], storage=storage)
        if len(found.directions) != 1:
            raise OptionError(
                f"{option_name('warm_start')} must name a study of one objective, got one of {len(found.directions)}"
            )
        maximises = found.direction == StudyDirection.MAXIMIZE
        return [_trial(each, maximises) for each in found.get_trials(deepcopy=False)]


def _check_file(url: str) -> None:
    """Check that the file of a URL is there, if it has one: to open it would make it."""
    scheme, _, rest = url.partition("://")
    path = rest.partition("?")[0].removeprefix("/")
    if scheme.partition("+")[0] == "sqlite" and path not in ("", ":memory:") and not os.path.exists(path):
        raise OptionError(f"{option_name('warm_start')} must name files that can be read, got {shown(url)}: no {path}")


def _trial(trial: FrozenTrial, maximises: bool) -> Trial:
    value = trial.value if trial.state == TrialState.COMPLETE else None
    return Trial(dict(trial.params), turned(value, maximises), trial.state.name)


def _remedy(error: BaseException) -> str:
    """Return how a driver that is missing is installed."""
    missing: BaseException | None = error
    while missing is not None and not isinstance(missing, ModuleNotFoundError):
        missing = missing.__cause__ or missing.__context__
    name = "DRIVER" if missing is None else str(missing.name)
    return _DRIVERS.get(name, f"pip install {name}")


def shown(url: str) -> str:
    """Return a URL as people may see it, without passwords."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[3] or ''}***", url)


def said(error: BaseException, url: str) -> str:
    """Return the first line of what an error says, without the passwords of a URL."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    for found in _PASSWORD.finditer(url):
        secret = found[2] or found[4]
        line = line.replace(secret, "***").replace(unquote(secret), "***")
    return line


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let Optuna say nothing but its warnings, and SQLAlchemy nothing about URLs."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
