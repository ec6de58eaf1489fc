"""Cora: 2,708 scientific papers in seven classes, the words that they use, and which cite which.

Source: P. Sen et al. 2008, Collective Classification in Network Data, AI Magazine 29(3);
https://linqs-data.soe.ucsc.edu/public/lbc/cora.tgz
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.datasets.data_files import (
    SYNTHETIC,
    PublicFile,
    data_directory,
    data_source,
    is_there,
    missing,
    reading,
    ready,
)

SOURCE = "https://linqs-data.soe.ucsc.edu/public/lbc/cora.tgz"
CONTENT, CITES = (PublicFile(name, SOURCE) for name in ("cora.content", "cora.cites"))
NUM_PAPERS, NUM_WORDS, NUM_CLASSES = 2_708, 1_433, 7
# The synthetic graph: papers, words, and how often papers of the same and of other classes cite each other.
NUM_SYNTHETIC, NUM_SYNTHETIC_WORDS, NEAR, FAR = 1_000, 200, 0.018, 0.0015


class Graph(NamedTuple):
    """A graph of papers.

    Attributes:
        words: Which words each paper has, 0 or 1, shape (num, num_words).
        neighbours: Which papers cite each other, 0 or 1, symmetric, shape (num, num).
        classes: Class of each paper, from 0 to 6, shape (num,).
    """

    words: npt.NDArray[np.float32]
    neighbours: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]


def load(source: str | None = None, stage_in: str | None = None, seed: int = 0) -> Graph:
    """Return the graph, from its two files or a synthetic one.

    Args:
        source: A directory, or `synthetic`; by default $DHMPI_DATA, or `data` in the current directory.
        stage_in: Directory on this node to which files are copied; by default $DHMPI_STAGE_IN, or none.
        seed: Seed of a synthetic graph.

    Raises:
        DataError: If files are missing or broken.
    """
    if data_source(source) == SYNTHETIC:
        return synthetic(seed)
    content, cites = (ready(path, file, stage_in) for path, file in _find(source))
    with reading(content, SOURCE):
        table = [line.split() for line in content.read_text().splitlines()]
        words = np.array([row[1:-1] for row in table], np.float32)
        names, classes = np.unique([row[-1] for row in table], return_inverse=True)
        if (*words.shape, len(names)) != (NUM_PAPERS, NUM_WORDS, NUM_CLASSES):
            wanted = f"{NUM_PAPERS} papers, {NUM_WORDS} words and {NUM_CLASSES} classes"
            raise ValueError(f"{len(words)}, {words.shape[1]} and {len(names)} in place of {wanted}")
    index = {row[0]: number for number, row in enumerate(table)}
    with reading(cites, SOURCE):
        edges = np.array([[index[paper] for paper in line.split()] for line in cites.read_text().splitlines()])
        neighbours = _neighbours(edges[:, 0], edges[:, 1], NUM_PAPERS)
    return Graph(words, neighbours, classes.astype(np.int64))


def check(source: str | None = None) -> None:
    """Find out whether both files are there and what they should be.

    Args:
        source: See `load`.

    Raises:
        DataError: If files are missing or broken.
    """
    if data_source(source) != SYNTHETIC:
        load(source)


def _find(source: str | None) -> list[tuple[Path, PublicFile]]:
    """Return the files, from the directory or from `cora` in it, which is how the archive has them."""
    directory = data_directory(source)
    found = []
    for file in (CONTENT, CITES):
        paths = [path for path in (directory / file.name, directory / "cora" / file.name) if is_there(path)]
        if not paths:
            raise missing(f"{CONTENT.name} and {CITES.name}", directory, SOURCE)
        found.append((paths[0], file))
    return found


def _neighbours(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], num_papers: int) -> npt.NDArray[np.float32]:
    neighbours = np.zeros((num_papers, num_papers), np.float32)
    neighbours[one, other] = neighbours[other, one] = 1
    np.fill_diagonal(neighbours, 0)
    return neighbours


def synthetic(seed: int = 0) -> Graph:
    """Return a graph of the stochastic block model, in which each class prefers some of the words.

    Args:
        seed: Its seed.
    """
    rng = np.random.default_rng(seed)
    classes = rng.integers(NUM_CLASSES, size=NUM_SYNTHETIC)
    chance = np.where(classes[:, np.newaxis] == classes, NEAR, FAR)
    one, other = np.nonzero(np.triu(rng.random(chance.shape) < chance, k=1))
    preferred = rng.random((NUM_CLASSES, NUM_SYNTHETIC_WORDS)) < 0.1
    words = rng.random((NUM_SYNTHETIC, NUM_SYNTHETIC_WORDS)) < np.where(preferred, 0.15, 0.04)[classes]
    return Graph(words.astype(np.float32), _neighbours(one, other, NUM_SYNTHETIC), classes)
