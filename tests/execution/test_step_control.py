"""How steps are found and ended that outlive their launchers."""

import threading

import pytest

from dhmpi.execution.step_control import FluxJobs, SlurmSteps, StepControl, control_of
from dhmpi.support.launchers import FLUX, OPEN_MPI, SRUN


class Steps(StepControl):
    def __init__(self, num_looks):
        self.num_looks, self.cancelled = num_looks, []

    def ids(self, name):
        self.num_looks -= 1
        return [name] if self.num_looks >= 0 else []

    def cancel(self, id):
        self.cancelled.append(id)


def test_a_step_is_told_to_end_until_it_is_gone():
    steps, waits = Steps(num_looks=9), []
    assert steps.end("it", sleep=waits.append)
    assert steps.cancelled == ["it"] * 9
    assert (waits[0], waits[-1]) == (0.3, 5.0)
    assert waits == sorted(waits)


def test_one_that_does_not_end_is_given_up():
    assert not Steps(num_looks=9).end("it", patience=0.0, sleep=lambda _: None)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Writes commands of a scheduler, which note how they were called; returns these calls."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{text}\n')
        path.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    write.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return write


def test_slurm_is_asked_for_the_steps_of_the_job(commands):
    commands("squeue", 'echo "39.0 dhmpi-7-0-1"; echo "39.12 dhmpi-7-0-12"; echo "39.batch batch"')
    commands("scancel", "")
    steps = control_of(SRUN, {"SLURM_JOB_ID": "39"})
    assert steps.ids("dhmpi-7-0-1") == ["39.0"]
    assert steps.ids("dhmpi-7-0") == []
    steps.cancel("39.0")
    assert commands.calls() == [
        *["squeue --steps --noheader --jobs=39 --format=%i %j"] * 2,
        "scancel --signal=KILL 39.0",
    ]


def test_steps_that_end_together_are_asked_for_together(commands):
    commands("squeue", "sleep 0.5")
    steps = SlurmSteps({"SLURM_JOB_ID": "39"})
    threads = [threading.Thread(target=steps.ids, args=("it",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(commands.calls()) < 20


def test_a_scheduler_that_does_not_answer_is_asked_again(commands):
    commands("squeue", "exit 1")
    assert not SlurmSteps({"SLURM_JOB_ID": "39"}).end("it", patience=0.0, sleep=lambda _: None)


def test_flux_is_asked_for_its_jobs(commands):
    commands("flux", '[ "$1" = jobs ] && echo f3NZ; true')
    jobs = control_of(FLUX, {})
    assert isinstance(jobs, FluxJobs)
    assert jobs.ids("it") == ["f3NZ"]
    jobs.cancel("f3NZ")
    assert commands.calls() == ["flux jobs --no-header --name=it --format={id}", "flux cancel f3NZ"]


def test_the_steps_of_others_go_with_their_launcher():
    assert not control_of(OPEN_MPI, {}).outlives
