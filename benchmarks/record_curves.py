"""Learning curves of real trainings, recorded once, for benchmarks/stopping.py.

    DHMPI_DATA=fashion OMP_NUM_THREADS=1 python benchmarks/record_curves.py [NAME ...] [--minutes 10] [--points 300]

Points are drawn at random, and each is trained for 27 epochs. A curve that is recorded already is left alone, so this
may be stopped and started again at will. `fashion` is mnistmlp on 1,500 images of Fashion-MNIST for training and 1,500
for validation, `digits` is the perceptron of scikit-learn on its digits; their spaces are parts of those of the
documented problems, in which a training takes seconds.
"""

import argparse
import json
import math
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import Point
from dhmpi.search.hps.random import RandomSearch
from dhmpi.space.problem import HpProblem

DIRECTORY = Path(__file__).parent / "curves"
NUM_EPOCHS = 27
NUM_SAMPLES = 1500
SEED = 0


class Recorded(NamedTuple):
    """Recorded curves.

    Attributes:
        points: What was trained.
        objectives: Minus the validation accuracy after each epoch, shape (points, epochs); NaN after the end of a
            training that diverged.
        seconds: How long each training took [s].
    """

    points: list[Point]
    objectives: npt.NDArray[np.float32]
    seconds: npt.NDArray[np.float32]


def main() -> None:
    """Record curves until time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"by default {', '.join(TRAININGS)}")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where the files are")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long trainings are begun")
    parser.add_argument("--points", type=int, default=300, help="number of points")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    for name in options.names or TRAININGS:
        recorded = load(name, options.directory)
        points = RandomSearch(problem_of(name), seed=SEED).ask(options.points)
        for point in points[len(recorded.points) :]:
            if time.monotonic() > end:
                break
            recorded = with_one_more(recorded, point, TRAININGS[name])
            save(recorded, name, options.directory)
        print(f"{name}: {len(recorded.points)} of {options.points} curves, {recorded.seconds.sum():.0f} s", flush=True)


def load(name: str, directory: Path = DIRECTORY) -> Recorded:
    """Return the curves that have been recorded of a training."""
    file = directory / f"{name}.npz"
    if not file.exists():
        return Recorded([], np.zeros((0, NUM_EPOCHS), np.float32), np.zeros(0, np.float32))
    with np.load(file) as arrays:
        return Recorded(json.loads(str(arrays["points"])), arrays["objectives"], arrays["seconds"])


def save(recorded: Recorded, name: str, directory: Path) -> None:
    """Write curves, all or nothing."""
    file = directory / f"{name}.part.npz"
    np.savez_compressed(
        file, points=json.dumps(recorded.points), objectives=recorded.objectives, seconds=recorded.seconds
    )
    os.replace(file, directory / f"{name}.npz")


def with_one_more(recorded: Recorded, point: Point, train: Callable[[Point], list[float]]) -> Recorded:
    """Return curves, and that of one more point."""
    begun = time.perf_counter()
    curve = train(point)[:NUM_EPOCHS]
    seconds = time.perf_counter() - begun
    row = np.full((1, NUM_EPOCHS), np.nan, np.float32)
    row[0, : len(curve)] = curve
    return Recorded(
        [*recorded.points, point],
        np.concatenate([recorded.objectives, row]),
        np.append(recorded.seconds, np.float32(seconds)),
    )


def problem_of(name: str) -> HpProblem:
    """Return the problem whose points are trained."""
    problem = HpProblem()
    problem.add_dim("activation", ["relu", "tanh"])
    problem.add_dim("learning_rate", (1e-4, 1.0, "log-uniform"))
    problem.add_dim("batch_size", (32, 512, "log-uniform"))
    if name == "fashion":
        problem.add_dim("nhidden", (1, 4))
        problem.add_dim("nunits", (8, 256, "log-uniform"))
        problem.add_dim("dropout", (0.0, 0.7))
        problem.add_dim("optimizer", ["sgd", "rmsprop", "adagrad", "adam"])
    else:
        problem.add_dim("num_layers", (1, 3))
        problem.add_dim("num_units", (4, 256, "log-uniform"))
        problem.add_dim("alpha", (1e-6, 1e-1, "log-uniform"))
        problem.add_dim("solver", ["adam", "sgd"])
        problem.add_dim("momentum", (0.0, 0.99))
        problem.add_dim("beta_1", (0.5, 0.99))
    return problem


class Recorder:
    """Context of an evaluation that keeps what is reported.

    Attributes:
        values: Values in the order of reporting.
    """

    seed = SEED
    deadline: float | None = None

    def __init__(self) -> None:
        self.values: list[float] = []

    def report(self, step: float, value: float) -> None:
        """Keep a value."""
        self.values.append(value)


def train_fashion(point: Point) -> list[float]:
    """Return minus the validation accuracy of mnistmlp after each epoch."""
    from dhmpi.benchmark.hps.mnistmlp.model_run import run

    context: Any = Recorder()
    run({**point, "epochs": NUM_EPOCHS, "num_samples": NUM_SAMPLES}, context)
    return list(context.values)


def train_digits(point: Point) -> list[float]:
    """Return minus the validation accuracy of the perceptron of digits after each epoch."""
    from dhmpi.benchmark.hps.digits.digits_mlp import build, load_parts

    train, valid, _ = load_parts()
    schedule = {"learning_rate_schedule": "constant", "num_epochs": NUM_EPOCHS}
    classifier = build({**point, **schedule})
    values: list[float] = []
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        for _ in range(NUM_EPOCHS):
            try:
                classifier.partial_fit(train.images, train.digits, classes=np.arange(10))
                values.append(-float(classifier.score(valid.images, valid.digits)))
            except ValueError as error:
                if "non-finite" not in str(error):
                    raise
                values.append(math.nan)
                break
    return values


TRAININGS: dict[str, Callable[[Point], list[float]]] = {"digits": train_digits, "fashion": train_fashion}


if __name__ == "__main__":
    main()
