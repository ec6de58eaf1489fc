import sys

import pytest
from contracts.campaigns import campaign, evaluation, write

from dhmpi.analysis.kind_names import KINDS
from dhmpi.cli import main


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(campaign([evaluation(k, k, k + 1, 9.0 - k) for k in range(4)]), tmp_path / "a.h5")
    return "a.h5"


def test_a_picture_is_named_after_the_file(file, tmp_path, capsys):
    assert main(["plot", file, "incumbent"]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().err == "wrote a.png\n"


def test_kinds_are_listed(capsys):
    assert main(["plot", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(kind in shown for kind in KINDS)


def test_a_curve_is_printed(file, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["plot", "--text", file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "best objective so far, s on p (a.h5)"
    assert max(map(len, lines)) <= 50


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gant", "a.h5"], "no such file or picture: 'gant'; did you mean 'gantt'?"),
        (["gantt"], "a results file must be given, got gantt; see dhmpi plot --help"),
        ([], "a results file must be given, got none"),
        (["b.h5"], "b.h5 does not exist; check the name"),
        (["a.h5", "-o", "a.gif"], "a picture must end in .png, .svg or .pdf, got 'a.gif'"),
        (["a.h5", "-o", "nowhere/a.png"], "--output must be a file in a directory that exists, got 'nowhere/a.png'"),
        (["a.h5", "a.h5", "gantt"], "the picture gantt must be of one file, got 2"),
        (["a.h5", "finals"], "the picture finals must be of several files, got 1"),
        (["--text", "a.h5", "gantt"], "--text must come without kinds and --output"),
    ],
)
def test_what_is_wrong_costs_a_sentence(file, words, sentence, capsys):
    assert main(["plot", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_file_of_any_name_is_a_file(file, tmp_path, capsys):
    (tmp_path / file).rename(tmp_path / "gantt")
    assert main(["plot", "gantt", "states", "-o", "x.png"]) == 0


def test_results_are_never_overwritten(file, tmp_path, capsys):
    (tmp_path / file).rename(tmp_path / "a.png")
    assert main(["plot", "a.png", "states"]) == 2
    assert "--output must not be a results file, got 'a.png'" in capsys.readouterr().err


def test_without_matplotlib_a_sentence_says_what_helps(file, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("dhmpi.analysis.plots")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["plot", file]) == 2
    assert 'pictures need matplotlib, got none; run: pip install "dhmpi[plots]"' in capsys.readouterr().err
    assert main(["plot", "--text", file]) == 0


@pytest.mark.parametrize(
    ("words", "name"), [(["plot", "./a.png", "incumbent"], "a.png"), (["report", "./r.html"], "r.html")]
)
def test_no_picture_takes_the_place_of_results(words, name, file, tmp_path, capsys):
    """Whatever they are called, and however the path is written."""
    place = (tmp_path / file).rename(tmp_path / name)
    before = place.read_bytes()
    assert main([*words, "-o", name]) == 2
    assert "must not be a results file" in capsys.readouterr().err
    assert place.read_bytes() == before


REPORTING = """\
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0), 0.5)


def run(point, context):
    for step in range(1, 10):
        context.report(step, point["x"] + 1 / step)
    return point["x"]
"""


def test_what_a_campaign_has_stopped_is_seen_everywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curves.py").write_text(REPORTING)
    words = ["hps-random", "--problem", "curves.py", "--evaluator", "serial", "--isolation", "inline", "--seed", "1"]
    words += ["--stopper", "asha:reduction=3,min-steps=1", "--max-steps", "9", "--max-evals", "20", "--output", "a.h5"]
    assert main(words) == 0
    closing = next(line for line in capsys.readouterr().out.splitlines() if " of full training of all 20 " in line)
    assert main(["show", "a.h5"]) == 0
    assert f"steps       {closing}\n" in capsys.readouterr().out
    assert main(["top", "a.h5", "--once"]) == 0
    assert f"steps        {closing}\n" in capsys.readouterr().out
    assert main(["plot", "a.h5", "curves", "survival", "-o", "a.svg"]) == 0
    drawn = (tmp_path / "a.svg").read_text()
    assert all(f"<!-- {text} -->" in drawn for text in ("learning curves", "STOPPED", "step"))
    assert main(["report", "a.h5"]) == 0
    page = (tmp_path / "report.html").read_text()
    assert f"Together {closing}." in page
