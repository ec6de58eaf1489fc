"""What needs no Balsam: the evaluator on a stand-in for Balsam's database, and what runs in the jobs."""

import importlib.util
import math
import threading
import time
from pathlib import Path

import pytest
from contracts.evaluator import BackgroundContract, StoppableEvaluatorContract

from dhmpi.errors import EvaluatorError, LoadError, OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import balsam, balsam_jobs, balsam_worker, create
from dhmpi.evaluator.balsam import JobEvaluator
from dhmpi.evaluator.balsam_jobs import Reply, Request, Status, UnreachableError
from dhmpi.execution.executor import Resources, Setup
from dhmpi.execution.runner import Outcome, Task
from dhmpi.support.json_text import dumps

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"
REQUEST = Request(Task(3, {"x": math.inf, "text": "NUL\0 \ud800 é'"}, 7), Setup("m:f", 1.5, "files"), "/", ["a"], {})


class Jobs:
    """Stands in for `balsam_jobs.Jobs`. Jobs stay where they are; tests move them."""

    num_left = 0

    def __init__(self, application, command, files):
        self.application, self.command, self.files = application, command, Path(files)
        self.batches, self.killed = [], []
        self.requests, self.statuses, self.histories = {}, {}, {}
        self.is_reachable = True

    def _reach(self):
        if not self.is_reachable:
            raise UnreachableError("connection refused")

    def create(self, requests):
        self._reach()
        self.batches.append([request.task.id for request in requests.values()])
        for key, request in requests.items():
            self.requests[key] = balsam_jobs.decode_request(balsam_jobs.encode(request))
            self.statuses[key] = Status("PREPROCESSED", None, None, False)

    def look(self, keys):
        self._reach()
        return {key: self.statuses[key] for key in keys if key in self.statuses}

    def history(self, key):
        return self.histories[key]

    def kill(self, keys, why):
        self._reach()
        self.killed += [self.requests[key].task.id for key in keys]

    def output(self, id):
        return str(self.files / f"evaluation-{id:06d}.out")

    def move(self, state, begun=None, reply=None, is_locked=True, history=None):
        """Move all jobs."""
        for key in self.statuses:
            self.statuses[key] = Status(state, begun, reply, is_locked)
            self.histories[key] = history or {}


class LocalJobs(Jobs):
    """Runs what a job runs, in a thread."""

    def create(self, requests):
        super().create(requests)
        for key in requests:
            threading.Thread(target=self._run, args=(key,), daemon=True).start()

    def _run(self, key):
        request = self.requests[key]

        def begin(begun):
            self.statuses[key] = Status("RUNNING", begun, None, True)

        try:
            reply = balsam_worker.supervise(request, begin, lambda: request.task.id not in self.killed)
        except balsam_worker.JobKilled:
            return
        reply = balsam_jobs.decode_reply(dumps(reply))
        self.statuses[key] = Status("RUNNING", None, reply, True)


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture
def connect(monkeypatch):
    def replace(jobs_class):
        monkeypatch.setattr(balsam, "Jobs", jobs_class)
        monkeypatch.setattr(balsam, "close_connection", lambda: None)

    monkeypatch.setattr(balsam, "LONGEST", 0.05)
    monkeypatch.setattr(balsam, "SHORTEST", 0.02)
    monkeypatch.setattr(balsam_worker, "LOOK_INTERVAL", 0.2)
    monkeypatch.delenv("BALSAM_LAUNCHER_NODES", raising=False)
    monkeypatch.delenv("BALSAM_JOB_MODE", raising=False)
    return replace


class TestContract(StoppableEvaluatorContract):
    knows_workers = False

    many = 20  # each takes an interpreter's start
    test_what_a_cancelled_evaluation_has_printed_is_kept = None  # its node ends it later
    test_what_is_saving_when_the_time_ends_is_paused = None  # there, it cannot be told

    @pytest.fixture
    def evaluator(self, files, connect):
        connect(LocalJobs)
        evaluator = JobEvaluator(Setup(BEHAVE, 1.0, str(files)), num_workers=2)
        evaluator.start()
        yield evaluator
        evaluator.shutdown()


