import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from dhmpi import results
from dhmpi.benchmark.nas.linearReg.load_data import load_data as load_linear
from dhmpi.campaign import retraining
from dhmpi.campaign.retraining import Again
from dhmpi.cli import main
from dhmpi.errors import OptionError, ResultsError
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.nas.random import NasRandom

DIGITS = "dhmpi.benchmark.nas.digitsNas.problem.Problem"
MNIST = "dhmpi.benchmark.nas.mnist1D.problem.Problem"
ARCH = "0,3,2,1,2,0,0,0,0,0,0,0,0,0,0"

LINEAR = """
from dhmpi.benchmark import Problem

Problem = Problem()
Problem.add_dim("regression", True)
Problem.add_dim(
    "load_data",
    {
        "func": "dhmpi.benchmark.nas.linearReg.load_data:load_data",
        "kwargs": {"dim": 3, "size": 500, "test": True},
    },
)
Problem.add_dim("preprocessing", {"func": "dhmpi.search.nas.model.preprocessing:minmaxstdscaler"})
Problem.add_dim("create_structure", {"func": "dhmpi.search.nas.model.baseline.anl_mlp_2:create_structure"})
Problem.add_dim(
    "hyperparameters",
    {
        "batch_size": 100,
        "learning_rate": 0.01,
        "optimizer": "adam",
        "num_epochs": 2,
        "loss_metric": "mean_squared_error",
        "metrics": [],
    },
)
"""


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """Two architectures for the digits, trained in this process."""
    output = tmp_path_factory.mktemp("campaign") / "nas.h5"
    NasRandom(DIGITS, NasRandom.default_run, max_evals=2, isolation="inline", quiet=True, output=str(output)).main()
    return output


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """An architecture for a regression with scaled data."""
    return searched(tmp_path_factory.mktemp("linear"), LINEAR)


@pytest.fixture(scope="module")
def curved(tmp_path_factory):
    """The same with a preprocessing that is not linear."""
    problem = LINEAR.replace('"dhmpi.search.nas.model.preprocessing:minmaxstdscaler"', "PowerTransformer")
    return searched(tmp_path_factory.mktemp("curved"), f"from sklearn.preprocessing import PowerTransformer\n{problem}")


def searched(directory, problem):
    path, output = directory / "problem.py", directory / "nas.h5"
    path.write_text(problem)
    search = NasRandom(
        str(path), NasRandom.default_run, max_evals=1, isolation="inline", quiet=True, output=str(output)
    )
    [evaluation] = search.main().evaluations
    assert evaluation.error == ""
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
            (["--arch", "0,1_0", "a.dot"], "--arch must be integers separated by commas, got '0,1_0'"),
            (["--arch", "0,1", "a.dot"], "each of 15 decisions, got 2"),
            (["a.bmp"], "must end in"),
        ],
    )
    def test_bad_input_gets_one_sentence(self, words, sentence, capsys):
        assert main(["draw", "--problem", DIGITS, *words]) == 2
        assert sentence in capsys.readouterr().err

    def test_the_best_architecture_of_a_results_file(self, campaign, linear, capsys):
        shutil.copy(campaign, "nas.h5")
        found = results.read("nas.h5")
        assert main(["draw", "nas.h5"]) == 0
        reward = -found.best.objective
        assert capsys.readouterr().out == f"nas.dot: evaluation {found.best.id}, reward {reward:.6g}\n"
        decisions = ",".join(map(str, found.best.point.values()))
        assert main(["draw", "one.dot", "--problem", DIGITS, "--arch", decisions]) == 0
        assert Path("nas.dot").read_text() == Path("one.dot").read_text()

    def test_a_results_file_is_known_by_its_content_and_its_problem_may_have_moved(self, linear, capsys):
        shutil.copy(linear, "odd.dot")
        assert main(["draw", "odd.dot", "-o", "b.dot", "--problem", str(linear.with_name("problem.py"))]) == 0
        assert "Dense" in Path("b.dot").read_text()
        assert main(["draw", "odd.dot", "-o", "b.dot", "--problem", DIGITS]) == 2
        assert "in the file" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["hps.h5"], "results must hold architectures to be drawn, got hyperparameters of search hps-random"),
            (["hps.h5", "-o", "./hps.h5"], "--output must not be a results file, got './hps.h5'"),
            (["hps.h5", "--arch", "0,1"], "--arch must come without a results file"),
            (["a.dot"], "a results file or --problem must be given, got 'a.dot', which does not exist"),
            (["a.dot", "--problem", DIGITS, "-o", "b.dot"], "--output must come with a results file, got a.dot"),
        ],
    )
    def test_words_that_do_not_go_together(self, words, sentence, capsys):
        options = {"max_evals": 1, "isolation": "inline", "quiet": True, "output": "hps.h5"}
        RandomSearch(RandomSearch.default_problem, RandomSearch.default_run, **options).main()
        assert main(["draw", *words]) == 2
        assert sentence in capsys.readouterr().err

    def test_what_has_no_layers_cannot_be_drawn(self):
        with pytest.raises(OptionError, match="must have a structure of layers"):
            retraining.draw("dhmpi.benchmark.nas.table.Problem", None, "a.dot")


