"""CIFAR-10: 60,000 colour images of 32 x 32 pixels in ten classes.

Source: A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
"""

import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.datasets import images
from dhmpi.benchmark.datasets.data_files import (
    SYNTHETIC,
    PublicFile,
    check_stage,
    data_directory,
    data_source,
    is_there,
    missing,
    reading,
    ready,
    verify,
)
from dhmpi.benchmark.datasets.images import Images

SOURCE = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE = PublicFile(
    "cifar-10-python.tar.gz", SOURCE, 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
)
SHAPE = (32, 32, 3)
FOLDER = "cifar-10-batches-py"
TRAIN = tuple(f"{FOLDER}/data_batch_{number}" for number in range(1, 6))
TEST = f"{FOLDER}/test_batch"
# Numbers of synthetic images for training and test.
NUM_TRAIN, NUM_TEST = 1_400, 350


def load(source: str | None = None, stage_in: str | None = None, seed: int = 0) -> Images:
    """Return the images, from the archive for Python, or synthetic ones.

    Args:
        source: A directory, or `synthetic`; by default $DHMPI_DATA, or `data` in the current directory.
        stage_in: Directory on this node to which the archive is copied; by default $DHMPI_STAGE_IN, or none.
        seed: Seed of synthetic images.

    Raises:
        DataError: If the archive is missing or broken.
    """
    if data_source(source) == SYNTHETIC:
        return images.synthetic(SHAPE, NUM_TRAIN, NUM_TEST, seed)
    return _read(ready(_find(source), ARCHIVE, stage_in))


def _read(path: Path) -> Images:
    with reading(path, SOURCE), tarfile.open(path) as archive:
        batches = [_read_batch(archive, name) for name in (*TRAIN, TEST)]
    train_images, train_labels = (np.concatenate(arrays) for arrays in zip(*batches[:-1], strict=True))
    return Images(train_images, train_labels, *batches[-1])


def check(source: str | None = None) -> None:
    """Find out whether the archive is there and whole: the published one, or another that can be read.

    Args:
        source: See `load`.

    Raises:
        DataError: If the archive is missing or broken.
    """
    if data_source(source) != SYNTHETIC:
        path = _find(source)
        if not verify(path, ARCHIVE):
            _read(path)
        check_stage()


def _find(source: str | None) -> Path:
    path = data_directory(source) / ARCHIVE.name
    if not is_there(path):
        raise missing(ARCHIVE.name, path.parent, SOURCE)
    return path


def _read_batch(archive: tarfile.TarFile, name: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"no file {name}")
    batch = _ArrayUnpickler(file, encoding="bytes").load()
    pixels = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = np.asarray(batch[b"labels"])
    images.check(pixels, labels, SHAPE)
    return pixels, labels


def _dtype(spec: bytes | str, align: int, copy: int) -> np.dtype[Any]:
    """Make a dtype of what Python 2 has pickled; numpy itself warns about the integers since 2.4."""
    return np.dtype(spec.decode() if isinstance(spec, bytes) else spec, align=bool(align), copy=bool(copy))


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays and nothing else, so that a forged archive cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few names that a pickled array needs."""
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np.empty(0).__reduce__()[0]
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return _dtype
        raise pickle.UnpicklingError(f"{module}.{name} in place of an array")
