"""MNIST: 70,000 handwritten digits of 28 x 28 pixels; and Fashion-MNIST, as many pictures of clothes in the same form.

Sources: Y. LeCun, C. Cortes and C. Burges, http://yann.lecun.com/exdb/mnist/; H. Xiao, K. Rasul and R. Vollgraf 2017,
Fashion-MNIST, arXiv 1708.07747.
"""

import gzip
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.datasets import images
from dhmpi.benchmark.datasets.data_files import (
    FASHION,
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
from dhmpi.errors import DataError

SHAPE = (28, 28)
NAMES = ("x_train", "y_train", "x_test", "y_test")
ARCHIVE_SOURCE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
ARCHIVE = PublicFile(
    "mnist.npz", ARCHIVE_SOURCE, 11_490_434, "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
)
ORIGINALS_SOURCE = "http://yann.lecun.com/exdb/mnist/"
ORIGINALS = tuple(
    PublicFile(name, ORIGINALS_SOURCE, size, sha256)
    for name, size, sha256 in (
        (
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)
FASHION_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
FASHION_SOURCE = "Debian's package dataset-fashion-mnist"
FASHION_FILES = tuple(
    PublicFile(original.name, FASHION_SOURCE, size, sha256)
    for original, size, sha256 in zip(
        ORIGINALS,
        (26_421_856, 29_491, 4_422_079, 5_125),
        (
            "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
            "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
            "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
            "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
        ),
        strict=True,
    )
)
UINT8 = 8  # how the idx format calls it
# Numbers of synthetic images for training and test, of the 1,797 digits that scikit-learn brings along.
NUM_TRAIN, NUM_TEST = 1_400, 350


def load(source: str | None = None, stage_in: str | None = None, seed: int = 0) -> Images:
    """Return the images, from Keras's `mnist.npz`, from the four original files, or synthetic ones.

    Args:
        source: A directory, `fashion` or `synthetic`; by default $DHMPI_DATA, or `data` in the current directory.
        stage_in: Directory on this node to which files are copied; by default $DHMPI_STAGE_IN, or none.
        seed: Seed of synthetic images.

    Raises:
        DataError: If files are missing or broken.
    """
    if data_source(source) == SYNTHETIC:
        return synthetic(seed)
    return _read([(ready(path, file, stage_in), file) for path, file in _find(source)])


def check(source: str | None = None) -> None:
    """Find out whether the files are there and whole: the published ones, or others that can be read.

    Args:
        source: See `load`.

    Raises:
        DataError: If files are missing or broken.
    """
    if data_source(source) == SYNTHETIC:
        return
    files = _find(source)
    is_published = [verify(path, file) for path, file in files]  # of all, whether or not the first is
    if not all(is_published):
        _read(files)
    check_stage()


def _find(source: str | None) -> list[tuple[Path, PublicFile]]:
    """Return the archive, or else the four original files, each with what it should be."""
    if data_source(source) == FASHION:
        if not all(is_there(FASHION_DIRECTORY / file.name) for file in FASHION_FILES):
            remedy = f"install {FASHION_SOURCE}, or choose {SYNTHETIC!r}"
            raise DataError(f"Fashion-MNIST must be in {FASHION_DIRECTORY}, got none; {remedy}")
        return [(FASHION_DIRECTORY / file.name, file) for file in FASHION_FILES]
    directory = data_directory(source)
    if is_there(directory / ARCHIVE.name):
        return [(directory / ARCHIVE.name, ARCHIVE)]
    lacking = [file.name for file in ORIGINALS if not is_there(directory / file.name)]
    if not lacking:
        return [(directory / file.name, file) for file in ORIGINALS]
    if len(lacking) < len(ORIGINALS):
        raise missing(" and ".join(lacking), directory, ORIGINALS_SOURCE, (FASHION, SYNTHETIC))
    raise missing(ARCHIVE.name, directory, ARCHIVE_SOURCE, (FASHION, SYNTHETIC))


def _read(files: list[tuple[Path, PublicFile]]) -> Images:
    if len(files) == 1:
        return _read_archive(files[0][0])
    path, file = files[0]
    with reading(path, file.source):
        return _with_channel([_read_original(path, file) for path, file in files])


def _read_archive(path: Path) -> Images:
    with _opened(path) as arrays:
        return _with_channel([arrays[name] for name in NAMES])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    # Opened here, since numpy leaves a broken file open.
    with reading(path, ARCHIVE_SOURCE), path.open("rb") as file:
        if not zipfile.is_zipfile(file):  # or numpy would take it for a pickle
            raise ValueError("no archive of arrays")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays


def _read_original(path: Path, file: PublicFile) -> npt.NDArray[np.uint8]:
    with reading(path, file.source), gzip.open(path) as opened:
        shape = _read_shape(opened)
        return np.frombuffer(opened.read(), np.uint8).reshape(shape)


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


def synthetic(seed: int = 0) -> Images:
    """Return fewer images of the same kind: scikit-learn's digits, larger, moved about and covered with noise.

    Source: the optical recognition of handwritten digits data set of the UCI repository, 8 x 8 pixels.

    Args:
        seed: Seed of the order, the moves and the noise.
    """
    from sklearn.datasets import load_digits  # it takes seconds to import

    rng = np.random.default_rng(seed)
    digits, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(labels))[: NUM_TRAIN + NUM_TEST]
    large = _enlarged(digits[order].reshape(-1, 8, 8) / 16)
    pixels = np.zeros((len(order), *SHAPE), np.float32)
    height, width = large.shape[1:]
    corners = rng.integers(1, (SHAPE[0] - height, SHAPE[1] - width), size=(len(order), 2))
    for image, digit, (row, column) in zip(pixels, large, corners, strict=True):
        image[row : row + height, column : column + width] = digit
    pixels *= rng.uniform(0.5, 1, size=(len(order), 1, 1))
    pixels += np.float32(0.25) * rng.standard_normal(pixels.shape, np.float32)
    shades = np.rint(images.MAX_PIXEL * pixels.clip(0, 1)).astype(np.uint8)[..., np.newaxis]
    numbers = labels[order].astype(np.uint8)
    return Images(shades[:NUM_TRAIN], numbers[:NUM_TRAIN], shades[NUM_TRAIN:], numbers[NUM_TRAIN:])


def _enlarged(digits: npt.NDArray[np.float64], factor: int = 3) -> npt.NDArray[np.float32]:
    """Return images that are larger by a factor, by linear interpolation; shape (num, height, width)."""
    places = np.linspace(0, digits.shape[1] - 1, factor * (digits.shape[1] - 1) + 1)
    below = np.minimum(places.astype(int), digits.shape[1] - 2)
    share = places - below
    rows = digits[:, below] * (1 - share)[:, np.newaxis] + digits[:, below + 1] * share[:, np.newaxis]
    large: npt.NDArray[np.float64] = rows[:, :, below] * (1 - share) + rows[:, :, below + 1] * share
    return large.astype(np.float32)
