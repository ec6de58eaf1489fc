"""Whatever a run function does to itself costs one evaluation, and what it prints is kept apart."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(60)]

# What evaluation 1, 2, ... does instead of its work, the state it ends in, and what its error must tell.
ANYWHERE = [
    ("raise ValueError('bad luck')", "FAILED", ["Traceback", "user.py", "ValueError: bad luck"]),
    ("raise KeyboardInterrupt", "FAILED", ["KeyboardInterrupt"]),
    ("sys.exit(4)", "FAILED", ["SystemExit: 4"]),
    ("return float('nan')", "FAILED", ["finite number", "got nan"]),
    ("return float('inf')", "FAILED", ["finite number", "got inf"]),
    ("return None", "FAILED", ["finite number", "got None"]),
    ("return 'good'", "FAILED", ["finite number", "got 'good'"]),
    ("return {'accuracy': 0.9}", "FAILED", ["'objective'", "['accuracy']"]),
    ("return {'objective': None, 'accuracy': 0.9}", "FAILED", ["finite number", "got None"]),
    ("time.sleep(60)", "TIMEOUT", ["1.2 s"]),
    ("print('x' * 300_000); os.write(2, b'y' * 300_000)", "DONE", []),
]
IN_A_CHILD = [
    ("os._exit(3)", "FAILED", ["exit status 3"]),
    ("os._exit(0)", "FAILED", ["exit status 0"]),
    ("os.kill(os.getpid(), signal.SIGKILL)", "FAILED", ["signal 9", "SIGKILL", "memory"]),
    ("ctypes.string_at(0)", "FAILED", ["signal 11", "SIGSEGV"]),
    ("os.abort()", "FAILED", ["signal 6", "SIGABRT"]),
    ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", "TIMEOUT", ["1.2 s"]),
    ("os.system('sleep 300 &')", "DONE", []),
    ("os.system('sleep 300 &'); os._exit(3)", "FAILED", ["exit status 3"]),
    ("os.closerange(3, 100)", None, []),
]


def run_function(deeds):
    cases = "".join(f"    if context.id == {id}:\n        {deed}\n" for id, (deed, _, _) in enumerate(deeds, start=1))
    return f'def run(point, context):\n    print("this is evaluation", context.id, flush=True)\n{cases}    return 1.0\n'


def contain(isolation, deeds, campaign, evaluations, tmp_path):
    num = len(deeds) + 8
    words = ["--max-evals", str(num), "--isolation", isolation, "--eval-timeout-minutes", "0.02"]
    job = campaign(run_function(deeds), *words, ranks=3)
    assert job.wait(40) == 0, job.stderr
    assert f"{num} evaluations are complete" in job.stdout
    found = evaluations()
    assert sorted(found) == list(range(num))
    wrong = []
    for id, evaluation in found.items():
        deed, state, fragments = deeds[id - 1] if 0 < id <= len(deeds) else ("return 1.0", "DONE", [])
        if state not in (None, evaluation.state) or any(fragment not in evaluation.error for fragment in fragments):
            wrong.append(f"{deed}: {evaluation.state}, {evaluation.error}")
    assert wrong == []
    texts = {id: (tmp_path / "results.h5.files" / f"evaluation-{id:06d}.log").read_text() for id in found}
    strange = [id for id, text in texts.items() if text.count("this is evaluation") != 1]
    assert strange == []
    assert all(text.startswith(f"this is evaluation {id}\n") for id, text in texts.items())
    assert "this is evaluation" not in job.stdout + job.stderr
    return texts


def test_child(campaign, evaluations, tmp_path):
    texts = contain("process", ANYWHERE + IN_A_CHILD, campaign, evaluations, tmp_path)
    assert [text for text in texts.values() if text.count("x") >= 300_000 and text.count("y") >= 300_000]


def test_inline(campaign, evaluations, tmp_path):
    texts = contain("inline", ANYWHERE, campaign, evaluations, tmp_path)
    assert [text for text in texts.values() if text.count("x") >= 300_000 and text.count("y") >= 300_000]


@pytest.mark.parametrize("place", ["inside the function", "at the top of the module"])
def test_user_code_imports_mpi4py(place, campaign, evaluations):
    """It is no rank of this job: MPI would wait for it for ever, or end everything with it."""
    # The MPI of a child that is killed would leave a file in /dev/shm.
    head = "os.environ['OMPI_MCA_btl_sm_backing_directory'] = os.environ['TMPDIR']\n"
    if place == "at the top of the module":
        head += "from mpi4py import MPI\ndef run(point):\n"
    else:
        head += "def run(point):\n    from mpi4py import MPI\n"
    body = f"{head}    return {{'objective': 1.0, 'size': MPI.COMM_WORLD.Get_size()}}\n"
    job = campaign(body, "--max-evals", "4", ranks=3)
    assert job.wait(40) == 0, job.stderr
    found = evaluations().values()
    assert [(evaluation.state, dict(evaluation.extra)) for evaluation in found] == [("DONE", {"size": 1})] * 4


@pytest.mark.parametrize(("isolation", "ranks"), [("process", 3), ("inline", 3), ("process", None), ("inline", None)])
def test_user_code_changes_its_directory(isolation, ranks, campaign, evaluations, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    body = """\
def run(point, context):
    os.chdir(here / "elsewhere")
    (context.directory / "model.txt").write_text("weights")
    os.system("echo trained")
    return 1.0
