import contextlib
import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import pool
from dhmpi.execution import output as output_module
from dhmpi.execution.executor import Setup
from dhmpi.execution.executor_choice import local_executor
from dhmpi.execution.output import Output
from dhmpi.execution.runner import Outcome, flush_streams


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


@pytest.fixture
def output(files):
    made = Output(str(files))
    yield made
    made.close()


class TestOutput:
    def test_nothing_printed_leaves_nothing(self, output, files):
        assert output.collect(3) == ""
        assert not files.exists()

    def test_what_was_printed_is_in_a_file_of_its_own(self, output, files):
        output.file.write("é\n".encode())
        assert output.collect(3) == "é\n"
        assert [path.name for path in files.iterdir()] == ["evaluation-000003.log"]
        assert (files / "evaluation-000003.log").read_text() == "é\n"

    def test_everything_is_collected_once(self, output, files):
        output.file.write(b"first")
        output.collect(0)
        assert output.collect(1) == ""
        output.file.write(b"second")
        assert output.collect(2) == "second"
        assert {path.name: path.read_text() for path in files.iterdir()} == {
            "evaluation-000000.log": "first",
            "evaluation-000002.log": "second",
        }

    def test_a_second_time_appends(self, output, files):
        for text in (b"lost\n", b"evaluated again\n"):
            output.file.write(text)
            output.collect(7)
        assert (files / "evaluation-000007.log").read_text() == "lost\nevaluated again\n"

    @pytest.mark.parametrize(("num", "kept"), [(1999, 1999), (2000, 2000), (2001, 2000), (3_000_000, 2000)])
    def test_the_end_is_returned_and_everything_kept(self, output, files, num, kept):
        output.file.write((num - 1) * b"x" + b"!")
        tail = output.collect(0)
        assert (len(tail), tail[-2:]) == (kept, "x!")
        assert (files / "evaluation-000000.log").stat().st_size == num

    def test_the_end_may_begin_within_a_character(self, output):
        output.file.write("é".encode() * 1500 + b"\xff!")
        assert output.collect(0).endswith("é\ufffd!")

    def test_a_child_writes_into_it(self, output):
        for word in ("one", "two"):
            subprocess.run(["echo", word], stdout=output.file, check=True)
            assert output.collect(0) == f"{word}\n"

    def test_it_has_no_name(self, output):
        assert os.readlink(f"/proc/self/fd/{output.file.fileno()}").endswith(" (deleted)")

    def test_a_long_output_loses_its_middle(self, output, files, monkeypatch):
        monkeypatch.setattr(output_module, "MAX_LOG", 1000)
        output.file.write(b"begin" + 5000 * b"x" + b"end")
        assert output.collect(0).endswith("xend")
        [log] = files.iterdir()
        text = log.read_text()
        assert text.startswith("begin" + 495 * "x" + "\n[... 4,008 bytes are left out ...]\nx")
        assert text.endswith("xend")
        assert len(text) < 1100

    @pytest.mark.parametrize(
        ("logs", "kept"),
        [
            ("all", ["DONE", "FAILED", "TIMEOUT", "CANCELLED"]),
            ("failures", ["FAILED", "TIMEOUT", "CANCELLED"]),
            ("none", []),
        ],
    )
    def test_which_logs_are_kept(self, files, logs, kept):
        with contextlib.closing(Output(str(files), logs)) as output:
            for id, name in enumerate(["DONE", "FAILED", "TIMEOUT", "CANCELLED"]):
                output.file.write(name.encode())
                value = 0.5 if name == "DONE" else None
                outcome = output.explain(Outcome(id, State(name), value, 1.0, 2.0, "why"))
                assert (name in outcome.error) == (name in ("FAILED", "TIMEOUT"))
        found = {path.read_text() for path in files.iterdir()} if files.exists() else set()
        assert found == set(kept)

    def test_a_log_that_cannot_be_written_is_a_warning(self, output, files):
        files.touch()
        output.file.write(b"lost")
        outcome = output.explain(Outcome(0, State.FAILED, None, 1.0, 2.0, "why"))
        assert outcome.error == "why\n--- last output ---\nlost"
        assert outcome.warning == "its log could not be written: File exists"
        files.unlink()
        output.file.write(b"kept")
        assert output.explain(Outcome(1, State.DONE, 0.5, 1.0, 2.0)).warning == ""
        assert (files / "evaluation-000001.log").read_text() == "kept"

    def test_a_full_disk_gets_no_part_of_a_log(self, output, files, monkeypatch):
        output.file.write(b"before")
        output.collect(0)

        def full(source, target, begin, end):
            target.write(b"part")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(output_module, "_copy", full)
        output.file.write(b"more")
        assert output.collect(0) == "more"
        assert output.trouble == "No space left on device"
        assert (files / "evaluation-000000.log").read_text() == "before"

    @pytest.mark.parametrize(("free", "total", "is_kept"), [(300, 2000, True), (150, 2000, False), (0, 0, True)])
    def test_the_last_tenth_of_a_disk_is_for_the_results(self, output, files, monkeypatch, free, total, is_kept):
        disk = SimpleNamespace(f_bavail=free, f_blocks=total, f_frsize=1)
        monkeypatch.setattr(os, "statvfs", lambda path: disk)
        output.file.write(b"x" * 100)
        output.collect(0)
        assert (files / "evaluation-000000.log").exists() == is_kept
        assert output.trouble == ("" if is_kept else "No space left on device")

    def test_without_a_directory_for_it_it_is_in_memory(self, files, monkeypatch):
        def refuse(prefix):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tempfile.mkstemp", refuse)
        with contextlib.closing(Output(str(files))) as output:
            for word in ("one", "two"):
                subprocess.run(["echo", word], stdout=output.file, check=True)
                assert output.collect(0) == f"{word}\n"


