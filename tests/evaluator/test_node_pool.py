import pytest

from dhmpi.evaluator.node_pool import NodePool


@pytest.fixture
def pool():
    return NodePool(["a", "b", "c", "d"])


def test_no_node_is_in_use_twice(pool):
    first, second = pool.take(2), pool.take(2)
    assert (first, second, pool.num_free) == (("a", "b"), ("c", "d"), 0)
    with pytest.raises(ValueError, match="at most 0 nodes must be taken, got 1"):
        pool.take(1)
    pool.give_back(first)
    assert (pool.num_free, pool.take(2)) == (2, first)


def test_where_something_was_lost_comes_last_until_something_has_ended_there(pool):
    pool.doubt(pool.take(1))
    pool.give_back(["a"])
    assert pool.take(3) == ("b", "c", "d")
    assert pool.take(1) == ("a",)
    pool.give_back("abcd")
    assert pool.take(1) == ("b",)
    pool.trust(["a"])
    assert pool.take(1) == ("a",)


def test_what_has_failed_is_used_no_more(pool):
    taken = pool.take(3)
    pool.set_aside(["b", "d"])
    pool.give_back(taken)
    assert (pool.num_usable, pool.num_free) == (2, 2)
    assert pool.take(2) == ("a", "c")
