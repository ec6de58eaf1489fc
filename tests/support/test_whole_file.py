import os

import pytest

from dhmpi.errors import OptionError, OutputError
from dhmpi.support.whole_file import whole_file, whole_text_file


def test_what_was_there_stays_until_all_is_written(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("before")
    with whole_text_file(str(path), "output") as stream:
        stream.write("é\x1b\n")
        assert path.read_text() == "before"
    assert path.read_bytes() == "é\\u001b\n".encode()
    assert os.listdir(tmp_path) == ["a.csv"]


def test_an_error_leaves_everything_as_it_was(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117  # what is raised is in the block
        with whole_text_file(str(path), "output") as stream:
            stream.write("half")
            raise ZeroDivisionError
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "a").write_text("before")
    (tmp_path / "link").symlink_to("a")
    with whole_text_file(str(tmp_path / "link"), "output") as stream:
        stream.write("after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "after"


def test_a_pipe_is_written_to():
    reader, writer = os.pipe()
    with whole_text_file(f"/dev/fd/{writer}", "output") as stream:
        stream.write("a line\n")
    os.close(writer)
    assert os.read(reader, 99) == b"a line\n"
    os.close(reader)


def test_a_full_disk_is_told():
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space"):  # noqa: SIM117  # clearer
        with whole_text_file("/dev/full", "output") as stream:
            stream.write("a line\n")


@pytest.mark.parametrize("name", ["", ".", "none/a.csv", "a.csv/"])
def test_it_must_be_a_file_in_a_directory(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="output must be a file in a directory that exists"):  # noqa: SIM117
        with whole_file(name, "output"):
            pass


def test_the_source_is_not_replaced(tmp_path):
    (tmp_path / "r.h5").write_text("results")
    (tmp_path / "link").symlink_to("r.h5")
    with pytest.raises(OptionError, match="must not be the results file itself"):  # noqa: SIM117
        with whole_file(str(tmp_path / "link"), "output", tmp_path / "r.h5"):
            pass
    assert (tmp_path / "r.h5").read_text() == "results"
