import os
from pathlib import Path

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


@pytest.mark.parametrize("make", [Path.hardlink_to, Path.symlink_to])
def test_a_results_file_is_not_replaced(tmp_path, make):
    content = b"\x89HDF\r\n\x1a\nresults"
    (tmp_path / "r.h5").write_bytes(content)
    make(tmp_path / "link", tmp_path / "r.h5")
    for name in ("link", "r.h5", "./r.h5"):
        with pytest.raises(OptionError, match="must not be a results file, got"):  # noqa: SIM117
            with whole_file(str(tmp_path / name), "output"):
                pass
    assert (tmp_path / "r.h5").read_bytes() == content


def test_names_may_be_as_long_as_those_of_files(tmp_path):
    path = tmp_path / ("x" * 251 + ".csv")
    with whole_text_file(str(path), "output") as stream:
        stream.write("a")
    assert path.read_text() == "a"
    with pytest.raises(OutputError, match="cannot be written: File name too long"):  # noqa: SIM117
        with whole_text_file(str(tmp_path / ("x" * 300)), "output"):
            pass
