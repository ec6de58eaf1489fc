"""Evaluations in a real Balsam: PostgreSQL, Balsam's database in it, its launchers, and their jobs."""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest
from contracts.prefix import make_prefix, module_system

from dhmpi import results
from dhmpi.evaluation import Evaluation

ROOT = Path(__file__).resolve().parents[2]
USER = "dhmpi-balsam"
MADE = "made by the tests of dhmpi"  # and therefore removed by them
POLYNOME = "dhmpi.benchmark.hps.polynome2.Problem"
# All of the evaluations here share a node, and none uses more than a thread.
SMALL = ("--node-packing-count", "20", "--threads-per-rank", "1")

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(600)]


class Site:
    """A machine that runs Balsam, and somebody who uses it."""

    def __init__(self, home, venv, postgres):
        self.home = home
        self.env = {
            "PATH": f"{venv}/bin:{postgres}:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "USER": USER,
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(home / "checkout"),  # a copy of this one; what is installed may be older
            "PYTHONNOUSERSITE": "1",
        }

    def prepare(self):
        """Make a database, and configure Balsam for a machine without a scheduler."""
        package = self.home / "checkout" / "dhmpi"
        shutil.copytree(ROOT / "dhmpi", package, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chown", "--recursive", USER, self.home], check=True)
        self.run("balsam", "init", "database")
        settings = self.home / ".balsam" / "settings.json"
        values = json.loads(settings.read_text())
        values |= {"MPI_RUN_TEMPLATE": "MPICHCommand", "WORKER_DETECTION_TYPE": "DEFAULT", "SERIAL_CORES_PER_NODE": 2}
        settings.write_text(json.dumps(values))
        self.run("bash", "-c", "source balsamactivate database")
        self.env["BALSAM_DB_PATH"] = str(self.home / "database")

    def start(self, *words, **variables):
        """Start a command."""
        path = self.home / f"{uuid.uuid4().hex}.txt"
        with open(path, "wb") as out:
            process = subprocess.Popen(
                words,
                cwd=self.home,
                env=self.env | variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                user=USER,
                group=USER,
                extra_groups=["postgres"],  # the server's socket is in that group's directory
                umask=0o022,
            )
        process.output = path
        return process

    def finish(self, process, status=0, timeout=120):
        """Wait for a command, and return what it has printed."""
        try:
            found = process.wait(timeout)
        finally:
            text = process.output.read_text()
            print(f"--- {process.args}\n{text}")
        assert found == status, text
        return text

    def run(self, *words, status=0, **variables):
        """Run a command, and return what it prints."""
        return self.finish(self.start(*words, **variables), status)

    def search(self, name, *words):
        """Return the words of a search that evaluates here, with files of this name."""
        words = ("--max-evals", "2", *SMALL, *words)
        files = ("--run", f"{self.home}/{name}.py", "--output", f"{self.home}/{name}.h5")
        return ("hps-random", "--evaluator", "balsam", "--problem", POLYNOME, *files, *words)

    def evaluations(self, name):
        """The evaluations in a results file."""
        return results.read(self.home / name).evaluations

    def processes(self):
        """The commands of the user's processes that are alive, by their ids."""
        found = {}
        uid = pwd.getpwnam(USER).pw_uid
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                if entry.name.isdigit() and entry.stat().st_uid == uid:
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        return {pid: command for pid, command in found.items() if command}  # else a zombie

    def kill(self):
        """End the user's processes."""
        while pids := self.processes():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def wait_until_gone(self, pids, timeout):
        """Return those of some processes that are still alive after a time."""
        end = time.monotonic() + timeout
        while left := {pid: command for pid, command in self.processes().items() if pid in pids}:
            if time.monotonic() > end:
                return left
            time.sleep(0.1)
        return {}


@pytest.fixture(scope="module")
def user():
    """PostgreSQL does not serve root."""
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("needs root on Debian, to install PostgreSQL and to become another user")
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(
            ["/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "-c", MADE, USER], check=True
        )
    yield USER
    if pwd.getpwnam(USER).pw_gecos == MADE:
        subprocess.run(["/usr/sbin/userdel", USER], check=True)


@pytest.fixture(scope="module")
def site(user):
    command = [ROOT / "scripts" / "balsam-test-environment", user]
    if Path(sys.prefix).name == ".venv-lowest":
        command.append(ROOT / "tests" / "lowest.txt")
    venv, postgres = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    home = Path(tempfile.mkdtemp(prefix="dhmpi-balsam-", dir="/tmp"))
    home.chmod(0o755)
    site = Site(home, venv, postgres)
    try:
        site.kill()  # what an earlier run of these tests has left, if it was killed
        site.prepare()
        words = ("balsam", "launcher", "--persistent", "--time-limit-minutes=60")
        site.launchers = {
            "mpi": site.start(*words, "--job-mode=mpi", "--wf-filter=ranks.py"),
            "serial": site.start(*words, "--job-mode=serial", "--consume-all"),
        }
        yield site
        for launcher in site.launchers.values():
            launcher.terminate()
        for launcher in site.launchers.values():
            launcher.wait(30)
        site.run("pg_ctl", "stop", "-w", "-D", home / "database" / "balsamdb", "-m", "fast")
        assert not site.wait_until_gone(site.processes(), 10), "processes were left"
    finally:
        site.kill()
        shutil.rmtree(home)


# What a run function does, the state it ends in, and what its error must tell.
DEEDS = [
    ("return {'objective': 1.0, 'text': point['text']}", "DONE", []),
    ("return {'objective': point['nan'], 'nan': point['nan']}", "FAILED", ["finite number, got nan"]),
    ("print('x' * 200_000); os.write(2, b'y' * 200_000)", "DONE", []),
    ("sys.exit(1)", "FAILED", ["SystemExit: 1"]),
    ("os._exit(1)", "FAILED", ["exit status 1"]),
    ("ctypes.string_at(0)", "FAILED", ["signal 11 (SIGSEGV)"]),
    ("os.kill(grandparent(), signal.SIGKILL)", "FAILED", ["Balsam job failed", "nonzero return -9"]),
    ("time.sleep(60)", "TIMEOUT", ["ran longer than 2 s"]),
    ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", "TIMEOUT", ["ran longer than 2 s"]),
    ("return {'objective': 1.0, 'place': [os.getcwd(), os.environ['PYTHONPATH'], sys.path]}", "DONE", []),
    ("import odd_sibling", "DONE", []),
]
TEXT = 'it\'s "é" 漢字\n\0\ud800 $HOME `id` \\'
# Evaluations of three evaluators at once: deeds; those that hang until somebody stops them; and by hand.
SCRIPT = """\
import json, sys, time
from dhmpi.evaluation import Evaluation
from dhmpi.evaluator import create
from dhmpi.evaluator.balsam import JobEvaluator
from dhmpi.execution.executor import Resources, Setup

def begin(run, timeout, num):
    setup = Setup(run, timeout, run[:-3] + ".files", Resources(1, 1, 1, 20))
    evaluator = JobEvaluator(setup, num_workers=num)
    evaluator.start()
    for id in range(num):
        evaluator.submit(Evaluation(id, {"text": TEXT, "nan": float("nan")}))
    evaluator.gather(0)
    return evaluator

def gather(evaluator, num):
    found, end = [], time.monotonic() + 60
    while len(found) < num and time.monotonic() < end:
        found += evaluator.gather(1.0)
    return sorted(found)

odd, hanging = begin("odd.py", 2.0, NUM_DEEDS), begin("hanging.py", None, 3)
with create("hand.py", method="balsam", node_packing_count=20, threads_per_rank=1, num_workers=2) as hand:
    hand.add_eval_batch([{"x": 1}, {"x": 2}, {"x": 1}])
    answers = list(hand.await_evals([{"x": 2}, {"x": 1}], timeout=60)) + list(hand.get_finished_evals())
deeds = gather(odd, NUM_DEEDS)

from balsam.core.models import BalsamJob
from balsam.launcher import dag
jobs = BalsamJob.objects.filter(user_workdir__endswith="hanging.files").order_by("name")
while any("begun" not in job.data for job in jobs.all()):
    time.sleep(0.2)
dag.kill(jobs[0])
jobs[1].delete()
stopped = gather(hanging, 2) + hanging.cancel(5.0)
odd.shutdown(), hanging.shutdown()
json.dump({"deeds": deeds, "stopped": stopped, "answers": answers}, open("script.json", "w"))
"""


CAMPAIGN = """\
    if context.id == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if context.id == 5:
        raise ValueError("bad luck")
    return -sum(value**2 for value in point.values())
"""
HANGING = """\
    (context.directory / "pid").write_text(str(os.getpid()))
    time.sleep(600)
"""
RESUMED = """\
    if not pathlib.Path(__file__).with_name("go").exists():
        (context.directory / "pid").write_text(str(os.getpid()))
        time.sleep(600)
    return 1.0
"""
RANKS = """\
    from mpi4py import MPI
    comm = MPI.COMM_WORLD
    total = comm.allreduce(comm.rank + 1)
    if context.id == 1 and comm.rank == 1:
        raise ValueError("bad luck on rank 1")
    comm.barrier()
    return {"objective": total, "size": comm.size}
"""


# Cobalt's qsub, as far as Balsam uses it: the job is in the queue until the test starts it.
QSUB = """\
#!/bin/bash
set -eu
[[ $# == 5 && $1 == --cwd && -d $2 && $3 == -O && -x $5 && $(sed -n 2p "$5") == "#COBALT -A PROJECT_NAME" ]]
echo "cd $2 && exec $5 > $4.output 2> $4.error" > ~/queued
echo "Job routed to queue default."
echo 17
"""


@pytest.fixture(scope="module")
def theta(site, tmp_path_factory):
    """What is documented for Theta, typed in another home and another database."""
    module = module_system()
    home = site.home / "theta"
    home.mkdir()
    make_prefix(tmp_path_factory.mktemp("build"), home / "prefix", site.env["PATH"].partition("/bin:")[0])
    (home / "qsub").write_text(QSUB)
    (home / "qsub").chmod(0o755)
    shutil.copytree(site.home / ".balsam", home / ".balsam")
    settings = home / ".balsam" / "settings.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"SCHEDULER_SUBMIT_EXE": str(home / "qsub")}))

    page = (ROOT / "docs" / "sites" / "theta.md").read_text()
    typed, differently = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = {line.partition(" --")[0]: line for line in typed.splitlines() if not line.startswith("#")}
    assert next(iter(lines)) == "module load deephyper"
    assert len(lines) == 8
    lines |= {line.partition(" --")[0]: line for line in differently.splitlines()}
    assert len(lines) == 8
    head = (f". {module}", "module use ~/prefix/modulefiles", "cd")
    (home / "typed.sh").write_text("\n".join([*head, *lines.values()]))
    subprocess.run(["chown", "--recursive", "--no-dereference", USER, home], check=True)
    path = site.env["PATH"].partition(":")[2]  # the module adds the rest
    return site.start("bash", "-c", "yes | bash -ex ~/typed.sh", HOME=str(home), PATH=path)


@pytest.fixture(scope="module")
def searches(site, theta):
    """Searches that run at the same time, and share the launchers."""
    deeds = "".join(f"    if context.id == {id}:\n        {deed}\n" for id, (deed, *_) in enumerate(DEEDS))
    bodies = {"campaign": CAMPAIGN, "odd": f"{deeds}    return 1.0\n", "hanging": HANGING, "resumed": RESUMED}
    bodies |= {"ranks": RANKS, "hand": "    return 2.0 * point['x']\n"}
    head = "import ctypes, os, pathlib, signal, sys, time\n\ndef grandparent():\n"  # the parent is a supervisor
    head += "    stat = pathlib.Path(f'/proc/{os.getppid()}/stat').read_text()\n"
    head += "    return int(stat.rpartition(')')[2].split()[1])\n\ndef run(point, context):\n"
    head += "    print('this is evaluation', context.id, flush=True)\n"
    for name, body in bodies.items():
        (site.home / f"{name}.py").write_text(head + body)
    (site.home / "odd_sibling.py").touch()
    (site.home / "script.py").write_text(f"TEXT = {TEXT!r}\nNUM_DEEDS = {len(DEEDS)}\n{SCRIPT}")
    _, *words = site.search("campaign", "--num-workers", "4", "--max-evals", "12")
    return {
        "campaign": site.start("dhmpi", "ambs", *words),
        "script": site.start("python", "script.py"),
        "resumed": site.start("dhmpi", *site.search("resumed", "--num-workers", "2")),
        "ranks": site.start("dhmpi", *site.search("ranks", "--ranks-per-node", "2")),
    }


def until(condition, timeout=60):
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.5)
    return found


def test_what_a_killed_search_left_is_not_run_twice(searches, site):
    """It is resumed as Balsam's users do that: the search is a job too."""
    files = site.home / "resumed.h5.files"
    until(lambda: len(list(files.glob("*/pid"))) == 2)
    searches["resumed"].kill()
    searches["resumed"].wait()
    (site.home / "go").touch()
    executable = f"{site.run('which', 'dhmpi').strip()} hps-random"
    site.run("balsam", "app", "--name", "RANDOM", "--executable", executable)
    _, *words = site.search("resumed", "--num-workers", "2", "--resume")
    job = ("--name", "search", "--workflow", "TEST", "--node-packing-count", "20", "--args", " ".join(words))
    site.run("balsam", "job", "--application", "RANDOM", *job, "--yes")
    [output] = until(lambda: list(site.home.glob("database/data/TEST/search_*/search.out")))
    until(lambda: "2 evaluations are complete" in output.read_text())
    assert "killed 2 jobs that an earlier search left" in output.read_text()
    assert [each.state for each in site.evaluations("resumed.h5")] == ["DONE", "DONE"]
    assert site.run("balsam", "ls", "jobs", "--wf", "TEST").count(" evaluation-00000") == 2
    assert not site.wait_until_gone([int(path.read_text()) for path in files.glob("*/pid")], 30)


def test_a_campaign(searches, site):
    assert "12 evaluations are complete" in site.finish(searches["campaign"])
    files = site.home / "campaign.h5.files"
    found = {each.id: each for each in site.evaluations("campaign.h5")}
    assert sorted(found) == list(range(12))
    for id, each in found.items():
        assert (files / f"evaluation-{id:06d}.log").read_text() == f"this is evaluation {id}\n"
        assert each.submitted < each.started <= each.ended
        assert each.host
    assert not list(files.glob("*.out"))
    killed, unlucky = found.pop(3), found.pop(5)
    assert (killed.state, unlucky.state) == ("FAILED", "FAILED")
    assert "signal 9 (SIGKILL)" in killed.error
    assert "campaign.py" in unlucky.error
    assert "ValueError: bad luck" in unlucky.error
    for each in found.values():
        assert (each.state, each.objective) == ("DONE", -sum(value**2 for value in each.point.values()))


def test_several_ranks_evaluate_together(searches, site):
    assert "2 evaluations are complete" in site.finish(searches["ranks"])
    done, failed = site.evaluations("ranks.h5")
    assert (done.state, done.objective, dict(done.extra)) == ("DONE", 3.0, {"size": 2})
    assert (failed.state, failed.objective) == ("FAILED", None)
    assert "bad luck on rank 1" in failed.error
    printed = (site.home / "ranks.h5.files" / "evaluation-000000.log").read_text()
    assert printed.count("this is evaluation 0\n") == 2


@pytest.fixture(scope="module")
def script(searches, site):
    """What has become of the evaluations in the script."""
    site.finish(searches["script"])
    found = json.loads((site.home / "script.json").read_text())
    return found | {name: [Evaluation(*each) for each in found[name]] for name in ("deeds", "stopped")}


def test_whatever_a_run_function_does_costs_one_evaluation(script, site):
    wrong = []
    for (deed, state, fragments), each in zip(DEEDS, script["deeds"], strict=True):
        if each.state != state or any(fragment not in each.error for fragment in fragments):
            wrong.append(f"{deed}: {each.state}, {each.error}")
        if "grandparent" in deed:
            continue  # the worker, which keeps logs, was killed
        printed = (site.home / "odd.files" / f"evaluation-{each.id:06d}.log").read_text()
        if printed.count("this is evaluation") != 1:
            wrong.append(f"{deed}: printed {printed[:1000]}")
    assert wrong == []


def test_values_travel_unchanged(script, site):
    echo, nan, *_, place, _ = [each.extra for each in script["deeds"]]
    assert echo["text"] == TEXT
    assert str(nan["nan"]) == "nan"
    printed = (site.home / "odd.files" / "evaluation-000002.log").read_text()
    assert (printed.count("x"), printed.count("y")) == (200_000, 200_000)
    directory, variable, path = place["place"]
    assert directory == str(site.home)
    assert variable == site.env["PYTHONPATH"]
    assert variable in path


def test_somebody_stops_evaluations(script, site):
    assert [(each.id, each.state, each.error) for each in script["stopped"]] == [
        (0, "FAILED", "its Balsam job was killed by a person"),
        (1, "LOST", "its job is no longer in the Balsam database"),
        (2, "CANCELLED", ""),
    ]
    pids = [int(path.read_text()) for path in (site.home / "hanging.files").glob("*/pid")]
    assert len(pids) == 3
    assert not site.wait_until_gone(pids, 30)


def test_by_hand(script):
    assert script["answers"] == [[{"x": 2}, 4.0], [{"x": 1}, 2.0], [{"x": 1}, 2.0]]


@pytest.mark.parametrize(
    ("database", "told"),
    [
        ("", "an active Balsam database is needed, got no BALSAM_DB_PATH; run: source balsamactivate NAME"),
        ("elsewhere", "BALSAM_DB_PATH must be the directory of a Balsam database, got"),
        ("silent", "must answer, got"),
    ],
)
def test_without_an_active_database(database, told, site):
    if database == "silent":
        (site.home / database).mkdir()
        (site.home / database / "server-info").write_text('{"host": "localhost", "port": 1}')
        subprocess.run(["chown", "--recursive", USER, site.home / database], check=True)
    path = str(site.home / database) if database else ""
    printed = site.run("dhmpi", *site.search("none"), status=2, BALSAM_DB_PATH=path)
    assert told in printed
    assert "source balsamactivate" in printed
    assert "Traceback" not in printed
    assert not (site.home / "none.h5").exists()


def test_the_end_of_a_launcher_costs_no_evaluation(site):
    """Nothing is there to run the evaluation again."""
    (site.home / "ended.py").write_text("import time\n\ndef run(point):\n    time.sleep(600)\n")
    (site.home / "ended_script.py").write_text(
        "from dhmpi.evaluation import Evaluation\nfrom dhmpi.evaluator import BalsamEvaluator\n"
        "with BalsamEvaluator('ended.py') as by_hand:\n"
        "    evaluator = by_hand.evaluator\n"
        "    evaluator.start()\n"
        "    evaluator.submit(Evaluation(0, {'x': 1}))\n"
        "    while not (found := evaluator.gather(0.5)):\n"
        "        print(evaluator.running_seconds(), flush=True)\n"
        "    print(*(f'{each.id}: {each.state}, {each.error}' for each in found))\n"
    )
    search = site.start("python", "ended_script.py")
    until(lambda: any(float(line) > 0 for line in search.output.read_text().splitlines()))
    site.launchers["serial"].terminate()
    assert site.finish(search).splitlines()[-1] == "0: LOST, its Balsam launcher ended"


def test_the_documented_workflow_on_theta(theta, site):
    """The search is a job of Balsam, in a launcher that is a job of the scheduler; so are its evaluations.

    The last test, since Balsam has a port for one launcher a machine.
    """
    printed = site.finish(theta)
    assert re.search(r"1 +\| AMBS \| python ambs.py", printed)
    assert re.search(r"test \| TEST +\| AMBS +\| CREATED", printed)
    assert "'scheduler_id': 17," in printed
    site.launchers["serial"].wait(30)
    home = site.home / "theta"
    # The variables that a job of Cobalt has, and what the user's shell sets.
    fresh = {name: site.env[name] for name in ("USER", "LANG", "PYTHONPATH", "PYTHONNOUSERSITE")}
    fresh |= {"HOME": str(home), "PATH": "/usr/bin:/bin", "COBALT_JOBID": "17", "COBALT_PARTNAME": "3834-3961"}
    variables = [f"{name}={value}" for name, value in fresh.items()]
    job = site.start("env", "--ignore-environment", *variables, "bash", str(home / "queued"))
    jobs = home / "testdb" / "data" / "TEST"
    [directory] = until(lambda: list(jobs.glob("test_*")))
    file = directory / "results.h5"
    until(lambda: file.exists() and sum(each.state == "DONE" for each in results.read(file).evaluations) > 3)
    os.killpg(job.pid, signal.SIGTERM)  # as Cobalt does at the walltime
    job.wait(30)
    until(lambda: results.read(file).metadata.runs[-1]["ended"] is not None, 30)
    text = (directory / "test.out").read_text()
    assert "1 rank, which searches; BalsamEvaluator evaluates with 2 workers" in text
    assert "to continue: the same command with --resume" in text
    states = {each.state for each in results.read(file).evaluations}
    assert states <= {"DONE", "CANCELLED"}, text
    site.run("pg_ctl", "stop", "-w", "-D", home / "testdb" / "balsamdb", "-m", "fast")
