"""Sums of two numbers as text: the question `12+345`, reversed, and the answer `357`."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.datasets.data_files import SYNTHETIC, data_source

CHARACTERS = " +0123456789"


class Size(NamedTuple):
    """Number of questions, all of them different, and of their digits at most."""

    num_train: int
    num_test: int
    digits: int


DOCUMENTED = Size(45_000, 5_000, 3)
SMALL = Size(2_000, 500, 2)


class Sums(NamedTuple):
    """Sums, the training part first.

    Attributes:
        questions: Indices of characters, padded with spaces, reversed, shape (num, 2 digits + 1).
        answers: Indices of characters, padded with spaces, shape (num, digits + 1).
        num_test: How many of the last are for the test.
    """

    questions: npt.NDArray[np.int64]
    answers: npt.NDArray[np.int64]
    num_test: int


def load(source: str | None = None, seed: int = 0) -> Sums:
    """Return sums made from a seed: 50,000 of numbers of up to three digits, or as `synthetic` 2,500 of up to two.

    Args:
        source: `synthetic` for fewer; by default $DHMPI_DATA. Anything else makes no difference.
        seed: Seed of the numbers.
    """
    num_train, num_test, digits = SMALL if data_source(source) == SYNTHETIC else DOCUMENTED
    rng = np.random.default_rng(seed)
    num = num_train + num_test
    # Of all lengths alike: of three digits at most, most numbers have three. Some pairs come again.
    drawn = rng.integers(10 ** rng.integers(1, digits + 1, size=(4 * num, 2)))
    _, first = np.unique(np.sort(drawn, axis=1), axis=0, return_index=True)
    pairs = [(int(one), int(other)) for one, other in drawn[np.sort(first)[:num]]]
    questions = [f"{one}+{other}".ljust(2 * digits + 1)[::-1] for one, other in pairs]
    answers = [str(one + other).ljust(digits + 1) for one, other in pairs]
    return Sums(_indices(questions), _indices(answers), num_test)


def _indices(texts: list[str]) -> npt.NDArray[np.int64]:
    return np.array([[CHARACTERS.index(character) for character in text] for text in texts])
