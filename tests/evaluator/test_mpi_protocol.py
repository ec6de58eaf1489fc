"""The protocol's two ends against a communicator that only remembers; tests/mpi has the real one."""

from collections import deque

import pytest

from dhmpi.errors import EvaluatorError, LoadError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import mpi_protocol as protocol
from dhmpi.evaluator.mpi import MPIEvaluator
from dhmpi.evaluator.mpi_protocol import SearchEnd, WorkerEnd, WorkerTag
from dhmpi.execution.runner import Outcome, Task, pack_tasks, unpack_outcomes
from dhmpi.mpi.comm import Message
from dhmpi.mpi.job import Loss


class FakeCommunicator:
    rank = 0

    def __init__(self, size=3, *messages):
        self.size = size
        self.inbox = deque(Message(*message) for message in messages)
        self.sent = []
        self.given_up = set()

    def give_up(self, ranks):
        self.given_up.update(ranks)

    def send(self, destination, tag, payload=None):
        self.sent.append((destination, tag, payload))

    def receive(self):
        return self.inbox.popleft() if self.inbox else None


def ready(comm, *ranks):
    for rank in ranks:
        comm.inbox += [Message(rank, WorkerTag.HELLO, f"node{rank}"), Message(rank, WorkerTag.READY, None)]


