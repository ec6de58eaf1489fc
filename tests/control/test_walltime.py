import random
import subprocess
import time
from datetime import datetime

import pytest

from dhmpi.control import walltime
from dhmpi.control.walltime import Drain, End, LostTime, Pauses, allocation_end, earliest, end_time, seconds
from dhmpi.errors import OptionError


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def no_scheduler(words, variables):
    raise AssertionError(f"nobody should be asked, got {words}")


@pytest.fixture
def berlin(monkeypatch):
    """A zone with summer time: schedulers tell local times."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


# --- the end of an allocation


@pytest.mark.parametrize(
    ("env", "end"),
    [
        ({}, None),
        ({"COBALT_JOBID": "7", "COBALT_ENDTIME": "1750003600"}, End(1750003600.0, "Cobalt job 7")),
        ({"SLURM_JOB_ID": "8", "SLURM_JOB_END_TIME": "1750003600"}, End(1750003600.0, "Slurm job 8")),
        ({"SLURM_JOB_END_TIME": "1750003600"}, None),  # of a job that is long over
    ],
)
def test_some_schedulers_tell_their_jobs(env, end):
    assert allocation_end(env, no_scheduler) == end


def test_older_slurms_are_asked():
    asked = []

    def ask(words, variables):
        asked.append((words, variables))
        return "1750003600\n"

    assert allocation_end({"SLURM_JOB_ID": "8"}, ask) == End(1750003600.0, "Slurm job 8")
    # Seconds, so that neither the zone nor the user's own format of times matters.
    assert asked == [(["squeue", "--noheader", "--job=8", "--format=%e"], {"SLURM_TIME_FORMAT": "%s"})]


@pytest.mark.parametrize("answer", ["N/A\n", "NONE\n", "Unknown\n"])
def test_a_slurm_job_may_have_no_limit(answer, caplog):
    assert allocation_end({"SLURM_JOB_ID": "8"}, lambda words, variables: answer) is None
    assert not caplog.records


# Abridged output of OpenPBS 20 and of Torque 6: continued lines begin with a tab.
OPENPBS = """\
Job Id: 9.polaris-pbs-01
    Job_Name = ambs
    resources_used.walltime = 00:20:05
    ctime = Tue Jul  1 11:00:00 2025
    Resource_List.select = 2:system=polaris
    Resource_List.walltime = {walltime}
    stime = Tue Jul  1 12:00:00 2025
    Variable_List = PBS_O_HOME=/home/me,PBS_O_PATH=/usr/bin:/bin,
\tPBS_O_WORKDIR=/home/me/a = b
    etime = Tue Jul  1 11:00:00 2025
