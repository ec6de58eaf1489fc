"""Images in ten classes: as files hold them, as networks want them, and synthetic ones."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.errors import ProblemError

Array = npt.NDArray[Any]
Part = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # images, one-hot labels

NUM_CLASSES = 10
MAX_PIXEL = 255


class Images(NamedTuple):
    """Images, uint8, shape (num, height, width, channels), and their classes from 0 to 9, shape (num,)."""

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[Any]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[Any]


def check(images: npt.NDArray[Any], labels: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    """Check what a file holds.

    Raises:
        ValueError: It is not uint8 images of a shape, each with a class.
    """
    if images.dtype != np.uint8 or images.shape[1:] != shape or labels.shape != images.shape[:1]:
        raise ValueError(f"images {images.dtype}{images.shape} and labels of shape {labels.shape}")
    if not len(labels) or labels.min() < 0 or labels.max() >= NUM_CLASSES:
        raise ValueError("labels that are not from 0 to 9")


def split(images: Images, valid_share: float, prop: float, seed: int, test: bool) -> tuple[Part, ...]:
    """Return the parts for training and validation, and perhaps for a final test.

    Args:
        images: All images.
        valid_share: Share of the training images, the first ones, that are for validation.
        prop: Share of the others, drawn at random, that are for training; above 0, at most 1.
        seed: Seed of that draw.
        test: Whether to append the test images.

    Returns:
        Pairs of images in [0, 1], shape (num, height, width, channels), and one-hot labels, shape (num, 10).

    Raises:
        ProblemError: If `prop` is not in its range.
    """
    if not 0 < prop <= 1:
        raise ProblemError(f"prop must be above 0 and at most 1, got {prop!r}")
    num = len(images.train_labels)
    num_valid = round(valid_share * num)
    num_train = max(1, round(prop * (num - num_valid)))
    drawn = num_valid + np.random.default_rng(seed).permutation(num - num_valid)[:num_train]
    parts = [
        (images.train_images[drawn], images.train_labels[drawn]),
        (images.train_images[:num_valid], images.train_labels[:num_valid]),
    ]
    if test:
        parts.append((images.test_images, images.test_labels))
    return tuple((scaled(pixels), one_hot(labels)) for pixels, labels in parts)


def scaled(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return pixels in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(MAX_PIXEL)


def one_hot(labels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return a row of ten for each label, 1 at the label and 0 elsewhere."""
    is_class: npt.NDArray[np.bool_] = labels[:, np.newaxis] == np.arange(NUM_CLASSES)
    return is_class.astype(np.float32)


def synthetic(shape: tuple[int, int, int], num_train: int, num_test: int, seed: int) -> Images:
    """Return images that can be learnt: each class has a pattern of waves, moved about and covered with noise.

    Args:
        shape: Height, width and channels.
        num_train: Number of training images.
        num_test: Number of test images.
        seed: Seed of the patterns and of all else.
    """
    rng = np.random.default_rng(seed)
    patterns = _patterns(shape, rng)
    labels = rng.integers(NUM_CLASSES, size=num_train + num_test)
    moves = rng.integers(-3, 4, size=(len(labels), 2))
    moved = np.stack([np.roll(patterns[label], move, axis=(0, 1)) for label, move in zip(labels, moves, strict=True)])
    moved *= rng.uniform(0.4, 1.0, size=(len(labels), 1, 1, 1)).astype(np.float32)  # in place: these are large
    moved += np.float32(0.25) * rng.standard_normal(moved.shape, np.float32)
    pixels = np.rint(MAX_PIXEL * moved.clip(0, 1)).astype(np.uint8)
    return Images(pixels[:num_train], labels[:num_train], pixels[num_train:], labels[num_train:])


def _patterns(shape: tuple[int, int, int], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return a pattern per class in [0, 1], shape (10, *shape): a few slow waves with random phases."""
    height, width, channels = shape
    rows = np.arange(height)[:, np.newaxis, np.newaxis] / height
    columns = np.arange(width)[:, np.newaxis] / width
    patterns = np.zeros((NUM_CLASSES, *shape), np.float32)
    for pattern in patterns:
        for _ in range(4):
            down, right = rng.integers(-3, 4, size=2)
            phases = rng.random(channels)
            pattern += rng.normal() * np.cos(2 * np.pi * (down * rows + right * columns + phases))
        pattern -= pattern.min()
        pattern /= pattern.max()
    return patterns
