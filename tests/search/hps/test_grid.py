import pytest

from dhmpi.search.hps.grid import grid_of
from dhmpi.space.space import Space


@pytest.mark.parametrize(
    ("spec", "num", "values"),
    [
        ((0.0, 1.0), 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ((0.1, 0.4), 4, [0.1, 0.2, 0.3, 0.4]),
        ((1e-4, 1.0, "log-uniform"), 5, [1e-4, 1e-3, 1e-2, 0.1, 1.0]),
        ((-1.7e308, 1.7e308), 3, [-1.7e308, 0.0, 1.7e308]),
        ((0.0, 1.0), 1, [0.5]),
        ((1, 3), 5, [1, 2, 3]),
        ((1, 5), 5, [1, 2, 3, 4, 5]),
        ((0, 100), 5, [0, 25, 50, 75, 100]),
        ((-(2**63), 2**63 - 1), 3, [-(2**63), 0, 2**63 - 1]),
        ((1, 256, "log-uniform"), 5, [1, 4, 16, 64, 256]),
        ((1, 6, "log-uniform"), 5, [1, 2, 4, 6]),
        (["a", None, True], 2, ["a", None, True]),
        (7, 5, [7]),
    ],
)
def test_values_lie_on_the_scale_of_the_prior(spec, num, values):
    [dim] = grid_of(Space.from_specs({"x": spec}), num).dimensions
    assert list(dim.choices) == values
    assert [type(each) for each in dim.choices] == [type(each) for each in values]
