"""A problem whose categories are objects, and a run function that gets them."""

from enum import Enum

from dhmpi.benchmark import HpProblem


class Color(Enum):
    """An enum."""

    RED = 1
    BLUE = 2


class Adam:
    """A class."""

    rate = 0.5


class SGD:
    """Another one."""

    rate = 0.25


def double(number):
    return 2 * number


BETAS = [(0.9, 0.999), (0.8, 0.99)]
LAYERS = [[64, [32, (1, None)]], {"width": 128, 3: True}]

Problem = HpProblem()
Problem.add_dim("betas", BETAS, (0.8, 0.99))
Problem.add_dim("layers", LAYERS, LAYERS[1])
Problem.add_dim("optimizer", [Adam, SGD, None], SGD)
Problem.add_dim("color", [Color.RED, Color.BLUE], Color.BLUE, ordered=True)
Problem.add_dim("function", [abs, double], double)


def run(point):
    """Return a number that no texts would give; what is changed is not the problem's."""
    assert point["betas"] in BETAS
    assert point["layers"] in LAYERS
    if isinstance(point["layers"], dict):
        point["layers"]["width"] = 0
    rate = 1.0 if point["optimizer"] is None else point["optimizer"].rate
    return {"objective": point["betas"][0] + rate + point["function"](-3), "color": point["color"].name}
