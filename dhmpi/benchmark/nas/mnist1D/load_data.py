"""Data of mnist1D."""

from dhmpi.benchmark.datasets import mnist
from dhmpi.benchmark.datasets.data_files import needs_files
from dhmpi.benchmark.datasets.images import split
from dhmpi.benchmark.nas.classification_problem import Part, flattened

VALID_SHARE = 1 / 12  # 5,000 of 60,000, as in TensorFlow's tutorial


@needs_files(mnist.check)
def load_data(
    prop: float = 0.1, seed: int = 2018, synthetic: bool = False, data_dir: str | None = None, test: bool = False
) -> tuple[Part, ...]:
    """Return MNIST as rows of pixels.

    The first 5,000 training images are for validation.

    Args:
        prop: Share of the other 55,000 that are for training, drawn at random; above 0, at most 1.
        seed: Seed of that draw, and of synthetic images.
        synthetic: Whether to make a tenth of as many images in place of reading files.
        data_dir: Directory of the files; by default $DHMPI_DATA, or `data` in the current directory.
        test: Whether to append a third part, the test images.

    Returns:
        (inputs, labels) for training, validation and, if asked for, test; inputs in [0, 1], float32, shape
        (num, 784); labels one-hot, shape (num, 10).

    Raises:
        DataError: If files are missing or broken.
        ProblemError: If `prop` is not in its range.
    """
    images = mnist.synthetic(seed) if synthetic else mnist.read(data_dir)
    return flattened(split(images, VALID_SHARE, prop, seed, test))
