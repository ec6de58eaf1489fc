import math

import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import InputError, LoadError, OptionError
from dhmpi.evaluation import MEASURED_STATES, Evaluation, State
from dhmpi.search import Search
from dhmpi.search.campaign_options import DEFAULT_MAX_EVALS, DEFAULT_SEED, CampaignOptions
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.registry import SEARCHES, find
from dhmpi.support.options import as_flag, build


class Scripted(Search):
    """Proposes what its script says, and keeps what it learns."""

    name = "scripted"
    script = ()

    def _begin(self, seed):
        super()._begin(seed)
        self.left = list(self.script)
        self.learnt = []
        self.added = []

    def _propose(self):
        return self.left.pop(0) if self.left else None

    def _learn(self, evaluations):
        self.learnt.append([evaluation.id for evaluation in evaluations])

    def _add_pending(self, key, point):
        assert key == self.space.key(point)
        self.added.append(point)


def points(*values):
    return [{"x": value, "act": "relu"} for value in values]


def problem(x=5, act="relu"):
    made = HpProblem()
    made.add_dim("x", (0, 9), x)
    made.add_dim("act", ["relu", "tanh"], act)
    return made


def scripted(*values, problem=problem, **options):
    made = Scripted(problem(), **options)
    made.left = points(*values)
    return made


def evaluation(id, value, state=State.DONE, objective=1.0):
    return Evaluation(id, points(value)[0], objective if state in MEASURED_STATES else None, state)


class TestAsking:
    def test_the_starting_point_is_first_and_then_what_is_proposed(self):
        assert scripted(1, 2).ask(3) == points(5, 1, 2)

    def test_the_starting_point_is_not_asked_twice(self):
        assert scripted(1, 5, 2).ask(3) == points(5, 1, 2)

    def test_a_starting_point_that_was_told_is_left_out(self):
        search = scripted(1, 2)
        search.tell([evaluation(0, 5)])
        assert search.ask(2) == points(1, 2)

    @pytest.mark.parametrize(("x", "act"), [(None, "relu"), (5, None), (None, None)])
    def test_an_incomplete_starting_point_is_not_asked(self, x, act):
        assert scripted(1, 2, problem=lambda: problem(x, act)).ask(2) == points(1, 2)

    def test_a_search_that_has_no_point_now_may_have_one_later(self):
        search = scripted(1)
        assert search.ask(5) == points(5, 1)
        assert search.ask(5) == []
        search.left = points(2)
        assert search.ask(5) == points(2)

    def test_one_point_is_asked_by_default_and_none_if_none_is_wanted(self):
        search = scripted(1, 2)
        assert search.ask(0) == []
        assert search.ask() == points(5)

    def test_asked_points_are_pending(self):
        search = scripted(1, 2)
        search.ask(3)
        assert search.num_pending == 3
        search.tell([evaluation(0, 1), evaluation(1, 5, State.FAILED)])
        assert search.num_pending == 1

    def test_the_search_learns_once_of_every_point_that_becomes_pending(self):
        search = scripted(1)
        search.ask(2)
        search.tell([evaluation(0, 1, State.LOST), evaluation(1, 2, State.RUNNING), evaluation(2, 5)])
        assert search.added == points(5, 1, 2)


class Undecided(HpProblem):
    """A problem of the user's own kind, with a fault."""

    @property
    def dimensions(self):
        raise ZeroDivisionError("mine")


def test_a_problem_that_raises_is_one_sentence():
    made = Undecided()
    made.add_dim("x", (0, 9))
    with pytest.raises(LoadError, match="must tell its space and starting point, got ZeroDivisionError: mine"):
        Scripted(made)


def test_a_problem_for_architectures_is_one_sentence():
    with pytest.raises(LoadError, match="must have dimensions, got one for architectures; use nas-random"):
        RandomSearch("dhmpi.benchmark.nas.table.Problem")


class TestTelling:
    def test_only_what_has_ended_for_good_is_learnt(self):
        search = scripted(1, 2)
        search.tell([evaluation(id, id, state) for id, state in enumerate(State)])
        ends = (State.DONE, State.STOPPED, State.FAILED, State.TIMEOUT)
        finals = [id for id, state in enumerate(State) if state in ends]
        assert search.learnt == [finals]
        assert search.num_pending == len(State) - len(finals)

    def test_nothing_final_is_nothing_to_learn(self):
        search = scripted()
        search.tell([])
        search.tell([evaluation(0, 1, State.LOST)])
        assert search.learnt == []

    def test_what_was_told_is_not_asked(self):
        search = scripted(1, 2, 3)
        search.tell([evaluation(0, 1), evaluation(1, 2, State.RUNNING)])
        assert search.ask(2) == points(5, 3)

    def test_an_iterator_will_do(self):
        search = scripted()
        search.tell(iter([evaluation(0, 1)]))
        assert search.learnt == [[0]]


