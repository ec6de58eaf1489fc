"""Problems with two or three objectives, all to be minimised: ZDT, DTLZ, bbob-biobj of COCO, and tables of networks.

ZDT is of Zitzler, Deb and Thiele (2000), DTLZ of Deb, Thiele, Laumanns and Zitzler (2002), bbob-biobj comes with the
package coco-experiment, the tables (accuracy and latency of graph networks on three data sets) with nas-bench-graph.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import Point

Values = tuple[float, ...]


class Front(NamedTuple):
    """Problem with several objectives.

    Attributes:
        name: Its name.
        num_objectives: How many there are.
        dims: Arguments of `add_dim`, for each dimension.
        evaluate: Returns the objectives of a point.
    """

    name: str
    num_objectives: int
    dims: tuple[tuple[str, Any], ...]
    evaluate: Callable[[Point], Values]

    def problem(self) -> HpProblem:
        """Return the problem; it has no starting point."""
        problem = HpProblem()
        for name, space in self.dims:
            problem.add_dim(name, space)
        for index in range(self.num_objectives):
            problem.add_objective(f"f{index}")
        return problem


def _reals(num: int, low: float = 0.0, high: float = 1.0) -> tuple[tuple[str, Any], ...]:
    return tuple((f"x{index}", (low, high)) for index in range(num))


def _vector(point: Point) -> Any:
    return np.array(list(point.values()))


def _zdt(kind: int, point: Point) -> Values:
    x = _vector(point)
    first, rest = float(x[0]), x[1:]
    if kind == 4:
        rest = 10 * rest - 5
        g = 1 + 10 * len(rest) + float((rest**2 - 10 * np.cos(4 * np.pi * rest)).sum())
    elif kind == 6:
        first = 1 - float(np.exp(-4 * first) * np.sin(6 * np.pi * first) ** 6)
        g = 1 + 9 * float(rest.mean()) ** 0.25
    else:
        g = 1 + 9 * float(rest.mean())
    ratio = first / g
    shapes = {2: 1 - ratio**2, 6: 1 - ratio**2, 3: 1 - ratio**0.5 - ratio * float(np.sin(10 * np.pi * first))}
    return first, g * shapes.get(kind, 1 - ratio**0.5)


def _dtlz(kind: int, num: int, point: Point) -> Values:
    x = _vector(point)
    head, tail = x[: num - 1], x[num - 1 :]
    if kind == 7:
        g = 1 + 9 * float(tail.mean())
        last = num - sum(float(f) / (1 + g) * (1 + float(np.sin(3 * np.pi * f))) for f in head)
        return (*map(float, head), (1 + g) * last)
    if kind in (1, 3):
        g = 100 * (len(tail) + float(((tail - 0.5) ** 2 - np.cos(20 * np.pi * (tail - 0.5))).sum()))
    else:
        g = float(((tail - 0.5) ** 2).sum())
    found = []
    for index in range(num):
        if kind == 1:
            value = 0.5 * (1 + g) * float(np.prod(head[: num - 1 - index]))
            value *= 1 - float(head[num - 1 - index]) if index else 1.0
        else:
            angles = head * np.pi / 2
            value = (1 + g) * float(np.prod(np.cos(angles[: num - 1 - index])))
            value *= float(np.sin(angles[num - 1 - index])) if index else 1.0
        found.append(value)
    return tuple(found)


@cache
def _suite(num: int) -> Any:
    import cocoex  # not every environment has it

    return cocoex.Suite("bbob-biobj", "", f"dimensions:{num} instance_indices:1")


def _bbob(function: int, num: int, point: Point) -> Values:
    problem = _suite(num)[function - 1]
    return tuple(map(float, problem(_vector(point))))


@cache
def _table(name: str) -> Any:
    from nas_bench_graph import light_read

    return light_read(name)


_LINKS = ("0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123")
_LAYERS = ("gcn", "gat", "sage", "gin", "cheb", "arma", "graph", "fc", "skip")


def _networks(name: str, point: Point) -> Values:
    from nas_bench_graph import Arch

    arch = Arch([int(each) for each in point["links"]], [point[f"layer{index}"] for index in range(4)])
    row = _table(name).get(arch.valid_hash())
    if row is None:  # it has not been trained: of those there are few, such as one with nothing but skips
        return 0.0, max(float(each["latency"]) for each in _table(name).values())
    return -float(row["valid_perf"]), float(row["latency"])


def _made() -> dict[str, Front]:
    found = [
        Front(f"zdt{kind}", 2, _reals(10 if kind in (4, 6) else 30), partial(_zdt, kind)) for kind in (1, 2, 3, 4, 6)
    ]
    found += [Front(f"dtlz{kind}", 3, _reals(7), partial(_dtlz, kind, 3)) for kind in (1, 2, 7)]
    for function, num in ((1, 5), (11, 5), (20, 5), (28, 5), (36, 5), (47, 5), (54, 5), (8, 10), (39, 10)):
        dims = _reals(num, -5.0, 5.0)
        found.append(Front(f"bbob-biobj-f{function}-{num}", 2, dims, partial(_bbob, function, num)))
    layers = tuple((f"layer{index}", list(_LAYERS)) for index in range(4))
    found += [
        Front(f"networks-{name}", 2, (("links", list(_LINKS)), *layers), partial(_networks, name))
        for name in ("cora", "citeseer", "pubmed")
    ]
    return {each.name: each for each in found}


PROBLEMS = _made()
