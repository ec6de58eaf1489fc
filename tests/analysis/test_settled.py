"""Importances in a search that has settled, where most objectives are nearly equal."""

import numpy as np
import pytest

from dhmpi.analysis.importance import fence, importances
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results

SPACE = {"layers": (1, 5), "dropout": (0.0, 0.9), "nothing": ["a", "b", "c"]}


@pytest.fixture(name="settled")
def _settled():
    rng = np.random.default_rng(0)
    points = [
        {
            "layers": int(rng.integers(1, 6)) if number < 20 else 3,
            "dropout": float(rng.uniform(0.0, 0.9)) if number < 20 else float(rng.choice([0.0, 0.02])),
            "nothing": str(rng.choice(SPACE["nothing"])),
        }
        for number in range(63)
    ]
    evaluations = [
        Evaluation(number, point, (point["layers"] - 3) ** 2 + point["dropout"], State.DONE, 1.0, 1.0, 2.0)
        for number, point in enumerate(points)
    ]
    return Results.of(Metadata("ambs", "p", SPACE), evaluations)


def test_at_most_a_tenth_counts_as_far_out(settled):
    """Of a search that has settled the quartiles are nearly equal, and more would be beyond three of their ranges."""
    objective = settled.columns.objective
    low, high = np.quantile(objective, (0.25, 0.75))
    assert (objective > high + 3 * (high - low)).mean() > 0.1
    assert 0 < (objective > fence(objective)[1]).mean() <= 0.1


@pytest.mark.parametrize("method", ["fanova", "ped-anova"])
def test_what_was_found_out_early_is_not_forgotten(settled, method):
    found = {each.name: each.share for each in importances(settled, method)}
    assert list(found)[-1] == "nothing"
    if method == "fanova":  # over the whole space, layers have a variance of 2.8, and dropout one of 0.07
        assert found["layers"] > 0.9