class TestByHand(BackgroundContract):
    @pytest.fixture
    def evaluator(self, files, connect):
        connect(LocalJobs)
        with create(BEHAVE, method="balsam", num_workers=2, timeout=1.0, files=str(files)) as evaluator:
            yield evaluator


@pytest.fixture
def make(files, connect):
    """Make an evaluator whose jobs stay where they are."""
    connect(Jobs)
    made = []

    def start(run=BEHAVE, timeout=None, num_workers=4, **resources):
        made.append(JobEvaluator(Setup(run, timeout, str(files), Resources(**resources)), num_workers=num_workers))
        made[-1].start()
        return made[-1], made[-1]._jobs

    yield start
    for evaluator in made:
        evaluator.shutdown()


def submit(evaluator, *ids, **point):
    for id in ids:
        evaluator.submit(Evaluation(id, point))
    return evaluator.gather(0.0)


def test_jobs_of_a_batch_are_made_at_once(make):
    evaluator, jobs = make()
    assert submit(evaluator, 0, 1, 2, x=1) == []
    assert submit(evaluator, 3, x=1) == []
    assert jobs.batches == [[0, 1, 2], [3]]
    assert evaluator.num_idle == 0


@pytest.mark.parametrize(
    ("state", "history", "expected", "error"),
    [
        (
            "RUN_ERROR",
            {"RUN_ERROR": "nonzero return -9"},
            "FAILED",
            "its Balsam job failed: nonzero return -9",
        ),
        ("FAILED", {"RUN_ERROR": "tail", "FAILED": ""}, "FAILED", "its Balsam job failed: tail"),
        ("FAILED", {"FAILED": "Preprocessor"}, "FAILED", "its Balsam job failed: Preprocessor"),
        ("FAILED", {"RUN_TIMEOUT": "", "FAILED": ""}, "LOST", "its Balsam launcher ended"),
        ("RUN_TIMEOUT", {"RUN_TIMEOUT": ""}, "LOST", "its Balsam launcher ended"),
        ("RUN_ERROR", {"RUN_ERROR": "nonzero return 143:"}, "LOST", "its Balsam launcher ended"),
        ("USER_KILLED", {}, "FAILED", "its Balsam job was killed by a person"),
        ("RUN_DONE", {}, "FAILED", "its Balsam job ended without an outcome"),
        ("JOB_FINISHED", {}, "FAILED", "its Balsam job ended without an outcome"),
    ],
)
def test_how_jobs_end_is_told(make, state, history, expected, error):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    begun = time.time()
    jobs.move("RUNNING", begun)
    assert evaluator.gather(0.1) == []
    jobs.move(state, begun, history=history)
    [found] = evaluator.gather(5.0)
    assert (found.id, found.state, found.objective, found.error) == (0, expected, None, error)
    assert found.started == begun <= found.ended
    assert evaluator.num_pending == 0


def test_a_deleted_job_is_lost(make):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    jobs.statuses.clear()
    [found] = evaluator.gather(5.0)
    assert (found.state, found.error) == (State.LOST, "its job is no longer in the Balsam database")


def test_an_outcome_counts_wherever_the_job_stands(make):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    jobs.move("RUN_TIMEOUT", reply=Reply("node7", Outcome(0, State.DONE, 2.5, 1.0, 2.0, "", {"note": "kept"})))
    [found] = evaluator.gather(5.0)
    assert (found.state, found.objective, found.host, found.rank) == (State.DONE, 2.5, "node7", 0)
    assert (found.started, found.ended, found.extra) == (1.0, 2.0, {"note": "kept"})


