"""What every search for architectures must do. A test class inherits the suite and provides the fixture `make`."""

import numpy as np
import pytest
from contracts.search import converse, distinct, done, ended

from dhmpi.benchmark import Problem
from dhmpi.errors import LoadError
from dhmpi.evaluation import State


class Decisions:
    """A space of three decisions; the second one does not matter unless the first one is taken."""

    decision_names = ("cell_0/N_0", "cell_0/N_1", "cell_1/N_0")

    def __init__(self, num_options=(2, 3, 4)):
        self.num_options = num_options

    def decode(self, arch_seq):
        return tuple(arch_seq)

    def canonical_key(self, arch_seq):
        first, second, third = arch_seq
        return f"{first} {second if first else 0} {third}"


NUM_UNLIKE = 4 + 3 * 4


def create_structure(num_options=(2, 3, 4)):
    return Decisions(num_options)


def create_from_shapes(input_shape, output_shape):
    return Decisions((input_shape[0], output_shape[0], 2))


def load_data(num=5):
    return (np.zeros((num, 6)), np.zeros((num, 1))), (np.zeros((2, 6)), np.zeros((2, 1)))


def fail_to_create():
    raise ZeroDivisionError


def create_a_number():
    return 7


def fail_to_load():
    raise ZeroDivisionError


def problem(func="contracts.nas:create_structure", **kwargs):
    made = Problem()
    made.add_dim("regression", True)
    made.add_dim("load_data", {"func": load_data})
    made.add_dim("create_structure", {"func": func, "kwargs": kwargs})
    return made


class NasContract:
    """For all searches of architectures; `make(problem, **options)` makes one."""

    def test_decisions_are_legal_and_architectures_distinct(self, make):
        search = make(problem())
        points = search.ask(8)
        assert distinct(search, points)
        for point in points:
            assert list(point) == ["cell_0.N_0", "cell_0.N_1", "cell_1.N_0"]
            assert all(0 <= value < num for value, num in zip(point.values(), (2, 3, 4), strict=True))

    def test_it_ends_when_every_unlike_architecture_has_been_evaluated(self, make):
        search = make(problem())
        points = converse(search, 100, lambda id, point: done(id, point, float(id)))
        assert len(points) == NUM_UNLIKE
        assert distinct(search, points)
        assert search.is_exhausted

    def test_the_run_function_gets_the_problem_and_the_decisions(self, make):
        search = make(problem(num_options=(2, 3, 5)))
        [point] = search.ask(1)
        config = search.config(point)
        assert config["arch_seq"] == list(point.values())
        assert config["regression"] is True
        assert config["load_data"]["func"].endswith("nas:load_data") or config["load_data"]["func"].endswith(
            "nas.py:load_data"
        )
        assert config["create_structure"]["kwargs"] == {"num_options": (2, 3, 5)}

    def test_larger_rewards_are_better(self, make):
        assert make(problem()).maximises

    def test_the_same_seed_gives_the_same_architectures(self, make):
        assert make(problem(), seed=3).ask(9) == make(problem(), seed=3).ask(9)
        assert make(problem(), seed=3).ask(9) != make(problem(), seed=4).ask(9)

    def test_failures_do_no_harm(self, make):
        search = make(problem())
        points = converse(search, 100, lambda id, point: ended(id, point, State.FAILED))
        assert len(points) == NUM_UNLIKE

    def test_a_resumed_search_asks_for_nothing_twice(self, make):
        first, second = make(problem(), seed=5), make(problem(), seed=5)
        evaluations = [done(id, point, 1.0) for id, point in enumerate(first.ask(7))]
        second.resume(5, evaluations)
        rest = converse(second, 100, lambda id, point: done(id, point, 1.0))
        assert len(rest) == NUM_UNLIKE - 7

    def test_shapes_come_from_the_data_where_they_must_be_known(self, make):
        search = make(problem("contracts.nas:create_from_shapes"))
        assert [len(dim.choices) for dim in search.space.dimensions] == [6, 1, 2]

    def test_a_function_without_a_name_is_refused(self, make):
        made = problem()
        made.add_dim("preprocessing", {"func": lambda: None})
        with pytest.raises(LoadError, match="func of 'preprocessing' must be a function that another interpreter"):
            make(made)

    def test_a_problem_without_architectures_is_refused(self, make):
        made = Problem()
        made.add_dim("regression", True)
        with pytest.raises(LoadError, match="must have 'create_structure'"):
            make(made)

    @pytest.mark.parametrize(
        ("func", "sentence"),
        [
            (fail_to_create, "create_structure must make a space of architectures, got ZeroDivisionError"),
            (create_from_shapes, "load_data must load data, got ZeroDivisionError"),
            (create_a_number, "create_structure must return a structure, got 7"),
        ],
    )
    def test_a_problem_that_raises_is_one_sentence(self, make, func, sentence):
        made = Problem()
        made.add_dim("load_data", {"func": fail_to_load})
        made.add_dim("create_structure", {"func": func})
        with pytest.raises(LoadError, match=sentence) as error:
            make(made)
        assert bool(error.value.details) == ("ZeroDivisionError" in sentence)
