import signal

import pytest

from dhmpi.environ import END_SIGNALS


@pytest.fixture(autouse=True)
def handlers_of_before():
    """A campaign that a signal has ended keeps an eye on that signal; the next test may send it again."""
    before = {signum: signal.getsignal(signum) for signum in END_SIGNALS}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)
