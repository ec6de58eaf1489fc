"""`dhmpi check --problem`, from the evaluations to the findings."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dhmpi.campaign import findings as findings_module
from dhmpi.campaign.findings import Mark, findings, memory_of_node, num_gpus
from dhmpi.campaign.rehearsal import rehearse
from dhmpi.cli import main
from dhmpi.errors import DataError, LoadError, OptionError
from dhmpi.evaluation import State
from dhmpi.search.campaign_options import CampaignOptions

PROBLEM = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("n", (1, 5), 2)
Problem.add_dim("rate", (1e-4, 1.0), 0.1)


def run(point, context):
"""


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    yield
    assert not list(Path("tmp").glob("dhmpi-check-*"))  # nothing is left


def found(body, minutes=60, num=3, evaluator="serial", **options):
    """Return the findings of a run function, by topic."""
    path = Path(f"problem_{random.randrange(10**9)}.py")
    path.write_text(PROBLEM + "".join(f"    {line}\n" for line in body.splitlines()))
    options = CampaignOptions(**{"isolation": "inline"} | options)
    by_topic = {}
    for each in findings(rehearse(str(path), None, evaluator, options, num), minutes):
        by_topic.setdefault(each.topic, []).append(each)
    return by_topic


def test_all_is_well():
    seen = found(
        "context.report(1, 2.0)\nprint('x' * 99)\nreturn {'objective': point['n'] + 7, 'size': 3}", isolation="process"
    )
    assert not any(each.mark is Mark.WRONG for topic in seen.values() for each in topic)
    assert seen["problem"][0].text.startswith("2 dimensions; imported in")
    assert "{'n': 2, 'rate': 0.1}" in seen["start"][0].text
    assert "by its name, problem_" in seen["pickling"][0].text
    assert seen["evaluations"][0].text.startswith("4 of 4 are DONE")
    assert "smaller is better" in seen["objectives"][0].text
    assert "keeps size" in seen["outputs"][0].text
    assert "report values, up to step 1;" in seen["outputs"][1].text
    assert "print 100 bytes each" in seen["outputs"][2].text
    assert seen["repetition"][0] == (Mark.OK, "repetition", "the first point has the same objective again", "")
    assert "B at most" in seen["memory"][0].text  # of a fork of the tests, which may be GB
    assert "fit into 60 min with 1 worker;" in seen["walltime"][0].text


def test_a_range_of_many_powers_of_ten_is_told():
    [_, note] = found("return point['rate']")["problem"]
    assert note.mark is Mark.NOTE
    assert "(0.0001, 1.0, 'log-uniform')" in note.text


def test_failures_are_wrong_and_grouped():
    [wrong] = found("import nosuch")["evaluations"]
    assert wrong.mark is Mark.WRONG
    assert wrong.text.startswith(
        "4 of 4 are FAILED: ModuleNotFoundError: No module named 'nosuch'; the first of them with"
    )
    assert "Traceback" in wrong.details


def test_some_failures_are_wrong():
    done, wrong = found("if point['n'] == 2: raise ValueError('two', point)\nreturn 1.0 * point['n']")["evaluations"]
    assert (done.mark, wrong.mark) == (Mark.OK, Mark.WRONG)
    assert "ValueError: ('two'" in wrong.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return None", "the objective must be a finite number, got None"),
        ("return {'accuracy': 1.0}", "the returned dict must have the key 'objective', got ['accuracy']"),
        ("return float('nan')", "the objective must be a finite number, got nan"),
    ],
)
def test_outputs_that_are_no_objective(body, told):
    assert told in found(body)["evaluations"][0].text


def test_a_time_limit():
    seen = found("import time\ntime.sleep(60)", num=1, eval_timeout_minutes=0.005)
    assert seen["evaluations"][0].text.startswith("2 of 2 are TIMEOUT: ran longer than 0.3 s")
    assert "walltime" not in seen


def test_chance_is_noted():
    [note] = found("import os\nreturn int.from_bytes(os.urandom(6), 'big')")["repetition"]
    assert note.mark is Mark.NOTE
    assert "another objective the second time" in note.text
    assert "context.seed" in note.text
    [fine] = found("return context.seed % 1000")["repetition"]
    assert fine.mark is Mark.OK


