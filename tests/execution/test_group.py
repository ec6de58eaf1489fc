"""Groups: evaluations that several executors do together; tests/mpi and tests/launcher have those on ranks."""

import itertools
import time
from collections import deque
from contextlib import ExitStack, closing

import pytest

from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.execution import group
from dhmpi.execution.ballot import Ballot
from dhmpi.execution.child import ChildExecutor
from dhmpi.execution.context import ANSWER_WAIT, NO_FEEDBACK, Feedback, Notice
from dhmpi.execution.executor import Executor, GroupLostError, Setup
from dhmpi.execution.group import GroupExecutor, Members, News
from dhmpi.execution.group_parts import free_ports, parts_of
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.execution.local_group import LocalGroup, LocalMembers
from dhmpi.execution.program import ProgramExecutor
from dhmpi.execution.runner import Outcome, Task
from dhmpi.support.place import Place

pytestmark = pytest.mark.timeout(60)

RUN = """
import os, sys, time
def run(point, context):
    print("rank", context.group_rank, "prints")
    if point["who"] in (context.group_rank, "all"):
        exec(point["do"])
    elif point["who"] is not None:
        time.sleep(60)
    names = "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TF_CONFIG"
    if context.group_rank:
        return None  # it does not count
    return {"objective": 10.0, "size": context.group_size, "variables": {name: os.environ[name] for name in names}}
"""


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a loaded group of so many children."""
    (tmp_path / "user.py").write_text(RUN)
    made = []

    def make_group(size=2, timeout=None, run="run", kind=ChildExecutor):
        target = run if run.startswith("exec:") else f"{tmp_path}/user.py:{run}"
        executor = LocalGroup([kind(Setup(target, timeout, str(tmp_path / "files"))) for _ in range(size)])
        executor.settle(*(Place(0, each, each, size, member=each) for each in range(size)))
        made.append(executor)
        executor.load()
        while not executor.ready:
            executor.poll(1.0)
        return executor

    yield make_group
    for executor in made:
        executor.close()


def outcomes(executor, *tasks):
    """Return the outcomes of tasks, given as (who, do)."""
    executor.submit([Task(id, {"who": who, "do": do}, 0) for id, (who, do) in enumerate(tasks)])
    found = []
    while executor.busy:
        found += executor.poll(1.0)
    return found


def test_the_result_is_the_leaders(make, tmp_path):
    first, second = outcomes(make(3), (None, ""), (None, ""))
    assert [first.state, first.objective, first.extra["size"]] == [State.DONE, 10.0, 3]
    variables = first.extra["variables"]
    assert variables["RANK"] == variables["LOCAL_RANK"] == "0"
    assert variables["WORLD_SIZE"] == variables["LOCAL_WORLD_SIZE"] == "3"
    assert variables["MASTER_ADDR"] == "localhost"
    assert f'"localhost:{variables["MASTER_PORT"]}"' in variables["TF_CONFIG"]
    assert variables["MASTER_PORT"] != second.extra["variables"]["MASTER_PORT"]
    names = sorted(path.name for path in (tmp_path / "files").iterdir())
    assert names[:3] == ["evaluation-000000-rank1.log", "evaluation-000000-rank2.log", "evaluation-000000.log"]
    assert (tmp_path / "files" / names[1]).read_text() == "rank 2 prints\n"


@pytest.mark.parametrize("who", [0, 1, 2])
@pytest.mark.parametrize(
    ("do", "state", "error"),
    [
        ("raise ValueError('bad luck')", State.FAILED, "ValueError: bad luck"),
        ("os._exit(3)", State.FAILED, "exit status 3"),
        ("time.sleep(60)", State.TIMEOUT, "ran longer than 1 s"),
    ],
)
def test_the_end_of_one_is_the_end_of_all(make, who, do, state, error):
    executor = make(3, timeout=1.0)
    [outcome] = outcomes(executor, (who, do))
    assert (outcome.state, outcome.objective) == (state, None)
    assert error in outcome.error
    assert f"on rank {who} of 3: " in outcome.error
    assert [each.state for each in outcomes(executor, (None, ""))] == [State.DONE]


def test_an_exception_on_all_of_them_costs_no_child(make):
    executor = make(2)
    pids = []
    for _ in range(2):
        [outcome] = outcomes(executor, ("all", "raise ValueError(os.getpid())"))
        pids.append({line for line in outcome.error.splitlines() if line.startswith("ValueError: ")})
    assert len(pids[0]) == 2
    assert pids[0] == pids[1]


def test_a_failure_costs_no_other_evaluation_of_a_batch(make):
    found = outcomes(make(2), (None, ""), (1, "raise ValueError"), (None, ""), (0, "os._exit(1)"), (None, ""))
    assert sorted((each.id, each.state) for each in found) == [
        (0, State.DONE),
        (1, State.FAILED),
        (2, State.DONE),
        (3, State.FAILED),
        (4, State.DONE),
    ]


def test_all_are_cancelled(make):
    executor = make(2)
    executor.submit([Task(id, {"who": 5, "do": ""}, 0) for id in range(3)])  # they sleep
    assert executor.poll(0.2) == []
    executor.cancel()
    found = []
    while executor.busy:
        found += executor.poll(1.0)
    assert [(each.id, each.state) for each in found] == [(id, State.CANCELLED) for id in range(3)]
    assert [each.state for each in outcomes(executor, (None, ""))] == [State.DONE]


def test_it_can_be_waited_for(make):
    """A pool waits for descriptors, and not for longer than `seconds_left`."""
    executor = make(2)
    executor.submit([Task(0, {"who": 1, "do": "raise ValueError"}, 0)])
    begun, found = time.monotonic(), []
    while executor.busy:
        group.Backoff().wait()
        assert executor.descriptor is not None
        assert executor.seconds_left <= 0.5
        found += executor.poll(0.0)
        assert time.monotonic() < begun + 10
    assert [each.state for each in found] == [State.FAILED]


def test_programs_have_the_variables_too(make, tmp_path):
    script = tmp_path / "program.sh"
    script.write_text('#!/bin/sh\n[ "$RANK" = 1 ] && exit "$1"\necho DH-OUTPUT: "$WORLD_SIZE"\n')
    script.chmod(0o700)
    executor = make(2, run=f"exec:{script} {{who}}", kind=ProgramExecutor)
    good, bad = sorted(outcomes(executor, (0, ""), (4, "")), key=lambda each: each.id)
    assert (good.state, good.objective) == (State.DONE, 2.0)
    assert bad.state is State.FAILED
    assert "on rank 1 of 2: the program ended with exit status 4" in bad.error


def test_what_does_not_load_is_said(make):
    with pytest.raises(LoadError, match="nothing_of_that_name"):
        make(2, run="nothing_of_that_name")


# --- user code in the leader's own process


class Silent(Members):
    """A member that answers what the test says."""

    def __init__(self, *news):
        self.queue, self.calls, self.notices = deque(news), [], []

    def load(self):
        self.queue.appendleft(News(1, is_ready=True))

    def submit(self, member, tasks):
        self.calls.append(("submit", [task.id for task in tasks]))

    def cancel(self, member):
        self.calls.append("cancel")

    def tell(self, notice):
        self.notices.append(notice)

    def news(self):
        found = self.queue.popleft() if self.queue else None
        if isinstance(found, Exception):
            raise found
        return [found] if found else []

    def settle_round(self):
        self.calls.append("settle")

    def free(self):
        self.calls.append("free")

    def close(self):
        self.calls.append("close")


@pytest.fixture
def inline():
    """Return what makes a group whose leader runs user code in this process."""
    with ExitStack() as made:

        def of(run, members, timeout=None, connect=None, feedback=NO_FEEDBACK):
            own = InlineExecutor(Setup(run, timeout, feedback=feedback), lambda run: run)
            own.connect = connect
            executor = GroupExecutor(own, members, parts_of(["nid0", "nid1"]), timeout=timeout)
            made.callback(executor.close)
            executor.load()
            executor.poll(1.0)
            assert executor.ready
            return executor

        yield of


def failure(id, error="a reason"):
    return News(1, [Outcome(id, State.FAILED, None, 0.0, 1.0, error)])


def done(id):
    return News(1, [Outcome(id, State.DONE, 0.0, 0.0, 1.0)])


def test_a_leader_in_user_code_hears_of_a_failure(inline):
    members = Silent()

    def run(point):
        members.queue.append(failure(0))
        time.sleep(30)

    executor, begun = inline(run, members), time.monotonic()
    executor.submit([Task(0, {}, 0)])
    [outcome] = executor.poll(5.0)
    assert time.monotonic() < begun + 10
    assert (outcome.state, outcome.error) == (State.FAILED, "on rank 1 of 2: a reason")
    assert members.calls == [("submit", [0]), "settle"]


def test_a_leader_in_user_code_hears_of_a_loss(inline):
    members = Silent()

    def run(point):
        members.queue.append(GroupLostError("rank 1 is gone"))
        time.sleep(30)

    executor = inline(run, members)
    executor.submit([Task(0, {}, 0)])
    with pytest.raises(GroupLostError, match="rank 1 is gone"):
        executor.poll(5.0)


def test_a_member_that_does_not_stop_costs_the_group(inline, monkeypatch):
    monkeypatch.setattr(group, "FREE_TIME", 0.1)
    monkeypatch.setattr(group, "AGREE_TIME", 0.3)
    members = Silent()

    def run(point):
        raise ValueError("bad luck")

    executor = inline(run, members)
    executor.submit([Task(0, {}, 0)])
    with pytest.raises(GroupLostError, match=r"rank 1 of an evaluation did not stop within 0\.3 s(?s:.*)bad luck"):
        executor.poll(5.0)
    assert members.calls == [("submit", [0]), "cancel", "free"]


def test_what_was_cancelled_for_another_failure_is_done_again(inline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = Silent(failure(0), News(1, [Outcome(1, State.CANCELLED, None, 0.0, 1.0)]), done(1))
    runs, has_begun = [], []

    def run(point, context):
        runs.append(point["x"])
        has_begun.append(context.resumed is not None)
        assert context.directory.exists()
        return 1.0

    executor, found = inline(run, members), []
    executor.submit([Task(id, {"x": id}, 0) for id in range(2)])
    while executor.busy:
        found += executor.poll(1.0)
    assert [(each.id, each.state) for each in found] == [(0, State.FAILED), (1, State.DONE)]
    assert runs == [0, 1, 1]
    assert has_begun == [False, False, True]


def test_with_a_communicator_evaluations_go_one_by_one_and_have_a_new_one_after_a_failure(inline):
    members = Silent(done(0), failure(1), done(2))
    rounds = []

    def run(point, comm):
        rounds.append(comm)
        return 1.0

    executor, found = inline(run, members, connect=lambda round: round), []
    executor.submit([Task(id, {}, 0) for id in range(3)])
    while executor.busy:
        found += executor.poll(1.0)
    assert [each.state for each in found] == [State.DONE, State.FAILED, State.DONE]
    assert rounds == [0, 0, 1]
    assert [call for call in members.calls if call != "settle"] == [("submit", [id]) for id in range(3)]


def test_a_failure_is_heard_of_behind_an_evaluation_that_was_quick(inline):
    """The leader's answers come together, if they are quick."""
    members = Silent()

    def run(point):
        if point["x"] == 1:
            members.queue += [done(0), failure(1)]
            time.sleep(30)
        return 1.0

    executor, found, begun = inline(run, members), [], time.monotonic()
    executor.submit([Task(id, {"x": id}, 0) for id in range(2)])
    while executor.busy:
        found += executor.poll(1.0)
    assert time.monotonic() < begun + 10
    assert [(each.id, each.state) for each in found] == [(0, State.DONE), (1, State.FAILED)]


