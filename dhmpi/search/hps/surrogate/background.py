"""Background thread in which models are fitted; it ends with the program."""

import time
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Any, ParamSpec, TypeVar

from dhmpi.search.blas_threads import use_one_thread

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Job = tuple[Future[Any], Callable[[], Any]]


class Ended:
    """A job that has ended: what is left of its future in a copy of a search.

    Args:
        result: What it returned.
    """

    def __init__(self, result: Any) -> None:
        self._result = result

    def done(self) -> bool:
        """Return True."""
        return True

    def result(self) -> Any:
        """Return what the job returned."""
        return self._result

    def exception(self, timeout: float | None = None) -> None:
        """Return None: it did not fail."""


class _Worker(Thread):
    """The thread; `is_ending` is for the job that it runs."""

    def __init__(self, jobs: SimpleQueue[Job | None]) -> None:
        super().__init__(target=_work, args=(jobs,), name="dhmpi-refit", daemon=True)
        self.is_ending = False


def checkpoint() -> None:
    """Give up the job that calls this if its thread is to end; for jobs of seconds, between their steps.

    Raises:
        CancelledError: The thread is to end.
    """
    if getattr(current_thread(), "is_ending", False):
        raise CancelledError


class BackgroundThread(Executor):
    """Runs one job after the other in a daemon thread.

    A ThreadPoolExecutor would let the program end only after everything that is queued; here it ends after the job that
    is running, or at its next `checkpoint`, since a thread must not be killed in the middle of native code.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = _Worker(self._jobs)
        self._thread.start()
        self._end = weakref.finalize(self, _end, self._jobs, self._thread)

    def submit(
        self, function: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Queue a job."""
        future: Future[Result] = Future()
        self._jobs.put((future, lambda: function(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End the thread after the job that is running or at its next checkpoint; the others are cancelled."""
        self._end()


def _work(jobs: SimpleQueue[Job | None]) -> None:
    use_one_thread()
    while (job := jobs.get()) is not None:
        future, function = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function())
            except BaseException as error:  # it is raised where the result is wanted
                future.set_exception(error)
        del job, future, function  # or the last model would stay in memory until the next job


def _end(jobs: SimpleQueue[Job | None], thread: _Worker) -> None:
    thread.is_ending = True
    while not jobs.empty():
        if job := jobs.get():
            job[0].cancel()
    jobs.put(None)
    if thread is not current_thread():
        thread.join()


class Background:
    """The executor of refits and the clock; both can be exchanged.

    Args:
        executor: Where jobs run; by default a thread that starts with the first one.
        clock: Returns seconds.
    """

    def __init__(self, executor: Executor | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._executor = executor
        self.clock = clock

    def submit(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> "Future[Result]":
        """Run a function."""
        if self._executor is None:
            self._executor = BackgroundThread()
        return self._executor.submit(function, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the thread out: a copy gets one of its own."""
        is_own = isinstance(self._executor, BackgroundThread)
        return self.__dict__ | {"_executor": None if is_own else self._executor}
