"""Data of mnistmlp."""

from pathlib import Path

from dhmpi.benchmark.datasets import mnist
from dhmpi.benchmark.datasets.images import Array


def load_data(origin: str = "", dest: str = "") -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return MNIST as Keras has it.

    Args:
        origin: `mnist.npz` with its directory, or that directory, or `fashion` or `synthetic`; by default $DHMPI_DATA,
            or `data` in the current directory.
        dest: Directory on this node to which files are copied; by default $DHMPI_STAGE_IN, or none.

    Returns:
        Images and labels for training, then those for the test; uint8, shapes (num, 28, 28) and (num,).

    Raises:
        DataError: If files are missing or broken.
    """
    path = Path(origin)
    source = str(path.parent) if path.name == mnist.ARCHIVE.name else origin
    images = mnist.load(source, dest)
    return (images.train_images[..., 0], images.train_labels), (images.test_images[..., 0], images.test_labels)
