"""Cost of the points of a space: of sampling them, and of their keys, by which equal ones are known.

Prints microseconds a point: the median of repeated measurements, and the smallest and largest.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from dhmpi.space.space import Space

KINDS = [(1, 100), (1, 100, "log-uniform"), (0.0, 1.0), (1e-4, 1.0, "log-uniform"), ["a", "b", "c"]]


def microseconds(call: Callable[[], object], num_points: int, repeats: int) -> list[float]:
    """Return the time of each call [us a point]."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        times.append((time.perf_counter() - begun) * 1e6 / num_points)
    return times


def main() -> None:
    """Measure a space of ten dimensions of five kinds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000, help="points at once (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=50, help="measurements (default: %(default)s)")
    arguments = parser.parse_args()
    space = Space.from_specs({f"x{index}": KINDS[index % len(KINDS)] for index in range(10)})
    points = space.sample(np.random.default_rng(0), arguments.points)
    calls: dict[str, Callable[[], object]] = {
        "sample": lambda: space.sample(np.random.default_rng(1), arguments.points),
        "key": lambda: [space.key(point) for point in points],
    }
    print("| what | median [us a point] | smallest | largest |\n|---|---|---|---|")
    for name, call in calls.items():
        times = microseconds(call, arguments.points, arguments.repeats)
        print(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} | {max(times):.2f} |")


if __name__ == "__main__":
    main()