@pytest.mark.parametrize(
    ("is_locked", "state", "error"),
    [(True, "TIMEOUT", "ran longer than 5 s"), (False, "LOST", "its Balsam launcher died")],
)
def test_a_node_that_does_not_stop_an_evaluation_is_given_up(make, monkeypatch, is_locked, state, error):
    evaluator, jobs = make(timeout=5.0)
    submit(evaluator, 0, x=1)
    jobs.move("RUNNING", time.time() - 5.5 - balsam.GRACE / 2, is_locked=is_locked)
    assert evaluator.gather(0.1) == []
    jobs.move("RUNNING", time.time() - 5.5 - balsam.GRACE, is_locked=is_locked)
    [found] = evaluator.gather(5.0)
    assert (found.state, found.error, jobs.killed) == (state, error, [0])


def test_what_cannot_be_loaded_ends_the_search(make):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    jobs.move("RUNNING", reply=Reply("node7", None, "module 'm' must exist", "Traceback ..."))
    with pytest.raises(LoadError, match=r"module 'm' must exist \(on node7\)") as caught:
        evaluator.gather(5.0)
    assert caught.value.details == "Traceback ..."


def test_what_cannot_be_loaded_later_is_a_failure(make):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    jobs.move("RUNNING", reply=Reply("node7", Outcome(0, State.FAILED, None, 1.0, 2.0, "bad luck")))
    assert [each.error for each in evaluator.gather(5.0)] == ["bad luck"]
    submit(evaluator, 1, x=1)
    jobs.move("RUNNING", reply=Reply("node8", None, "module 'm' must exist", "details"))
    assert [(each.state, each.error) for each in evaluator.gather(5.0)] == [
        ("FAILED", "module 'm' must exist\ndetails")
    ]


def test_the_database_may_be_away_for_some_time(make, caplog):
    evaluator, jobs = make()
    jobs.is_reachable = False
    begun = time.monotonic()
    assert submit(evaluator, 0, x=1) == []
    assert evaluator.gather(0.3) == []
    assert 0.3 <= time.monotonic() - begun < 30
    assert caplog.messages == ["the Balsam database does not answer: connection refused"]
    jobs.is_reachable = True
    assert evaluator.gather(0.2) == []
    assert jobs.batches == [[0]]


def test_the_database_may_not_be_away_for_ever(make, monkeypatch):
    monkeypatch.setattr(balsam, "PATIENCE", 0.1)
    evaluator, jobs = make()
    jobs.is_reachable = False
    submit(evaluator, 0, x=1)
    with pytest.raises(EvaluatorError, match=r"must answer within 0\.1 s, got connection refused"):
        evaluator.gather(5.0)


def test_gathering_obeys_its_time(make):
    evaluator, _ = make()
    submit(evaluator, 0, x=1)
    begun = time.monotonic()
    assert evaluator.gather(0.3) == []
    assert 0.3 <= time.monotonic() - begun < 30


def test_a_dimension_may_decide_on_the_resources(make):
    evaluator, jobs = make(num_nodes=2, node_packing_count=8)
    submit(evaluator, 0, num_nodes=3, threads_per_rank=5, x=1)
    [request] = jobs.requests.values()
    assert request.setup.resources == Resources(3, 1, 5, 8)
    assert request.num_ranks == 3
    assert request.task.point == {"num_nodes": 3, "threads_per_rank": 5, "x": 1}


@pytest.mark.parametrize(
    ("point", "error"),
    [
        ({"num_nodes": 0}, "num_nodes must be an integer of at least 1, got 0"),
        ({"num_nodes": 1.5}, "num_nodes must be an integer of at least 1, got 1.5"),
        ({"num_nodes": 5}, "num_nodes must be at most the launcher's 4, got 5"),
    ],
)
def test_resources_that_are_not_there_are_a_failure(make, monkeypatch, point, error):
    monkeypatch.setenv("BALSAM_LAUNCHER_NODES", "4")
    evaluator, jobs = make()
    evaluator.submit(Evaluation(0, point))
    assert evaluator.num_pending == 1
    [found] = evaluator.gather(0.0)
    assert (found.state, found.error, jobs.batches) == (State.FAILED, error, [])
    assert found.started == found.ended