"""
TORQUE = OPENPBS.replace("    stime =", "    start_time =")
NOON = datetime.fromisoformat("2025-07-01T12:00:00+02:00").timestamp()


@pytest.mark.parametrize("output", [OPENPBS, TORQUE])
@pytest.mark.parametrize(("text", "length"), [("03:00:00", 10800), ("48:30:10", 174610), ("900", 900)])
def test_pbs_is_asked(text, length, output, berlin):
    asked = []

    def ask(words, variables):
        asked.append(words)
        return output.format(walltime=text)

    assert allocation_end({"PBS_JOBID": "9.polaris-pbs-01"}, ask) == End(NOON + length, "PBS job 9.polaris-pbs-01")
    assert asked == [["qstat", "-f", "9.polaris-pbs-01"]]


def test_a_pbs_job_may_have_no_limit():
    output = OPENPBS.replace("    Resource_List.walltime = {walltime}\n", "")
    assert allocation_end({"PBS_JOBID": "9"}, lambda words, variables: output) is None


@pytest.mark.parametrize(
    "problem",
    [
        FileNotFoundError("no squeue"),
        subprocess.CalledProcessError(1, "squeue"),
        subprocess.TimeoutExpired("squeue", 15),
        "gibberish",
        "",
    ],
)
@pytest.mark.parametrize("env", [{"SLURM_JOB_ID": "8"}, {"PBS_JOBID": "8"}])
def test_what_cannot_be_found_out_is_said(env, problem, caplog):
    def ask(words, variables):
        if isinstance(problem, str):
            return problem + "\n    Resource_List.walltime = 1:00:00"
        raise problem

    assert allocation_end(env, ask) is None
    [record] = caplog.records
    assert "job 8 is unknown" in record.getMessage()
    assert "tell it with --end-time or --max-minutes" in record.getMessage()


def test_the_scheduler_is_really_asked(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho $SLURM_TIME_FORMAT-$*\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert walltime._ask(["squeue", "-x"], {"SLURM_TIME_FORMAT": "%s"}) == "%s--x\n"


# --- the earliest end


COBALT = {"COBALT_JOBID": "7", "COBALT_ENDTIME": "10000"}


@pytest.mark.parametrize(
    ("minutes", "moment", "env", "end"),
    [
        (None, None, {}, None),
        (1, None, {}, End(1060.0, "--max-minutes")),
        (1, 1050.0, {}, End(1050.0, "--end-time")),
        (1, 1070.0, COBALT, End(1060.0, "--max-minutes")),
        (None, None, COBALT, End(9970.0, "Cobalt job 7")),
        (None, 9990.0, COBALT, End(9970.0, "Cobalt job 7")),  # the scheduler kills; so it ends in time
        (None, 9960.0, COBALT, End(9960.0, "--end-time")),
        (None, None, COBALT | {"COBALT_ENDTIME": "1060"}, End(1054.0, "Cobalt job 7")),
        (None, None, COBALT | {"COBALT_ENDTIME": "900"}, End(900.0, "Cobalt job 7")),
    ],
)
def test_the_earliest_end_counts(minutes, moment, env, end):
    assert earliest(minutes, moment, env, now=1000.0) == end


@pytest.mark.parametrize(
    ("left", "starting", "closing"),
    [
        (60.0, 2.0, 6.0),
        (60.0, 20.0, 20.0),  # what took so long on a busy machine will do so again
        (30.0, 20.0, 15.0),
        (3600.0, 20.0, 30.0),
        (3600.0, 500.0, 30.0),
    ],
)
def test_what_was_slow_to_start_is_slow_to_close(left, starting, closing):
    env = COBALT | {"COBALT_ENDTIME": str(1000.0 + left)}
    found = earliest(env=env, now=1000.0, starting=starting)
    assert found is not None
    assert found.time == 1000.0 + left - closing


def test_an_end_is_told_to_people(berlin):
    assert str(End(NOON, "Slurm job 8")) == "the time ends at 2025-07-01 12:00:00 (Slurm job 8)"


@pytest.mark.parametrize(("text", "length"), [("90", 90), ("1:30", 90), ("1:00:00", 3600), ("100:00:01", 360001)])
def test_lengths_of_time(text, length):
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "1:", "1h", "1.5"])
def test_other_lengths_of_time_are_refused(text):
    with pytest.raises(ValueError, match="invalid literal"):
        seconds(text)


@pytest.mark.parametrize("value", ["4102444800", 4102444800.0, "2100-01-01T00:00:00+00:00", "2100-01-01T01:00"])
def test_moments(value, berlin):
    assert end_time("--end-time", value) == 4102444800.0


@pytest.mark.parametrize("value", ["tomorrow", "", "inf", "nan", "25:00", "4_102_444_800", "\u0664102444800", None])
def test_no_moments(value):
    with pytest.raises(OptionError, match=r"--end-time must be a moment like 2026-11-25T06:30, or .*, got"):
        end_time("--end-time", value)


def test_a_moment_of_the_past():
    with pytest.raises(OptionError, match="--end-time must be in the future, got 2020-01-01T00:00"):
        end_time("--end-time", "2020-01-01T00:00")


# --- what may begin


def test_without_an_end_everything_may_begin():
    drain = Drain(None, 1e9, Clock())
    drain.learn(1e9)
    assert drain.may_begin()
    assert not drain.is_over()


@pytest.mark.parametrize(
    ("now", "may_begin", "is_over"), [(1069, True, False), (1070, False, False), (1100, False, True)]
)
def test_the_floor_counts_while_nothing_else_is_known(now, may_begin, is_over):
    clock = Clock()
    drain = Drain(1100.0, 30.0, clock)
    clock.now = now
    assert (drain.may_begin(), drain.is_over()) == (may_begin, is_over)


def test_a_high_quantile_of_the_past_counts():
    drain = Drain(1100.0, 0.0, Clock())
    durations = [float(duration) for duration in range(1, 101)]
    random.Random(1).shuffle(durations)
    for duration in durations:
        drain.learn(duration)
    assert drain.expected == 95.0
    assert drain.may_begin()
    for _ in range(10):
        drain.learn(200.0)
    assert drain.expected == 200.0
    assert not drain.may_begin()


@pytest.mark.parametrize("num", range(1, 20))
def test_of_few_the_longest_counts(num):
    drain = Drain(1100.0, 0.0, Clock())
    for duration in range(num):
        drain.learn(duration)
    assert drain.expected == num - 1


def test_the_floor_is_a_floor():
    drain = Drain(1100.0, 10.0, Clock())
    drain.learn(1.0)
    assert drain.expected == 10.0
    drain.learn(11.0)
    assert drain.expected == 11.0


def test_the_distant_past_is_forgotten():
    drain = Drain(1100.0, 0.0, Clock())
    for _ in range(walltime.MEMORY):
        drain.learn(50.0)
    for _ in range(walltime.MEMORY):
        drain.learn(2.0)
    assert drain.expected == 2.0
    assert len(drain._sorted) == walltime.MEMORY


def test_lost_time():
    clock = Clock()
    lost = LostTime(clock)
    for passed, num_idle in [(5, 0), (7, 2), (10, 3), (1, 0), (100, 0)]:
        clock.now += passed
        lost.update(num_idle)
    assert lost.idle == 2 * 10 + 3 * 1


def test_evaluations_are_told_as_early_as_saving_takes():
    clock = Clock()
    pauses = Pauses(11_000.0, clock=clock)
    assert pauses.margin == walltime.PAUSE
    pauses.note_step(100.0)
    assert pauses.margin == 150.0 + walltime.NOTICE_DELAY  # user code looks once in a step
    clock.now = 10_849.0
    assert not pauses.is_due()
    clock.now = 10_850.0
    assert pauses.is_due()
    assert pauses.may_begin()  # nobody has been paused: short evaluations may fill the rest of the time
    pauses.note(2.0)
    assert not pauses.may_begin()


def test_evaluations_are_told_once_and_for_all():
    clock = Clock()
    pauses = Pauses(11_000.0, clock=clock)
    clock.now = 10_940.0
    assert pauses.is_due()
    pauses.note(2.0)
    assert pauses.margin == 3.0
    assert pauses.is_due()


@pytest.mark.parametrize(("longest", "margin"), [(None, 50.0), (2.0, 3.0), (30.0, 45.0), (50.0, 60.0)])
def test_what_earlier_runs_have_learned_counts_within_limits(longest, margin):
    pauses = Pauses(2000.0, longest, Clock())
    assert pauses.margin == margin
    assert pauses.longest == longest


@pytest.mark.parametrize(
    ("length", "step", "margin"),
    [
        *[(9.0, 0.0, 0.45), (9.0, 0.4, 0.6 + walltime.NOTICE_DELAY), (9.0, 3.0, 2.25)],
        *[(600.0, 0.0, 30.0), (600.0, 30.0, 45.0 + walltime.NOTICE_DELAY), (600.0, 100.0, 60.0)],
        *[(40_000.0, 0.0, 60.0), (40_000.0, 9000.0, 2000.0)],
    ],
)
def test_a_short_job_gives_as_large_a_share_as_a_step_needs(length, step, margin):
    clock = Clock()
    pauses = Pauses(clock.now + length, clock=clock)
    pauses.note_step(step)
    assert pauses.margin == pytest.approx(margin)


def test_without_an_end_nobody_is_told():
    pauses = Pauses(None)
    assert not pauses.is_due()
    assert pauses.may_begin()
