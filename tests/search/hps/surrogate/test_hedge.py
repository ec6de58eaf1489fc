import math

import numpy as np
import pytest

from dhmpi import results
from dhmpi.benchmark import HpProblem
from dhmpi.cli import main
from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.hedge import HEDGED, Hedge, draw

MIXED = HpProblem()
MIXED.add_dim("x", (-2.0, 2.0), 1.0)
MIXED.add_dim("n", (1, 8), 4)
MIXED.add_dim("kind", ["a", "b", None], "a")


def objective(point):
    return (point["x"] - 0.3) ** 2 + abs(point["n"] - 5) + (point["kind"] != "b")


class Constant:
    """A model that predicts the first column."""

    def mean(self, rows):
        return rows[:, 0]


def test_its_functions_are_those_of_scikit_optimize():
    assert HEDGED == ("EI", "LCB", "PI")


def test_functions_are_drawn_by_what_they_have_gained():
    """Weights 2, 1, 1."""
    for seed in range(50):
        expected = np.random.default_rng(seed).choice(3, p=[0.5, 0.25, 0.25])
        assert draw([math.log(2), 0.0, 0.0], np.random.default_rng(seed)) == expected


def test_what_is_common_to_all_does_not_matter():
    for shift in (-1e6, 0.0, 1e6):
        assert draw([shift + 100, shift, shift], np.random.default_rng(0)) == 0


def rows(*firsts):
    return np.array([[first, 0.5, 0.0, 1.0, 0.0] for first in firsts])


def test_gains_add_up_when_results_come():
    """As scikit-optimize has it: gains -= predicted means."""
    hedge = Hedge(Encoding(MIXED.dimensions))
    points, expected = [MIXED.starting_point_asdict] * 3, np.zeros(3)
    for key in range(4):
        wanted = rows(0.1 * key, 0.5, 0.9)
        hedge.proposed(key, hedge.gained(Constant()), points, wanted)
        assert hedge.gained(Constant()) == hedge.gains  # it is pending
        hedge.told([key, "somebody's own"])
        expected -= wanted[:, 0]
        assert hedge.gained(Constant()) == pytest.approx(list(expected - expected.max()))
    assert hedge.gained(Constant())[2] < -1.5  # what has wanted the worst is hardly asked any more


def test_functions_that_agree_gain_the_same():
    hedge = Hedge(Encoding(MIXED.dimensions))
    hedge.proposed(0, [0.0, -1.0, -2.0], [MIXED.starting_point_asdict] * 3, rows(0.4, 0.4, 0.4))
    hedge.told([0])
    assert hedge.gained(Constant()) == [0.0, -1.0, -2.0]
    assert "wanted" not in hedge.memory


class Driven:
    """A search, and evaluations in which up to `num_workers` are pending."""

    def __init__(self, learner, num_workers):
        self.search = AMBS(MIXED, learner=learner, seed=3)
        self.evaluations = {}
        self.num_workers, self.num_told = num_workers, 0

    @property
    def pending(self):
        return [each for each in self.evaluations.values() if not each.state.is_final]

    def go_on(self, num):
        while len(self.evaluations) < num:
            for point, origin in self.search.proposals(self.num_workers - len(self.pending)):
                id = len(self.evaluations)
                self.evaluations[id] = Evaluation(id, point, origin=origin, state=State.RUNNING)
            first = self.pending[0]
            ended = first._replace(objective=objective(first.point), state=State.DONE, order=self.num_told)
            self.evaluations[first.id] = ended
            self.num_told += 1
            self.search.tell([ended])
        return [each.point for each in self.evaluations.values()][:num]


@pytest.mark.parametrize(("learner", "num_workers"), [("RF", 4), ("GP", 1)])
def test_gains_are_resumed(learner, num_workers):
    whole = Driven(learner, num_workers)
    whole.go_on(32)
    stopped = Driven(learner, num_workers)
    stopped.go_on(22)
    resumed = AMBS(MIXED, learner=learner)
    resumed.resume(3, list(stopped.evaluations.values()))
    hedge, before = resumed._proposer._hedge, stopped.search._proposer._hedge
    assert hedge.gains == before.gains != [0.0] * 3
    assert hedge.memory == before.memory
    assert hedge._open.keys() == before._open.keys()
    assert len(hedge._due) == len(before._due)
    stopped.search = resumed
    assert stopped.go_on(32) == whole.go_on(32)
    assert resumed._proposer._hedge.gains == whole.search._proposer._hedge.gains


def test_a_search_without_a_hedge_remembers_nothing():
    driven = Driven("RF", 1)
    driven.search = AMBS(MIXED, learner="RF", acq_func="EI", seed=3)
    driven.go_on(14)
    assert not any(each.origin.memory for each in driven.evaluations.values())


def test_a_campaign_is_resumed_with_its_gains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from dhmpi.benchmark import HpProblem\nProblem = HpProblem()\n"
        "Problem.add_dim('x', (-2.0, 2.0), 1.0)\nProblem.add_dim('n', (1, 8), 4)\n"
        "Problem.add_dim('kind', ['a', 'b', None], 'a')\n"
        "def run(p): return (p['x'] - 0.3) ** 2 + abs(p['n'] - 5) + (p['kind'] != 'b')\n"
    )
    words = ["ambs", "--problem", "mine.py", "--learner", "RF", "--isolation", "inline", "--quiet"]
    assert main([*words, "--max-evals", "30", "--output", "whole.h5"]) == 0
    assert main([*words, "--max-evals", "18", "--output", "parts.h5"]) == 0
    assert main([*words, "--max-evals", "30", "--output", "parts.h5", "--resume"]) == 0
    whole, parts = (results.read(name).evaluations for name in ("whole.h5", "parts.h5"))
    assert [each.point for each in whole] == [each.point for each in parts]
    assert [each.origin for each in whole] == [each.origin for each in parts]
    assert '"gains": [0.0, 0.0, 0.0]' not in whole[-1].origin.memory
    capsys.readouterr()
    assert main(["check", "parts.h5"]) == 0
    assert "proposes all 30 points again" in capsys.readouterr().out