@pytest.mark.parametrize(
    ("state", "error", "told"),
    [
        (State.TIMEOUT, "ran longer than 90 s", "but ran out of time the second time: ran longer than 90 s"),
        (State.FAILED, "ValueError: no", "but was FAILED the second time: ValueError: no"),
    ],
)
def test_a_repetition_that_is_not_done_is_no_other_objective(state, error, told):
    Path("my_own.py").write_text(PROBLEM + "    return 3.0\n")
    rehearsal = rehearse("my_own.py", None, "serial", CampaignOptions(isolation="inline"), 1)
    again = rehearsal.evaluations[0]._replace(state=state, objective=None, error=error)
    [note] = [each for each in findings(rehearsal._replace(repeated=again), 60) if each.topic == "repetition"]
    assert note.mark is Mark.NOTE
    assert told in note.text
    assert "seed" not in note.text


def test_time_outs_take_time_and_short_evaluations_are_at_most():
    Path("my_own.py").write_text(PROBLEM + "    return 3.0\n")
    rehearsal = rehearse("my_own.py", None, "serial", CampaignOptions(isolation="inline"), 1)

    def forecast(*evaluations):
        found = findings(rehearsal._replace(evaluations=list(evaluations)), 60)
        return next(each.text for each in found if each.topic == "walltime")

    first = rehearsal.evaluations[0]._replace(started=100.0, ended=101.0)
    assert forecast(first).startswith("about 3,")
    stuck = first._replace(state=State.TIMEOUT, objective=None, ended=179.0)
    assert re.match(r"about \d\d evaluations", forecast(first, stuck))
    assert forecast(first._replace(ended=100.0001)).startswith("at most ")


@pytest.mark.parametrize(
    ("body", "told"), [("return 3", "does the run function read"), ("return point['n'] / 9", "accurac")]
)
def test_objectives_that_look_odd(body, told):
    [note] = found(body)["objectives"]
    assert note.mark is Mark.NOTE
    assert told in note.text


def test_what_cannot_be_kept_is_noted():
    notes = [each.text for each in found("return {'objective': 1.0, 'model': object()}")["outputs"]]
    assert any("got object; its text is kept" in text for text in notes)


def test_a_walltime_that_is_too_short():
    [wrong] = found("import time\ntime.sleep(0.2)\nreturn point['n']", num=1, minutes=0.003)["walltime"]
    assert wrong.mark is Mark.WRONG
    assert "no evaluation fits into 0.003 min" in wrong.text


def test_interpreters_count_as_time_of_evaluations():
    seen = found("return point['n']", num=1, minutes=1, evaluator="subprocess", num_workers=1, isolation="process")
    assert 1 <= int(seen["walltime"][0].text.split()[1].replace(",", "")) < 10_000


def test_a_small_space_is_evaluated_as_a_whole():
    Path("small.py").write_text(
        "from dhmpi.benchmark import HpProblem\nProblem = HpProblem()\n"
        "Problem.add_dim('n', [1, 2])\ndef run(point): return point['n']\n"
    )
    rehearsal = rehearse("small.py", None, "serial", CampaignOptions(isolation="inline"), 5)
    assert len(rehearsal.evaluations) == 2
    assert "n lacks a default" in findings(rehearsal, 1)[1].text


def test_architectures():
    name = "dhmpi.benchmark.nas.table"
    rehearsal = rehearse(f"{name}.problem.Problem", f"{name}.run", "serial", CampaignOptions(isolation="inline"), 2)
    by_topic = {each.topic: each for each in findings(rehearsal, 60)}
    assert by_topic["problem"].text.startswith("13 decisions of an architecture, 209,682,766,102,329 points")
    assert "larger is better" in by_topic["rewards"].text
    assert by_topic["repetition"].mark is Mark.OK


def test_functions_without_a_name_are_pickled():
    from dhmpi.benchmark.hps.rosen2 import Problem

    rehearsal = rehearse(Problem, lambda point: point["x1"], "serial", CampaignOptions(), 1)
    assert any("as a pickle" in each.text for each in findings(rehearsal, 60))


def test_input_that_cannot_be_used():
    options = CampaignOptions(isolation="inline")
    with pytest.raises(LoadError, match="must exist"):
        rehearse("nosuch.py", None, "serial", options, 1)
    with pytest.raises(OptionError, match="must be given unless"):
        rehearse("dhmpi.benchmark.hps.rosen2.problem.Problem", None, "serial", options, 1)
    with pytest.raises(DataError, match=r"mnist\.npz"):
        rehearse("dhmpi.benchmark.nas.mnist1D.problem.Problem", None, "serial", options, 1)


