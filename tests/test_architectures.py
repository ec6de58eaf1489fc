import io
import shutil
from pathlib import Path

import pytest

from dhmpi import architectures, results
from dhmpi.cli import main
from dhmpi.errors import OptionError, ResultsError
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.nas.random import NasRandom

DIGITS = "dhmpi.benchmark.nas.digitsNas.problem.Problem"
ARCH = "0,3,2,1,2,0,0,0,0,0,0,0,0,0,0"


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """Two architectures for the digits, trained in this process."""
    output = tmp_path_factory.mktemp("campaign") / "nas.h5"
    NasRandom(DIGITS, NasRandom.default_run, max_evals=2, isolation="inline", quiet=True, output=str(output)).main()
    return output


class TestDrawing:
    def test_a_space(self):
        assert main(["draw", "--problem", DIGITS, "space.dot"]) == 0
        text = Path("space.dot").read_text()
        assert text.startswith("digraph")
        assert "operations]" in text

    def test_an_architecture(self):
        assert main(["draw", "--problem", DIGITS, "--arch", ARCH, "one.dot"]) == 0
        assert "Dense_20_relu" in Path("one.dot").read_text()

    @pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
    def test_an_image(self):
        assert main(["draw", "--problem", DIGITS, "--arch", ARCH, "one.svg"]) == 0
        assert "<svg" in Path("one.svg").read_text()

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--arch", "0,x", "a.dot"], "--arch must be integers separated by commas, got '0,x'"),
            (["--arch", "0,1", "a.dot"], "each of 15 decisions, got 2"),
            (["a.bmp"], "must end in"),
        ],
    )
    def test_bad_input_gets_one_sentence(self, words, sentence, capsys):
        assert main(["draw", "--problem", DIGITS, *words]) == 2
        assert sentence in capsys.readouterr().err

    def test_what_has_no_layers_cannot_be_drawn(self):
        with pytest.raises(OptionError, match="must have a structure of layers"):
            architectures.draw("dhmpi.benchmark.nas.table.Problem", None, "a.dot")


class TestTrainingAgain:
    def test_as_long_as_in_the_search_gives_the_same(self, campaign):
        found = results.read(campaign)
        [again] = architectures.retrain(found, 1, None)
        assert again.evaluation == found.best
        assert again.reward == pytest.approx(-found.best.objective, abs=0.05)
        assert again.test["accuracy"] > 0.5

    def test_the_best_ones_longer(self, campaign, capsys):
        assert main(["train", str(campaign), "--top", "2", "--epochs", "2"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line[:2] for line in lines if line[0].isdigit()] == ["1.", "2."]
        assert sum("test:       loss" in line for line in lines) == 2

    # Keras's own way of turning variables into arrays, on saving.
    @pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
    def test_the_best_one_as_a_keras_model(self, campaign, capsys):
        from dhmpi.search.nas.model.backend import keras

        assert main(["export", str(campaign), "--keras", "best.keras", "--epochs", "1"]) == 0
        model = keras.models.load_model("best.keras")
        assert model.count_params() == results.read(campaign).best.extra["parameters"]

    def test_a_model_needs_its_ending(self, campaign):
        with pytest.raises(OptionError, match=r"must be a file ending in .keras, got 'best.h5'"):
            architectures.export(results.read(campaign), "best.h5", 1, io.StringIO())

    def test_results_of_hyperparameters_are_refused(self):
        RandomSearch(
            RandomSearch.default_problem, RandomSearch.default_run, max_evals=2, isolation="inline", quiet=True
        ).main()
        with pytest.raises(ResultsError, match="got 2 of search hps-random"):
            next(architectures.retrain(results.read("results.h5"), 1, None))

    def test_the_architecture_is_shown_readable(self, campaign, capsys):
        assert main(["best", str(campaign)]) == 0
        out = capsys.readouterr().out
        assert "best reward 0." in out
        assert "\n  architecture " in out
        assert "\\n" not in out
        assert max(map(len, out.splitlines())) < 300
