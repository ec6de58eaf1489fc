"""MNIST: 70,000 handwritten digits of 28 x 28 pixels.

Source: Y. LeCun, C. Cortes and C. Burges, http://yann.lecun.com/exdb/mnist/
"""

import gzip
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.datasets import images
from dhmpi.benchmark.datasets.data_files import data_directory, missing, reading
from dhmpi.benchmark.datasets.images import Images

SHAPE = (28, 28)
ARCHIVE = "mnist.npz"
NAMES = ("x_train", "y_train", "x_test", "y_test")
ARCHIVE_SOURCE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
ORIGINALS = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
ORIGINALS_SOURCE = "http://yann.lecun.com/exdb/mnist/"
UINT8 = 8  # how the idx format calls it


def read(data_dir: str | None = None) -> Images:
    """Return the images that are in a directory, as Keras's `mnist.npz` or as the four original files.

    Args:
        data_dir: The directory; by default $DHMPI_DATA, or `data` in the current directory.

    Raises:
        DataError: If files are missing or broken.
    """
    paths = _find(data_directory(data_dir))
    if len(paths) == 1:
        return _read_archive(paths[0])
    with reading(paths[0], ORIGINALS_SOURCE):
        return _with_channel([_read_original(path) for path in paths])


def check(synthetic: bool = False, data_dir: str | None = None, **others: object) -> None:
    """Find out whether the files are there and begin as they should, without reading all of them.

    Args:
        synthetic: Whether no files are needed.
        data_dir: See `read`.
        **others: What else a function that loads data is given.

    Raises:
        DataError: If files are missing or broken.
    """
    if synthetic:
        return
    paths = _find(data_directory(data_dir))
    if len(paths) == 1:
        with _opened(paths[0]) as arrays:
            for name in NAMES:
                arrays.files.index(name)
    else:
        for path in paths:
            with reading(path, ORIGINALS_SOURCE), gzip.open(path) as file:
                _read_shape(file)


def _find(directory: Path) -> list[Path]:
    """Return the archive, or else the four original files."""
    if (directory / ARCHIVE).is_file():
        return [directory / ARCHIVE]
    found = [(directory / name).is_file() for name in ORIGINALS]
    if all(found):
        return [directory / name for name in ORIGINALS]
    if any(found):
        names = " and ".join(name for name, is_there in zip(ORIGINALS, found, strict=True) if not is_there)
        raise missing(names, directory, ORIGINALS_SOURCE)
    raise missing(ARCHIVE, directory, ARCHIVE_SOURCE)


def _read_archive(path: Path) -> Images:
    with _opened(path) as arrays:
        return _with_channel([arrays[name] for name in NAMES])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    # Opened here, since numpy leaves a broken file open.
    with reading(path, ARCHIVE_SOURCE), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        yield arrays


def _read_original(path: Path) -> npt.NDArray[np.uint8]:
    with reading(path, ORIGINALS_SOURCE), gzip.open(path) as file:
        shape = _read_shape(file)
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


def _read_shape(file: gzip.GzipFile) -> tuple[int, ...]:
    zero, kind, num_axes = struct.unpack(">HBB", file.read(4))
    if zero != 0 or kind != UINT8:
        raise ValueError("no idx file of bytes")
    return struct.unpack(f">{num_axes}I", file.read(4 * num_axes))


def _with_channel(arrays: list[npt.NDArray[Any]]) -> Images:
    """Return images of one channel."""
    train_images, train_labels, test_images, test_labels = arrays
    images.check(train_images, train_labels, SHAPE)
    images.check(test_images, test_labels, SHAPE)
    return Images(train_images[..., np.newaxis], train_labels, test_images[..., np.newaxis], test_labels)


def synthetic(seed: int) -> Images:
    """Return a tenth of as many images that can be learnt."""
    return images.synthetic((*SHAPE, 1), 6_000, 1_000, seed)
