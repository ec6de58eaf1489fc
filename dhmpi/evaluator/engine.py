"""Engines: executors of `concurrent.futures`, those of other libraries among them, and who ends them."""

import contextlib
import logging
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from dhmpi.errors import OptionError, option_name
from dhmpi.support import environment
from dhmpi.support.loader import guarded, load

log = logging.getLogger(__name__)

# Attribute of a module or file, where a name says no other.
ATTRIBUTE = "executor"
EXAMPLE = "futures:executor=my_engines.py:make"


class Engine:
    """An executor that was given, or one that a function makes whenever one is needed; what is made here is ended here.

    Args:
        target: An executor; a function without arguments that returns one, or a context manager of one; or the name of
            any of these, such as `my_engines.py:make` or `concurrent.futures.ProcessPoolExecutor`.

    Raises:
        LoadError: A name leads nowhere.
        OptionError: It is no executor, or there is none.
    """

    def __init__(self, target: object) -> None:
        if target is None:
            raise OptionError(f"{option_name('evaluator')} futures must have an executor, got none; give {EXAMPLE}")
        self._label = repr(target) if isinstance(target, str) else "the function given"
        found = load(target, ATTRIBUTE) if isinstance(target, str) else target
        self._executor: Executor | None = None
        self._make: Callable[[], Any] | None = None
        if isinstance(found, Executor):
            self._executor = found
        elif callable(found):
            self._make = found
        else:
            raise _not_an_executor(found, f" from {self._label}")
        self._end = contextlib.ExitStack()
        self._others: set[int | None] = set()  # processes that were there before

    @property
    def is_made(self) -> bool:
        """Whether a function makes it, and can do so again."""
        return self._make is not None

    @property
    def executor(self) -> Executor:
        """The executor; it is made if there is none.

        Raises:
            LoadError: The function raises an exception.
            OptionError: It returns no executor.
        """
        if self._executor is None:
            assert self._make is not None
            self._others = {child.pid for child in multiprocessing.active_children()}
            with _without_sigint():
                found = guarded(self._make, f"{self._label} must return an executor when called without arguments")
                if not isinstance(found, Executor) and _is_manager(found):
                    enter = self._end.enter_context
                    found = guarded(lambda: enter(found), f"the context manager of {self._label} must be entered")
            if not isinstance(found, Executor):
                self.close(is_busy=False)
                raise _not_an_executor(found, f" from {self._label}")
            _refuse_spawning(found)
            self._executor = found
        return self._executor

    @property
    def shares_memory(self) -> bool:
        """Whether its workers are threads of this process, to which objects go as they are."""
        return isinstance(self.executor, ThreadPoolExecutor)

    def num_workers(self) -> int:
        """Return how many workers it has, as far as it says so, or else how many cores there are here."""
        executor: Any = self.executor  # what it is called differs
        client: Any = getattr(executor, "_client", None)
        try:
            if hasattr(client, "nthreads"):  # Dask, whose executor does not say it; the cluster may be still empty
                return sum(client.nthreads().values()) or 1
            # That of mpi4py is documented; that of Python's pools has been the same since they exist.
            return int(getattr(executor, "num_workers", None) or executor._max_workers)
        except (AttributeError, TypeError):
            return environment.num_cores()

    def close(self, is_busy: bool) -> None:
        """End an executor that was made here; the next one is made when it is needed.

        Args:
            is_busy: Whether something runs in it that is not wanted any more; processes that Python's `multiprocessing`
                has started for it are then ended.
        """
        if self._make is None:
            return
        executor, self._executor = self._executor, None
        if executor is not None:
            with _told(f"{type(executor).__name__} cannot be shut down"):
                executor.shutdown(wait=False)
        if is_busy:
            for child in multiprocessing.active_children():
                if child.pid not in self._others:
                    child.kill()  # one that was forked has the handlers of the campaign for all other signals
        with _told("the context manager of the executor cannot be left"):
            self._end.close()


def _is_manager(found: object) -> bool:
    """Whether an object is a context manager that may lead to an executor; a client of Dask leads to itself."""
    return hasattr(found, "__enter__") and not hasattr(found, "get_executor")


@contextlib.contextmanager
def _without_sigint() -> Iterator[None]:
    """Let processes that are started here ignore Ctrl-C, as far as they do not say otherwise.

    A terminal sends it to all processes, and an engine that has lost some of its own may never end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Log what goes wrong at the end of an engine, which may be broken."""
    try:
        yield
    except Exception as error:
        log.warning("%s: %s: %s", what, type(error).__name__, error)


def _not_an_executor(found: object, origin: str) -> OptionError:
    constraint = f"{option_name('evaluator')} futures must have an executor of concurrent.futures"
    advice = (
        remedy(found) or "; give one, such as concurrent.futures.ProcessPoolExecutor, or a function that returns it"
    )
    return OptionError(f"{constraint}, got {found!r:.80}{origin}{advice}")


def _refuse_spawning(executor: Executor) -> None:
    """Refuse a pool of mpi4py that would start ranks by itself: where MPI has no room for them, it waits for ever.

    Raises:
        OptionError: mpi4py.futures has not started the ranks of this job.
    """
    name = type(executor).__name__
    core: Any = sys.modules.get("mpi4py.futures._core")
    has_workers = getattr(core, "SharedPool", None) is not None or getattr(executor, "_pool", None) is not None
    if name == "MPIPoolExecutor" and core is not None and not has_workers:
        raise OptionError(
            f"{option_name('evaluator')} futures must have {name} in a job that mpi4py.futures has started, got "
            "another; start it as: mpirun -n 5 python -m mpi4py.futures -m dhmpi ..."
        )


def remedy(found: object) -> str:
    """Return what to do with an object that is no executor."""
    if callable(getattr(found, "get_executor", None)):  # a client of Dask
        return "; give its get_executor()"
    if isinstance(found, type) and issubclass(found, Executor):
        return f"; give {found.__name__}(...)"
    return ""
