import signal

import pytest

from dhmpi.support.environment import END_SIGNALS


@pytest.fixture(autouse=True)
def handlers_of_before():
    """A campaign that a signal has ended keeps an eye on that signal; the next test may send it again."""
    before = {signum: signal.getsignal(signum) for signum in END_SIGNALS}
    if before[signal.SIGHUP] is signal.SIG_IGN:  # the tests were started by nohup, which is not what they are about
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)