class TestResuming:
    def test_it_begins_again_with_the_seed_of_the_file_and_learns(self):
        search = scripted(seed=1)
        search.script = points(1, 2, 3)
        search.resume(9, [evaluation(0, 5), evaluation(1, 1), evaluation(2, 2, State.RUNNING)])
        assert search.seed == 9
        assert search.learnt == [[0, 1]]
        assert search.num_pending == 1
        assert search.ask(5) == points(3)

    def test_a_campaign_without_evaluations_begins_at_its_beginning(self):
        search = scripted()
        search.script = points(1)
        search.resume(9, [])
        assert search.ask(5) == points(5, 1)


class TestExhaustion:
    def test_it_is_exhausted_when_every_point_has_been_asked_or_told(self):
        search = RandomSearch(problem())
        search.tell([evaluation(0, 1), evaluation(1, 1)])
        search.ask(18)
        assert not search.is_exhausted
        assert len(search.ask(5)) == 1
        assert search.is_exhausted
        assert search.ask(5) == []

    def test_a_range_of_real_numbers_never_is(self):
        made = HpProblem()
        made.add_dim("x", (0.0, 1.0))
        search = RandomSearch(made)
        search.ask(100)
        assert not search.is_exhausted


class TestOptions:
    def test_the_seed_has_a_default(self):
        assert scripted().seed == DEFAULT_SEED
        assert scripted(seed=0).seed == 0

    def test_more_evaluations_than_points_are_refused_by_the_name_that_was_typed(self):
        options, own = build(CampaignOptions, {"max_evals": 21}), Scripted.Options()
        with pytest.raises(OptionError) as caught:
            Scripted.from_options(problem(), None, None, options, own)
        assert caught.value.spelled(as_flag) == "--max-evals must not exceed the 20 points of the space, got 21"

    def test_as_many_evaluations_as_points_are_fine(self):
        assert scripted(max_evals=20).options.max_evals == 20

    @pytest.mark.parametrize(
        ("values", "eval_limit"),
        [
            ({}, DEFAULT_MAX_EVALS),
            ({"max_evals": 7}, 7),
            ({"max_minutes": 1}, None),
            ({"max_evals": 7, "max_minutes": 1}, 7),
        ],
    )
    def test_without_any_limit_there_is_a_default(self, values, eval_limit):
        assert build(CampaignOptions, values).eval_limit == eval_limit

    @pytest.mark.parametrize(("minutes", "seconds"), [(None, None), (0.5, 30.0), ("2", 120.0)])
    def test_time_outs_are_seconds_inside(self, minutes, seconds):
        assert build(CampaignOptions, {"eval_timeout_minutes": minutes}).timeout == seconds


class TestRegistry:
    @pytest.mark.parametrize("name", SEARCHES)
    def test_every_search_is_found_by_its_name(self, name):
        assert find(name).name == name

    def test_a_misspelt_name_is_refused(self):
        with pytest.raises(OptionError) as caught:
            find("ambz")
        assert str(caught.value) == "no such search: 'ambz'; did you mean 'ambs'?"


def test_only_what_is_pending_reports_and_numbers_alone():
    search = RandomSearch(problem(), seed=0)
    [point] = search.ask(1)
    search.report(point, 1, 0.5)
    search.report(point, 2, math.nan)
    for step in ("a", None, math.inf, [1]):
        with pytest.raises(InputError, match="a step must be a finite number"):
            search.report(point, step, 0.5)
    for value in ("a", None, [1, 2], 1j):
        with pytest.raises(InputError, match="a value must be a number"):
            search.report(point, 3, value)
    search.tell([Evaluation(0, point, 0.5, State.DONE)])
    with pytest.raises(InputError, match="what reports must be pending"):
        search.report(point, 3, 0.5)


def test_what_is_not_allowed_cannot_be_given():
    problem = HpProblem()
    problem.add_dim("x", (0, 5), 1)
    problem.add_constraint("x <= 3")
    search = RandomSearch(problem)
    with pytest.raises(InputError, match=r"must fulfil the constraints, got \{'x': 4\}, for which 'x <= 3' is"):
        search.give({"x": 4})
    search.give({"x": 3})
    assert search.ask(2) == [{"x": 3}, {"x": 1}]