class TestFlush:
    @pytest.mark.parametrize("stream", [None, 3])
    def test_user_code_may_have_put_anything_in_the_place_of_standard_output(self, monkeypatch, stream):
        monkeypatch.setattr(sys, "stdout", stream)
        flush_streams()

    def test_user_code_may_have_closed_it(self, monkeypatch, tmp_path):
        with open(tmp_path / "file", "w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
        flush_streams()

    def test_its_disk_may_be_full(self, monkeypatch):
        stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO("/dev/full", "w"), 1000))
        stream.write("x")
        monkeypatch.setattr(sys, "stdout", stream)
        flush_streams()
        with pytest.raises(OSError, match="No space"):
            stream.close()


def test_whoever_leaves_does_not_stay_because_a_disk_is_full():
    """In MPI_Finalize, a rank would wait for the others for ever."""
    code = "import sys; from dhmpi.mpi.comm import leave_at_once; sys.stdout.write('x'); leave_at_once(7)"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", code], stdout=full, env=env, check=False).returncode == 7


@pytest.mark.parametrize("warning", ["its log could not be written: File exists", ""])
def test_a_log_that_cannot_be_written_costs_no_evaluation(tmp_path, caplog, warning):
    (tmp_path / "loud.py").write_text("def run(point):\n    print('hello')\n    return 1.0\n")
    if warning:
        (tmp_path / "files").touch()
    setup = Setup(f"{tmp_path / 'loud.py'}", files=str(tmp_path / "files"))
    found = []
    evaluator = pool.SerialEvaluator(local_executor(setup, "process"))
    evaluator.start()
    for id in range(3):
        evaluator.submit(Evaluation(id, {"x": 1}))
        while evaluator.num_pending:
            found += evaluator.gather(1.0)
    evaluator.shutdown()
    assert [each.state for each in found] == [State.DONE] * 3
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == bool(warning)
    assert all(warning in line and "evaluation 0 on " in line for line in told)