def test_an_evaluation_lasts_as_long_as_the_one_that_takes_longest(inline):
    members = Silent(News(1, [Outcome(0, State.DONE, 0.0, 5.0, 505.0)]))
    executor = inline(lambda point: 1.0, members)
    executor.submit([Task(0, {}, 0)])
    [outcome] = executor.poll(5.0)
    assert (outcome.objective, round(outcome.ended - outcome.started)) == (1.0, 500)


def test_a_member_that_its_own_time_limit_does_not_reach_costs_the_group(inline, monkeypatch):
    """The leader has ended well; the other one waits in MPI, say."""
    monkeypatch.setattr(group, "FREE_TIME", 0.1)
    monkeypatch.setattr(group, "AGREE_TIME", 0.3)
    members = Silent()
    executor = inline(lambda point: 1.0, members, timeout=0.2)
    executor.submit([Task(0, {}, 0)])
    with pytest.raises(GroupLostError, match=r"rank 1 of an evaluation did not stop within 0\.3 s: it took too long"):
        executor.poll(5.0)
    assert members.calls == [("submit", [0]), "cancel", "free"]


# --- who they are, and where they meet


def test_parts_say_who_is_where():
    parts = parts_of(["nid0", "nid0", "nid1"])
    assert [each[:4] for each in parts] == [(0, 3, 0, 2), (1, 3, 1, 2), (2, 3, 0, 1)]
    assert [each.addresses for each in parts] == [["nid0"], ["nid0"], ["nid1"]]
    assert parts_of(["nid0", "nid0"])[0].addresses == ["localhost"]  # a host need not know its own name


