import os
import signal

import pytest

from dhmpi.support.environment import END_SIGNALS
from dhmpi.support.place import GroupPart, Place

# Tests that share a scheduler, or a database, of which a machine has one.
GROUPS = ("tests/schedulers/", "tests/launcher/test_balsam.py")

# What executors add to the environment.
OF_EXECUTORS = (*Place().changes(), *GroupPart(0, 1, 0, 1, ()).variables())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let `--dist loadgroup` hand out tests one by one, but for groups; with pytest 9 their mark has no effect."""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling  # sites test without it

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return next((group for group in GROUPS if nodeid.startswith(group)), nodeid)

    return GroupScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Let tests that may take long begin first where several processes share them: the end is waited for by all."""
    if hasattr(config, "workerinput"):
        items.sort(key=time_limit, reverse=True)


def time_limit(item):
    mark = item.get_closest_marker("timeout")
    return mark.args[0] if mark else 0


@pytest.fixture(autouse=True, scope="session")
def directory_of_launchers(tmp_path_factory):
    """Open MPI's launchers share a directory for their sessions, which the first one to end may take from the next."""
    os.environ["PRTE_MCA_prte_tmpdir_base"] = str(tmp_path_factory.mktemp("mpi"))  # noqa: SIM112  # its name


@pytest.fixture(autouse=True)
def handlers_of_before():
    """A campaign that a signal has ended keeps an eye on that signal; the next test may send it again."""
    before = {signum: signal.getsignal(signum) for signum in END_SIGNALS}
    if before[signal.SIGHUP] is signal.SIG_IGN:  # the tests were started by nohup, which is not what they are about
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture(autouse=True)
def environment_of_before():
    """An executor that runs user code in this process changes its environment until it is closed."""
    before = {name: os.environ.get(name) for name in OF_EXECUTORS}
    yield
    after = {name: os.environ.get(name) for name in OF_EXECUTORS}
    for name in OF_EXECUTORS:
        os.environ.pop(name, None)
    os.environ.update({name: value for name, value in before.items() if value is not None})
    assert after == before, "an executor was not closed"
