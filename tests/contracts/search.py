"""What every search must do. A test class inherits the suite and provides the fixture `make`."""

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import EvaluationError, OptionError, ProblemError
from dhmpi.evaluation import Evaluation, State
from dhmpi.space.belief import read_belief


def mixed_problem():
    """Integer, real, log-scaled and categorical dimensions."""
    problem = HpProblem()
    problem.add_dim("units", (1, 64), 8)
    problem.add_dim("dropout", (0.0, 0.9), 0.1)
    problem.add_dim("rate", (1e-5, 1.0, "log-uniform"), 1e-3)
    problem.add_dim("activation", ["relu", "tanh", None, True], "tanh")
    return problem


def small_problem():
    """Six points."""
    problem = HpProblem()
    problem.add_dim("a", (0, 2), 1)
    problem.add_dim("b", [True, 1])
    return problem


def nested_problem():
    """Dimensions that depend on others, two levels deep, and constraints."""
    problem = HpProblem()
    problem.add_dim("kernel", ["linear", "poly", "rbf"], "rbf")
    problem.add_dim("degree", (2, 5))
    problem.add_dim("gamma", (1e-4, 10.0, "log-uniform"), 0.01)
    problem.add_dim("shrinking", [True, False])
    problem.add_dim("layers", (1, 8), 2)
    problem.add_dim("units", (16, 1024, "log-uniform"), 64)
    problem.add_condition("degree", when="kernel", is_in=["poly"])
    problem.add_condition("gamma", when="kernel == 'rbf' or degree >= 3")
    problem.add_condition("shrinking", when="kernel", is_in=["linear"])
    problem.add_constraint("units * layers <= 1024")
    problem.add_forbidden({"kernel": "linear", "shrinking": False})
    problem.add_constraint(lambda point: point["layers"] != 7)
    return problem


def is_nested_point(point):
    """Return whether a point has what it must have in the nested problem, and fulfils its constraints."""
    names = {"kernel", "layers", "units"}
    names |= {"poly": {"degree"}, "rbf": {"gamma"}, "linear": {"shrinking"}}[point["kernel"]]
    names |= {"gamma"} if point.get("degree", 0) >= 3 else set()
    is_allowed = point["units"] * point["layers"] <= 1024 and point.get("shrinking", True) and point["layers"] != 7
    return set(point) == names and is_allowed


def nested_objective(point):
    """A function of the nested problem."""
    kernel = {"linear": 3.0, "poly": 1.0 + abs(point.get("degree", 0) - 3), "rbf": 0.0}[point["kernel"]]
    return kernel + abs(point.get("gamma", 1.0) - 0.1) + abs(point["layers"] - 3) + point["units"] / 1024


def small_nested_problem():
    """Five points: (a, 0), (a, 1), (a, 2), which needs no (a, 3), b and c."""
    problem = HpProblem()
    problem.add_dim("kind", ["a", "b", "c"])
    problem.add_dim("x", (0, 3))
    problem.add_condition("x", when="kind", is_in=["a"])
    problem.add_constraint("x < 3")
    return problem


def believed_problem():
    """The mixed problem, whose best values an expert knows."""
    problem = HpProblem()
    problem.add_dim("units", (1, 64), prior=("normal", 30, 2))
    problem.add_dim("dropout", (0.0, 0.9), prior=("normal", 0.3, 0.03))
    problem.add_dim("rate", (1e-5, 1.0, "log-uniform"), prior=("normal", 1e-2, 0.1))
    problem.add_dim("activation", ["relu", "tanh", None, True], prior=[0.9, 0.04, 0.03, 0.03])
    return problem


def is_believed(point):
    """Return whether most values are as it is believed in the believed problem."""
    near = (abs(point["units"] - 30) < 8, abs(point["dropout"] - 0.3) < 0.1, 5e-3 < point["rate"] < 2e-2)
    return sum((*near, point["activation"] == "relu")) >= 3


def objective(point):
    """A function of the mixed problem."""
    penalty = 0.0 if point["activation"] == "relu" else 1.0
    return abs(point["units"] - 30) / 10 + (point["dropout"] - 0.3) ** 2 + abs(point["rate"] - 0.01) + penalty


