"""Public files: where they are, whether they are the published ones, and copies of them."""

import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from dhmpi.benchmark.mnistmlp.load_data import load_data

from dhmpi.benchmark.datasets import addition, babi, cifar10, cora, data_files, mnist
from dhmpi.benchmark.datasets.data_files import PublicFile, ready, verify
from dhmpi.errors import DataError


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.bin"
    path.write_bytes(b"published")
    return path, PublicFile(path.name, "https://example.org/it", 9, hashlib.sha256(b"published").hexdigest())


def test_a_file_is_known_by_its_size_and_its_hash(published):
    path, file = published
    verify(path, file)
    path.write_bytes(b"something longer, made on purpose")
    verify(path, file)
    path.write_bytes(b"publishee")
    with pytest.raises(
        DataError, match=rf"{path} must have the SHA-256 .* of the file from {file.source}, got .*again"
    ):
        verify(path, file)


def test_without_a_place_files_are_read_where_they_are(published, monkeypatch):
    monkeypatch.delenv(data_files.STAGE_VARIABLE, raising=False)
    assert ready(*published) == published[0]


def test_a_damaged_file_is_not_staged(published, tmp_path):
    path, file = published
    path.write_bytes(b"publishee")
    with pytest.raises(DataError, match="must have the SHA-256"):
        ready(path, file, str(tmp_path / "node"))
    assert all(name.endswith(".lock") for name in os.listdir(tmp_path / "node"))


def test_a_changed_file_is_staged_again(published, tmp_path, monkeypatch):
    path, file = published
    monkeypatch.setenv(data_files.STAGE_VARIABLE, str(tmp_path / "node"))
    copy = ready(path, file)
    assert copy.parent == tmp_path / "node"
    assert copy.read_bytes() == b"published"
    path.write_bytes(b"another content")
    assert ready(path, file) == copy
    assert copy.read_bytes() == b"another content"


def test_a_place_that_cannot_be_written_is_a_sentence(published, tmp_path):
    path, file = published
    with pytest.raises(DataError, match=r"must be copied to .*; choose another directory for DHMPI_STAGE_IN"):
        ready(path, file, str(path / "node"))


def test_processes_of_a_node_copy_a_file_once(tmp_path):
    (tmp_path / "large.bin").write_bytes(b"0" * 1_000_000)
    code = (
        "import shutil, sys\n"
        "from pathlib import Path\n"
        "from dhmpi.benchmark.datasets.data_files import PublicFile, ready\n"
        "copy = shutil.copy2\n"
        "def slow(*args):\n"
        "    import time\n"
        "    time.sleep(0.3)\n"
        "    print('copied', flush=True)\n"
        "    return copy(*args)\n"
        "shutil.copy2 = slow\n"
        f"path = Path({str(tmp_path / 'large.bin')!r})\n"
        f"staged = ready(path, PublicFile('large.bin', ''), {str(tmp_path / 'node')!r})\n"
        "assert staged.stat().st_size == 1_000_000\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(said) == ["", "", "copied\n"]


# --- MNIST


def test_fashion_is_read_like_mnist(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for file, shape in zip(mnist.FASHION_FILES, [(20, 28, 28), (20,), (10, 28, 28), (10,)], strict=True):
        values = rng.integers(256, size=shape) if len(shape) == 3 else np.arange(shape[0]) % 10
        header = bytes([0, 0, 8, len(shape)]) + b"".join(length.to_bytes(4, "big") for length in shape)
        (tmp_path / file.name).write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))
    monkeypatch.setattr(mnist, "FASHION_DIRECTORY", tmp_path)
    mnist.check("fashion")
    assert mnist.load("fashion").train_images.shape == (20, 28, 28, 1)
    monkeypatch.setenv("DHMPI_DATA", "fashion")
    (train_x, train_y), (test_x, test_y) = load_data()
    assert (train_x.shape, train_y.shape, test_x.shape, test_y.shape) == ((20, 28, 28), (20,), (10, 28, 28), (10,))
    monkeypatch.setattr(mnist, "FASHION_DIRECTORY", tmp_path / "nothing")
    with pytest.raises(DataError, match="install Debian's package dataset-fashion-mnist, or choose 'synthetic'"):
        mnist.check("fashion")


@pytest.mark.skipif(not mnist.FASHION_DIRECTORY.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_files_of_debian_are_the_published_ones():
    mnist.check("fashion")
    for file in mnist.FASHION_FILES:
        assert (mnist.FASHION_DIRECTORY / file.name).stat().st_size == file.size


def test_the_documented_call_reads_the_archive(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(256, size=(20, 28, 28), dtype=np.uint8), np.arange(20, dtype=np.uint8) % 10
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels, x_test=images[:5], y_test=labels[:5])
    (x_train, _), (_, y_test) = load_data(origin=os.path.join(tmp_path, "mnist.npz"), dest="")
    np.testing.assert_array_equal(x_train, images)
    np.testing.assert_array_equal(y_test, labels[:5])
    assert load_data(str(tmp_path), str(tmp_path / "node"))[0][0].shape == (20, 28, 28)
    assert any(name.endswith("mnist.npz") for name in os.listdir(tmp_path / "node"))


def write_mnist(directory: Path, **others) -> Path:
    images, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:5], "y_test": labels[:5]} | others
    np.savez(directory / "mnist.npz", **arrays)
    return directory / "mnist.npz"