def test_ports_are_new_and_each_groups_own():
    one, other = (list(itertools.islice(free_ports(number), 20)) for number in range(2))
    assert len({*one, *other}) == 40
    assert all(1024 < port < 32768 for port in [*one, *other])  # what connections get begins there


def test_local_members_tell_when_they_are_ready():
    class Fake(Executor):
        def load(self):
            self.ready = True

        submit = cancel = close = None

        def poll(self, timeout):
            return []

    fake = Fake()
    members = LocalMembers([fake])
    members.load()
    assert members.news() == [News(1, [], True)]
    assert members.news() == []
    fake.ready = False  # it is replaced
    assert members.news() == []


# --- an end that is agreed on


ANSWERS = Feedback(has_answers=True)


def stopping(executor, step=2):
    """Let what the leader does stop at a step."""

    def take(reports):
        for id, reached, _, _ in reports:
            executor.tell(Notice(id, int(reached), must_stop=reached >= step))

    executor.hear(take)


def reporting(point, context):
    for step in range(1, 6):
        context.report(step, float(step))
    return 7.0


def test_the_leader_ends_at_the_report_at_which_the_others_do(inline):
    members = Silent(News(1, has_joined=True), News(1, [Outcome(0, State.STOPPED, None, 0.0, 1.0)]))
    executor = inline(reporting, members, feedback=ANSWERS)
    stopping(executor)
    executor.submit([Task(0, {}, 0)])
    [outcome] = executor.poll(5.0)
    assert (outcome.state, outcome.error) == (State.STOPPED, "")
    assert members.notices[:2] == [Notice(0, 1), Notice(0, 2, must_stop=True)]
    assert "cancel" not in members.calls


