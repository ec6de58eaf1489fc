import signal
import subprocess
import sys
import textwrap
import time

import pytest

from dhmpi.control.signals import Stopped, StopRequest
from dhmpi.support.environment import END_SIGNALS


def run(code, *signums):
    """Run code in a process of its own; it gets the signals as numbers and writes without a buffer."""
    head = (
        "import os, signal, sys, time\n"
        "from dhmpi.control.signals import StopRequest, Stopped, leave_to_search_rank\n"
        "signums = [int(word) for word in sys.argv[1:]]\n"
    )
    words = [sys.executable, "-u", "-c", head + textwrap.dedent(code), *map(str, map(int, signums))]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("signum", END_SIGNALS)
def test_the_first_signal_is_named_and_interrupts_user_code(signum):
    calls = []
    with StopRequest(lambda: calls.append("interrupt")) as stop:
        assert (stop.signal_name, calls) == ("", [])
        signal.raise_signal(signum)
        assert (stop.signal_name, calls) == (signum.name, ["interrupt"])


def test_a_signal_ends_an_interruptible_block():
    calls = []

    def compute(stop):
        with stop.interruptible():
            signal.raise_signal(signal.SIGTERM)
            calls.append("went on")

    with StopRequest(lambda: calls.append("interrupt")) as stop:
        with pytest.raises(Stopped):
            compute(stop)
        assert (stop.signal_name, calls) == ("SIGTERM", [])


def test_a_signal_that_came_before_keeps_an_interruptible_block_from_beginning():
    begun = []
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Stopped), stop.interruptible():
            begun.append(1)
    assert not begun


def test_after_an_interruptible_block_nothing_is_raised():
    with StopRequest() as stop:
        with pytest.raises(KeyError), stop.interruptible():
            raise KeyError
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal_name == "SIGTERM"


def test_no_except_exception_catches_a_stop():
    assert not issubclass(Stopped, Exception)


def handlers():
    return [signal.getsignal(signum) for signum in END_SIGNALS]


def test_the_handlers_of_before_come_back():
    before = handlers()
    with StopRequest():
        assert not set(handlers()) & set(before)
    assert handlers() == before


def test_the_handlers_of_before_come_back_after_an_error():
    before = handlers()
    with pytest.raises(ZeroDivisionError), StopRequest():
        raise ZeroDivisionError
    assert handlers() == before


@pytest.mark.parametrize("second", [each for each in END_SIGNALS if each != signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(second):
    ended = run(
        """
        with StopRequest():
            try:
                signal.raise_signal(signums[0])
                print("after the first")
                signal.raise_signal(signums[1])
                print("after the second")
            finally:
                print("cleaned up")
        """,
        signal.SIGTERM,
        second,
    )
    assert (ended.returncode, ended.stdout) == (128 + second, "after the first\n")


@pytest.mark.parametrize("signum", END_SIGNALS)
def test_the_same_signal_counts_once_within_a_second(signum):
    ended = run(
        """
        with StopRequest() as stop:
            for _ in range(3):
                signal.raise_signal(signums[0])
            print(stop.signal_name)
            time.sleep(1.1)
            signal.raise_signal(signums[0])
            print("after the second")
        """,
        signum,
    )
    assert (ended.returncode, ended.stdout) == (128 + signum, f"{signum.name}\n")


def test_a_repeated_signal_does_nothing_when_the_campaign_has_ended():
    ended = run(
        """
        with StopRequest():
            signal.raise_signal(signums[0])
        signal.raise_signal(signums[0])
        with StopRequest() as again:
            signal.raise_signal(signums[0])
        print(repr(again.signal_name))
        time.sleep(1.1)
        print("a second later")
        signal.raise_signal(signums[0])
        print("after that")
        """,
        signal.SIGUSR1,
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGUSR1, "''\na second later\n")


STORM = """
    import subprocess
    from dhmpi.control import signals
    signals.REPEAT_TIME = 60.0
    kill = f"[os.kill({os.getpid()}, {signums[0]}) for _ in range(9)]; time.sleep(1e-4)"
    code = f"import os, time\\nwhile True: {kill}"
    signal.signal(signums[0], lambda signum, frame: None)
    storm = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


def test_a_repeated_signal_may_come_while_the_first_one_is_handled():
    body = """
    for _ in range(500):
        signal.signal(signums[0], lambda signum, frame: None)
        with StopRequest() as stop:
            while not stop.signal_name:
                pass
    storm.kill()
    print("the end")
    """
    ended = run(STORM + body, signal.SIGUSR1)
    assert (ended.returncode, ended.stdout) == (0, "the end\n"), ended.stderr


def test_a_repeated_signal_does_nothing_when_python_ends():
    """Python drops its handlers before libraries like MPI end."""
    body = """
    with StopRequest() as stop:
        while not stop.signal_name:
            pass
    """
    ended = run(STORM + body, signal.SIGUSR1)
    assert ended.returncode == 0, ended.stderr


def test_a_hangup_that_is_ignored_stays_so():
    ended = run(
        """
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGHUP)
            print(repr(stop.signal_name))
        leave_to_search_rank(lambda: print("interrupt"))
        signal.raise_signal(signal.SIGHUP)
        """
    )
    assert (ended.returncode, ended.stdout) == (0, "''\n")


def test_what_is_being_written_is_written_before_a_second_signal_ends_the_process():
    ended = run(
        """
        with StopRequest() as stop:
            with stop.writing():
                for signum in signums:
                    signal.raise_signal(signum)
                print("written")
            print("after the block")
        """,
        signal.SIGINT,
        signal.SIGUSR1,
    )
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGUSR1, "written\n")


def test_writing_that_takes_long_does_not_keep_the_process():
    begun = time.monotonic()
    ended = run(
        """
        with StopRequest() as stop, stop.writing():
            for signum in signums:
                signal.raise_signal(signum)
            while True:
                signal.pause()
        """,
        signal.SIGTERM,
        signal.SIGINT,
    )
    assert ended.returncode == 128 + signal.SIGINT
    assert time.monotonic() - begun < 20


def test_the_first_signal_lets_writing_and_what_follows_go_on():
    with StopRequest() as stop:
        with stop.writing():
            signal.raise_signal(signal.SIGTERM)
        assert stop.signal_name == "SIGTERM"


def test_after_writing_a_second_signal_waits_for_nothing():
    ended = run(
        """
        with StopRequest() as stop:
            with stop.writing():
                signal.raise_signal(signums[0])
            signal.raise_signal(signums[1])
            print("went on")
        """,
        signal.SIGINT,
        signal.SIGTERM,
    )
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGTERM, "")


def test_a_worker_rank_outlives_any_number_of_signals():
    ended = run(
        """
        leave_to_search_rank(lambda: print("interrupt"))
        for signum in signums:
            signal.raise_signal(signum)
        print("alive")
        """,
        *END_SIGNALS,
        *END_SIGNALS,
    )
    assert (ended.returncode, ended.stdout) == (0, 2 * len(END_SIGNALS) * "interrupt\n" + "alive\n")