def done(id, point, value):
    return Evaluation(id, point, value, State.DONE, 0.0, 0.0, 1.0)


def ended(id, point, state):
    return Evaluation(id, point, None, state, 0.0, 0.0, 1.0)


def converse(search, num, evaluate, num_pending=4):
    """Ask and tell `num` evaluations, always with some pending; return the points in the order of asking."""
    asked, waiting = [], []
    while len(asked) < num or waiting:
        points = search.ask(min(num_pending - len(waiting), num - len(asked))) if len(asked) < num else []
        waiting += points
        asked += points
        if not points and not waiting:
            break
        if waiting:
            point = waiting.pop(0)
            search.tell([evaluate(len(asked), point)])
    return asked


def distinct(search, points):
    return len({search.space.key(point) for point in points}) == len(points)


class SearchContract:
    """For all searches of hyperparameters; `make(problem, **options)` makes one.

    Attributes:
        options: What `make` gives the search besides.
    """

    options = {}

    def test_the_starting_point_is_first(self, make):
        assert make(mixed_problem()).ask(3)[0] == {
            "units": 8,
            "dropout": 0.1,
            "rate": 1e-3,
            "activation": "tanh",
        }

    def test_given_points_follow_in_their_order(self, make, tmp_path):
        problem = mixed_problem()
        problem.add_point({"units": 9})
        (tmp_path / "points.csv").write_text("units,activation\n9,tanh\n10,\n8,tanh\n11,relu\n")
        search = make(problem, points=str(tmp_path / "points.csv"))
        proposals = search.proposals(5)
        assert [(each.point["units"], each.point["activation"]) for each in proposals[:4]] == [
            *((8, "tanh"), (9, "tanh"), (10, "tanh"), (11, "relu"))
        ]
        assert [each.origin.model for each in proposals[:4]] == ["start", "given", "given", "given"]
        assert proposals[4].origin.model != "given"
        assert distinct(search, [each.point for each in proposals])

    def test_given_points_are_completed_by_the_seed_and_not_asked_again(self, make, tmp_path):
        (tmp_path / "points.json").write_text('[{"a": 0}, {"a": 2}, {"b": true}]')
        search, other, again = (make(small_problem(), seed=4, points=str(tmp_path / "points.json")) for _ in range(3))
        first = search.ask(3)
        assert other.ask(3) == first
        again.resume(4, [done(id, point, 1.0) for id, point in enumerate(first[:2])])
        assert again.ask(1) == first[2:]

    def test_every_point_is_legal_and_new(self, make):
        search = make(mixed_problem())
        points = converse(search, 30, lambda id, point: done(id, point, objective(point)))
        assert len(points) == 30
        assert distinct(search, points)
        for point in points:
            assert search.space.canonical(point) == point

    def test_points_have_active_dimensions_only_and_fulfil_constraints(self, make):
        search = make(nested_problem())
        points = converse(search, 30, lambda id, point: done(id, point, nested_objective(point)))
        assert points[0] == {"kernel": "rbf", "gamma": 0.01, "layers": 2, "units": 64}
        assert len(points) == 30
        assert distinct(search, points)
        for point in points:
            assert is_nested_point(point)
            assert search.space.canonical(point) == point
        assert len({point["kernel"] for point in points}) == 3

    def test_beliefs_decide_where_it_begins(self, make):
        search = make(believed_problem())
        points = converse(search, 16, lambda id, point: done(id, point, objective(point)))
        assert sum(map(is_believed, points)) >= 6
        assert distinct(search, points)
        assert all(search.space.canonical(point) == point for point in points)

    def test_a_believed_search_goes_on_as_if_it_had_not_stopped(self, make):
        whole, resumed = (make(believed_problem(), seed=5) for _ in range(2))
        evaluations = []
        for id in range(14):
            [(point, origin)] = whole.proposals(1)
            evaluations.append(done(id, point, objective(point))._replace(origin=origin))
            whole.tell(evaluations[-1:])
        resumed.resume(5, evaluations)
        assert resumed.ask(1) == whole.ask(1)

    def test_beliefs_hold_where_dimensions_are_active(self, make):
        problem = nested_problem()
        for name, prior in (("kernel", [1, 1, 4]), ("gamma", ("normal", 0.1, 0.3)), ("degree", ("normal", 3, 1))):
            problem.beliefs[name] = read_belief(name, prior, problem.dimensions.by_name[name])
        search = make(problem)
        points = converse(search, 25, lambda id, point: done(id, point, nested_objective(point)))
        assert all(map(is_nested_point, points))
        assert distinct(search, points)

    def test_a_nested_space_is_exhausted(self, make):
        search = make(small_nested_problem())
        points = converse(search, 20, lambda id, point: done(id, point, float(point.get("x", 7))))
        assert sorted(map(str, points)) == sorted(
            map(str, [*({"kind": "a", "x": x} for x in range(3)), {"kind": "b"}, {"kind": "c"}])
        )
        assert search.is_exhausted

    def test_asking_gives_what_was_asked_for_while_nothing_is_pending(self, make):
        search = make(mixed_problem())
        assert len(search.ask(7)) == 7
        assert search.num_pending == 7

    def test_pending_points_are_not_asked_again(self, make):
        search = make(small_problem())
        assert distinct(search, search.ask(4) + search.ask(2))

    def test_an_exhausted_space_ends_it(self, make):
        search = make(small_problem())
        points = converse(search, 20, lambda id, point: done(id, point, float(point["a"])))
        assert len(points) == 6
        assert distinct(search, points)
        assert search.is_exhausted
        assert search.ask(1) == []

    def test_a_space_of_one_point(self, make):
        problem = HpProblem()
        problem.add_dim("only", ["this"])
        search = make(problem)
        assert search.ask(3) == [{"only": "this"}]
        assert search.ask(1) == []

    @pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
    def test_failures_alone_do_no_harm(self, make, state):
        search = make(mixed_problem())
        points = converse(search, 15, lambda id, point: ended(id, point, state))
        assert len(points) == 15
        assert distinct(search, points)

    def test_some_failures_do_no_harm(self, make):
        search = make(mixed_problem())

        def evaluate(id, point):
            return ended(id, point, State.FAILED) if id % 3 == 0 else done(id, point, objective(point))

        assert len(converse(search, 25, evaluate)) == 25

    @pytest.mark.parametrize("values", [[1e300, -1e300], [0.0], [5e-324, 1e-300], [1e-9, 2e-9]])
    def test_extreme_objectives_do_no_harm(self, make, values):
        search = make(mixed_problem())
        assert len(converse(search, 16, lambda id, point: done(id, point, values[id % len(values)]))) == 16

    @pytest.mark.parametrize("state", [State.CANCELLED, State.LOST])
    def test_what_is_evaluated_again_stays_pending(self, make, state):
        search = make(mixed_problem())
        [point] = search.ask(1)
        search.tell([ended(0, point, state)])
        assert search.num_pending == 1
        search.tell([done(0, point, 1.0)])
        assert search.num_pending == 0

    def test_what_was_never_asked_can_be_told(self, make):
        search = make(small_problem())
        search.tell([done(0, {"a": 0, "b": 1}, 1.0)])
        points = converse(search, 20, lambda id, point: done(id, point, 0.0))
        assert len(points) == 5
        assert {"a": 0, "b": True} in points

    def test_the_same_seed_gives_the_same_points(self, make):
        def points(seed):
            return converse(make(mixed_problem(), seed=seed), 16, lambda id, point: done(id, point, objective(point)))

        assert points(3) == points(3)
        assert points(3) != points(4)

    def test_another_process_gives_the_same_points(self, make):
        code = (
            "import json, sys; sys.path.insert(0, 'tests')\n"
            "from contracts.search import converse, done, mixed_problem, objective\n"
            "from dhmpi.search.registry import find\n"
            f"search = find({make(mixed_problem()).name!r})(mixed_problem(), seed=3, **{self.options!r})\n"
            "print(json.dumps(converse(search, 14, lambda id, point: done(id, point, objective(point)))))"
        )
        there = json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=60))
        search = make(mixed_problem(), seed=3)
        assert there == converse(search, 14, lambda id, point: done(id, point, objective(point)))

    def test_a_resumed_search_goes_on_as_if_it_had_not_stopped(self, make):
        whole, first, second = (make(mixed_problem(), seed=5) for _ in range(3))
        evaluations = []
        for id in range(14):
            for search in (whole, first):
                [point] = search.ask(1)
                evaluation = done(id, point, objective(point))
                search.tell([evaluation])
            evaluations.append(evaluation)
        second.resume(5, evaluations)
        assert second.ask(1) == whole.ask(1)

    def test_a_resumed_search_knows_what_is_active(self, make):
        search, told = make(nested_problem(), seed=5), []
        for id in range(20):
            [point] = search.ask(1)
            told.append(done(id, point, nested_objective(point)))
            search.tell(told[-1:])
        resumed = make(nested_problem(), seed=5)
        resumed.resume(5, told)
        points = resumed.ask(5)
        assert all(map(is_nested_point, points))
        assert distinct(resumed, [*points, *(each.point for each in told)])

    @pytest.mark.parametrize("num", [2.5, -1, "2", True, None])
    def test_a_number_of_points_is_an_integer(self, make, num):
        search = make(mixed_problem())
        with pytest.raises(OptionError, match="num must be an integer of at least 0, got"):
            search.ask(num)
        assert search.num_pending == 0

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"activation": "selu"}, r"dimension 'activation': value must be one of .* got 'selu'"),
            ({"units": 65}, "dimension 'units': value must be an integer from 1 to 64, got 65"),
            ({"units": 2.5}, "dimension 'units': value must be an integer from 1 to 64, got 2.5"),
            ({"dropout": 1e9}, r"dimension 'dropout': value must be a number from 0.0 to 0.9, got 1000000000.0"),
            ({"dropout": float("nan")}, "dimension 'dropout': value must be a number .* got nan"),
            ({"rate": float("inf")}, "dimension 'rate': value must be a number .* got inf"),
            ({"rate": "fast"}, "dimension 'rate': value must be a number .* got 'fast'"),
            ({"rate": [1]}, "dimension 'rate': value must be a number .* got \\[1\\]"),
            ({"depth": 3}, "a point must name dimensions only, got 'depth'"),
            ({"rate": ...}, "a point must have a value for every dimension, got none for rate"),
        ],
    )
    def test_a_point_that_is_none_is_refused_before_anything_is_learnt(self, make, change, sentence):
        search, other = make(mixed_problem(), seed=2), make(mixed_problem(), seed=2)
        [good, point] = search.ask(2)
        other.ask(2)
        wrong = {name: value for name, value in (point | change).items() if value is not ...}
        with pytest.raises(ProblemError, match=sentence):
            search.tell([done(0, good, 1.0), done(1, wrong, 1.0)])
        assert search.num_pending == 2
        for each in (search, other):
            each.tell([done(0, good, 1.0), done(1, point, 2.0)])
        assert search.ask(12) == other.ask(12)

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), None, "1.0", True, 10**400, [1.0], np.float64("nan"), np.array([1.0])]
    )
    def test_an_objective_that_is_none_is_refused(self, make, value):
        search = make(mixed_problem())
        [point] = search.ask(1)
        with pytest.raises(EvaluationError, match=r"objective must be a finite number, got .*; tell what has none as"):
            search.tell([done(0, point, value)])
        assert search.num_pending == 1

    @pytest.mark.parametrize("what", [({"x": 1}, 2.0), None, 3])
    def test_only_evaluations_can_be_told(self, make, what):
        with pytest.raises(EvaluationError, match="what is told must be an Evaluation, got"):
            make(mixed_problem()).tell([what])

    def test_failures_have_no_objective_and_states_are_known(self, make):
        search = make(mixed_problem())
        [point] = search.ask(1)
        with pytest.raises(EvaluationError, match=r"objective of an evaluation that is FAILED must be None, got 1.0"):
            search.tell([ended(0, point, State.FAILED)._replace(objective=1.0)])
        with pytest.raises(EvaluationError, match="state must be known, got 'DON'; did you mean 'DONE'"):
            search.tell([done(0, point, 1.0)._replace(state="DON")])
        search.tell([done(0, point, 1.0)._replace(state="DONE")])
        assert search.num_pending == 0

    def test_numpy_values_become_plain_ones(self, make):
        search, other = make(mixed_problem(), seed=2), make(mixed_problem(), seed=2)
        for id, point in enumerate(search.ask(12)):
            numbers = {"units": np.int64(point["units"]), "dropout": np.float64(point["dropout"])}
            name = point["activation"]
            odd = point | numbers | ({"activation": np.str_(name)} if isinstance(name, str) else {})
            search.tell([done(id, odd, np.float32(objective(point)))])
        for id, point in enumerate(other.ask(12)):
            other.tell([done(id, point, float(np.float32(objective(point))))])
        points = search.ask(5)
        assert points == other.ask(5)
        assert all(type(value) in (int, float, str, bool, type(None)) for point in points for value in point.values())

    def test_a_search_can_be_copied(self, make):
        search = make(mixed_problem())
        for id, point in enumerate(search.ask(12)):
            search.tell([done(id, point, objective(point))])
        copies = [copy.deepcopy(search), pickle.loads(pickle.dumps(search))]
        points = search.ask(3)
        assert [each.ask(3) for each in copies] == [points, points]

    def test_unknown_options_are_refused(self, make):
        with pytest.raises(OptionError, match="'max_eval'; did you mean 'max_evals'"):
            make(mixed_problem(), max_eval=3)

    def test_an_unknown_evaluator_is_refused(self, make):
        with pytest.raises(OptionError, match=r"evaluator must be one of .* got mpl; did you mean"):
            make(mixed_problem(), evaluator="mpl")

    def test_more_evaluations_than_points_are_refused(self, make):
        with pytest.raises(OptionError, match="max_evals must not exceed the 6 points of the space, got 7"):
            make(small_problem(), max_evals=7)

    def test_a_declared_objective_says_its_sense(self, make):
        problem = mixed_problem()
        problem.add_objective("accuracy", maximise=True)
        search = make(problem)
        assert search.maximises
        assert [each.name for each in search.objectives] == ["accuracy"]
        assert len(converse(search, 12, lambda id, point: done(id, point, objective(point)))) == 12