def test_the_leader_goes_on_where_others_could_wait_for_it_for_ever(inline):
    members, begun = Silent(), time.monotonic()

    def run(point, context):
        found = reporting(point, context)
        members.queue.append(done(0))
        return found

    executor = inline(run, members, feedback=ANSWERS)
    stopping(executor)
    executor.submit([Task(0, {}, 0)])
    [outcome] = executor.poll(5.0)
    assert (outcome.state, outcome.objective) == (State.DONE, 7.0)
    assert not any(notice.must_stop for notice in members.notices)
    assert time.monotonic() < begun + 3 * ANSWER_WAIT  # it waits for them only once


def test_who_follows_is_freed_when_the_leader_reports_no_more(inline):
    members = Silent()
    executor = inline(lambda point: 1.0, members, feedback=ANSWERS)
    executor.submit([Task(0, {}, 0)])
    assert not executor.poll(0.1)
    members.queue += [News(1, has_joined=True), done(0)]
    [outcome] = executor.poll(5.0)
    assert outcome.state is State.DONE
    [notice] = members.notices
    assert notice.num_answered > 10**9
    assert not notice.must_stop


def test_evaluations_that_are_answered_go_one_by_one(inline):
    members = Silent(done(0), done(1))
    executor, found = inline(lambda point: 1.0, members, feedback=ANSWERS), []
    executor.submit([Task(id, {}, 0) for id in range(2)])
    while executor.busy:
        found += executor.poll(1.0)
    assert [call for call in members.calls if call != "settle"] == [("submit", [0]), ("submit", [1])]


@pytest.mark.parametrize("answers", [("leader", "member"), ("member", "leader")])
@pytest.mark.parametrize("state", [State.STOPPED, State.PAUSED])
def test_an_end_that_makes_the_others_fail_is_no_failure(answers, state):
    ballot = Ballot(Task(0, {}, 0), 2)
    for who in answers:
        told = Outcome(0, state, None, 0.0, 1.0)
        ballot.answers[int(who == "member")] = (
            told if who == "leader" else Outcome(0, State.FAILED, None, 0.0, 1.0, "the other one has gone")
        )
    assert (ballot.outcome().state, ballot.outcome().error) == (state, "")


SOCKETS = """
import os, socket, time
def run(point, context):
    rank, port, end = context.group_rank, int(os.environ["MASTER_PORT"]), time.monotonic() + 20
    if rank == 0:
        with socket.create_server(("localhost", port)) as server:
            other = server.accept()[0]
    while rank and time.monotonic() < end:
        try:
            other = socket.create_connection(("localhost", port))
            break
        except OSError:
            time.sleep(0.01)
    with other:
        for step in range(1, 6):
            other.sendall(b"x")
            if not other.recv(1):
                raise ConnectionError("the other one has gone")
            context.report(step, 1.0)
    return {"objective": 7.0, "pid": os.getpid()}
"""


def test_processes_that_lose_their_leader_when_it_is_stopped_evaluate_again(tmp_path):
    (tmp_path / "user.py").write_text(SOCKETS)
    setup = Setup(f"{tmp_path}/user.py:run", None, str(tmp_path / "files"), feedback=ANSWERS)
    executor = LocalGroup([ChildExecutor(setup) for _ in range(2)])
    stops = [2, 9]
    executor.hear(
        lambda reports: [
            executor.tell(Notice(each.id, int(each.step), must_stop=each.step >= stops[each.id])) for each in reports
        ]
    )
    with closing(executor):
        executor.load()
        found = []
        for id in range(2):
            executor.submit([Task(id, {}, 0)])
            while executor.busy or not executor.ready:
                found += executor.poll(1.0)
    assert [(each.state, each.error) for each in found] == [(State.STOPPED, ""), (State.DONE, "")]
