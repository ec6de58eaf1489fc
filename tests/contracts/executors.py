"""Executors for tests: refits that are done at once, or when the test says so."""

from concurrent.futures import Executor, Future


class Inline(Executor):
    """Runs every job at once."""

    def __init__(self):
        self.num_jobs = 0

    def submit(self, function, /, *args, **kwargs):
        self.num_jobs += 1
        future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Later(Executor):
    """Runs jobs when it is told to, if ever."""

    def __init__(self):
        self.jobs = []

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        self.jobs.append((future, lambda: function(*args, **kwargs)))
        return future

    def run(self):
        jobs, self.jobs = self.jobs, []
        for future, job in jobs:
            future.set_result(job())
