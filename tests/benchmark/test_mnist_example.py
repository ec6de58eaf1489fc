"""The long example of the documentation, as docs/new-problem.md has it, runs word for word."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dhmpi.support.loader import load_problem

PAGE = (Path(__file__).parents[2] / "docs" / "new-problem.md").read_text()
BLOCKS = dict(re.findall(r"^```python\n# mnist_problem/(\w+\.py)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
# The documentation of DeepHyper 0.0.5, section 1.7.1, without white space, which its layout has changed.
DOCUMENTED = {
    "problem.py": "6c81033df520c8d4c1500f1b2730835e0c2a0fbbfc810842910af97aab04855e",
    "model_run.py": "ece4659ec755aec805b36375f8ed06e1b91eb9bf23242b0ec19c5f37c14dd169",
}
CHANGES = {  # what TensorFlow has removed, and what there is instead
    "from tensorflow.random import set_seed as set_random_seed": "from tensorflow import set_random_seed",
    "dhmpi": "deephyper",
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_nothing_else_is_changed(name):
    text = BLOCKS[name]
    for now, then in CHANGES.items():
        text = text.replace(now, then)
    assert hashlib.sha256("".join(text.split()).encode()).hexdigest() == DOCUMENTED[name]


@pytest.fixture
def folder(tmp_path):
    """The folder, with as many images as MNIST has; the digits are as easy as can be."""
    folder = tmp_path / "mnist_problem"
    (folder / "data").mkdir(parents=True)
    for name, text in BLOCKS.items():
        (folder / name).write_text(text)
    (folder / "__init__.py").touch()
    arrays = {}
    for part, num in (("train", 60_000), ("test", 10_000)):
        labels = (np.arange(num) % 10).astype(np.uint8)
        images = np.zeros((num, 28, 28), np.uint8)
        images[np.arange(num), 2 * labels, 5:20] = 255
        arrays |= {f"x_{part}": images, f"y_{part}": labels}
    np.savez_compressed(folder / "data" / "mnist.npz", **arrays)
    return folder


def test_the_problem(folder):
    problem = load_problem(str(folder / "problem.py"))
    assert len(problem.dimensions.names) == 8
    assert problem.starting_point == [5, 1, 1, "relu", 8, 0.0, "sgd", 1e-4]


@pytest.mark.timeout(240)
def test_it_runs(folder):
    """From another directory; and once more, with the model that was saved."""
    pytest.importorskip("tensorflow")
    code = f"""
import sys
from dhmpi.support.loader import load_run
run = load_run({str(folder / "model_run.py")!r})
point = dict(epochs=1, nhidden=1, nunits=16, activation="relu", batch_size=500, dropout=0.0, optimizer="adam")
point |= dict(learning_rate=0.01, model_path="models")
first = run(dict(point))
second = run(point | dict(epochs=2))
print(first, second)
"""
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=folder.parent, env=env, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    first, second = map(float, last.split())
    assert -1.0 <= second <= first < -0.9
    out = done.stdout
    assert "60000 train samples" in out
    assert re.search(r"^TIMER stage in: \d+\.\d{4} seconds$", out, re.MULTILINE)
    assert re.findall(r"Epoch \d/\d", out) == ["Epoch 2/2"]  # it goes on with the model; one epoch has no title
    assert f"OUTPUT: {first}" in out
