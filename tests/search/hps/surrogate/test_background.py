import threading
from concurrent.futures import CancelledError

import pytest

from dhmpi.search.hps.surrogate.background import Background, BackgroundThread, checkpoint


def test_jobs_run_one_after_the_other_in_another_thread():
    executor, order = BackgroundThread(), []
    futures = [executor.submit(lambda number: order.append(number) or threading.get_ident(), n) for n in range(5)]
    idents = {future.result(10) for future in futures}
    assert order == [0, 1, 2, 3, 4]
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    executor.shutdown()


def test_what_a_job_raises_is_in_its_future():
    executor = BackgroundThread()
    assert isinstance(executor.submit(lambda: 1 / 0).exception(10), ZeroDivisionError)
    assert executor.submit(lambda: 3).result(10) == 3
    executor.shutdown()


def test_its_end_waits_for_the_running_job_and_cancels_the_others():
    executor, begun, go = BackgroundThread(), threading.Event(), threading.Event()
    running = executor.submit(lambda: begun.set() or go.wait(10))
    queued = executor.submit(lambda: 3)
    begun.wait(10)
    threading.Timer(0.05, go.set).start()
    executor.shutdown()
    assert running.result(0)
    with pytest.raises(CancelledError):
        queued.result(0)


def test_its_end_stops_a_job_at_its_next_checkpoint():
    executor, begun = BackgroundThread(), threading.Event()

    def job():
        while True:
            begun.set()
            checkpoint()

    running = executor.submit(job)
    begun.wait(10)
    executor.shutdown()
    assert isinstance(running.exception(0), CancelledError)


def test_elsewhere_checkpoints_let_everything_pass():
    checkpoint()


def test_no_thread_is_started_before_the_first_job():
    before = threading.active_count()
    background = Background()
    assert threading.active_count() == before
    assert background.submit(lambda: 3).result(10) == 3
    assert threading.active_count() == before + 1