def test_the_node(tmp_path, monkeypatch):
    (tmp_path / "dri").mkdir()
    assert num_gpus(str(tmp_path)) == 0
    (tmp_path / "dri" / "renderD128").touch()
    assert num_gpus(str(tmp_path)) == 1
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    assert num_gpus(str(tmp_path)) == 2
    (tmp_path / "limit").write_text("1000000\n")
    assert memory_of_node(str(tmp_path / "limit")) == 1_000_000
    (tmp_path / "limit").write_text("max\n")
    assert memory_of_node(str(tmp_path / "limit")) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(findings_module, "num_gpus", lambda: 4)
    assert found("return point['n']")["GPUs"][0].text == "4 on this node, CUDA_VISIBLE_DEVICES=0,1"


# --- the commands


def test_a_new_folder_passes(capsys):
    assert main(["new", "sub/my_problem"]) == 0
    assert sorted(os.listdir("sub/my_problem")) == ["__init__.py", "model_run.py", "problem.py"]
    [words] = [line.split()[3:] for line in capsys.readouterr().out.splitlines() if line.startswith("try it:")]
    assert main([*words, "-n", "2"]) == 0
    out = capsys.readouterr().out
    assert "evaluations  3 of 3 are DONE" in out
    assert "wrong" not in out


def test_a_new_folder_for_architectures_passes(capsys):
    pytest.importorskip("tensorflow")
    assert main(["new", "my_space", "--nas"]) == 0
    assert main(["check", "--problem", "my_space/problem.py", "-n", "1", "--isolation", "inline"]) == 0
    assert "rewards      from -" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("full", "new or empty"),
        ("a-b", "Python package"),
        ("json", "Python package"),
        ("f.py/x", "writable"),
        ("test", "Python package"),
        ("class", "Python package"),
        ("", "got ''"),
    ],
)
def test_folders_that_are_refused(folder, told, capsys):
    Path("full").mkdir()
    Path("full/file").touch()
    Path("f.py").touch()
    assert main(["new", folder]) == 2
    assert told in capsys.readouterr().err


def test_what_is_wrong_is_the_exit_status(capsys):
    Path("bad.py").write_text(PROBLEM + "    raise ValueError('no')\n")
    assert main(["check", "--problem", "bad.py", "-n", "1"]) == 1
    out = capsys.readouterr().out
    assert "wrong  evaluations  2 of 2 are FAILED: ValueError: no" in out
    assert "       | Traceback" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a results file or --problem must be given, got neither"),
        (["mine.py"], "a problem must be given by --problem, got mine.py"),
        (["x.h5", "-n", "3"], "-n must come without a results file"),
        (["x.h5", "--run", "y.py"], "--run must come without a results file"),
        (["--problem", "p.py", "--data", "d"], "--data must come with a results file"),
        (["--problem", "dhmpi.benchmark.hps.rosen2.Problem", "-n", "0"], "-n must be an integer of at least 1"),
        (["--problem", "dhmpi.benchmark.hps.rosen2.Problem", "--walltime", "x"], "--walltime must be minutes"),
        (["--problem", "dhmpi.benchmark.hps.rosen2.Problem", "--evaluator", "x"], "--evaluator must be one of"),
    ],
)
def test_words_that_are_refused(words, told, capsys):
    assert main(["check", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_run_function_without_a_problem_is_told_so(capsys):
    Path("good.py").write_text("def run(point):\n    return 1.0\n")
    assert main(["check", "--run", "good.py:run"]) == 2
    assert "--problem must be given unless it is in the same file, got --run good.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("top", "body", "words"),
    [
        ("import os\nos._exit(0)\n", "return 1.0", []),
        ("import os\n", "os._exit(0)", ["--isolation", "inline"]),
        ("import os\n", "os._exit(0)", ["--evaluator", "threadPool"]),
    ],
)
def test_code_that_ends_the_process_does_not_pass(top, body, words):
    Path("leaves.py").write_text(f"{top}{PROBLEM}    {body}\n")
    command = [sys.executable, "-m", "dhmpi", "check", "--problem", "leaves.py", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "must not end the process, got os._exit(0)" in ended.stderr
