"""Commands with files that are none, and with outputs that cannot be, or that nobody reads."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from contracts.campaigns import campaign, evaluation, write

from dhmpi.cli import main
from dhmpi.errors import EXIT_UNREAD

READERS = [
    ["show"],
    ["show", "--is-complete"],
    ["top", "--once"],
    ["best"],
    ["export", "--csv"],
    ["train"],
    ["redo"],
    ["plot", "-o", "x.png"],
    ["plot", "--text"],
    ["report"],
    ["check"],
]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file():
    write(campaign([evaluation(k, k, k + 1, 9.0 - k) for k in range(4)]), "a.h5")
    return "a.h5"


def said(words, capsys):
    """Run a command that is to fail, and return the one line that it says."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith(f"dhmpi {words[0]}: error: ")
    return line


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_what_is_no_results_file_gets_one_sentence(command, capsys):
    os.mkdir("d.h5")
    os.mkfifo("p.h5")
    for name, content in (("empty.h5", ""), ("text.h5", "text")):
        with open(name, "w") as stream:
            stream.write(content)
    expected = {
        "missing.h5": "missing.h5 does not exist",
        "new\nline.h5": r"new\u000aline.h5 does not exist",
        "d.h5": "d.h5",
        "empty.h5": "empty.h5 must be an HDF5 file, got an empty file",
        "text.h5": "text.h5 must be an HDF5 file, got something else",
        "p.h5": "p.h5 must be a file, got a device or a pipe",
        "/dev/null": "/dev/null must be a file, got a device or a pipe",
        "": "no such file or picture: ''" if command[0] == "plot" else "a results file must have a name, got none",
    }
    for name, sentence in expected.items():
        assert sentence in said([command[0], name, *command[1:]], capsys)


@pytest.mark.parametrize("resume", [[], ["--overwrite"], ["--resume"]])
def test_a_device_or_a_pipe_is_no_place_for_results(resume, capsys):
    os.mkfifo("p.h5")
    for name in ("p.h5", "/dev/null"):
        assert "must be a file, got a device or a pipe" in said(["hps-random", "--output", name, *resume], capsys)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["plot", "-o", ""], "a picture must end in .png, .svg or .pdf, got ''"),
        (["plot", "-o", "d.png"], "--output must be a file in a directory that exists, got 'd.png'"),
        (["plot", "-o", "p.png"], "--output must be a file, or a pipe that is being read, got 'p.png'"),
        (["report", "-o", ""], "--output must end in .html or .htm, got ''"),
        (["report", "-o", "p.html"], "--output must be a file, or a pipe that is being read, got 'p.html'"),
        (["export", "--csv", "-o", ""], "--output must be a file in a directory that exists, got ''"),
        (["export", "--csv", "-o", "p.png"], "--output must be a file, or a pipe that is being read, got 'p.png'"),
        (["export", "--csv", "-o", "x.parquet"], "--output must not end as a file of --parquet does, got 'x.parquet'"),
        (["export", "--json", "-o", "x.CSV"], "--output must not end as a file of --csv or --deephyper does"),
        (["export", "--parquet", ""], "--parquet must be a file in a directory that exists, got ''"),
        (["export", "--parquet", "x.csv"], "--parquet must not end as a file of --csv or --deephyper does"),
    ],
)
def test_an_output_that_cannot_be_gets_one_sentence(file, words, sentence, capsys):
    os.mkdir("d.png")
    os.mkfifo("p.png")
    os.mkfifo("p.html")
    before = sorted(os.listdir())
    assert sentence in said([words[0], file, *words[1:]], capsys)
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("words", [["--csv", "-o"], ["--json", "-o"], ["--deephyper", "-o"], ["--parquet"]])
def test_an_export_says_what_it_has_written(file, words, capsys):
    assert main(["export", file, *words, "a\nname"]) == 0
    assert capsys.readouterr() == ("", "wrote a\\u000aname\n")
    assert os.path.getsize("a\nname") > 0


def test_a_pipe_that_is_read_gets_an_export(file):
    os.mkfifo("p.csv")
    with subprocess.Popen(["cat", "p.csv"], stdout=subprocess.PIPE, text=True) as reader:
        # A pipe without a reader is refused, so wait for it.
        fd = os.open("p.csv", os.O_WRONLY)
        assert main(["export", file, "--csv", "-o", "p.csv"]) == 0
        os.close(fd)
        assert len(reader.communicate(timeout=20)[0].splitlines()) == 5


@pytest.mark.parametrize(
    "words",
    [["show"], ["top", "--once"], ["best"], ["export", "--csv"], ["export", "--csv", "-o", "/dev/stdout"]],
    ids=" ".join,
)
def test_output_that_nobody_reads_ends_a_command_quietly(file, words):
    reader, writer = os.pipe()
    os.close(reader)
    done = dhmpi([words[0], file, *words[1:]], writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (EXIT_UNREAD, "")


def test_a_campaign_whose_output_nobody_reads_succeeds():
    reader, writer = os.pipe()
    os.close(reader)
    done = dhmpi(["hps-random", "--max-evals", "3", "--isolation", "inline", "--quiet"], writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.path.exists("results.h5")


def test_a_full_disk_is_an_error(file):
    with open("/dev/full", "w") as full:
        done = dhmpi(["show", file], full)
    assert done.returncode == 1
    assert done.stderr == "dhmpi show: error: standard output cannot be written: No space left on device\n"


def dhmpi(words, stdout):
    command = [sys.executable, "-m", "dhmpi", *words]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("id", (10**15,), "i8"),
        ("objective", (10**12,), "f8"),
        ("host", (4,), "S2000000000"),
        ("point/x", (4, 10**6, 10**6), "i8"),
        ("id", None, "i8"),
    ],
)
def test_a_file_that_claims_more_than_it_holds_is_damaged(file, name, shape, dtype, capsys):
    with h5py.File(file, "r+") as found:
        path = f"evaluations/{name}"
        attributes = dict(found[path].attrs)
        del found[path]
        if shape is None:
            found[path] = h5py.Empty(dtype)
        else:
            found.create_dataset(path, shape, dtype, chunks=(1,) * len(shape)).attrs.update(attributes)
    for command in ("show", "best"):
        assert "a.h5 is truncated or damaged (/evaluations/" in said([command, file], capsys)


def test_a_large_file_that_is_none_is_not_read(capsys):
    with open("sparse.h5", "wb") as sparse:
        sparse.truncate(2**41)
    assert "sparse.h5 must be an HDF5 file, got something else" in said(["show", "sparse.h5"], capsys)


def test_too_little_memory_is_a_sentence(file, capsys, monkeypatch):
    def scarce(*_):
        return np.empty(2**55)

    monkeypatch.setattr("dhmpi.analysis.terminal.show", scarce)
    assert main(["show", file]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "dhmpi show: error: memory must hold what the command reads and makes, got too little (Unable"
    )


def test_scripts_of_all_sites_need_a_directory_that_can_be_written(capsys, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dhmpi.jobs.script.write_all", refused)
    sentence = "--all must be a directory that can be written, got . (Permission denied)"
    assert sentence in said(["job", "--all", "."], capsys)
