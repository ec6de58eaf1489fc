"""These tests run on several ranks at once: `mpirun -n 3 python -m pytest --with-mpi tests/mpi`."""

import sys
from pathlib import Path

import pytest

from dhmpi.support import environment


class FailuresOnly:
    """The report of a rank other than 0: one report is enough, unless something fails."""

    def pytest_runtest_logreport(self, report):
        if report.failed:
            print(f"rank {environment.launch().rank}: {report.nodeid}\n{report.longreprtext}", file=sys.stderr)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    if environment.launch().rank > 0:
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(FailuresOnly())


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(60))


@pytest.fixture
def job():
    from dhmpi.mpi import job

    return job.current()


@pytest.fixture
def comm(job):
    job.comm.barrier()
    yield job.comm
    job.comm.barrier()


@pytest.fixture
def campaign(job, comm):
    """What all ranks say to each other in a campaign of this test's own."""
    job.begin_campaign()
    return job.converse()


@pytest.fixture
def files(comm, tmp_path_factory):
    """The same directory on all ranks."""
    path = tmp_path_factory.mktemp("files") if comm.rank == 0 else None
    return Path(comm.broadcast(path))
