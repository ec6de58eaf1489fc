import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.affine import affine, check_precision
from dhmpi.search.nas.model.preprocessing import minmaxstdscaler, stdscaler

RNG = np.random.default_rng(0)
ROWS = RNG.normal([5, -3, 1e4, 1e-9], [2, 0.1, 50, 1e-10], (300, 4))
CONSTANT = np.column_stack([ROWS[:, 0], np.full(300, 0.1), np.zeros(300), np.full(300, 123456789.7)])
COUNTS = RNG.integers(0, 256, (300, 3), dtype=np.uint8)
FLAGS = RNG.random((300, 2)) < 0.3

AFFINE = [
    stdscaler,
    minmaxstdscaler,
    StandardScaler,
    lambda: StandardScaler(with_std=False),
    lambda: MinMaxScaler((-7, 3)),
    MaxAbsScaler,
    RobustScaler,
    lambda: make_pipeline(RobustScaler(), MaxAbsScaler(), MinMaxScaler()),
    lambda: FunctionTransformer(lambda rows: 3 - 2 * rows),
    lambda: FunctionTransformer(lambda rows: 0 * rows + 4),
    lambda: FunctionTransformer(lambda rows: rows.astype(np.float32) / 255),
    FunctionTransformer,
]
OTHERS = {
    "quantiles": lambda: QuantileTransformer(n_quantiles=50),
    "logarithm": lambda: FunctionTransformer(lambda rows: np.log(np.abs(rows) + 1e-300)),
    "norms": Normalizer,
    "axes": lambda: PCA(whiten=True),
    "order": lambda: FunctionTransformer(lambda rows: rows[:, ::-1]),
    "batches": lambda: FunctionTransformer(lambda rows: rows - rows.mean(axis=0)),
    "clipping": lambda: MinMaxScaler(clip=True),
    "one": lambda: FunctionTransformer(lambda rows: np.where(np.arange(4) == 2, rows**2, rows)),
}


@pytest.mark.parametrize("rows", [ROWS, ROWS.astype(np.float32), CONSTANT, COUNTS, FLAGS, ROWS[:1]])
@pytest.mark.parametrize("make", AFFINE)
def test_what_multiplies_and_adds_is_found_and_repeated_in_single_precision(make, rows):
    scaler = make().fit(rows)
    scaled = scaler.transform(rows.astype(np.float64))
    again = affine(scaler.transform, rows, "X")(rows.astype(np.float32))
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, scaled, rtol=1e-5, atol=2e-4 * max(1e-9, np.ptp(scaled)))


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_is_refused(name):
    scaler = OTHERS[name]().fit(ROWS)
    with pytest.raises(ProblemError, match=r"must only multiply each column and add to it, got .* for X\[:, \d\]"):
        affine(scaler.transform, ROWS, "X")


def test_the_last_row_counts():
    rows = np.arange(10_000.0)[:, np.newaxis]
    with pytest.raises(ProblemError, match="must only multiply"):
        affine(lambda rows: np.where(rows == 9_998, 0, rows), rows, "X")
    rows[-1] = 2**40 + 1
    rows[0] = 2**40
    with pytest.raises(ProblemError, match="in single precision"):
        check_precision(np.where(rows < 2**40, 2**40, rows), "X")


def test_the_column_is_named():
    with pytest.raises(ProblemError, match=r"for X\[:, 2\]"):
        affine(OTHERS["one"]().transform, ROWS, "X")


def test_columns_that_are_equal_in_the_data_are_told_apart():
    rows = np.column_stack([ROWS[:, 0], ROWS[:, 0]])
    with pytest.raises(ProblemError, match="must only multiply"):
        affine(lambda rows: rows[:, ::-1], rows, "X")


@pytest.mark.parametrize(
    ("make", "shape"), [(lambda: PCA(2), r"\(num, 2\)"), (lambda: PolynomialFeatures(2), r"\(num, 15\)")]
)
def test_another_number_of_columns_is_refused(make, shape):
    scaler = make().fit(ROWS)
    with pytest.raises(ProblemError, match=rf"must keep the shape of X, \(num, 4\), got {shape}"):
        affine(scaler.transform, ROWS, "X")


def test_what_takes_no_other_numbers_is_refused():
    def known(rows):
        if not np.isin(rows, COUNTS).all():
            raise KeyError("another\nnumber")
        return rows

    with pytest.raises(ProblemError, match="preprocessing of X must take any numbers, got 'another"):
        affine(known, COUNTS, "X")


def test_data_that_single_precision_cannot_tell_apart_are_refused():
    rows = np.column_stack([ROWS[:, 0], 1_764_000_000 + np.arange(300)])  # times
    with pytest.raises(ProblemError, match=r"in single precision.* got X\[:, 1\] from 1764000000 to 1764000299"):
        check_precision(rows, "X")
    with pytest.raises(ProblemError, match=r"got X\[:, 0\] from 0 to 1e\+300"):
        check_precision(np.array([[0.0], [1e300]]), "X")
    for fitting in (ROWS, CONSTANT, COUNTS, FLAGS, ROWS[:1]):
        check_precision(fitting, "X")
