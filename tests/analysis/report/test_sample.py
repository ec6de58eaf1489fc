import numpy as np
import pytest

from dhmpi.analysis.report import sample
from dhmpi.evaluation import Evaluation, State
from dhmpi.results.columns import Columns


def columns_of(num, num_failed=0):
    values = np.random.default_rng(0).normal(size=num)
    return Columns.of_evaluations(
        (),
        [
            Evaluation(id, {}, None, State.FAILED) if id < num_failed else Evaluation(id, {}, value, State.DONE)
            for id, value in enumerate(values.tolist())
        ],
    )


def test_few_evaluations_are_all_shown():
    chosen = sample.choose(columns_of(200), np.array([0, 3]))
    assert chosen.rows.tolist() == list(range(200))
    assert chosen.is_drawn.all()


@pytest.mark.parametrize("num_failed", [0, 400, 20_000])
def test_of_many_the_best_the_extremes_and_failures_are_shown(num_failed):
    columns = columns_of(20_000, num_failed)
    improvements = np.array([num_failed, num_failed + 1]) % 20_000
    chosen = sample.choose(columns, improvements)
    assert chosen.is_drawn.sum() <= sample.MOST_DRAWN
    assert len(chosen.rows) <= sample.MOST_DRAWN + sample.MOST_BEST + sample.MOST_FAILED
    assert set(improvements.tolist()) <= set(chosen.rows[chosen.is_drawn].tolist())
    best = np.argsort(columns.objective, kind="stable")[: min(sample.MOST_BEST, 20_000 - num_failed)]
    assert set(best.tolist()) <= set(chosen.rows.tolist())
    failed = columns.is_in(State.FAILED)[chosen.rows].sum()
    assert failed == num_failed if num_failed <= sample.MOST_FAILED else failed >= sample.MOST_FAILED
    if num_failed < 20_000:
        assert int(np.nanargmax(columns.objective)) in chosen.rows[chosen.is_drawn]


def test_campaigns_share_the_room():
    chosen = sample.choose(columns_of(20_000), np.array([0]), share=0.1)
    assert chosen.is_drawn.sum() <= sample.MOST_DRAWN // 10


def test_rows_are_spread_with_both_ends():
    assert sample.spread(np.arange(1001), 11).tolist() == list(range(0, 1001, 100))
    assert sample.spread(np.arange(3), 11).tolist() == [0, 1, 2]
