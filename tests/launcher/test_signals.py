"""Signals, as schedulers and people send them: a campaign ends in time, loses nothing and can be continued."""

import contextlib
import signal
import time

import h5py
import pytest

from dhmpi.control.signals import REPEAT_TIME

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(60)]

MAX_EVALS = 12
# Evaluations that are slow; with two workers, both hang in one of them when all others below 6 have ended.
SLOW = {3: {3, 6}, None: {3}}
DONE = {3: {0, 1, 2, 4, 5}, None: {0, 1, 2}}
RUN = """\
def run(point, context):
    if context.id in {slow} and not (here / "go").exists():
        (here / f"slow-{{context.id}}").touch()
        {hang}
    time.sleep(0.01)
    return 1.0
"""
SLEEP = "time.sleep(30)"
HANGS = {
    "ignores SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(30)",
    # Whatever signal comes, this call does not return; no handler of Python's gets a chance.
    "blocks in C": "m = ctypes.create_string_buffer(64); lock = ctypes.CDLL(None).pthread_mutex_lock; lock(m); lock(m)",
}
ISOLATIONS = ["process", "inline"]
STOP_TIME = 5.0


@pytest.fixture
def hanging(campaign, tmp_path, until):
    """A campaign whose workers all hang in a slow evaluation, all else being done and told to rank 0."""

    def start(isolation, ranks, hang=SLEEP):
        run = RUN.format(slow=SLOW[ranks], hang=hang)
        job = campaign(run, "--max-evals", str(MAX_EVALS), "--isolation", isolation, ranks=ranks)
        until(lambda: all((tmp_path / f"slow-{id}").exists() for id in SLOW[ranks]), 20, "it did not get there")
        return job

    return start


@pytest.fixture
def complete(launch, tmp_path, evaluations):
    """Resume a campaign, and look whether it comes to its proper end."""

    def resume(job):
        (tmp_path / "go").touch()
        words = job.process.args[job.process.args.index("dhmpi") + 1 :]
        again = launch(*words, "--resume")
        assert again.wait(20) == 0, again.stderr
        found = evaluations()
        assert sorted(found) == list(range(MAX_EVALS))
        assert {evaluation.state for evaluation in found.values()} == {"DONE"}

    return resume


def by_state(evaluations):
    states = {}
    for id, evaluation in evaluations.items():
        states.setdefault(evaluation.state.value, set()).add(id)
    return states


def done_in_snapshot(path):
    with h5py.File(path, "r") as file:
        table = file["evaluations"]
        return {int(id) for id, state in zip(table["id"], table["state"], strict=True) if state == b"DONE"}


def check_orderly(job, ranks, path, evaluations):
    assert "to continue: the same command with --resume" in job.stdout
    assert "Traceback" not in job.stderr
    assert by_state(evaluations()) == {"DONE": DONE[ranks], "CANCELLED": SLOW[ranks]}
    assert done_in_snapshot(path) == DONE[ranks]


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize(
    ("receiver", "name"),
    [("mpirun", "SIGUSR1"), ("mpirun", "SIGUSR2"), ("rank 0", "SIGUSR1"), ("rank 0", "SIGTERM"), ("rank 0", "SIGINT")],
)
def test_ranks_stop(receiver, name, isolation, hanging, send, evaluations, complete, tmp_path):
    job = hanging(isolation, 3)
    send(job.process.pid if receiver == "mpirun" else job.pid(0), name)
    assert job.wait(STOP_TIME) == 0, job.stderr
    assert f"stopped by {name}" in job.stdout
    check_orderly(job, 3, tmp_path / "results.h5", evaluations)
    complete(job)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("hang", HANGS)
def test_ranks_stop_whatever_the_run_function_does(hang, isolation, hanging, send, evaluations, complete, tmp_path):
    job = hanging(isolation, 3, HANGS[hang])
    send(job.process.pid, "SIGUSR1")
    assert job.wait(STOP_TIME) == 0, job.stderr
    check_orderly(job, 3, tmp_path / "results.h5", evaluations)
    complete(job)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM", "SIGINT", "SIGHUP", "SIGXCPU"])
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_one_process_stops(name, isolation, hanging, send, evaluations, complete, tmp_path):
    job = hanging(isolation, None)
    send(job.process.pid, name)
    assert job.wait(STOP_TIME) == 0, job.stderr
    assert f"stopped by {name}" in job.stdout
    check_orderly(job, None, tmp_path / "results.h5", evaluations)
    complete(job)


# What hangs in C within the only process cannot be stopped by a signal that Python handles.
@pytest.mark.parametrize(
    ("hang", "isolation"), [("ignores SIGTERM", "process"), ("ignores SIGTERM", "inline"), ("blocks in C", "process")]
)
def test_one_process_stops_whatever_the_run_function_does(
    hang, isolation, hanging, send, evaluations, complete, tmp_path
):
    job = hanging(isolation, None, HANGS[hang])
    send(job.process.pid, "SIGUSR1")
    assert job.wait(STOP_TIME) == 0, job.stderr
    check_orderly(job, None, tmp_path / "results.h5", evaluations)
    complete(job)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_mpirun_is_terminated(isolation, hanging, send, evaluations, complete, tmp_path):
    """Open MPI leaves half a second, which is enough for what has ended."""
    job = hanging(isolation, 3)
    send(job.process.pid, "SIGTERM")
    job.wait(STOP_TIME)
    found = by_state(evaluations())
    assert found["DONE"] == DONE[3]
    assert done_in_snapshot(tmp_path / "results.h5") == DONE[3]
    assert set(found) <= {"DONE", "CANCELLED", "RUNNING"}
    complete(job)


