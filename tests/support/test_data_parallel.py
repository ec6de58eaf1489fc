"""Replicas: how they share batches, and what is said without Horovod; with it, see tests/launcher/test_horovod.py."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from dhmpi.errors import ProblemError
from dhmpi.support.data_parallel import ALONE, Replicas, replicas


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


def test_a_communicator_must_be_handed_on(monkeypatch):
    """In the ranks themselves there are no addresses by which to meet."""
    horovod = SimpleNamespace(gloo_built=lambda: True)
    monkeypatch.setitem(sys.modules, "horovod", SimpleNamespace(tensorflow=horovod))
    monkeypatch.setitem(sys.modules, "horovod.tensorflow", horovod)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ProblemError, match="must be given the communicator where there is one, got none; name comm="):
        replicas(SimpleNamespace(group_rank=0, group_size=2)).__enter__()