@pytest.mark.parametrize(
    "others",
    [{"x_train": np.zeros((20, 20, 28), np.uint8)}, {"y_train": np.zeros(19, np.uint8)}],
    ids=["another shape", "a label less"],
)
def test_a_check_finds_what_an_evaluation_would(tmp_path, others):
    path = write_mnist(tmp_path, **others)
    with pytest.raises(DataError, match=rf"{path} must be the file from .*; get it again"):
        mnist.check(str(tmp_path))


def test_a_check_finds_damage_in_the_middle(tmp_path):
    path = write_mnist(tmp_path)
    mnist.check(str(tmp_path))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"got BadZipFile: Bad CRC-32 .*; get it again") as caught:
        mnist.check(str(tmp_path))
    assert caught.value.fault == "broken"


def test_a_check_finds_cut_originals(tmp_path):
    for file, shape in zip(mnist.ORIGINALS, [(20, 28, 28), (20,), (10, 28, 28), (10,)], strict=True):
        header = bytes([0, 0, 8, len(shape)]) + b"".join(length.to_bytes(4, "big") for length in shape)
        (tmp_path / file.name).write_bytes(gzip.compress(header + bytes(int(np.prod(shape)))))
    mnist.check(str(tmp_path))
    path = tmp_path / mnist.ORIGINALS[0].name
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=rf"{path} must be the file from .*EOFError"):
        mnist.check(str(tmp_path))


def test_a_check_finds_a_cut_archive_of_colour_images(tmp_path):
    path = tmp_path / cifar10.ARCHIVE.name
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(cifar10.TRAIN[0])
        info.size = 100_000
        archive.addfile(info, io.BytesIO(os.urandom(info.size)))
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(DataError, match=rf"{path} must be the file from .*; get it again"):
        cifar10.check(str(tmp_path))


def test_text_in_place_of_an_archive_gets_no_advice_of_numpy(tmp_path):
    (tmp_path / "mnist.npz").write_text("plain text")
    with pytest.raises(DataError, match="got ValueError: no archive of arrays; get it again"):
        mnist.check(str(tmp_path))


@pytest.mark.parametrize("call", ["stat", "open"])
def test_data_that_must_not_be_read_are_a_sentence(tmp_path, monkeypatch, call):
    path = write_mnist(tmp_path)

    def denied(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patched:  # root may read everything
        patched.setattr(Path, call, denied)
        with pytest.raises(DataError, match=rf"{path} must be readable, .*\(not readable: permissions\)") as caught:
            mnist.check(str(tmp_path))
    assert caught.value.fault == "not readable"


def test_a_place_for_copies_is_tried_before_a_campaign(tmp_path, monkeypatch):
    path = write_mnist(tmp_path)
    for place in (str(path), "/proc/x"):
        monkeypatch.setenv("DHMPI_STAGE_IN", place)
        with pytest.raises(DataError, match="DHMPI_STAGE_IN must be a directory that can be written, got "):
            mnist.check(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("fashon", "got no such directory; did you mean 'fashion'"),
        ("Synthetic", "got no such directory; did you mean 'synthetic'"),
        ("elsewhere", "got no such directory; get it from"),
        ("file.txt", "got a file by that name; get it from"),
    ],
)
def test_a_source_that_is_no_directory_is_said(tmp_path, monkeypatch, source, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").touch()
    with pytest.raises(DataError, match=match):
        mnist.check(source)


# --- bAbI

STORY = "1 Mary moved to the bathroom.\n2 John went to the hallway.\n3 Where is Mary? \tbathroom\t1\n"


def write_babi(directory: Path, text: str = STORY) -> None:
    with tarfile.open(directory / "babi-tasks-v1-2.tar.gz", "w:gz") as archive:
        for task in (babi.ONE_FACT, babi.TWO_FACTS):
            for part in ("train", "test"):
                info = tarfile.TarInfo(task.path.format(part))
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))


def test_stories_are_read_from_the_archive(tmp_path):
    write_babi(tmp_path, STORY + STORY.replace("bathroom", "garden"))
    babi.check(str(tmp_path))
    [first, second] = babi.load(babi.TWO_FACTS, str(tmp_path)).train
    assert " ".join(first.story) == "Mary moved to the bathroom . John went to the hallway ."
    assert (first.words, first.answer) == (["Where", "is", "Mary", "?"], "bathroom")
    assert second.answer == "garden"
    assert "bathroom" not in second.story