def test_what_no_evaluation_can_get_is_said_at_once(make, monkeypatch):
    with pytest.raises(OptionError, match="ranks_per_node must be an integer of at least 1, got 0"):
        make(ranks_per_node=0)
    with pytest.raises(OptionError, match="a program must have one rank, got 2"):
        make("exec:./train.sh", ranks_per_node=2)
    monkeypatch.setenv("BALSAM_JOB_MODE", "serial")
    with pytest.raises(OptionError, match="job mode serial must have one rank, got 2; use job mode mpi"):
        make(num_nodes=2)


@pytest.mark.parametrize(
    ("nodes", "packing", "num_workers"), [(None, 1, 1), (None, 4, 4), (1, 1, 1), (8, 1, 6), (8, 4, 30)]
)
def test_there_are_as_many_workers_as_the_launcher_has_room_for(make, monkeypatch, nodes, packing, num_workers):
    if nodes is not None:
        monkeypatch.setenv("BALSAM_LAUNCHER_NODES", str(nodes))
    evaluator, _ = make(num_workers=None, node_packing_count=packing)
    assert evaluator.num_workers == evaluator.num_idle == num_workers


def test_another_command_has_another_name(make, monkeypatch):
    first = make("pkg.module:run")[1]
    assert "dhmpi.evaluator.balsam_worker" in first.command
    assert make("pkg.module:run")[1].application == first.application
    monkeypatch.setattr("sys.executable", "/another/python")
    other = make("pkg.module:run")[1]
    assert other.command.startswith("/another/python ")
    assert other.application != first.application
    assert first.application.startswith("pkg.module.run-")
    assert make("dir/user.py")[1].application.startswith("user.py-")


@pytest.mark.parametrize(
    ("printed", "before", "after"),
    [(None, None, None), (b"", None, None), (b"", b"a", b"a"), (b"b", None, b"b"), (b"b", b"a", b"ab")],
)
def test_what_a_job_prints_is_kept_as_the_evaluations_output(make, files, printed, before, after):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    out, log = files / "evaluation-000000.out", files / "evaluation-000000.log"
    for path, content in ((out, printed), (log, before)):
        if content is not None:
            path.write_bytes(content)
    jobs.move("USER_KILLED")
    evaluator.gather(5.0)
    assert not out.exists()
    assert (log.read_bytes() if log.exists() else None) == after


def test_cancelling_kills_jobs_and_makes_no_more(make):
    evaluator, jobs = make()
    submit(evaluator, 0, 1, x=1)
    evaluator.submit(Evaluation(2, {"x": 1}))
    found = evaluator.cancel(5.0)
    assert sorted((each.id, each.state) for each in found) == [(id, "CANCELLED") for id in range(3)]
    assert (jobs.batches, jobs.killed, evaluator.num_pending) == ([[0, 1]], [0, 1], 0)
    submit(evaluator, 0, x=1)
    assert jobs.batches == [[0, 1], [0]]


def test_what_has_just_ended_is_not_cancelled(make):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    jobs.move("RUNNING", reply=Reply("node", Outcome(0, State.DONE, 1.0, 1.0, 2.0)))
    assert [each.state for each in evaluator.cancel(5.0)] == [State.DONE]
    assert jobs.killed == []


@pytest.mark.parametrize("is_reachable", [True, False])
def test_shutting_down_kills_jobs(make, is_reachable, caplog):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    jobs.is_reachable = is_reachable
    evaluator.shutdown()
    evaluator.shutdown()
    assert jobs.killed == ([0] if is_reachable else [])
    assert bool(caplog.messages) is not is_reachable


def test_jobs_that_an_earlier_search_left_are_mentioned(make, monkeypatch, caplog):
    monkeypatch.setattr(Jobs, "num_left", 2)
    make()
    assert "killed 2 jobs that an earlier search left in" in caplog.text


def test_only_evaluations_that_have_begun_run(make):
    evaluator, jobs = make()
    submit(evaluator, 0, x=1)
    assert evaluator.running_seconds() == 0
    jobs.move("RUNNING", time.time() - 7)
    evaluator.gather(0.1)
    assert 7 <= evaluator.running_seconds() < 60


# --- what travels


