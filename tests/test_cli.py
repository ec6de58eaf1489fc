import csv
import json
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pandas as pd
import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.cli.main import COMMANDS
from dhmpi.evaluation import State
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.registry import SEARCHES
from dhmpi.support.resources import Resources

ROOT = Path(__file__).parents[1]
POLYNOME = ["--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "dhmpi.benchmark.hps.polynome2.run"]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("isolation", ["process", "inline"])
@pytest.mark.parametrize("search", ["ambs", "ga", "hps-random"])
def test_one_rank_needs_no_launcher(search, isolation, capsys):
    assert main([search, *POLYNOME, "--max-evals", "12", "--isolation", isolation, "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "12 evaluations are complete: 12 evaluations in" in out
    assert "best objective -" in out
    found = results.read("results.h5")
    assert found.metadata.complete
    assert found.evaluations[0].objective == -285  # the starting point
    assert [each.state for each in found.evaluations] == [State.DONE] * 12


@pytest.mark.parametrize("module", ["dhmpi.search.hps.ambs", "dhmpi.search.hps.ga", "dhmpi.search.hps.random", "dhmpi"])
def test_modules_are_commands(module):
    words = ["ambs"] if module == "dhmpi" else []
    done = subprocess.run(
        [sys.executable, "-m", module, *words, *POLYNOME, "--max-evals", "3", "--quiet"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(results.read("results.h5").evaluations) == 3


@pytest.mark.parametrize("name", SEARCHES)
def test_files_of_searches_are_commands(name):
    """Wherever one is; of the package that the file lies in, whatever else is there."""
    file = ROOT.joinpath(*SEARCHES[name].module.split(".")).with_suffix(".py")
    shown = subprocess.check_output([sys.executable, file, "--help"], text=True, timeout=60)
    assert shown.startswith(f"usage: dhmpi {name} ")


def test_files_of_searches_run_where_they_are(tmp_path):
    """Their neighbours do not hide modules that user code imports."""
    (tmp_path / "user.py").write_text("import random\ndef run(point):\n    return random.uniform(0, 1)\n")
    words = ["--problem", POLYNOME[1], "--run", tmp_path / "user.py", "--output", tmp_path / "results.h5"]
    words += ["--max-evals", "2", "--quiet"]
    subprocess.run([sys.executable, "random.py", *words], cwd=ROOT / "dhmpi/search/hps", timeout=60, check=True)
    assert [each.state for each in results.read("results.h5").evaluations] == [State.DONE] * 2


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("is_installed", [False, True])
def test_files_of_searches_belong_to_the_package_they_lie_in(name, is_installed, tmp_path):
    there = Path(*SEARCHES[name].module.split(".")).with_suffix(".py")
    file = tmp_path / there
    file.parent.mkdir(parents=True)
    file.write_text((ROOT / there).read_text())
    (file.parent / "random.py").write_text(file.read_text())
    cli = "import random, sys\ndef main(words):\n    print(*words, random.randrange(1), sys.path.index({path!r}))\n"
    (tmp_path / "dhmpi" / "cli.py").write_text(cli.format(path=str(tmp_path)))
    (tmp_path / "dhmpi" / "__init__.py").touch()
    link = tmp_path / "link.py"
    link.symlink_to(file)
    env = os.environ | ({"PYTHONPATH": f"/first:{tmp_path}"} if is_installed else {})
    for path in (file, link):
        words = [sys.executable, path, "--word"]
        printed = subprocess.check_output(words, env=env, cwd=file.parent, text=True, timeout=60)
        assert printed == f"{name} --word 0 {int(is_installed)}\n"  # what is installed keeps its place


@pytest.mark.parametrize("words", [["--help"], ["ambs", "--help"], ["hps-random", "--help"], ["show", "--help"]])
def test_help_is_quick(words):
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "dhmpi", *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert "usage: dhmpi" in done.stdout
    assert time.perf_counter() - begun < 20  # the figure is measured by a person; this only notices a disaster


HEAVY = ["numpy", "scipy", "h5py", "mpi4py", "tqdm", "dhmpi.results", "dhmpi.analysis.terminal", "dhmpi.agents"]


def imported_by(code, names):
    """Those of the names that a program has imported at its end."""
    code = f"import sys\n{code}\nprint(*[name for name in {names!r} if name in sys.modules])"
    return subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).splitlines()[-1].split()


@pytest.mark.parametrize(
    ("commands", "heavy"),
    [
        ([name for name in COMMANDS if name not in SEARCHES], [*HEAVY, "dhmpi.search.search"]),
        (["ambs", "ga", "hps-random", "nas-random"], HEAVY),  # the other searches have agents, each with a network
    ],
)
def test_help_imports_nothing_heavy(commands, heavy):
    code = f"""
import contextlib
from dhmpi.cli import main
for words in {[["--help"], *([name, "--help"] for name in commands)]!r}:
    with contextlib.suppress(SystemExit):
        main(words)
"""
    assert imported_by(code, heavy) == []


def test_ranks_that_evaluate_import_nothing_of_the_search(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    code = """
from dhmpi.campaign import start
from dhmpi.cli import main
start.join = lambda setup, isolation, prepare: None  # they are told to stop at once
assert main([{search!r}, *{words!r}]) == 0
"""
    for search in ("hps-random", "ambs", "ga"):
        assert imported_by(code.format(search=search, words=POLYNOME), HEAVY) == []


def test_the_first_points_do_not_wait_for_what_only_models_need():
    code = """
from dhmpi.benchmark.hps.polynome2 import Problem
from dhmpi.search.hps.ambs import AMBS
assert len(AMBS(Problem).ask(4)) == 4
"""
    assert imported_by(code, ["scipy.optimize", "sklearn", "skopt"]) == []


def test_without_a_terminal_nothing_is_imported_that_draws_on_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = ["hps-random", *POLYNOME, "--max-evals", "1", "--isolation", "inline"]
    assert imported_by(f"from dhmpi.cli import main\nassert main({words!r}) == 0", ["numpy", "tqdm"]) == ["numpy"]


@pytest.mark.parametrize("words", [["--help"], ["ambs", "--help"]])
def test_one_rank_shows_help(monkeypatch, capsys, words):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    with pytest.raises(SystemExit):
        main(words)
    assert capsys.readouterr() == ("", "")


def test_help_shows_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit):
        main(["ambs", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name in (
        *("--problem", "--run", "--evaluator", "--max-evals", "--max-minutes", "--eval-timeout-minutes", "--seed"),
        *("--output", "--resume", "--overwrite", "--num-workers", "--isolation", "--log-level", "--quiet"),
        *("--learner", "--acq-func", "--liar-strategy", "--kappa", "--xi"),
    ):
        assert name in text
    for default in ("auto", "about 0.05", "gp_hedge", "cl_max", "1.96", "results.h5", "process", "100", "12345"):
        assert f"default: {default}" in text


@pytest.fixture
def help_of(capsys, monkeypatch):
    """The help of a command on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def shown(*words):
        with pytest.raises(SystemExit, match="0"):
            main([*words, "--help"])
        return capsys.readouterr().out

    return shown


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_has_at_most_40_options(name, help_of):
    """Settings that belong to a choice are in its value, as --evaluator balsam:nodes=2; see `Setting`."""
    options = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", help_of(name), re.MULTILINE)
    assert 15 < len(options) <= 40


@pytest.mark.parametrize("search", ["ambs", "ga", "hps-random"])
def test_a_given_point_that_is_none_ends_it_before_it_begins(search, capsys, tmp_path):
    (tmp_path / "points.csv").write_text("e0,e1\n3,4\n3,11\n")
    assert main([search, *POLYNOME, "--points", str(tmp_path / "points.csv")]) == 2
    assert capsys.readouterr().err == (
        f"dhmpi {search}: error: points.csv, line 3: dimension 'e1': value must be an integer from -10 to 10, got 11; "
        "change it or the range\n"
    )
    assert not Path("results.h5").exists()


@pytest.mark.parametrize("name", SEARCHES)
def test_the_options_of_a_search_are_grouped(name, help_of):
    text = help_of(name)
    assert text.startswith(f"usage: dhmpi {name} [--problem PROBLEM] [--run RUN] [OPTION ...]\n")
    titles = re.findall(r"^(\w.*):\n  ", text, re.MULTILINE)
    assert titles[:6] == ["problem", "budget", "early stopping", "evaluation", "results", "search"]
    assert re.search(r"^evaluation:\n  --evaluator ", text, re.MULTILINE)
    assert titles[6:-1] == [title for title in titles if title.startswith("settings of ")]
    assert "settings of --stopper asha, as asha:reduction=3.0" in titles
    assert "settings of --stopper auto, asha and median, as auto:min-steps=..." in titles
    assert "settings of --evaluator balsam and launch, as balsam:nodes=1,ranks=1" in titles
    assert "settings of --evaluator launch, as launch:gpus-per-rank=0,launcher=auto" in titles
    assert "settings of --evaluator futures, as futures:executor=..." in titles
    places = [
        text.index(f"\n  {option} ") for option in ("--problem", "--max-evals", "--evaluator", "--output", "--seed")
    ]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 80


def test_commands_are_grouped_in_the_order_of_a_campaign(help_of):
    text = help_of()
    assert text.startswith("usage: dhmpi COMMAND [OPTION ...]\n")
    places = [
        text.index(part)
        for part in ("\nsearch:\n  ambs ", "\nlook at results", "\n  show ", "\nprepare jobs:", "\n  job ")
    ]
    assert places == sorted(places)
    assert [text.count(f"\n  {name} ") for name in COMMANDS] == [1] * len(COMMANDS)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "words",
    [
        ["--evaluator", "balsam:nodes=2,packing=4"],
        ["--evaluator", "balsam", "--num-nodes", "2", "--node-packing-count", "4"],
    ],
)
def test_settings_of_balsam_in_its_value_or_as_they_were(words, monkeypatch):
    made = []
    monkeypatch.setattr(
        "dhmpi.campaign.start.run", lambda make, run, evaluator, options, *_, **__: made.append((evaluator, options))
    )
    assert main(["ambs", *POLYNOME, *words]) == 0
    [(evaluator, options)] = made
    assert evaluator == "balsam"
    assert options.resources == Resources(num_nodes=2, node_packing_count=4)


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("dhmpi 0.")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "a command must be given; choose from problems, new, check, ambs, "),
        (["amsb"], "no such command: 'amsb'; did you mean 'ambs'?"),
        (["ambs", "--evaluator", "mpl"], "got mpl; did you mean 'mpi'?"),
        (["ambs", "--max-evals", "0"], "--max-evals must be an integer of at least 1, got 0"),
        (["ambs", "--unknown", "1"], "unrecognized arguments: --unknown 1; see dhmpi ambs --help"),
        (["ambs", "--mex-evals", "1"], "unrecognized arguments: --mex-evals 1; did you mean '--max-evals'?"),
        (["ambs", "--max-evls=1"], "unrecognized arguments: --max-evls=1; did you mean '--max-evals'?"),
        (["job", "--sites", "theta"], "unrecognized arguments: --sites theta; did you mean '--site'?"),
        (["ambs", "surplus"], "unrecognized arguments: surplus"),
        (["ambs", "--evaluator", "balsm:nodes=2"], "got balsm; did you mean 'balsam'?"),
        (
            ["ambs", "--evaluator", "balsam:nods=2"],
            "--evaluator balsam must have settings that are known, got nods; did ",
        ),
        (["ambs", "--evaluator", "balsam:nodes=0"], "--evaluator balsam:nodes must be an integer of at least 1, got 0"),
        (["ambs", "--evaluator", "mpi:nodes=2"], "--evaluator mpi must have no settings, got mpi:nodes=2"),
        (["ppo-sync", "--policy", "lstm:units=0"], "--policy lstm:units must be an integer of at least 1, got 0"),
        (["ambs", "--num-workers", "4"], "--num-workers must be 1 here (one rank that evaluates itself), got 4"),
        (["ambs", "--kappa", "-1"], "--kappa must be a finite number of at least 0, got -1"),
        (["ga", "--population-size", "1"], "--population-size must be an integer of at least 2, got 1"),
        (["show", "none.h5"], "none.h5"),
        (["redo", "none.h5"], "none.h5 does not exist"),
        (["redo", "none.h5", "--states", "FALED"], "did you mean 'FAILED'?"),
        (["redo", "none.h5", "--ids", "x"], "--ids must be integers and ranges of them like 3,7-9, got x"),
        (["show", "none.h5", "--since", "1"], "--since must come with --is-complete"),
        (["ambs", "--end-time", "noon"], "--end-time must be a moment like 2026-11-25T06:30"),
        (["ambs", "--drain-seconds", "-1"], "--drain-seconds must be a finite number of at least 0, got -1"),
    ],
)
def test_bad_input_gets_one_sentence(words, sentence, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert len(captured.err.splitlines()) == 1


@pytest.fixture
def campaign():
    assert main(["hps-random", *POLYNOME, "--max-evals", "5", "--isolation", "inline", "--quiet"]) == 0


def test_show(campaign, capsys):
    capsys.readouterr()
    assert main(["show", "results.h5"]) == 0
    out = capsys.readouterr().out
    assert "search      hps-random" in out
    assert "evaluations 5: 5 DONE" in out
    assert "state       complete" in out
    assert "1 rank, which searches and evaluates" in out


def test_best(campaign, capsys):
    capsys.readouterr()
    assert main(["best", "results.h5", "--json"]) == 0
    point = json.loads(capsys.readouterr().out)
    best = min(results.read("results.h5").evaluations, key=lambda each: each.objective)
    assert point == best.point


def test_the_best_ones(campaign, capsys):
    capsys.readouterr()
    found = sorted(results.read("results.h5").evaluations, key=lambda each: each.objective)
    assert main(["best", "results.h5", "--top", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"id": each.id, "objective": each.objective, "point": each.point} for each in found[:2]
    ]
    assert main(["best", "results.h5", "--top", "99", "--csv"]) == 0
    header, *rows = csv.reader(capsys.readouterr().out.splitlines())
    assert header[0] == "id"
    assert [int(row[0]) for row in rows] == [each.id for each in found]
    assert main(["best", "results.h5", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["best", "results.h5", "--top", "2"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"evaluation (\d+):", out) == [str(each.id) for each in found[:2]]


def test_best_of_none_says_why(capsys):
    words = ["hps-random", "--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "math.sqrt"]
    assert main([*words, "--max-evals", "3", "--isolation", "inline", "--quiet"]) == 1
    out = capsys.readouterr().out
    assert "no evaluation has succeeded" in out
    assert "TypeError: must be real number, not dict" in out
    assert main(["best", "results.h5"]) == 1
    assert "no evaluation has succeeded" in capsys.readouterr().out
    assert main(["best", "results.h5", "--json"]) == 1
    assert capsys.readouterr().out == "null\n"
    assert main(["best", "results.h5", "--json", "--top", "3"]) == 1
    assert capsys.readouterr().out == "[]\n"


class TestLogs:
    """Of a run function that each campaign warns of once."""

    WORDS = ("hps-random", *POLYNOME[:2], "--run", "odd.py", "--max-evals", "2", "--isolation", "inline", "--quiet")
    KEPT = Path("results.h5.files/rank-0000.log")

    @pytest.fixture(autouse=True)
    def odd(self, monkeypatch):
        Path("odd.py").write_text("def run(point): return {'objective': 1.0, 'odd': object()}\n")
        logger = logging.getLogger("dhmpi")
        monkeypatch.setattr(logger, "handlers", logger.handlers)
        level = logger.level
        yield
        logger.setLevel(level)

    def test_a_line_is_printed_and_kept(self, capsys):
        assert main(self.WORDS) == 0
        [line] = capsys.readouterr().err.splitlines()[:1]
        assert " rank 0 WARNING dhmpi.evaluator.evaluator: evaluation 0 on " in line
        assert self.KEPT.read_text() == f"{line}\n"

    @pytest.mark.parametrize("words", [["--log-json"], ["--log-level", "debug:json"]])
    def test_a_line_may_be_an_object(self, capsys, words):
        assert main([*self.WORDS, *words]) == 0
        lines = capsys.readouterr().err.splitlines()
        assert self.KEPT.read_text().splitlines() == lines
        found = [json.loads(line) for line in lines]
        [warning] = [each for each in found if each["level"] == "warning"]
        assert warning["logger"] == "dhmpi.evaluator.evaluator"
        others = [each["message"] for each in found if each is not warning]
        if words[0] == "--log-json":
            assert others == []
        else:
            begins, *results, ends = others
            assert begins.startswith(
                "hps-random begins on dhmpi.benchmark.hps.polynome2.Problem, seed 12345, output res"
            )
            assert [each.split(" on ")[0] for each in results] == ["evaluation 0 DONE", "evaluation 1 DONE"]
            assert ends == "ends after 0:00:00: 2 evaluations are complete; 2 evaluations: 2 DONE"

    def test_the_log_of_a_campaign_that_is_overwritten_goes(self):
        assert main(self.WORDS) == 0
        assert main([*self.WORDS, "--resume", "--max-evals", "3"]) == 0
        assert len(self.KEPT.read_text().splitlines()) == 2
        assert main([*self.WORDS, "--overwrite"]) == 0
        assert len(self.KEPT.read_text().splitlines()) == 1
        assert main([*self.WORDS, "--overwrite", "--log-level", "error"]) == 0
        assert not self.KEPT.exists()

    def test_none_are_kept_if_none_are_wanted(self):
        assert main([*self.WORDS, "--logs", "none"]) == 0
        assert not self.KEPT.parent.exists()

    def test_the_environment_has_the_level_that_no_option_gives(self, capsys, monkeypatch):
        monkeypatch.setenv("DHMPI_LOG_LEVEL", "ERROR")
        assert main(self.WORDS) == 0
        assert "WARNING" not in capsys.readouterr().err
        assert main([*self.WORDS, "--overwrite", "--log-level", "warning"]) == 0
        assert "WARNING" in capsys.readouterr().err
        monkeypatch.setenv("DHMPI_LOG_LEVEL", "")
        assert main([*self.WORDS, "--overwrite"]) == 0
        assert "WARNING" in capsys.readouterr().err
        monkeypatch.setenv("DHMPI_LOG_LEVEL", "loud")
        assert main([*self.WORDS, "--overwrite"]) == 2
        sentence = "DHMPI_LOG_LEVEL must be one of debug, info, warning, error, got loud"
        assert capsys.readouterr().err == f"dhmpi hps-random: error: {sentence}\n"


def test_redo(capsys):
    Path("odd.py").write_text("def run(point):\n    print('hello')\n    return 1.0 if point['e0'] > 0 else None\n")
    words = ["hps-random", *POLYNOME[:2], "--run", "odd.py", "--quiet", "--max-evals", "12"]
    assert main(words) == 0
    failed = [each.id for each in results.read("results.h5").evaluations if each.state == "FAILED"]
    assert f"12 evaluations: {12 - len(failed)} DONE, {len(failed)} FAILED\n" in capsys.readouterr().out
    assert main(["show", "results.h5"]) == 0
    log = f"results.h5.files/evaluation-{failed[0]:06d}.log"
    line = "FAILED: the objective must be a finite number, got None"
    assert f"{len(failed)} x {line} (evaluation {failed[0]}; {log})\n" in capsys.readouterr().out
    assert main(["show", "--errors", "results.h5"]) == 0
    assert capsys.readouterr().out.startswith(f"{len(failed)} x {line}\n")
    assert main(["redo", "results.h5", "--states", "failed", "--ids", f"0-{failed[0]}"]) == 0
    assert capsys.readouterr().out.startswith("1 evaluation to be evaluated again: 1 FAILED\n")
    assert main(["show", "results.h5", "--is-complete"]) == 3
    assert main(["redo", "results.h5"]) == 0
    assert capsys.readouterr().out.endswith("to evaluate them: the command of the campaign with --resume\n")
    Path("odd.py").write_text("def run(point): return 2.0\n")
    assert main([*words, "--resume", "--isolation", "process"]) == 0
    assert main(["redo", "results.h5"]) == 0
    assert capsys.readouterr().out.endswith("nothing is to be evaluated again that would not be anyway\n")
    assert main(["check", "results.h5"]) == 2
    assert "the file must hold every result that the search has known" in capsys.readouterr().err


def test_export(campaign, capsys):
    capsys.readouterr()
    assert main(["export", "results.h5", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert main(["export", "results.h5", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["evaluations"]) == 5


@pytest.mark.parametrize("form", ["--csv", "--json", "--deephyper"])
def test_an_export_goes_to_a_file_or_is_printed(campaign, capsys, form):
    capsys.readouterr()
    assert main(["export", "results.h5", form]) == 0
    printed = capsys.readouterr().out
    assert main(["export", "results.h5", form, "-o", "file"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("file").read_text() == printed != ""


def test_export_for_other_programs(campaign, capsys):
    capsys.readouterr()
    assert main(["export", "results.h5", "--parquet", "a.parquet"]) == 0
    assert Path("a.parquet").read_bytes()[:4] == b"PAR1"
    assert main(["export", "results.h5", "--optuna", "sqlite:///a.db"]) == 0
    assert main(["export", "results.h5", "--optuna", "sqlite:///a.db", "--study", "mine"]) == 0
    assert capsys.readouterr() == ("study results of 5 trials\nstudy mine of 5 trials\n", "wrote a.parquet\n")


@pytest.mark.parametrize(
    ("words", "library", "module"),
    [
        (["--parquet", "a.parquet"], "pyarrow", "dhmpi.analysis.parquet"),
        (["--optuna", "sqlite:///a.db"], "optuna", "dhmpi.analysis.optuna_study"),
    ],
)
def test_a_library_that_is_not_installed_is_named(campaign, capsys, monkeypatch, words, library, module):
    capsys.readouterr()
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    assert main(["export", "results.h5", *words]) == 2
    extra = words[0].removeprefix("--")
    sentence = f'--{extra} must have {library} installed, got none; run: pip install "dhmpi[{extra}]"\n'
    assert capsys.readouterr().err == f"dhmpi export: error: {sentence}"
    assert not Path("a.parquet").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--csv", "-o", "results.h5"], "--output must not be a results file, got 'results.h5'"),
        (["--parquet", "./results.h5"], "--parquet must not be a results file"),
        (["--json", "-o", "none/a"], "--output must be a file in a directory that exists, got 'none/a'"),
        (["--parquet", "a", "-o", "b"], "--output must come with --csv, --json or --deephyper"),
        (["--csv", "--study", "s"], "--study must come with --optuna"),
        (["--optuna", "a.db"], "--optuna must be the URL of a database, such as sqlite:///study.db, got 'a.db'"),
        (["--optuna", "sqlite:///a.db", "--study", ""], "--study must not be empty"),
    ],
)
def test_an_export_that_cannot_be(campaign, capsys, words, sentence):
    capsys.readouterr()
    assert main(["export", "results.h5", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert len(results.read("results.h5").evaluations) == 5


def test_the_file_reads_with_h5py_and_pandas(campaign):
    with h5py.File("results.h5") as file:
        assert file["evaluations/point/e0"].shape == (5,)
        assert file["evaluations/objective"].attrs["meaning"]
        assert file.attrs["search"] == "hps-random"
    frame = results.load("results.h5")
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["id"]) == [0, 1, 2, 3, 4]
    assert {"e0", "e9", "objective", "state", "rank"} <= set(frame.columns)


def test_an_existing_file_is_kept_unless_told_otherwise(campaign, capsys):
    before = Path("results.h5").read_bytes()
    words = ["hps-random", *POLYNOME, "--max-evals", "7", "--isolation", "inline", "--quiet"]
    assert main(words) == 2
    assert "results.h5 exists; use --resume" in capsys.readouterr().err
    assert Path("results.h5").read_bytes() == before
    assert main([*words, "--resume"]) == 0
    assert len(results.read("results.h5").evaluations) == 7
    assert main([*words, "--resume", "--seed", "5"]) == 2
    assert "--seed must be 12345 as in the file, got 5" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert len(results.read("results.h5").metadata.runs) == 1


def test_a_search_started_from_python_returns_its_results():
    from dhmpi.benchmark.hps.polynome2 import Problem, run

    found = RandomSearch(Problem, run, max_evals=4, quiet=True, seed=3).main()
    assert found.best.objective == min(each.objective for each in found.evaluations)
    assert len(found.evaluations) == 4
    found = RandomSearch(Problem, lambda point: 1.0, isolation="inline", max_evals=2, output="b.h5", quiet=True).main()
    assert found.best.objective == 1.0
    found = RandomSearch(Problem, lambda point: 2.0, max_evals=2, output="c.h5", quiet=True).main()
    assert found.best.objective == 2.0
    with pytest.raises(ValueError, match=r"c.h5 exists; use resume=True to continue it, overwrite=True to replace it"):
        RandomSearch(Problem, run, max_evals=2, output="c.h5").main()


def test_a_typing_error_costs_no_results(campaign, capsys):
    before = Path("results.h5").read_bytes()
    words = ["hps-random", "--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "no.such.run", "--overwrite"]
    assert main(words) == 2
    assert "dhmpi hps-random: error: " in capsys.readouterr().err
    assert Path("results.h5").read_bytes() == before


def test_an_evaluation_limit_is_only_the_default_without_a_time_limit():
    words = ["hps-random", *POLYNOME, "--max-minutes", "0.02", "--isolation", "inline", "--quiet"]
    assert main(words) == 0
    found = results.read("results.h5")
    assert len(found.evaluations) > 100
    assert found.metadata.runs[-1]["why"].startswith("the time is over")


@pytest.fixture
def completeness(capsys):
    def ask(*words):
        capsys.readouterr()
        return main(["show", "results.h5", "--is-complete", *words]), capsys.readouterr().out

    return ask


def test_a_script_can_ask_whether_a_campaign_is_complete(campaign, completeness):
    assert completeness() == (0, "complete: 5 evaluations, 5 of them ended in this run\n")
    assert completeness("--since", str(time.time() + 60))[0] == 0


def test_a_script_can_ask_whether_a_campaign_gets_on(completeness):
    words = ["hps-random", *POLYNOME, "--isolation", "inline", "--quiet"]
    begun = time.time()
    assert main([*words, "--max-minutes", "0.05"]) == 0  # 3 s: a busy machine must get on, too
    num = len(results.read("results.h5").evaluations)
    assert completeness() == (3, f"not complete: {num} evaluations, {num} of them ended in this run\n")
    assert completeness("--since", str(begun))[0] == 3
    assert completeness("--since", str(time.time() + 60)) == (
        4,
        f"not complete: {num} evaluations, 0 of them ended in this run\n",
    )
    assert main([*words, "--max-minutes", "0.01", "--drain-seconds", "60", "--resume"]) == 0
    assert completeness()[0] == 4


def test_a_campaign_without_anything_done_is_not_complete(completeness, capsys):
    words = ["hps-random", *POLYNOME[:2], "--run", "math.sqrt", "--isolation", "inline", "--quiet"]
    assert main([*words, "--max-evals", "3"]) == 1
    captured = capsys.readouterr()
    sentence = (
        "at least one evaluation must be DONE, got 3 failures, 3 of them: TypeError: must be real number, not dict"
    )
    assert captured.out.startswith(sentence)
    remedy = "mend that, then dhmpi redo results.h5, and continue with --resume"
    assert f"dhmpi hps-random: error: {sentence}; {remedy}\n" in captured.err
    assert completeness() == (4, "not complete: 3 evaluations, 3 of them ended in this run; none is DONE\n")
    assert main([*words, "--max-evals", "400", "--max-failures", "20", "--resume"]) == 1
    assert completeness() == (4, "not complete: 23 evaluations, 20 of them ended in this run; none is DONE\n")


def test_without_a_file_there_is_no_answer(capsys):
    assert main(["show", "results.h5", "--is-complete"]) == 2
    assert "results.h5 does not exist" in capsys.readouterr().err


# --- streams that are closed or full, and what reaches a terminal

EVIL = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0), 0.5)
Problem.add_dim("n\\x1b]0;title\\x07\u00e9", ["a\\x1b[2J", "b"], "b")

def run(point):
    if point["x"] > 0.5:
        raise ValueError("bad \\x1b]52;c;ZXZpbA==\\x07 \\x9b31m \\u202e")
    return {"objective": point["x"], "extra\\x1b[0m": "v\\x1b[31m\\nline\\r2\\x07"}
"""
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture
def evil():
    Path("evil.py").write_text(EVIL, encoding="utf-8")
    return ["hps-random", "--problem", "evil.py", "--run", "evil.py", "--max-evals", "8", "--isolation", "inline"]


def shell(line, *words, **variables):
    """Run dhmpi in a line of shell, in which "$@" stands for it."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | variables
    command = ["bash", "-c", line, "bash", sys.executable, "-m", "dhmpi", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)


@pytest.mark.parametrize(
    "line",
    [
        '"$@" 2>/dev/full',
        '"$@" 2>&-',
        '"$@" >/dev/full',
        '"$@" >&-',
        '"$@" >&- 2>&- <&-',
        'set -o pipefail; "$@" 2>&1 >/dev/null | head -c 1',
        'set -o pipefail; "$@" | head -c 1',
        'set -o pipefail; "$@" | true',
    ],
)
def test_a_campaign_outlives_streams_that_are_closed_or_full(evil, line):
    done = shell(line, *evil)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert results.read("results.h5").metadata.complete


@pytest.mark.parametrize("line", ['"$@" >/dev/full', '"$@" >&-'])
@pytest.mark.parametrize(
    "words",
    [
        ["show"],
        ["best"],
        ["best", "--json"],
        ["export", "--csv"],
        ["export", "--json"],
        ["show", "--is-complete"],
        None,
    ],
    ids=str,
)
def test_what_cannot_be_printed_is_a_sentence(campaign, line, words):
    done = shell(line, *([*words, "results.h5"] if words else ["--help"]))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "error: standard output " in done.stderr


def test_no_control_character_is_printed(evil, capsys):
    assert main(evil) == 0
    for words in (["show"], ["best"], ["export", "--csv"], ["export", "--json"]):
        assert main([*words, "results.h5"]) == 0
    for words in (
        ["show", "none\x1b]0;x\x07.h5"],
        ["x\x1b[31m"],
        ["ambs", "--problem", "a\x1b[31m.py"],
        ["ambs", "\x1b"],
    ):
        assert main(words) == 2
    captured = capsys.readouterr()
    assert not RAW.search(captured.out)
    assert not RAW.search(captured.err)
    assert r"n\u001b]0;title\u0007\u00e9  ".replace(r"\u00e9", "\u00e9") in captured.out


def test_ascii_is_enough(evil):
    assert shell('"$@"', *evil, PYTHONIOENCODING="ascii").returncode == 0
    for words in (["show"], ["best"], ["export", "--csv"], ["export", "--json"]):
        done = shell('"$@"', *words, "results.h5", PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()


def test_a_full_disk_is_no_typing_error(campaign, capsys, monkeypatch):
    def full(fd, data):
        raise OSError(28, "No space left on device")

    words = ["hps-random", *POLYNOME, "--max-evals", "9", "--isolation", "inline", "--resume", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr("dhmpi.results.files.os.write", full)
        assert main(words) == 1
    assert "No space left on device; make room, then use --resume" in capsys.readouterr().err
    assert len(results.read("results.h5").evaluations) == 5


@pytest.mark.parametrize("logs", ["all", "failures", "none"])
def test_which_logs_are_kept_is_said(logs):
    Path("loud.py").write_text("def run(point):\n    print('x')\n    return 1 / max(0, point['e0'])\n")
    words = ["--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "loud.py", "--quiet", "--logs", logs]
    assert main(["hps-random", *words, "--max-evals", "8"]) == 0
    states = [each.state for each in results.read("results.h5").evaluations]
    kept = {"all": 8, "failures": states.count(State.FAILED), "none": 0}[logs]
    assert 0 < states.count(State.FAILED) < 8
    assert len(list(Path("results.h5.files").glob("*.log"))) == kept
