import numpy as np
import pytest

from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Origin
from dhmpi.results.schema import (
    ATTRIBUTES,
    COLUMNS,
    EARLIER_COLUMNS,
    KNOWLEDGE_COLUMNS,
    ORIGIN_COLUMNS,
    POLICY_COLUMNS,
    REPORT_COLUMNS,
    STATE_COLUMNS,
    dimension,
    markdown_table,
)


@pytest.mark.parametrize(
    ("documented", "dtype", "spec"),
    [
        ((0, 10), "int64", {"range": [0, 10]}),
        ((np.int64(0), 10), "int64", {"range": [0, 10]}),
        ((0.0, 10), "float64", {"range": [0.0, 10]}),
        ((1e-5, 1.0, "log-uniform"), "float64", {"range": [1e-5, 1.0], "prior": "log-uniform"}),
        ((0, 2**70), "json", {"range": [0, 2**70]}),
        (["relu", "tanh"], "string", {"choices": ["relu", "tanh"]}),
        (["a\0", "b"], "json", {"choices": ["a\0", "b"]}),
        ([True, False], "bool", {"choices": [True, False]}),
        ([1, 2], "int64", {"choices": [1, 2]}),
        ([0.5, 1.5], "float64", {"choices": [0.5, 1.5]}),
        ([1, 0.5], "json", {"choices": [1, 0.5]}),
        ([None, "a", True], "json", {"choices": [None, "a", True]}),
        ([2**63], "json", {"choices": [2**63]}),
        ([], "json", {"choices": []}),
    ],
)
def test_dimension(documented, dtype, spec):
    found = dimension("x", documented)
    expected = "float64" if isinstance(documented, tuple) and dtype == "json" else dtype
    assert (found.dtype, found.spec) == (expected, spec)
    assert found.documented == documented


@pytest.mark.parametrize("documented", [3, "ab", (1,), {"low": 1}])
def test_other_forms_are_refused(documented):
    with pytest.raises(ResultsError, match="dimension 'x' must be a tuple"):
        dimension("x", documented)


def test_links_are_distinct_and_legal():
    names = ["a", "a/b", "a%2Fb", ".", "..", "", "%", "a.b", "é", "x\0", "\ud800"]
    links = [dimension(name, (0, 1)).link for name in names]
    assert len(set(links)) == len(links)
    assert not any("/" in link or "\0" in link or link in ("", ".", "..") for link in links)


def test_columns_hold_every_field_of_an_evaluation():
    groups = ("point", "origin", "objectives")
    assert [column.name for column in COLUMNS] == [name for name in Evaluation._fields if name not in groups]
    assert tuple(column.name for column in ORIGIN_COLUMNS) == Origin._fields


def test_markdown_table():
    lines = markdown_table().splitlines()
    assert lines[0] == "| name | dtype | unit | meaning |"
    num = len(ATTRIBUTES) + len(COLUMNS) + len(ORIGIN_COLUMNS) + len(POLICY_COLUMNS) + len(STATE_COLUMNS)
    num += len(REPORT_COLUMNS) + len(EARLIER_COLUMNS) + len(KNOWLEDGE_COLUMNS)
    # A line for all dimensions, one for what is active in points, one for reports that were superseded, one for all
    # objectives, and one for those that are not dominated.
    assert len(lines) == 2 + num + 5
    assert (
        "| `/evaluations/started` | float64 | s since 1970-01-01 UTC | when its worker began; NaN before that |"
        in lines
    )
    assert all(line.count("|") == 5 for line in lines)
