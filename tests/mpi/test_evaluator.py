"""The evaluator contract on worker ranks: rank 0 tests, the others serve."""

import os
from pathlib import Path

import pytest
from contracts.evaluator import BackgroundContract, EvaluatorContract, LastingEvaluatorContract, collect, evaluate

from dhmpi.errors import LoadError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import HandDrivenEvaluator
from dhmpi.evaluator.cache import canonical_key
from dhmpi.evaluator.mpi import BatchSize, MPIEvaluator
from dhmpi.evaluator.mpi_protocol import WorkerEnd
from dhmpi.evaluator.mpi_ranks import join
from dhmpi.execution.child import ChildExecutor
from dhmpi.execution.executor import Setup
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.execution.runner import Outcome
from dhmpi.support.loader import load_run
from dhmpi.support.resources import SlotOptions

pytestmark = pytest.mark.mpi(min_size=2)

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"
TELL = BEHAVE.replace(":behave", ":tell_place")


def session(campaign, make_executor):
    """Yield an evaluator on rank 0; serve it on the other ranks, whose test is then over."""
    if campaign.rank:
        WorkerEnd(campaign, make_executor()).serve()
        pytest.skip("a worker rank: it has served")
    evaluator = MPIEvaluator(campaign, has_heartbeats=True)
    try:
        yield evaluator
    finally:
        evaluator.shutdown()
    assert evaluator.stuck == []


class TestProcess(LastingEvaluatorContract):
    @pytest.fixture
    def evaluator(self, campaign, files):
        for evaluator in session(campaign, lambda: ChildExecutor(Setup(BEHAVE, 1.0, str(files)))):
            evaluator.start()
            yield evaluator

    def test_all_ranks_work(self, evaluator, comm):
        found, id = set(), 0
        while found != set(range(1, comm.size)):
            while evaluator.num_idle:
                evaluator.submit(Evaluation(id, {"do": "sleep", "value": 0.1}))
                id += 1
            found |= {each.rank for each in evaluator.gather(1.0)}
            assert id < 200
        evaluator.cancel(5.0)

    def test_what_has_just_been_submitted_is_cancelled_too(self, evaluator):
        evaluator.submit(Evaluation(0, {"do": "sleep", "value": 60}))
        assert [each.state for each in evaluator.cancel(5.0)] == [State.CANCELLED]

    def test_a_cancelled_rank_can_work_again(self, evaluator):
        evaluator.submit(Evaluation(0, {"do": "sleep", "value": 60}))
        evaluator.gather(0.2)
        assert [each.state for each in evaluator.cancel(5.0)] == [State.CANCELLED]
        for _ in range(2 * evaluator.num_workers):
            assert evaluate(evaluator, do="return", value=1.0).state is State.DONE


class TestInline(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, campaign, files):
        for evaluator in session(campaign, lambda: InlineExecutor(Setup(BEHAVE, 1.0, str(files)), load_run)):
            evaluator.start()
            yield evaluator


class TestByHand(BackgroundContract):
    @pytest.fixture
    def evaluator(self, campaign, files):
        for evaluator in session(campaign, lambda: ChildExecutor(Setup(BEHAVE, 1.0, str(files)))):
            yield HandDrivenEvaluator(evaluator, canonical_key)


class TestUnloadable:
    @pytest.fixture
    def evaluator(self, campaign, files):
        yield from session(campaign, lambda: ChildExecutor(Setup("math.no_such_function", None, str(files))))

    def test_the_first_rank_says_so(self, evaluator):
        with pytest.raises(LoadError, match="no_such_function"):
            evaluator.start()


class TestOneRankUnloadable:
    @pytest.fixture
    def evaluator(self, campaign, files):
        target = "math.no_such_function" if campaign.rank == campaign.size - 1 > 1 else BEHAVE
        yield from session(campaign, lambda: InlineExecutor(Setup(target, None, str(files)), load_run))

    def test_the_others_go_on(self, evaluator, comm, monkeypatch):
        monkeypatch.setattr(evaluator, "_anyone_ready", True)  # whoever speaks first
        while evaluator.num_workers > max(1, comm.size - 2) or not evaluator.num_idle:
            evaluator.gather(1.0)
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE


def outcome(id, seconds, state=State.DONE):
    return Outcome(id, state, 1.0, 100.0, 100.0 + seconds)


class TestBatchSize:
    def test_short_evaluations_travel_together(self):
        batches = BatchSize()
        for _ in range(10):
            batches.learn([outcome(id, 1e-6) for id in range(batches.size)])
        assert batches.size == BatchSize.LARGEST

    def test_one_long_evaluation_ends_that(self):
        batches = BatchSize()
        batches.size = 32
        batches.learn([outcome(0, 1e-6), outcome(1, 3.0)])
        assert batches.size == 1
        batches.learn([outcome(0, 1e-6)])
        assert batches.size == 1

    def test_waiting_in_vain_ends_it_too(self):
        batches = BatchSize()
        batches.size = 32
        batches.shrink()
        assert batches.size == 1

    def test_quick_failures_prove_nothing(self):
        batches = BatchSize()
        for id in range(100):
            batches.learn([outcome(id, 1e-6, State.FAILED)])
        assert batches.size == 1


def test_collect_reports_a_hang(comm):
    class Silent:
        def gather(self, timeout):
            return []

    with pytest.raises(AssertionError, match="0 of 1"):
        collect(Silent(), 1, limit=0.05)


@pytest.mark.parametrize("isolation", ["inline", "process"])
def test_ranks_without_a_gpu_have_nothing_to_do(job, comm, files, monkeypatch, isolation):
    """There is no GPU here, but the option says that there are two."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    job.begin_campaign()
    evaluator = join(Setup(TELL, None, str(files), slot=SlotOptions(gpus_per_eval=1.0, gpus_per_node=2)), isolation)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    if evaluator is None:
        return
    assert evaluator.num_workers == min(2, comm.size - 1)
    assert evaluator.roles.spare == tuple(range(3, comm.size))
    evaluator.start()
    try:
        found, id = {}, 0
        while len(found) < evaluator.num_workers:
            while evaluator.num_idle:
                evaluator.submit(Evaluation(id, {"x": 0.0}))
                id += 1
            found |= {each.rank: each.extra for each in evaluator.gather(1.0)}
        evaluator.cancel(5.0)
    finally:
        evaluator.shutdown()
    for rank, extra in found.items():
        gpus = str(rank - 1)
        assert extra == {"CUDA_VISIBLE_DEVICES": gpus, "gpus": [gpus], "place": [rank - 1, rank, rank, comm.size]}
