import gzip
import io
import pickle
import pickletools
import struct
import tarfile

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from dhmpi.benchmark import Problem
from dhmpi.benchmark.nas.cifar10 import problem as cifar10_problem
from dhmpi.benchmark.nas.cifar10.load_data import load_data as load_cifar10
from dhmpi.benchmark.nas.digitsNas import problem as digits_problem
from dhmpi.benchmark.nas.digitsNas.load_data import load_data as load_digits
from dhmpi.benchmark.nas.mnist1D import problem as mnist1d_problem
from dhmpi.benchmark.nas.mnist1D.load_data import load_data as load_mnist1d
from dhmpi.benchmark.nas.mnist2D import problem as mnist2d_problem
from dhmpi.benchmark.nas.mnist2D.load_data import load_data as load_mnist2d
from dhmpi.benchmark.nas.mnistNas import problem as mnist_nas_problem
from dhmpi.benchmark.nas.mnistNas.load_data import load_data as load_mnist_nas
from dhmpi.errors import DataError, InputError, ProblemError

ORIGINALS = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
LOADERS = {
    "mnist1D": (load_mnist1d, (784,)),
    "mnist2D": (load_mnist2d, (28, 28, 1)),
    "cifar10": (load_cifar10, (32, 32, 3)),
}


def images_of(num, shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(256, size=(num, *shape), dtype=np.uint8), np.arange(num, dtype=np.uint8) % 10


@pytest.fixture
def mnist():
    """Arrays as MNIST has them: 120 training and 20 test images."""
    return (*images_of(120, (28, 28)), *images_of(20, (28, 28), seed=1))


def write_npz(directory, arrays):
    np.savez(directory / "mnist.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))


def write_originals(directory, arrays):
    for name, array in zip(ORIGINALS, arrays, strict=True):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (directory / name).write_bytes(gzip.compress(header + array.tobytes()))


def pickled_by_python_2(pixels, labels):
    """Return a batch of CIFAR-10 as Python 2 pickled it: protocol 2, texts and data as byte strings."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def integers(*values):
        return b"".join(b"J" + struct.pack("<i", value) for value in values)

    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + integers(0) + b"t" + text(b"b") + b"tR"
    dtype = b"cnumpy\ndtype\n(" + text(b"u1") + integers(0, 1) + b"tR"
    dtype += b"(" + integers(3) + text(b"|") + b"NNN" + integers(-1, -1, 0) + b"tb"
    data = b"T" + struct.pack("<I", pixels.size) + pixels.tobytes()
    array += b"(" + integers(1) + b"(" + integers(*pixels.shape) + b"t" + dtype + b"\x89" + data + b"tb"
    items = text(b"batch_label") + text(b"training batch 1 of 5")
    items += text(b"labels") + b"](" + integers(*labels) + b"e" + text(b"data") + array
    return b"\x80\x02}(" + items + b"u."


def write_cifar10(directory, batches, pack=pickled_by_python_2):
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    with tarfile.open(directory / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name, (pixels, labels) in zip(names, batches, strict=False):
            content = pack(pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1), labels)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def message(load, directory):
    with pytest.raises(DataError) as error:
        load(data_dir=str(directory))
    assert isinstance(error.value, InputError)
    assert "\n" not in str(error.value)
    return str(error.value)


def message_before(problem, directory):
    """Return what a problem says before a campaign begins, which must be what loading says."""
    load = LOADERS[problem][0]
    with pytest.raises(DataError) as error:
        problem_with(load, data_dir=str(directory)).check()
    assert str(error.value) == message(load, directory)
    return str(error.value)


def problem_with(load, **kwargs):
    problem = Problem()
    problem.add_dim("load_data", {"func": load, "kwargs": kwargs})
    return problem


# --- files


@pytest.mark.parametrize("write", [write_npz, write_originals])
def test_mnist_is_read_from_either_form(tmp_path, mnist, write):
    write(tmp_path, mnist)
    train_images, train_labels, test_images, test_labels = mnist
    train, (valid_x, valid_y), (test_x, test_y) = load_mnist2d(data_dir=str(tmp_path), test=True)
    assert [part.shape for part in train] == [(110, 28, 28, 1), (110, 10)]
    np.testing.assert_array_equal(valid_x[..., 0], train_images[:10] / np.float32(255))
    np.testing.assert_array_equal(valid_y.argmax(axis=1), train_labels[:10])
    np.testing.assert_array_equal(test_x[..., 0], test_images / np.float32(255))
    np.testing.assert_array_equal(test_y.argmax(axis=1), test_labels)
    # The rest is for training, in another order.
    order = [
        np.flatnonzero((train_images / np.float32(255) == image[..., 0]).all(axis=(1, 2)))[0] for image in train[0]
    ]
    assert sorted(order) == list(range(10, 120))
    assert order != sorted(order)
    np.testing.assert_array_equal(train[1].argmax(axis=1), train_labels[order])


def test_both_forms_give_the_same(tmp_path, mnist):
    for name, write in (("npz", write_npz), ("idx", write_originals)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, mnist)
    one, other = (load_mnist1d(data_dir=str(tmp_path / name), prop=0.5) for name in ("npz", "idx"))
    for part, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(part[0], same[0])


def test_images_are_scaled_once(tmp_path, mnist):
    mnist[0][:10] = 0
    mnist[0][0] = 255
    write_npz(tmp_path, mnist)
    _, (valid_x, _) = load_mnist1d(data_dir=str(tmp_path))
    assert valid_x.max() == 1
    assert valid_x.min() == 0


def test_a_part_of_the_training_images(tmp_path, mnist):
    write_npz(tmp_path, mnist)
    sizes = {prop: len(load_mnist1d(prop, data_dir=str(tmp_path))[0][0]) for prop in (0.1, 0.5, 1.0, 1e-9)}
    assert sizes == {0.1: 11, 0.5: 55, 1.0: 110, 1e-9: 1}
    assert len(load_mnist1d(data_dir=str(tmp_path))[0][0]) == 11
    first, again, other = (load_mnist1d(seed=seed, data_dir=str(tmp_path))[0][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    for prop in (0, 1.1, -1, float("nan")):
        with pytest.raises(ProblemError, match=f"prop must be above 0 and at most 1, got {prop}"):
            load_mnist1d(prop, data_dir=str(tmp_path))


def test_cifar10_is_read_from_its_archive(tmp_path):
    batches = [images_of(20, (32, 32, 3), seed) for seed in range(6)]
    write_cifar10(tmp_path, batches)
    train, (valid_x, valid_y), (test_x, test_y) = load_cifar10(data_dir=str(tmp_path), test=True)
    assert [part.shape for part in train] == [(90, 32, 32, 3), (90, 10)]
    np.testing.assert_array_equal(valid_x, batches[0][0][:10] / np.float32(255))
    np.testing.assert_array_equal(valid_y.argmax(axis=1), batches[0][1][:10])
    np.testing.assert_array_equal(test_x, batches[5][0] / np.float32(255))
    np.testing.assert_array_equal(test_y.argmax(axis=1), batches[5][1])


def test_the_pickles_of_the_test_are_what_python_2_wrote():
    content = pickled_by_python_2(*images_of(2, (3072,)))
    assert max(opcode.proto for opcode, _, _ in pickletools.genops(content)) == 2


def test_an_archive_cannot_run_code(tmp_path):
    class Forged:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    def forge(pixels, labels):
        return pickle.dumps({b"data": Forged(), b"labels": labels.tolist()}, protocol=2)

    write_cifar10(tmp_path, [images_of(10, (32, 32, 3))] * 6, pack=forge)
    assert "in place of an array" in message(load_cifar10, tmp_path)
    assert not (tmp_path / "written").exists()


def test_the_directory_comes_from_the_environment(tmp_path, mnist, monkeypatch):
    write_npz(tmp_path, mnist)
    monkeypatch.setenv("DHMPI_DATA", str(tmp_path))
    assert len(load_mnist1d()[1][0]) == 10
    monkeypatch.delenv("DHMPI_DATA")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        load_mnist1d()
    (tmp_path / "data").mkdir()
    write_npz(tmp_path / "data", mnist)
    assert len(load_mnist1d()[1][0]) == 10


def test_missing_files(tmp_path, mnist):
    tail = "and put it there, or set DHMPI_DATA to its directory or to"
    of_mnist = f"{tail} 'fashion' or 'synthetic'"
    keras = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
    assert (
        message(load_mnist1d, tmp_path) == f"mnist.npz must be in {tmp_path}, got none; get it from {keras} {of_mnist}"
    )
    assert message(load_mnist_nas, tmp_path) == message(load_mnist2d, tmp_path) == message(load_mnist1d, tmp_path)
    toronto = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    expected = f"cifar-10-python.tar.gz must be in {tmp_path}, got none; get it from {toronto} {tail} 'synthetic'"
    assert message(load_cifar10, tmp_path) == expected
    write_originals(tmp_path, mnist)
    (tmp_path / ORIGINALS[1]).unlink()
    lecun = "http://yann.lecun.com/exdb/mnist/"
    assert (
        message(load_mnist1d, tmp_path)
        == f"{ORIGINALS[1]} must be in {tmp_path}, got none; get it from {lecun} {of_mnist}"
    )


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_broken_files_of_keras(tmp_path, mnist):
    path = tmp_path / "mnist.npz"
    start = f"{path} must be the file from https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz, got "
    write_npz(tmp_path, mnist)
    cut(path)
    assert message(load_mnist1d, tmp_path).startswith(start)
    path.write_bytes(b"")
    assert message(load_mnist1d, tmp_path).startswith(start)
    np.savez(path, x_train=mnist[0])
    assert message(load_mnist1d, tmp_path).startswith(f"{start}KeyError: ")
    np.savez(path, x_train=np.array([len], dtype=object))
    assert message(load_mnist1d, tmp_path).startswith(f"{start}objects of Python in place of arrays of numbers; ")
    with path.open("wb") as file:
        np.save(file, mnist[0])
    assert message(load_mnist1d, tmp_path).startswith(start)
    wrong = [(mnist[0].astype(float), *mnist[1:]), (mnist[0][:, :5], *mnist[1:]), (mnist[0], mnist[1][:5], *mnist[2:])]
    for arrays in [*wrong, (mnist[0], mnist[1] + 1, *mnist[2:]), tuple(array[:0] for array in mnist)]:
        write_npz(tmp_path, arrays)
        assert message(load_mnist1d, tmp_path).startswith(f"{start}ValueError: ")


def test_broken_originals(tmp_path, mnist):
    write_originals(tmp_path, mnist)
    path = tmp_path / ORIGINALS[2]
    start = f"{path} must be the file from http://yann.lecun.com/exdb/mnist/, got "
    cut(path)
    assert message(load_mnist1d, tmp_path).startswith(start)
    for content in (b"\0\0\x08\x03", b"\0\0\x09\x01", b"", b"\0\0\x08\x01\0\0\0\x05abc"):
        path.write_bytes(gzip.compress(content))
        assert message(load_mnist1d, tmp_path).startswith(start)
    path.write_bytes(b"<html>not found</html>")
    assert message(load_mnist1d, tmp_path).startswith(start)


def test_broken_archives_of_cifar10(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    start = f"{path} must be the file from https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz, got "
    batches = [images_of(20, (32, 32, 3))] * 6
    write_cifar10(tmp_path, batches[:3])
    assert message(load_cifar10, tmp_path).startswith(f"{start}KeyError: ")
    write_cifar10(tmp_path, batches, pack=lambda pixels, labels: b"nonsense")
    assert message(load_cifar10, tmp_path).startswith(start)
    write_cifar10(tmp_path, batches, pack=lambda pixels, labels: pickled_by_python_2(pixels, labels)[:-1000])
    assert message(load_cifar10, tmp_path).startswith(start)
    write_cifar10(tmp_path, batches, pack=lambda pixels, labels: pickle.dumps([1, 2], protocol=2))
    assert message(load_cifar10, tmp_path).startswith(start)
    write_cifar10(tmp_path, batches)
    cut(path)
    assert message(load_cifar10, tmp_path).startswith(start)
    path.write_bytes(b"")
    assert message(load_cifar10, tmp_path).startswith(start)


# --- before a campaign begins


def test_missing_files_are_found_before(tmp_path, mnist, monkeypatch):
    for name in ("mnist1D", "mnist2D"):
        assert "mnist.npz must be in" in message_before(name, tmp_path)
    assert "cifar-10-python.tar.gz must be in" in message_before("cifar10", tmp_path)
    write_originals(tmp_path, mnist)
    (tmp_path / ORIGINALS[1]).unlink()
    assert f"{ORIGINALS[1]} must be in" in message_before("mnist1D", tmp_path)
    monkeypatch.chdir(tmp_path)
    for module in (cifar10_problem, mnist1d_problem, mnist2d_problem, mnist_nas_problem):
        with pytest.raises(DataError, match=f"must be in {tmp_path}/data, got no such directory"):
            module.Problem.check()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_files_of_something_else_are_found_before(tmp_path, mnist, content):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    assert "cifar-10-python.tar.gz must be the file from" in message_before("cifar10", tmp_path)
    write_originals(tmp_path, mnist)
    for name in reversed(ORIGINALS):
        (tmp_path / name).write_bytes(content)
        assert f"{name} must be the file from" in message_before("mnist1D", tmp_path)
    (tmp_path / "mnist.npz").write_bytes(content)
    assert "mnist.npz must be the file from" in message_before("mnist1D", tmp_path)


def test_an_archive_without_all_arrays_is_found_before(tmp_path, mnist):
    np.savez(tmp_path / "mnist.npz", x_train=mnist[0])
    with pytest.raises(DataError, match=r"mnist.npz must be the file from .*, got .*y_train"):
        problem_with(load_mnist1d, data_dir=str(tmp_path)).check()


@pytest.mark.parametrize("write", [write_npz, write_originals])
def test_files_that_are_there_pass(tmp_path, mnist, write):
    write(tmp_path, mnist)
    write_cifar10(tmp_path, [images_of(20, (32, 32, 3))] * 6)
    for load in (load_mnist1d, "dhmpi.benchmark.nas.mnist2D.load_data:load_data", load_cifar10):
        problem_with(load, data_dir=str(tmp_path), test=True).check()


def test_what_needs_no_files_passes(tmp_path):
    for load in (load_mnist1d, "dhmpi.benchmark.nas.cifar10.load_data.load_data"):
        problem_with(load, data_dir=str(tmp_path), synthetic=True).check()
    problem_with(load_digits).check()
    problem_with(lambda: None).check()
    Problem().check()
    digits_problem.Problem.check()


def test_functions_of_others_are_not_imported_for_this(tmp_path, monkeypatch):
    (tmp_path / "heavy_data.py").write_text("raise AssertionError")
    monkeypatch.syspath_prepend(tmp_path)
    problem_with("heavy_data:load_data").check()


# --- synthetic images


@pytest.fixture(scope="module", params=LOADERS)
def synthetic(request):
    load, shape = LOADERS[request.param]
    return load, shape, load(synthetic=True, test=True)


def test_synthetic_images_look_like_the_real_ones(synthetic):
    _, shape, parts = synthetic
    assert [len(inputs) for inputs, _ in parts] == [980, 420, 350]
    for inputs, labels in parts:
        assert inputs.shape[1:] == shape
        assert labels.shape == (len(inputs), 10)
        assert inputs.dtype == labels.dtype == np.float32
        assert inputs.min() == 0
        assert inputs.max() == 1
        assert set(np.unique(labels)) == {0, 1}
        assert (labels.sum(axis=1) == 1).all()
        assert labels.mean(axis=0).min() > 0.05


def test_synthetic_images_can_be_learnt(synthetic):
    _, _, ((train_x, train_y), (valid_x, valid_y), _) = synthetic
    model = RidgeClassifier(alpha=100).fit(train_x[:500].reshape(500, -1), train_y[:500].argmax(axis=1))
    assert 0.4 < model.score(valid_x.reshape(420, -1), valid_y.argmax(axis=1)) < 0.99


def test_synthetic_images_depend_on_the_seed_alone():
    first, again, other = (load_mnist1d(seed=seed, synthetic=True)[0][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# --- digits


def test_digits():
    parts = load_digits(test=True)
    assert [inputs.shape for inputs, _ in parts] == [(1078, 64), (359, 64), (360, 64)]
    assert [labels.shape for _, labels in parts] == [(1078, 10), (359, 10), (360, 10)]
    assert all(inputs.dtype == labels.dtype == np.float32 for inputs, labels in parts)
    assert all(inputs.min() == 0 and inputs.max() == 1 for inputs, _ in parts)
    shares = [labels.mean(axis=0) for _, labels in parts]
    assert np.abs(shares[0] - shares[1]).max() < 0.01
    assert np.abs(shares[0] - shares[2]).max() < 0.01
    for part, same in zip(load_digits(), parts, strict=False):
        np.testing.assert_array_equal(part[0], same[0])
    assert len(load_digits()) == 2


# --- what a laptop can train


@pytest.mark.parametrize("module", [mnist2d_problem, cifar10_problem])
def test_synthetic_images_make_a_small_problem(module, monkeypatch):
    monkeypatch.delenv("DHMPI_DATA", raising=False)
    documented = module.Problem.space
    assert documented["hyperparameters"]["num_epochs"] == 50
    assert "kwargs" not in documented["create_structure"]
    load = documented["load_data"]
    by_kwargs = module.Problem.with_dim("load_data", {**load, "kwargs": {**load["kwargs"], "synthetic": True}}).space
    monkeypatch.setenv("DHMPI_DATA", "synthetic")
    small = module.Problem.space
    assert {**small, "load_data": None} == {**by_kwargs, "load_data": None}
    assert by_kwargs["load_data"]["kwargs"] == {"prop": 0.4, "test": True, "synthetic": True}
    assert small["hyperparameters"]["num_epochs"] < 10
    assert small["create_structure"]["kwargs"] == {"num_filters": 4}
    assert small["load_data"]["kwargs"] == {"prop": 0.4, "test": True, "data_dir": "synthetic"}
    own = {**documented["hyperparameters"], "num_epochs": 3}
    assert module.Problem.with_dim("hyperparameters", own).space["hyperparameters"] == own
    module.Problem.check()


def test_the_source_of_images_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("DHMPI_DATA", "synthetic")
    for part, same in zip(load_mnist1d(), load_mnist1d(synthetic=True), strict=True):
        np.testing.assert_array_equal(part[0], same[0])