def snapshot(path):
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


@pytest.mark.parametrize("second", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_ranks_leave_at_once(second, isolation, hanging, send, evaluations, complete, until, tmp_path):
    job = hanging(isolation, 3)
    path, rank_0 = tmp_path / "results.h5", job.pid(0)
    for rank in (1, 2):
        send(job.pid(rank), "SIGSTOP")  # so that the orderly end takes its time
    before = snapshot(path)
    send(rank_0, "SIGTERM")
    until(lambda: snapshot(path) != before, STOP_TIME, "the first signal did nothing")
    time.sleep(REPEAT_TIME)
    send(rank_0, second)
    sent = time.monotonic()
    until(lambda: rank_0 not in job.processes(), 1.0, "rank 0 stayed")
    assert job.wait(STOP_TIME) != 0
    assert time.monotonic() - sent < STOP_TIME
    assert by_state(evaluations()) == {"DONE": DONE[3], "RUNNING": SLOW[3]}
    complete(job)


@pytest.mark.parametrize("second", ["SIGTERM", "SIGINT"])
def test_one_process_leaves_at_once(second, hanging, send, evaluations, complete, until, tmp_path):
    """Here the run function's own cleaning up takes longer than anybody wants to wait."""
    cleaning = tmp_path / "cleaning"
    hang = f"try: {SLEEP}\n        finally: (here / 'cleaning').touch(); {SLEEP}"
    job = hanging("inline", None, hang)
    send(job.process.pid, "SIGTERM")
    until(cleaning.exists, STOP_TIME, "the first signal did nothing")
    time.sleep(REPEAT_TIME)
    send(job.process.pid, second)
    assert job.wait(1.0) == 128 + getattr(signal, second)
    found = by_state(evaluations())
    assert found.pop("DONE") == DONE[None]
    assert found in ({}, {"RUNNING": SLOW[None]})
    complete(job)


@pytest.mark.parametrize(("isolation", "ranks"), [("process", 3), ("inline", 3), ("process", None), ("inline", None)])
def test_before_the_first_evaluation(isolation, ranks, campaign, send, until, tmp_path):
    module = "(here / 'loading').touch()\ntime.sleep(30)\ndef run(point): return 1.0\n"
    job = campaign(module, "--isolation", isolation, ranks=ranks)
    until((tmp_path / "loading").exists, 20, "it did not get there")
    until(lambda: caught(job.pid(0)), 20, "rank 0 did not get there")
    send(job.pid(0), "SIGUSR1")
    assert job.wait(STOP_TIME) == 0, job.stderr
    assert "Traceback" not in job.stderr
    assert not (tmp_path / "results.h5").exists()


def caught(pid):
    """Whether a process has a handler for SIGUSR1."""
    with open(f"/proc/{pid}/status") as lines:
        (mask,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(mask >> (signal.SIGUSR1 - 1) & 1)


def test_a_signal_that_comes_several_times_counts_once(hanging, send, evaluations, tmp_path):
    """As from `timeout`, which signals the launcher and then their group, while the launcher passes on each of them."""
    job = hanging("process", 3)
    ranks = [job.pid(rank) for rank in range(3)]
    for pid in (job.process.pid, ranks[0], job.process.pid, *ranks):
        send(pid, "SIGUSR1")
    assert job.wait(STOP_TIME) == 0, job.stderr
    check_orderly(job, 3, tmp_path / "results.h5", evaluations)


@pytest.mark.parametrize("order", [sorted, lambda pids: sorted(pids, reverse=True)], ids=["up", "down"])
def test_a_signal_to_every_process_fails_nothing(order, hanging, send, evaluations, complete):
    """As schedulers do; sooner or later than rank 0, children die by it."""
    job = hanging("process", 3)
    for pid in order(job.processes()):
        with contextlib.suppress(ProcessLookupError):
            send(pid, "SIGTERM")
        time.sleep(0.02)
    job.wait(STOP_TIME)
    found = by_state(evaluations())
    assert found.pop("DONE") >= DONE[3]  # a worker whose child has died before the end came may have gone on
    assert set(found) <= {"CANCELLED", "RUNNING"}
    complete(job)


def test_a_child_that_is_asked_to_end_is_begun_again(campaign, evaluations, tmp_path, until, send):
    body = """
def run(point, context):
    if context.id == 2 and not (here / "pid").exists():
        (here / "pid.new").write_text(str(os.getpid()))
        (here / "pid.new").rename(here / "pid")
        time.sleep(30)
    return 1.0
"""
    job = campaign(body, "--max-evals", "6", ranks=3)
    until((tmp_path / "pid").exists, 20, "it did not get there")
    send(int((tmp_path / "pid").read_text()), "SIGTERM")
    assert job.wait(20) == 0, job.stderr
    assert by_state(evaluations()) == {"DONE": set(range(6))}
