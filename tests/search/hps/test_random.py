import pytest
from contracts.search import SearchContract

from dhmpi.benchmark import HpProblem
from dhmpi.search.hps.random import RandomSearch


class TestContract(SearchContract):
    @pytest.fixture
    def make(self):
        return RandomSearch


def test_large_finite_space_is_searched_to_its_end():
    problem = HpProblem()
    problem.add_dim("a", (0, 99))
    problem.add_dim("b", (0, 49))
    search = RandomSearch(problem)
    points = search.ask(10_000)
    assert len(points) == 5000
    assert len({search.space.key(point) for point in points}) == 5000
