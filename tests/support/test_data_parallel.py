"""Replicas: how they share batches, and what is said without Horovod; with it, see tests/launcher/test_horovod.py."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from dhmpi.errors import ProblemError, TrainingError
from dhmpi.support import data_parallel
from dhmpi.support.data_parallel import ALONE, Meeting, Replicas, replicas


def group(size):
    """Return as many replicas as if each were on its own rank."""
    made = [Replicas() for _ in range(size)]
    for rank, each in enumerate(made):
        each.rank, each.size = rank, size
    return made


@pytest.mark.parametrize("num", [1, 2, 3, 30, 31, 64, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_batches_are_shared_without_overlap(num, size):
    rows = np.random.default_rng(0).permutation(num)
    shares = [each.share(rows, 5) for each in group(size)]
    assert len({len(share) for share in shares}) == 1  # all take as many steps
    together = np.concatenate(shares)
    assert len(set(together)) == len(together)
    assert num - len(together) < size
    assert {each.num_steps(num, 5) for each in group(size)} == {-(-len(shares[0]) // 5)}
    for step in range(len(shares[0]) // 5):
        batch = rows[step * 5 * size : (step + 1) * 5 * size]
        taken = [share[step * 5 : (step + 1) * 5] for share in shares]
        assert np.concatenate(taken).tolist() == batch.tolist()


def test_one_replica_takes_everything_in_its_order():
    rows = np.array([3, 1, 2, 0])
    assert ALONE.share(rows, 3).tolist() == [3, 1, 2, 0]
    assert ALONE.average([0.5, True]) == [0.5, 1]
    assert (ALONE.any(False), ALONE.any(True)) == (False, True)
    assert ALONE.averaged(["a gradient"]) == ["a gradient"]


@pytest.mark.parametrize("num", [0, 1, 2, 7, 30])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_parts_are_all_in_the_order_of_the_ranks(num, size):
    samples = list(range(num))
    assert [sample for each in group(size) for sample in samples[each.part(num)]] == samples


@pytest.mark.parametrize("context", [None, SimpleNamespace(seed=3), SimpleNamespace(group_rank=0, group_size=1)])
def test_an_evaluation_on_one_rank_has_one_replica(context):
    with replicas(context) as found:
        assert found.size == 1


@pytest.mark.parametrize("comm", [None, "a communicator"])
def test_horovod_is_missed_in_one_sentence(monkeypatch, comm):
    monkeypatch.setitem(sys.modules, "horovod", None)
    context = SimpleNamespace(group_rank=0, group_size=2)
    with pytest.raises(
        ImportError, match=r"^horovod must be installed to train on several ranks, got .* docs/data-parallel"
    ):
        replicas(context, comm).__enter__()


@pytest.fixture
def horovod(monkeypatch):
    """Return what stands in for a Horovod that somebody has initialised, or not."""
    module = SimpleNamespace(gloo_built=lambda: True, mpi_built=lambda: True, is_initialized=lambda: module.is_there)
    module.is_there = False
    monkeypatch.setitem(sys.modules, "horovod", SimpleNamespace(tensorflow=module))
    monkeypatch.setitem(sys.modules, "horovod.tensorflow", module)
    return module


def test_a_communicator_must_be_handed_on(monkeypatch, horovod):
    """In the ranks themselves there are no addresses by which to meet."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ProblemError, match="must be given the communicator where there is one, got none; name comm="):
        replicas(SimpleNamespace(group_rank=0, group_size=2)).__enter__()


@pytest.mark.parametrize("comm", [None, "a communicator"])
def test_one_that_is_initialised_is_refused(horovod, comm):
    """Otherwise the others would wait for this rank."""
    horovod.is_there = True
    with pytest.raises(ProblemError, match=r"must find horovod not initialised, got one that is; leave out hvd.init"):
        replicas(SimpleNamespace(group_rank=0, group_size=2), comm).__enter__()


def test_on_one_rank_it_is_initialised_once_without_mpi(monkeypatch, horovod):
    calls = []

    def init():
        calls.append({name: os.environ.get(name) for name in ("HOROVOD_CONTROLLER", "HOROVOD_SIZE")})
        horovod.is_there = True

    horovod.init = init
    with replicas(None, needs_horovod=False):
        assert not calls
    for _ in range(2):
        with replicas(None) as found:
            assert (found.size, horovod.is_there) == (1, True)
    assert calls == [{"HOROVOD_CONTROLLER": "gloo", "HOROVOD_SIZE": "1"}]
    assert "HOROVOD_SIZE" not in os.environ


def test_one_rank_needs_no_horovod(monkeypatch):
    monkeypatch.setitem(sys.modules, "horovod", None)
    with replicas(None) as found:
        assert found.size == 1


@pytest.mark.parametrize("first", [None, SimpleNamespace(Get_size=lambda: 2)])
def test_exchanged_arguments_are_refused(first):
    with pytest.raises(ProblemError, match=r"must be given the context first, got .*; write replicas\(context, comm\)"):
        replicas(first, SimpleNamespace(group_rank=0, group_size=2)).__enter__()


def test_a_rank_is_not_trained_without_samples():
    ALONE.check_samples(1)
    for each in group(3):
        each.check_samples(3)
        with pytest.raises(ProblemError, match="at least as many as replicas, which are 3, got 2; give more samples"):
            each.check_samples(2)


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_that_do_not_come_are_named(monkeypatch, rank):
    """A leader has a server, of which others find out that it is not there."""
    monkeypatch.setattr(data_parallel, "MEETING_TIME", 0.1)
    meeting = Meeting("localhost", 9, rank, 2)  # nobody listens there
    with pytest.raises(
        ProblemError, match=r"must enter replicas within 0.1 s, .* nothing from rank 0 of 2 \(localhost:9: .*refused"
    ):
        meeting.wait_for_all("begun")


def test_what_another_rank_has_caused_is_told_after_it(monkeypatch, horovod):
    """Horovod does not say what has happened, and must not be first."""
    monkeypatch.setattr(data_parallel, "CAUSE_TIME", 0.01)
    monkeypatch.setattr(data_parallel, "HorovodReplicas", lambda hvd: ALONE)
    horovod.init, horovod.shutdown = lambda comm: None, lambda: None
    context = SimpleNamespace(group_rank=1, group_size=2)
    shut_down = RuntimeError("{{node}} Horovod has been shut down. This was caused by")
    with (
        pytest.raises(TrainingError, match=r"must take the same steps in replicas, got .* rank 1 of 2") as raised,
        replicas(context, "comm"),
    ):
        raise shut_down
    assert raised.value.__cause__ is shut_down
    with pytest.raises(ValueError, match="own"), replicas(context, "comm"):
        raise ValueError("own")
