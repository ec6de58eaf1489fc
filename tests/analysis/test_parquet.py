import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from dhmpi.analysis.export import header
from dhmpi.analysis.parquet import write_parquet
from dhmpi.evaluation import State
from dhmpi.results import Results


def written(results, path):
    write_parquet(results, path)
    return pq.read_table(path)


def test_columns_have_the_names_of_csv_and_the_types_of_the_file(metadata, ended, running, tmp_path):
    found = Results.of(metadata, [ended(0, extra={"n": 1}), ended(1, State.FAILED, error="no"), running(2)])
    table = written(found, tmp_path / "a.parquet")
    assert table.column_names == header(found)
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["x"], types["n"], types["name"], types["flag"]) == ("double", "int64", "string", "bool")
    assert (types["objective"], types["rank"], types["extra.n"]) == ("double", "int32", "int64")
    lines = table.to_pylist()
    assert [each["objective"] for each in lines] == [0.0, None, None]
    assert [each["ended"] for each in lines] == [1003.0, 1004.0, None]
    assert [each["extra.n"] for each in lines] == [1, None, None]


def test_mixed_values_are_json(metadata, ended, tmp_path):
    evaluations = [ended(0, extra={"a": [1, 2]}), ended(1, extra={"a": "b"}), ended(2), ended(3)]
    table = written(Results.of(metadata, evaluations), tmp_path / "a.parquet")
    assert table["act"].to_pylist() == ['"relu"', None, "true", "3"]
    assert table["extra.a"].to_pylist() == ["[1,2]", '"b"', None, None]


def test_none_among_texts_is_null(metadata, ended, tmp_path):
    found = Results.of(replace(metadata, space={"act": ["a", None]}), [ended(0)._replace(point={"act": None})])
    table = written(found, tmp_path / "a.parquet")
    assert (str(table.schema.field("act").type), table["act"].to_pylist()) == ("string", [None])


def test_a_value_beyond_its_specification_is_kept(metadata, ended, tmp_path):
    found = Results.of(replace(metadata, space={"n": (1, 9)}), [ended(0)._replace(point={"n": 2**70})])
    assert written(found, tmp_path / "a.parquet")["n"].to_pylist() == [str(2**70)]


def test_rewards_and_metadata(metadata, ended, tmp_path):
    found = Results.of(replace(metadata, maximises=True), [ended(4), ended(9, State.FAILED)])
    table = written(found, tmp_path / "a.parquet")
    assert table["reward"].to_pylist() == [-2.0, None]
    assert json.loads(table.schema.metadata[b"dhmpi"])["seed"] == 42


def test_what_cannot_be_written_is_not_removed(metadata, ended, tmp_path):
    link = tmp_path / "a.parquet"
    link.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_parquet(Results.of(metadata, [ended(0)]), link)
    assert link.is_symlink()


def test_nothing(metadata, tmp_path):
    assert written(Results.of(metadata, []), tmp_path / "a.parquet").num_rows == 0