# Keras's own way of turning variables into arrays, on saving.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
class TestTrainingAgain:
    def test_as_long_as_in_the_search_gives_the_same(self, campaign):
        found = results.read(campaign)
        [again] = retraining.retrain(found, 1, Again())
        assert again.evaluation == found.best
        assert again.reward == pytest.approx(-found.best.objective, abs=0.02)
        assert again.test["accuracy"] > 0.5

    def test_the_seed_is_that_of_the_evaluation_unless_another_is_given(self, linear):
        found = results.read(linear)
        [same], [other] = (retraining.retrain(found, 1, Again(seed=seed)) for seed in (None, found.metadata.seed))
        # No two trainings from different seeds end with the same error.
        assert same.reward == pytest.approx(-found.best.objective, rel=1e-6)
        assert other.reward != pytest.approx(-found.best.objective, rel=1e-3)

    def test_the_best_ones_longer(self, campaign, capsys):
        assert main(["train", str(campaign), "--top", "2", "--epochs", "2"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line[:2] for line in lines if line[0].isdigit()] == ["1.", "2."]
        assert sum("test:       loss" in line for line in lines) == 2

    def test_the_best_one_as_a_keras_model(self, campaign, capsys):
        from dhmpi.search.nas.model.backend import keras

        assert main(["export", str(campaign), "--keras", "best.keras", "--epochs", "1"]) == 0
        model = keras.models.load_model("best.keras")
        assert model.count_params() == results.read(campaign).best.extra["parameters"]
        assert re.search(r"; test: accuracy 0\.\d+, of the saved model on raw data", capsys.readouterr().out)

    def test_a_keras_model_predicts_in_the_units_of_the_data(self, linear, capsys):
        from dhmpi.search.nas.model.backend import keras

        _, _, (inputs, targets) = load_linear(dim=3, size=500, test=True)
        said, true = {}, {}
        for word in ("--keras", "--without-preprocessing"):
            assert main(["export", str(linear), *dict.fromkeys([word, "--keras"]), "best.keras"]) == 0
            said[word] = float(re.search(r"test: mse ([\d.]+)", capsys.readouterr().out)[1])
            predicted = keras.models.load_model("best.keras").predict(inputs, verbose=0)
            true[word] = float(np.mean((predicted - targets) ** 2))
        assert true["--keras"] == pytest.approx(said["--keras"], rel=1e-4)
        assert said["--without-preprocessing"] == pytest.approx(said["--keras"], rel=1e-4)
        assert true["--without-preprocessing"] > 2 * said["--keras"]

    def test_preprocessing_that_cannot_become_layers_is_refused_before_the_training(self, curved, capsys):
        assert main(["export", str(curved), "--keras", "best.keras", "--epochs", "1000000"]) == 2
        assert re.search(
            r"export: error: preprocessing must only multiply each column and add to it, got something else for "
            r"X\[:, 0\]; give --without-preprocessing to export a model that takes preprocessed data\n$",
            capsys.readouterr().err,
        )
        assert not Path("best.keras").exists()
        assert main(["export", str(curved), "--keras", "best.keras", "--without-preprocessing"]) == 0
        assert "of the saved model on preprocessed data" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "words",
        [["--epochs", "2"], ["--seed", "1"], ["--data", "."], ["--problem", "a.py"], ["--without-preprocessing"]],
    )
    def test_what_is_for_models_alone_is_refused_for_tables(self, campaign, words, capsys):
        assert main(["export", str(campaign), "--csv", *words]) == 2
        assert f"{words[0]} must come with --keras" in capsys.readouterr().err

    def test_data_may_be_elsewhere(self, tmp_path, monkeypatch, capsys):
        rng = np.random.default_rng(0)
        images, labels = rng.integers(256, size=(1300, 28, 28), dtype=np.uint8), np.arange(1300, dtype=np.uint8) % 10
        (tmp_path / "data").mkdir()
        (tmp_path / "constant.py").write_text("def run(config):\n    return 0.5\n")
        train, test = slice(1200), slice(1200, None)
        arrays = {"x_train": images[train], "y_train": labels[train], "x_test": images[test], "y_test": labels[test]}
        np.savez("data/mnist.npz", **arrays)
        assert main(["nas-random", "--problem", MNIST, "--run", "constant.py", "--max-evals", "1", "--quiet"]) == 0
        (tmp_path / "data").rename(tmp_path / "moved")
        assert main(["train", "results.h5", "--epochs", "1"]) == 2
        error = capsys.readouterr().err
        assert f"train: error: mnist.npz must be in {tmp_path}/data, got no such directory" in error
        assert error.endswith("or set DHMPI_DATA to its directory or to 'fashion' or 'synthetic', or give --data\n")
        assert main(["train", "results.h5", "--epochs", "1", "--data", "moved"]) == 0
        assert "test:       loss" in capsys.readouterr().out
        assert main(["train", "results.h5", "--epochs", "1", "--data", "data"]) == 2
        assert "error: --data must be a directory that exists, got 'data'" in capsys.readouterr().err

    def test_data_that_come_from_no_files_are_nowhere(self, linear, capsys):
        assert main(["train", str(linear), "--data", "."]) == 2
        sentence = "--data must come with a load_data that has a parameter data_dir, got dim, size, seed, test; leave"
        assert sentence in capsys.readouterr().err

    def test_a_campaign_travels_with_its_problem(self, linear, tmp_path, capsys):
        shutil.copytree(linear.parent, tmp_path / "new")
        with (linear.parent / "problem.py").open("a") as file:
            file.write("raise AssertionError\n")
        assert main(["train", str(tmp_path / "new" / "nas.h5"), "--epochs", "1"]) == 0
        assert capsys.readouterr().err == ""

    def test_a_model_needs_its_directory(self, campaign, capsys):
        assert main(["export", str(campaign), "--keras", "none/best.keras"]) == 2
        assert "--keras must be a file in a directory that exists, got 'none/best.keras'" in capsys.readouterr().err

    def test_a_model_needs_its_ending(self, campaign):
        with pytest.raises(OptionError, match=r"must be a file ending in .keras, got 'best.h5'"):
            retraining.export(results.read(campaign), "best.h5", Again(), True, io.StringIO())

    def test_results_of_hyperparameters_are_refused(self):
        RandomSearch(
            RandomSearch.default_problem, RandomSearch.default_run, max_evals=2, isolation="inline", quiet=True
        ).main()
        with pytest.raises(ResultsError, match="got hyperparameters of search hps-random"):
            next(retraining.retrain(results.read("results.h5"), 1, Again()))

    def test_the_architecture_is_shown_readable(self, campaign, capsys):
        assert main(["best", str(campaign)]) == 0
        out = capsys.readouterr().out
        assert "best reward 0." in out
        assert "\n  architecture " in out
        assert "\\n" not in out
        assert max(map(len, out.splitlines())) < 300