@pytest.mark.parametrize("text", ["", "nonsense\n", "1 Where is Mary?\tbathroom\n"])
def test_broken_stories_are_a_sentence(tmp_path, text):
    write_babi(tmp_path, text)
    with pytest.raises(DataError, match=r"babi-tasks-v1-2.tar.gz must be the file from .*; get it again"):
        babi.load(babi.ONE_FACT, str(tmp_path))
    with pytest.raises(DataError, match=r"babi-tasks-v1-2.tar.gz must be the file from .*; get it again"):
        babi.check(str(tmp_path))


def test_missing_stories_are_a_sentence(tmp_path):
    for find in (babi.check, lambda source: babi.load(babi.ONE_FACT, source)):
        with pytest.raises(DataError, match=rf"babi-tasks-v1-2.tar.gz must be in {tmp_path}, .* or to 'synthetic'"):
            find(str(tmp_path))


@pytest.mark.parametrize("task", [babi.ONE_FACT, babi.TWO_FACTS])
def test_synthetic_stories_answer_their_questions(task):
    questions = babi.load(task, "synthetic")
    assert len(questions.train) > 500
    assert len(questions.test) > 100
    for story, words, answer in questions.train + questions.test:
        asked, place_of, thing_at = words[-2], {}, {}
        sentences = " ".join(story).split(" . ")
        for sentence in (each.strip(" .").split() for each in sentences):
            if sentence[1] == "got":
                thing_at[sentence[3]] = sentence[0]
            else:
                place_of[sentence[0]] = sentence[-1]
        assert answer == place_of[thing_at.get(asked, asked)]
    assert questions == babi.load(task, "synthetic")
    assert questions != babi.load(task, "synthetic", seed=1)


# --- Cora


def write_cora(directory: Path, num_papers: int = cora.NUM_PAPERS) -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(2, size=(num_papers, cora.NUM_WORDS))
    rows = [f"{7 * i}\t" + "\t".join(map(str, row)) + f"\tClass_{i % 7}\n" for i, row in enumerate(words)]
    (directory / "cora.content").write_text("".join(rows))
    (directory / "cora.cites").write_text("0\t7\n14\t7\n14\t14\n")


def test_cora_is_read_from_its_two_files(tmp_path):
    (tmp_path / "cora").mkdir()  # as its archive has them
    write_cora(tmp_path / "cora")
    cora.check(str(tmp_path))
    graph = cora.load(str(tmp_path))
    assert graph.words.shape == (2708, 1433)
    assert sorted(map(tuple, np.argwhere(graph.neighbours))) == [(0, 1), (1, 0), (1, 2), (2, 1)]
    assert list(graph.classes[:8]) == [0, 1, 2, 3, 4, 5, 6, 0]


def test_half_of_cora_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=rf"cora.content and cora.cites must be in {tmp_path}, got none"):
        cora.check(str(tmp_path))
    write_cora(tmp_path, 100)
    with pytest.raises(DataError, match=r"must be the file from .*, got ValueError: 100, 1433 and 7 in place of 2708"):
        cora.check(str(tmp_path))
    write_cora(tmp_path)
    (tmp_path / "cora.cites").write_text("0\t3\n")
    with pytest.raises(DataError, match=r"cora.cites must be the file from .*, got KeyError: '3'"):
        cora.check(str(tmp_path))


def test_papers_of_a_class_cite_each_other():
    graph = cora.synthetic()
    is_same = graph.classes[:, np.newaxis] == graph.classes
    assert graph.neighbours[is_same].mean() > 5 * graph.neighbours[~is_same].mean()
    assert (graph.neighbours == graph.neighbours.T).all()
    assert not graph.neighbours.diagonal().any()
    assert 2 < graph.neighbours.sum(axis=1).mean() < 6


# --- sums


@pytest.mark.parametrize(("source", "num", "digits"), [("synthetic", 2_500, 2), ("data", 50_000, 3)])
def test_sums_are_right_and_all_different(source, num, digits):
    sums = addition.load(source)
    assert sums.questions.shape == (num, 2 * digits + 1)
    assert sums.answers.shape == (num, digits + 1)
    seen = set()
    for question, answer in zip(sums.questions[:2_500], sums.answers, strict=False):
        text = "".join(addition.CHARACTERS[index] for index in question)[::-1]
        one, other = map(int, text.split("+"))
        assert int("".join(addition.CHARACTERS[index] for index in answer)) == one + other
        seen.add((min(one, other), max(one, other)))
    assert len(seen) == 2_500


# --- as documented


@pytest.mark.skipif(not mnist.FASHION_DIRECTORY.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_an_archive_is_made_of_debians_files_as_documented(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    [code] = re.findall(r"^```python\n# make_mnist.py\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    mnist.check(str(tmp_path))
    for one, other in zip(mnist.load(str(tmp_path)), mnist.load("fashion"), strict=True):
        np.testing.assert_array_equal(one, other)