def test_requests_arrive_as_they_were():
    assert balsam_jobs.decode_request(balsam_jobs.encode(REQUEST)) == REQUEST
    assert balsam_jobs.encode(REQUEST).isascii()


@pytest.mark.parametrize(
    "reply",
    [
        Reply("node", Outcome(3, State.DONE, 0.1 + 0.2, 1.0, 2.0, "NUL\0", {"list": [1, None]})),
        Reply("node", None, "é", "details"),
    ],
)
def test_replies_arrive_as_they_were(reply):
    assert balsam_jobs.decode_reply(dumps(reply)) == reply


def test_a_history_is_read():
    text = (
        "\n[11-24-2026 02:40:12.131254 CREATED]    \n   [11-24-2026 02:40:12.131283 PREPROCESSED]         "
        "\n[11-24-2026 02:40:16.399003 RUN_ERROR] nonzero return -9:     first\n    [last] line\n"
        "\n        [11-24-2026 02:40:23.924529 FAILED]"
    )
    assert balsam_jobs.read_history(text) == {
        "CREATED": "",
        "PREPROCESSED": "",
        "RUN_ERROR": "nonzero return -9:     first\n    [last] line",
        "FAILED": "",
    }


# --- what runs in the jobs


def test_a_job_that_is_killed_before_it_begins_runs_nothing(tmp_path):
    (tmp_path / "mark.py").write_text("open(__file__ + '.loaded', 'w')\ndef run(point):\n    return 1.0\n")
    request = REQUEST._replace(setup=Setup(str(tmp_path / "mark.py"), None, str(tmp_path)))
    with pytest.raises(balsam_worker.JobKilled):
        balsam_worker.supervise(request, lambda begun: None, lambda: False)
    assert not (tmp_path / "mark.py.loaded").exists()


def unreachable(*_):
    raise UnreachableError("connection refused")


def test_an_evaluation_goes_on_without_the_database(tmp_path, monkeypatch):
    monkeypatch.setattr(balsam_worker, "LOOK_INTERVAL", 0.0)
    (tmp_path / "one.py").write_text("def run(point):\n    return 1.0\n")
    request = REQUEST._replace(setup=Setup(str(tmp_path / "one.py"), None, str(tmp_path)))
    assert balsam_worker.supervise(request, unreachable, unreachable).outcome.objective == 1.0


@pytest.mark.parametrize("run", ["no_such_module:run", "exec:./no_such_program", "template:no_such_file"])
def test_what_cannot_be_loaded_is_told(run, tmp_path):
    request = REQUEST._replace(setup=Setup(run, None, str(tmp_path)))
    reply = balsam_worker.supervise(request, lambda begun: None, lambda: True)
    assert reply.outcome is None
    assert "no_such_" in reply.error


def test_a_reply_waits_for_the_database(monkeypatch):
    monkeypatch.setattr(balsam_worker, "RETRY_INTERVAL", 0.01)
    tries = iter([unreachable, unreachable, lambda: "told"])
    assert balsam_worker._patiently(lambda: next(tries)()) == "told"
    monkeypatch.setattr(balsam_worker, "PATIENCE", 0.05)
    with pytest.raises(UnreachableError):
        balsam_worker._patiently(unreachable)


# --- what may be missing


@pytest.mark.parametrize("missing", ["balsam", "django"])
def test_what_is_not_installed_is_said(missing, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(OptionError, match=rf'needs {missing}, got none; run: pip install "dhmpi\[balsam\]"'):
        balsam_jobs.activate()


@pytest.mark.parametrize(
    ("path", "told"), [(None, "got no BALSAM_DB_PATH"), ("", "got no BALSAM_DB_PATH"), ("/", "got '/'")]
)
def test_a_database_that_is_not_active_is_said(path, told, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.delenv("BALSAM_DB_PATH", raising=False)
    if path is not None:
        monkeypatch.setenv("BALSAM_DB_PATH", path)
    with pytest.raises(OptionError, match=f"{told}; run: source balsamactivate NAME"):
        balsam_jobs.activate()
