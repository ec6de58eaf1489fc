"""Programs with several campaigns in one job: they do not hear each other, and the job ends, whatever happens."""

import sys
from pathlib import Path

import pytest

from dhmpi import results

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(90)]

ROOT = Path(__file__).resolve().parents[2]
# Three campaigns, with a mishap after the second one on one of the ranks.
PROGRAM = """\
import os, signal, sys, time
from dhmpi.support import environment
from dhmpi.evaluator import mpi_protocol as protocol
from dhmpi.search.hps.random import RandomSearch

protocol.SILENCE_LIMIT, protocol.SILENCE_CHECK_INTERVAL, protocol.ALIVE_INTERVAL = 3.0, 0.2, 0.2


def run(point, context):
    if context.id == 3 and "{inside}" and not os.path.exists("mishap"):
        open("mishap", "w").close()
        with open(f"/proc/{{os.getppid()}}/stat") as stat:  # of the supervisor, whose parent is the rank
            rank = int(stat.read().rpartition(")")[2].split()[1])
        os.kill(rank, signal.{inside})
    time.sleep(0.01)
    return 1.0


if __name__ == "__main__":
    for number in range(3):
        search = RandomSearch("dhmpi.benchmark.hps.polynome2.Problem", "program.py:run", max_evals=10, seed=number,
                              output=f"{{number}}.h5", quiet=True, isolation="{isolation}")
        search.main()
        if number == 1 and environment.launch().rank == {rank}:
            {mishap}
"""
EXCEPTIONS = {
    "raises": ("raise RuntimeError('out of luck')", "RuntimeError: out of luck"),
    "cannot write": ("open('2.h5', 'w').close()", "ResultsError: 2.h5 exists"),
    "exits": ("sys.exit('no luck')", "no luck"),
}


@pytest.fixture
def program(launch, tmp_path):
    def start(rank=0, mishap="pass", inside="", isolation="process", ranks=4, **arguments):
        text = PROGRAM.format(rank=rank, mishap=mishap, inside=inside, isolation=isolation)
        (tmp_path / "program.py").write_text(text.replace("signal.)", "signal.SIGTERM)"))
        return launch("program.py", ranks=ranks, program=sys.executable, **arguments)

    return start


def complete(tmp_path, *numbers):
    return [results.read(tmp_path / f"{number}.h5").metadata.complete for number in numbers]


def test_campaigns_of_all_kinds_follow_each_other(launch, mpich):
    words = [str(ROOT / "benchmarks" / "campaigns.py"), "--campaigns", "20"]
    job = launch(*words, ranks=5, program=sys.executable, mpich=mpich)
    assert job.wait(60) == 0, job.stdout + job.stderr
    assert "| hps-random |" in job.stdout


@pytest.mark.parametrize(("rank", "how"), [(1, "raises"), (0, "cannot write"), (0, "exits")])
def test_an_exception_ends_all_ranks(program, mpich, rank, how):
    mishap, sentence = EXCEPTIONS[how]
    job = program(rank, mishap, isolation="inline", mpich=mpich)
    assert job.wait(30) != 0
    assert sentence in job.stderr


def test_the_others_go_on_without_a_rank_whose_program_has_ended(program, tmp_path):
    job = program(1, "sys.exit()")
    assert job.wait(30) == 0, job.stderr
    assert "rank 1 on an unknown host is no longer used: its program has ended" in job.stderr
    assert complete(tmp_path, 0, 1, 2) == [True] * 3


def test_a_job_ends_although_a_rank_hangs(program, tmp_path):
    job = program(inside="SIGSTOP", ranks=5, launcher_options=["--with-ft", "ulfm"])
    job.wait(60)
    assert "is no longer used: it has been silent for too long" in job.stderr
    assert "did not end in time, and will be killed" in job.stderr
    assert complete(tmp_path, 0, 1, 2) == [True] * 3


def test_the_next_campaign_does_without_a_dead_rank(program, tmp_path):
    job = program(inside="SIGKILL", launcher_options=["--with-ft", "ulfm"])
    assert job.wait(30) == 0, job.stderr
    assert job.stderr.count("is no longer used: it is gone") == 3
    assert complete(tmp_path, 0, 1, 2) == [True] * 3