def two_objectives():
    """The mixed problem with a large and a small objective."""
    problem = mixed_problem()
    problem.add_objective("size", maximise=True)
    problem.add_objective("loss")
    return problem


def both(id, point):
    """An evaluation of that problem, with objectives that are against each other."""
    values = (-float(point["units"]), objective(point) + point["units"] / 8)
    return done(id, point, values[0])._replace(objectives=values)


class SeveralObjectivesContract:
    """For searches of problems with several objectives; `make(problem, **options)` makes one."""

    def test_points_are_asked_and_told(self, make):
        search = make(two_objectives())
        points = converse(search, 60, both)
        assert len(points) == 60
        assert distinct(search, points)

    def test_what_fails_or_is_stopped_is_told_too(self, make):
        def evaluate(id, point):
            if id % 3 == 0:
                return ended(id, point, State.FAILED)
            return both(id, point) if id % 3 == 1 else done(id, point, 1.0)._replace(state=State.STOPPED)

        assert len(converse(make(two_objectives()), 40, evaluate)) == 40

    @pytest.mark.parametrize("values", [(), (-8.0,), (-8.0, float("nan")), (-8.0, 1.0, 2.0), (-7.0, 1.0)])
    def test_all_of_them_must_be_told(self, make, values):
        search = make(two_objectives())
        [point] = search.ask(1)
        with pytest.raises(
            EvaluationError, match=r"objectives must be 2 finite numbers \(size, loss\), the first of them"
        ):
            search.tell([done(0, point, -8.0)._replace(objectives=values)])
        search.tell([both(0, point)])

    def test_a_search_goes_on_as_if_it_had_never_stopped(self, make):
        first, known = make(two_objectives(), seed=5), []

        def keep(id, point):
            known.append(both(id, point)._replace(order=len(known)))
            return known[-1]

        converse(first, 50, keep)
        again = make(two_objectives(), seed=5)
        again.resume(5, known)
        assert again.ask(5) == first.ask(5)
