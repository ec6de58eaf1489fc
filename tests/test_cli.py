import json
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pandas as pd
import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.evaluation import State
from dhmpi.search.hps.random import RandomSearch

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


@pytest.mark.parametrize("words", [["--help"], ["ambs", "--help"], ["hps-random", "--help"], ["show", "--help"]])
def test_help_is_quick(words):
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "dhmpi", *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert "usage: dhmpi" in done.stdout
    assert time.perf_counter() - begun < 20  # the figure is measured by a person; this only notices a disaster


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


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("dhmpi 0.")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "a command must be given; choose from ambs, "),
        (["amsb"], "no such command: 'amsb'; did you mean 'ambs'?"),
        (["ambs", "--evaluator", "mpl"], "got mpl; did you mean 'mpi'?"),
        (["ambs", "--max-evals", "0"], "--max-evals must be an integer of at least 1, got 0"),
        (["ambs", "--unknown", "1"], "unrecognized arguments: --unknown 1"),
        (["ambs", "--num-workers", "4"], "--num-workers must be 1 here (one rank that evaluates itself), got 4"),
        (["ambs", "--kappa", "-1"], "--kappa must be a finite number of at least 0, got -1"),
        (["ga", "--population-size", "1"], "--population-size must be an integer of at least 2, got 1"),
        (["show", "none.h5"], "none.h5"),
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


def test_best_of_none_says_why(capsys):
    words = ["hps-random", "--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--run", "math.sqrt"]
    assert main([*words, "--max-evals", "3", "--isolation", "inline", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "no evaluation has succeeded" in out
    assert "TypeError: must be real number, not dict" in out


def test_export(campaign, capsys):
    capsys.readouterr()
    assert main(["export", "results.h5", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert main(["export", "results.h5", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["evaluations"]) == 5


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
    with pytest.raises(ValueError, match="isolation to 'inline'"):
        RandomSearch(Problem, lambda point: 1.0, max_evals=2, output="c.h5").main()


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
    assert main([*words, "--max-minutes", "0.01"]) == 0
    num = len(results.read("results.h5").evaluations)
    assert completeness() == (3, f"not complete: {num} evaluations, {num} of them ended in this run\n")
    assert completeness("--since", str(begun))[0] == 3
    assert completeness("--since", str(time.time() + 60)) == (
        4,
        f"not complete: {num} evaluations, 0 of them ended in this run\n",
    )
    assert main([*words, "--max-minutes", "0.01", "--drain-seconds", "60", "--resume"]) == 0
    assert completeness()[0] == 4


def test_without_a_file_there_is_no_answer(capsys):
    assert main(["show", "results.h5", "--is-complete"]) == 2
    assert "results.h5 does not exist" in capsys.readouterr().err
