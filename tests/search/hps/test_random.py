import functools

import pytest
from contracts.search import SearchContract, SeveralObjectivesContract, mixed_problem, small_problem

from dhmpi.benchmark import HpProblem
from dhmpi.cli import main
from dhmpi.errors import OptionError, ProblemError
from dhmpi.evaluation import State
from dhmpi.results import read
from dhmpi.search.hps.random import RandomSearch


class TestContract(SearchContract, SeveralObjectivesContract):
    @pytest.fixture
    def make(self):
        return RandomSearch


class TestSobol(SearchContract):
    options = {"sampler": "sobol"}

    @pytest.fixture
    def make(self):
        return functools.partial(RandomSearch, **self.options)


class TestLatinHypercubes(TestSobol):
    options = {"sampler": "lhs"}


def test_large_finite_space_is_searched_to_its_end():
    problem = HpProblem()
    problem.add_dim("a", (0, 99))
    problem.add_dim("b", (0, 49))
    search = RandomSearch(problem)
    points = search.ask(10_000)
    assert len(points) == 5000
    assert len({search.space.key(point) for point in points}) == 5000


def test_sobol_points_are_spread_more_evenly():
    """Of 64 points, there is one in each of 64 squares."""
    problem = HpProblem()
    problem.add_dim("x", (0.0, 8.0))
    problem.add_dim("y", (0.0, 8.0))
    points = RandomSearch(problem, sampler="sobol").ask(112)
    assert all({int(each[name] * 8) for each in points[:64]} == set(range(64)) for name in "xy")
    assert len({(int(each["x"]), int(each["y"])) for each in points[:64]}) == 64
    assert RandomSearch(problem, sampler="sobol", seed=1).ask(3) != points[:3]


def test_a_grid_has_every_combination_once_and_ends():
    search = RandomSearch(mixed_problem(), sampler="grid", grid_size=3)
    points = search.ask(200)
    assert len(points) == 1 + 3 * 3 * 3 * 4
    assert len({search.space.key(each) for each in points}) == len(points)
    assert {each["rate"] for each in points[1:]} == {1e-5, 0.00316227766017, 1.0}
    assert search.is_exhausted


def test_a_grid_is_spread_out_from_its_beginning():
    """Of the first quarter, every value of every dimension is there about as often as the others."""
    problem = HpProblem()
    for name in "abc":
        problem.add_dim(name, (0.0, 1.0))
    points = RandomSearch(problem, sampler="grid:size=4").ask(16)
    for name in "abc":
        values = [each[name] for each in points]
        assert {values.count(value) for value in set(values)} == {4}


def test_a_grid_goes_on_where_it_was():
    whole = RandomSearch(small_problem(), sampler="grid", seed=3).ask(10)
    search = RandomSearch(small_problem(), sampler="grid")
    search.resume(3, [])
    assert search.ask(10) == whole
    assert len(whole) == 6


def test_a_grid_follows_the_rules():
    problem = HpProblem()
    problem.add_dim("kernel", ["linear", "poly"])
    problem.add_dim("degree", (2, 5))
    problem.add_dim("c", (0.0, 1.0))
    problem.add_condition("degree", when="kernel", is_in=["poly"])
    problem.add_constraint("kernel == 'linear' or c >= 0.5")
    points = RandomSearch(problem, sampler="grid", grid_size=3).ask(100)
    assert len(points) == 3 + 3 * 2
    assert all(("degree" in each) == (each["kernel"] == "poly") for each in points)
    assert all(each["c"] >= 0.5 for each in points if "degree" in each)
    problem.add_constraint("c > 0.3 and c < 0.4")
    with pytest.raises(ProblemError, match="constraints must allow at least"):
        RandomSearch(problem, sampler="grid", grid_size=3)


def test_without_any_points_their_sampler_is_refused():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0), 0.1)  # which is a starting point, but not in the list
    with pytest.raises(OptionError, match=r"sampler points must come with points, got none; add points FILE, or "):
        RandomSearch(problem, sampler="points")
    problem.add_point({"x": 0.5})
    assert RandomSearch(problem, sampler="points").ask(5) == [{"x": 0.5}]


PROBLEM = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0))
Problem.add_dim("y", (0, 200))


def run(point):
    return point["x"] + point["y"]
"""


@pytest.mark.parametrize(
    ("options", "num", "why"),
    [
        (["--sampler", "grid:size=11"], 121, "every point of the grid has been evaluated"),
        (["--sampler", "points", "--points", "points.csv"], 110, "every point that was given has been evaluated"),
    ],
)
def test_what_is_listed_is_evaluated_to_its_end(tmp_path, monkeypatch, capsys, options, num, why):
    """However many there are, in several runs, and as the replay has it again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "listed_problem.py").write_text(PROBLEM)
    (tmp_path / "points.csv").write_text("x,y\n" + "".join(f"0.25,{y}\n" for y in range(110)))
    words = ["hps-random", "--problem", "listed_problem.py", "--quiet", "--isolation", "inline", *options]
    assert main([*words, "--max-evals", "20"]) == 0
    assert main([*words, "--resume"]) == 0
    found = read("results.h5")
    assert [each.state for each in found.evaluations] == [State.DONE] * num
    assert found.metadata.runs[-1]["why"] == why
    assert found.metadata.complete
    (tmp_path / "points.csv").unlink()
    capsys.readouterr()
    assert main(["check", "results.h5"]) == 0
    assert capsys.readouterr().out == f"the same: hps-random proposes all {num} points again\n"


def test_a_sampler_that_is_forgotten_when_it_goes_on_is_told_of(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    options = {"isolation": "inline", "quiet": True}
    RandomSearch("dhmpi.benchmark.hps.rosen2.Problem", **options, sampler="grid", max_evals=3).main()
    RandomSearch("dhmpi.benchmark.hps.rosen2.Problem", **options, resume=True, sampler="grid", max_evals=4).main()
    assert not caplog.text
    RandomSearch("dhmpi.benchmark.hps.rosen2.Problem", **options, resume=True, max_evals=5).main()
    assert "the option sampler is random, and was grid in the latest run" in caplog.text
