"""Data of mnist2D."""

from dhmpi.benchmark.datasets import mnist
from dhmpi.benchmark.datasets.images import split
from dhmpi.benchmark.nas.classification_problem import Part, load_images, needs_images

VALID_SHARE = 1 / 12  # 5,000 of 60,000, as in TensorFlow's tutorial


@needs_images(mnist)
def load_data(
    prop: float = 1.0, seed: int = 2018, synthetic: bool = False, data_dir: str | None = None, test: bool = False
) -> tuple[Part, ...]:
    """Return MNIST as images.

    The first 5,000 training images are for validation; of 1,400 synthetic ones, 420.

    Args:
        prop: Share of the other 55,000 that are for training, drawn at random; above 0, at most 1.
        seed: Seed of that draw, and of synthetic images.
        synthetic: Whether to make images in place of reading files.
        data_dir: Where images come from: a directory, or `fashion` or `synthetic`; by default $DHMPI_DATA, or `data` in
            the current directory.
        test: Whether to append a third part, the test images.

    Returns:
        (inputs, labels) for training, validation and, if asked for, test; inputs in [0, 1], float32, shape
        (num, 28, 28, 1); labels one-hot, shape (num, 10).

    Raises:
        DataError: If files are missing or broken.
        ProblemError: If `prop` is not in its range.
    """
    images, share = load_images(mnist, VALID_SHARE, seed, synthetic, data_dir)
    return split(images, share, prop, seed, test)
