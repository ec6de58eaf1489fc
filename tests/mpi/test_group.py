"""Evaluations that ranks do together; tests/execution has groups without MPI, tests/launcher whole campaigns."""

import os

import pytest
from contracts.evaluator import collect

from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.mpi_ranks import join
from dhmpi.execution.context import NO_FEEDBACK, Feedback, Notice
from dhmpi.execution.executor import Setup
from dhmpi.support.resources import SlotOptions

pytestmark = pytest.mark.mpi(min_size=3)

RUN = """
import os, signal, time
def process(point, context):
    if point["do"] == "raise" and context.group_rank == point["who"]:
        raise ValueError("bad luck")
    if point["do"] == "exit" and context.group_rank == point["who"]:
        os._exit(3)
    if point["do"] != "return":
        time.sleep(30)
    return {"objective": 1.0, "seen": [os.environ["RANK"], os.environ["WORLD_SIZE"], context.rank, context.worker]}

def inline(point, comm, context):
    comm.isend("left behind", dest=0, tag=comm.size)  # must not reach another evaluation after a failure
    if point["do"] == "raise" and comm.rank == point["who"]:
        raise ValueError("bad luck")
    if point["do"] not in ("return", "free"):
        time.sleep(30)
    others = [comm.recv(source=rank, tag=comm.size) for rank in range(comm.size)] if comm.rank == 0 else []
    assert not comm.iprobe(tag=comm.size)
    found = {"objective": float(comm.allreduce(1)), "others": others, "seen": [comm.rank, context.rank, context.worker]}
    if point["do"] == "free":
        comm.Free()
    return found
def steps(point, comm, context):
    for step in range(1, 6):
        comm.allreduce(1)
        if point["who"] == "all" or comm.rank == 0:
            context.report(step, float(step))
    return 1.0
"""


def joined(job, comm, files, isolation, name=None, feedback=NO_FEEDBACK):
    """Return an evaluator of groups of two on rank 0, and None on the others when they have served."""
    if comm.rank == 0:
        (files / "user.py").write_text(RUN)
    comm.barrier()
    job.begin_campaign()
    slot = SlotOptions(ranks_per_eval=2)
    setup = Setup(f"{files}/user.py:{name or isolation}", None, str(files / "out"), slot=slot, feedback=feedback)
    return join(setup, isolation)


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_two_ranks_evaluate_together(job, comm, files, isolation):
    before = os.environ.get("RANK")
    evaluator = joined(job, comm, files, isolation)
    assert os.environ.get("RANK") == before  # inline it is set meanwhile
    if evaluator is None:
        return
    assert evaluator.num_workers == (comm.size - 1) // 2
    assert evaluator.roles.spare == (() if comm.size % 2 else (comm.size - 1,))
    deeds = [
        "return",
        "raise",
        "return",
        "raise",
        "return",
        *(["exit"] if isolation == "process" else ["free"]),
        "return",
    ]
    evaluator.start()
    found = {}
    try:
        for id, do in enumerate(deeds):
            while not evaluator.num_idle:
                found |= {each.id: each for each in evaluator.gather(1.0)}
            evaluator.submit(Evaluation(id, {"do": do, "who": id // 2 % 2}))
        found |= {each.id: each for each in collect(evaluator, len(deeds) - len(found))}
    finally:
        evaluator.shutdown()
    assert evaluator.stuck == []
    assert {id: each.state for id, each in found.items()} == {
        id: State.DONE if do in ("return", "free") else State.FAILED for id, do in enumerate(deeds)
    }
    assert "on rank 0 of 2: Traceback" in found[1].error
    assert "on rank 1 of 2: Traceback" in found[3].error
    for each in found.values():
        leader = each.rank
        worker = (leader - 1) // 2
        assert leader % 2
        if each.state is State.DONE and isolation == "process":
            assert each.extra["seen"] == ["0", "2", leader, worker]
        elif each.state is State.DONE:
            assert each.objective == 2.0
            assert each.extra == {"others": ["left behind"] * 2, "seen": [0, leader, worker]}


def test_ranks_in_one_communicator_are_stopped_at_the_same_report_or_not_at_all(job, comm, files):
    evaluator = joined(job, comm, files, "inline", "steps", Feedback(has_answers=True))
    if evaluator is None:
        return

    def take(reports):
        for each in reports:
            evaluator.tell(Notice(each.id, int(each.step), must_stop=each.step >= 2))

    evaluator.on_reports = take
    evaluator.start()
    found = []
    try:
        for id, who in enumerate(["all", "leader", "all", "all"]):
            while not evaluator.num_idle:
                found += evaluator.gather(1.0)
            evaluator.submit(Evaluation(id, {"who": who}))
        found += collect(evaluator, 4 - len(found))
    finally:
        evaluator.shutdown()
    assert evaluator.stuck == []
    ends = {each.id: (each.state, each.objective, each.step) for each in found}
    stopped = (State.STOPPED, 2.0, 2.0)
    assert ends == {0: stopped, 1: (State.DONE, 1.0, 5.0), 2: stopped, 3: stopped}


def test_what_cannot_be_had_ends_the_evaluator_alone(job, comm, files):
    """Rank 0 says it, and may go on with another one."""
    job.begin_campaign()
    setup = Setup("math:sqrt", None, str(files), slot=SlotOptions(ranks_per_eval=99))
    if comm.rank:
        assert join(setup, "process") is None
        return
    with pytest.raises(OptionError, match=f"ranks_per_eval must be at most {comm.size - 1}"):
        join(setup, "process")
