"""A fifth of the matrix of benchmarks/ambs_matrix.py, another one every day, by hand instead of mpirun."""

import datetime
import importlib.util
import statistics
from pathlib import Path

import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.ambs import ACQ_FUNCS, AMBS, LEARNERS, LIES

PATH = Path(__file__).parents[3] / "benchmarks" / "ambs_matrix.py"
SPEC = importlib.util.spec_from_file_location("ambs_matrix", PATH)
matrix = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(matrix)

TURN = datetime.date.today().toordinal() % 5
NUM_WORKERS = 3


def searched(num=26, **options):
    """Return evaluations of a search, of which several are always pending; the oldest ends first."""
    search = AMBS(matrix.Problem, seed=1, **options)
    evaluations, pending = [], []
    while len(evaluations) < num:
        for proposal in search.proposals(NUM_WORKERS - len(pending)):
            id = len(evaluations) + len(pending)
            pending.append(Evaluation(id, proposal.point, origin=proposal.origin, state=State.RUNNING))
        first = pending.pop(0)
        evaluations.append(first._replace(objective=matrix.objective(first.point), state=State.DONE))
        search.tell(evaluations[-1:])
    return evaluations


def test_fifths_are_all_and_have_everything():
    turns = [matrix.fifth(turn) for turn in range(5)]
    assert sorted(each for turn in turns for each in turn) == sorted(matrix.COMBINATIONS)
    assert len(matrix.COMBINATIONS) == 72
    for turn in turns:
        assert {each.learner for each in turn} == set(LEARNERS)
        assert {each.acq_func for each in turn} == set(ACQ_FUNCS)
        assert {each.liar_strategy for each in turn} == set(LIES)


def test_its_problem_has_its_minimum_where_it_is_said():
    point = {"x": 1.0, "y": -0.5, "rate": 0.01, "n": 6, "m": 32, "kind": "c", "flag": False}
    assert matrix.objective(point) == pytest.approx(0)
    assert matrix.Problem.dimensions.canonical(point) == point


@pytest.mark.parametrize("combination", matrix.fifth(TURN), ids="-".join)
def test_a_search_learns(combination):
    evaluations = searched(40, **combination._asdict())  # as the matrix; 26 are too few for GP with gp_hedge
    points = [tuple(each.point.items()) for each in evaluations]
    assert len(set(points)) == len(points)
    models = {each.origin.model for each in evaluations[14:]}
    if combination.learner == "DUMMY":
        assert models == {"random"}
        return
    assert models.isdisjoint(("start", "design", "random"))
    # Points of a model are better than those from which it learned.
    first, late = ([each.objective for each in part] for part in (evaluations[:10], evaluations[14:]))
    assert statistics.fmean(late) < statistics.fmean(first)


def test_every_option_makes_a_difference():
    """Each is changed alone; a lie matters only while others are pending, which they are."""
    base = {"learner": "ET", "acq_func": "EI", "liar_strategy": "cl_min"}
    changes = [{}, {"learner": "RF"}, {"acq_func": "LCB"}, {"acq_func": "PI"}, {"acq_func": "gp_hedge"}]
    changes += [{"liar_strategy": "cl_mean"}, {"liar_strategy": "cl_max"}]
    found = [tuple(str(each.point) for each in searched(18, **base | change)) for change in changes]
    assert len(set(found)) == len(changes)


def test_the_program_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    done, broken = [], set(matrix.fifth(2)[:1])

    def search(combination, num_ranks):
        done.append(combination)
        wrong = "exit status 1" if combination in broken else ""
        found = {"best": 0.5, "late": 1.0, "ask": 1e-3, "seconds": 9.0, "points": str(len(done))}
        return combination._asdict() | {"wrong": wrong} | ({} if wrong else found)

    def run(*words):
        done.clear()
        monkeypatch.setattr("sys.argv", ["ambs_matrix.py", "--results", str(tmp_path / "matrix.jsonl"), *words])
        return matrix.main(), len(done), capsys.readouterr().out

    monkeypatch.setattr(matrix, "search", search)
    assert run("--minutes", "-1")[:2] == (0, 0)
    status, num, out = run("--turn", "2")
    assert (status, num) == (1, 14)
    assert f"wrong: {', '.join(matrix.fifth(2)[0])}: exit status 1" in out
    assert "13 of 72 searches; 13 of them with points of their own" in out
    broken.clear()
    assert run("--turn", "2")[:2] == (0, 1)  # what was wrong
    status, num, out = run()
    assert (status, num) == (0, 72 - 14)
    assert "| auto | cl_min | 0.500 | 0.500 | 0.500 | 0.500 |" in out
