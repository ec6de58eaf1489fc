import itertools

import numpy as np
import pytest

from dhmpi.benchmark.nas.mathEnv import Problem, run
from dhmpi.benchmark.nas.mathEnv.numbers import BEST, NUMBERS, create_structure
from dhmpi.errors import ProblemError
from dhmpi.search.nas.random import NasRandom


def test_the_best_reward_is_the_documented_one():
    assert pytest.approx(-308.6419753) == BEST
    best = [int(np.argmin(np.abs(numbers))) for numbers in NUMBERS]
    assert run({"arch_seq": best}) == pytest.approx(BEST)
    worst = [int(np.argmax(numbers)) for numbers in NUMBERS]
    assert run({"arch_seq": worst}) == pytest.approx(-10 * 2500)


def test_every_decision_has_the_same_numbers_in_an_order_of_its_own():
    assert all(sorted(numbers) == pytest.approx(np.linspace(-50, 50, 10)) for numbers in NUMBERS)
    assert all(one != other for one, other in itertools.combinations(NUMBERS, 2))


def test_decisions_that_do_not_fit_are_refused():
    with pytest.raises(ProblemError, match="must be a list of 10 integers"):
        run({"arch_seq": [1, 2]})
    with pytest.raises(ProblemError, match="must be an integer from 0 to 9, got 10"):
        run({"arch_seq": [0] * 9 + [10]})


def test_it_can_be_searched():
    search = NasRandom(Problem)
    assert search.space.size == create_structure().size == 10**10
    [point] = search.ask(1)
    assert -25000 <= run(search.config(point)) <= BEST