"""
    job = campaign(body, "--max-evals", "6", "--isolation", isolation, ranks=ranks)
    assert job.wait(40) == 0, job.stderr
    assert sorted(evaluations()) == list(range(6))
    assert list((tmp_path / "elsewhere").iterdir()) == []
    files = tmp_path / "results.h5.files"
    assert all((files / f"evaluation-{id:06d}" / "model.txt").exists() for id in range(6))
    if ranks is not None or isolation == "process":
        assert [path.read_text() for path in files.glob("evaluation-*.log")] == ["trained\n"] * 6


def test_everything_fails(campaign, evaluations):
    """A run function that always crashes is no success, and the person learns why."""
    job = campaign("def run(point): os._exit(3)\n", "--max-evals", "6", ranks=3)
    assert job.wait(40) == 1, job.stderr
    assert [evaluation.state for evaluation in evaluations().values()] == ["FAILED"] * 6
    assert "no evaluation has succeeded" in job.stdout
    assert "exit status 3" in job.stdout


# Starts processes of every kind, among them an MPI job, and waits.
FAMILY = """\
import subprocess

def run(point, context):
    if context.id > 0:
        return 1.0
    subprocess.Popen(["sleep", "317"])
    os.system("sleep 317 & setsid sleep 317 &")
    if os.fork() == 0:
        os.setsid()
        os.fork() and os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.execlp("sleep", "sleep", "317")
    subprocess.run(["mpirun", "-n", "2", "sleep", "317"])
"""
NUM_SLEEPING = 6


def sleeping(job):
    """The processes that user code has started and that only wait."""
    found = []
    for pid in job.processes():
        try:
            found += [pid] if Path(f"/proc/{pid}/comm").read_text() == "sleep\n" else []
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("evaluator", ["mpi", "serial", "subprocess"], ids=["ranks", "serial", "subprocess"])
def test_nothing_is_left_of_an_evaluation_that_took_too_long(evaluator, campaign, evaluations, until):
    words = ["--max-evals", "3", "--evaluator", evaluator, "--eval-timeout-minutes", "0.08"]
    job = campaign(FAMILY, *words, ranks=3 if evaluator == "mpi" else None)
    until(lambda: len(sleeping(job)) == NUM_SLEEPING, 30, "not all have begun")
    assert job.wait(40) == 0, job.stderr
    assert [evaluations()[id].state for id in range(3)] == ["TIMEOUT", "DONE", "DONE"]


@pytest.mark.parametrize(
    ("ranks", "name", "receiver"),
    [
        (3, "SIGUSR1", "the launcher"),
        (3, "SIGTERM", "the launcher"),
        (3, "SIGKILL", "the launcher"),
        (3, "SIGKILL", "the workers"),
        (None, "SIGTERM", "the launcher"),
        (None, "SIGKILL", "the launcher"),
    ],
)
def test_nothing_is_left_of_a_job_that_is_ended(ranks, name, receiver, campaign, until, send):
    job = campaign(FAMILY, "--max-evals", "1", ranks=ranks)
    until(lambda: len(sleeping(job)) == NUM_SLEEPING, 30, "not all have begun")
    waiting = sleeping(job)
    workers = [
        pid
        for pid, environment in job.processes().items()
        if environment.get("OMPI_COMM_WORLD_RANK") in ("1", "2") and pid not in waiting  # no ranks of the other job
    ]
    for pid in [job.process.pid] if receiver == "the launcher" else workers:
        send(pid, name)
    job.wait(30)


@pytest.mark.parametrize(("launcher", "closed"), [("", ">&- 2>&- <&-"), ("mpirun -n 3", ">&-")])
def test_standard_streams_may_be_closed_from_the_start(launcher, closed, durability, evaluations, tmp_path, until):
    words = "hps-random --problem dhmpi.benchmark.hps.polynome2.Problem --run user.py --max-evals 6"
    (tmp_path / "user.py").write_text("def run(point):\n    print('told')\n    return 1.0\n")
    job = durability.Job(["sh", "-c", f"exec {launcher} dhmpi {words} {closed}"], tmp_path)
    try:
        assert job.process.wait(40) == 0
        until(lambda: not job.processes(), 10, "its processes did not end")
    finally:
        job.kill()
    assert [evaluation.state for evaluation in evaluations().values()] == ["DONE"] * 6
    assert [path.read_text() for path in (tmp_path / "results.h5.files").iterdir()] == ["told\n"] * 6


def test_hostile_evaluations_cost_nothing_but_themselves(hostile, tmp_path):
    """One of each kind, in the children of worker ranks."""
    report = hostile.campaign("mpi", 2 * len(hostile.DEEDS), tmp_path, hostile.DEEDS)
    assert report.wrong == []
    assert report.left == []


# Ranks of a node with more cores than there are here: 1 has eight of its own; 2 shares eight with 3, which has 8 more.
MASKS = """\
import os
masks = {"0": range(64), "1": range(8), "2": range(8, 16), "3": range(8, 24)}
mask = set(masks.get(os.environ.get("OMPI_COMM_WORLD_RANK"), range(1)))
os.sched_getaffinity = lambda pid: mask
"""


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_user_code_may_have_the_threads_that_are_its_ranks(isolation, campaign, evaluations, tmp_path):
    """Rank 0 does not evaluate, and so does not count."""
    (tmp_path / "sitecustomize.py").write_text(MASKS)
    body = """\
def run(point):
    time.sleep(0.05)
    return {"objective": 1.0, "threads": os.environ["OMP_NUM_THREADS"]}
"""
    words = ["--max-evals", "30", "--isolation", isolation]
    job = campaign(body, *words, ranks=4, PYTHONPATH=str(tmp_path), OMP_NUM_THREADS="")
    assert job.wait(40) == 0, job.stderr
    found = {(each.rank, each.extra["threads"]) for each in evaluations().values()}
    assert found == {(1, "8"), (2, "4"), (3, "12")}