def submit(evaluator, *ids):
    for id in ids:
        evaluator.submit(Evaluation(id, {"x": id}))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(protocol, "SILENCE_LIMIT", 0.05)
    monkeypatch.setattr(protocol, "SILENCE_CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(protocol, "ALIVE_INTERVAL", 0.02)


def test_a_silent_rank_is_given_up(quick):
    comm = FakeCommunicator()
    evaluator = MPIEvaluator(comm, has_heartbeats=True)
    ready(comm, 1, 2)
    evaluator.start()
    submit(evaluator, 0, 1)
    comm.inbox.append(Message(1, WorkerTag.OUTCOMES, [(0, "DONE", 1.0, 5.0, 6.0, "", {})]))
    found = evaluator.gather(0.0)
    assert [(each.id, each.state, each.host) for each in found] == [(0, State.DONE, "node1")]
    found = []
    for _ in range(40):
        comm.inbox.append(Message(1, WorkerTag.ALIVE, None))
        found += evaluator.gather(0.01)
    assert [(each.id, each.state) for each in found] == [(1, State.LOST)]
    assert "rank 2 on node2 is gone" in found[0].error
    assert evaluator.num_workers == 1


def test_silence_says_nothing_where_user_code_runs_in_the_rank(quick):
    comm = FakeCommunicator()
    evaluator = MPIEvaluator(comm, has_heartbeats=False)
    ready(comm, 1, 2)
    evaluator.start()
    submit(evaluator, 0, 1)
    assert evaluator.gather(0.2) == []
    assert evaluator.num_workers == 2


def test_a_rank_that_was_given_up_is_not_heard_any_more(quick):
    comm = FakeCommunicator()
    evaluator = MPIEvaluator(comm, has_heartbeats=False)
    ready(comm, 1, 2)
    evaluator.start()
    submit(evaluator, 0, 1)
    comm.inbox.append(Message(2, WorkerTag.LOST, Loss.DEAD))
    assert [each.state for each in evaluator.gather(0.0)] == [State.LOST]
    comm.inbox.append(Message(2, WorkerTag.OUTCOMES, [(1, "DONE", 1.0, 5.0, 6.0, "", {})]))
    assert evaluator.gather(0.0) == []
    assert evaluator.num_idle == 0


def test_without_ranks_there_is_nothing_to_go_on_with():
    comm = FakeCommunicator(2)
    evaluator = MPIEvaluator(comm, has_heartbeats=False)
    ready(comm, 1)
    evaluator.start()
    comm.inbox.append(Message(1, WorkerTag.LOST, Loss.DEAD))
    with pytest.raises(EvaluatorError, match="all are gone; continue with resume=True"):
        evaluator.gather(0.0)


def test_the_first_rank_that_cannot_load_ends_it_before_it_has_begun():
    comm = FakeCommunicator()
    comm.inbox += [
        Message(1, WorkerTag.HELLO, "node1"),
        Message(1, WorkerTag.UNLOADABLE, ("no such module", "Traceback ...")),
    ]
    with pytest.raises(LoadError, match="no such module") as caught:
        MPIEvaluator(comm, has_heartbeats=True).start()
    assert caught.value.details == "Traceback ..."


def test_a_campaign_ends_without_the_ranks_that_do_not_answer():
    comm = FakeCommunicator()
    end = SearchEnd(comm, has_heartbeats=False)
    comm.inbox.append(Message(1, WorkerTag.BYE, None))
    assert end.stop(0.05) == [2]
    assert comm.given_up == {2}
    assert [(destination, tag) for destination, tag, _ in comm.sent] == [(1, WorkerTag.STOP), (2, WorkerTag.STOP)]


class BusyExecutor:
    """Evaluates for ever."""

    ready = busy = True
    closed = False

    def __init__(self, comm):
        self.comm, self.polls = comm, 0

    def hear(self, on_reports, listen):
        pass

    def load(self):
        pass

    def poll(self, timeout):
        self.polls += 1
        if self.polls == 20:
            self.comm.inbox.append(Message(0, WorkerTag.STOP, None))
        protocol.time.sleep(0.005)
        return []

    def close(self):
        self.closed = True


def test_a_busy_worker_gives_signs_of_life_and_stops_when_told(quick):
    comm = FakeCommunicator()
    executor = BusyExecutor(comm)
    WorkerEnd(comm, executor).serve()
    tags = [tag for _, tag, _ in comm.sent]
    assert tags[:2] == [WorkerTag.HELLO, WorkerTag.READY]
    assert tags[-1] is WorkerTag.BYE
    assert WorkerTag.ALIVE in tags
    assert executor.closed


class PromptExecutor(BusyExecutor):
    """Ends every task at once; there are no others after that."""

    def __init__(self, comm):
        super().__init__(comm)
        self.tasks = []

    busy = property(lambda self: bool(self.tasks))

    def submit(self, tasks):
        self.tasks += tasks

    def poll(self, timeout):
        self.comm.inbox.append(Message(0, WorkerTag.STOP, None))
        tasks, self.tasks = self.tasks, []
        return [Outcome(task.id, State.DONE, task.point["x"], 1.0, 2.0) for task in tasks]


def test_a_worker_evaluates_the_tasks_that_it_is_sent():
    tasks = [Task(0, {"x": 1.5}, 7), Task(1, {"x": 2.5}, 8)]
    comm = FakeCommunicator(2, (0, WorkerTag.TASKS, pack_tasks(tasks)))
    WorkerEnd(comm, PromptExecutor(comm)).serve()
    [packed] = [payload for _, tag, payload in comm.sent if tag is WorkerTag.OUTCOMES]
    assert {type(each) for each in packed} == {tuple}
    assert unpack_outcomes(packed) == [Outcome(id, State.DONE, id + 1.5, 1.0, 2.0) for id in range(2)]


@pytest.mark.parametrize("loss", list(Loss))
def test_a_worker_does_not_wait_for_a_search_rank_that_has_left_without_a_word(loss):
    comm = FakeCommunicator(3, (0, WorkerTag.LOST, loss))
    executor = BusyExecutor(comm)
    assert WorkerEnd(comm, executor).serve() is loss
    assert executor.closed
    assert [tag for _, tag, _ in comm.sent] == [WorkerTag.HELLO]


def test_a_worker_does_not_mind_that_another_one_is_lost():
    comm = FakeCommunicator(3, (2, WorkerTag.LOST, Loss.DEAD), (0, WorkerTag.STOP, None))
    WorkerEnd(comm, BusyExecutor(comm)).serve()
    assert comm.sent[-1][1] is WorkerTag.BYE
