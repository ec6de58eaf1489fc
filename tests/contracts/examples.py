"""Examples of docs/data-parallel.md, and what comes of them."""

import re
from pathlib import Path

from dhmpi.evaluation import State
from dhmpi.results import read

PAGE = Path(__file__).parents[2] / "docs" / "data-parallel.md"


def write_example(name, folder):
    """Write an example to a file, as people would who copy it."""
    [text] = re.findall(rf"^```python\n(# {re.escape(name)}\n.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (folder / name).write_text(text)


def check_examples(folder):
    """Check that two replicas have learnt to read digits in each evaluation."""
    evaluations = read(folder / "results.h5").evaluations
    assert [each.state for each in evaluations] == [State.DONE] * 2
    assert all(each.extra["replicas"] == 2 for each in evaluations)
    assert min(each.objective for each in evaluations) < -0.7
