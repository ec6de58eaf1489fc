import os
import pickle

import numpy as np
import pytest

from dhmpi.benchmark import util
from dhmpi.errors import DataError, InputError, OptionError


@pytest.mark.parametrize("text", [" False ", "false", "FALSE", "no", "off", "0", False])
def test_false_words(text):
    assert util.str2bool(text) is False


@pytest.mark.parametrize("text", ["True", " true", "yes", "on", "1", True])
def test_true_words(text):
    assert util.str2bool(text) is True


@pytest.mark.parametrize("text", ["", "fasle", "maybe", "2"])
def test_other_words_are_refused(text):
    with pytest.raises(OptionError, match="must be one of true"):
        util.str2bool(text)


def test_timers_lie_within_each_other(capsys):
    timer = util.Timer()
    timer.start("training")
    timer.start("stage in")
    timer.end()
    timer.end()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("TIMER stage in: 0.0")
    assert second.startswith("TIMER training: 0.0")
    assert len(first.split()[-2].partition(".")[2]) == 4
    with pytest.raises(InputError, match="must be started"):
        timer.end()


def test_parameters_that_tell_models_apart():
    point = {"units": 3, "activation": "relu", "epochs": 5, "model_path": "x", "backend": "y", "version": "0.1"}
    assert util.extension_from_parameters(point) == ".activation=relu.units=3"


def test_meta_data(tmp_path):
    file = tmp_path / "a.pkl"
    util.save_meta_data({"epochs": 3}, file)
    assert util.load_meta_data(file) == {"epochs": 3}
    with pytest.raises(DataError, match="must be there, got no such file"):
        util.load_meta_data(f"{file}.missing")
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        util.save_meta_data({"epochs": lambda: 3}, file)
    assert util.load_meta_data(file) == {"epochs": 3}
    assert os.listdir(tmp_path) == ["a.pkl"]


def test_a_pickled_model_is_trained_on(tmp_path):
    point = {"epochs": 2, "units": 3}
    saved = util.resume_from_disk("regression", point, data_dir=tmp_path / "models")
    assert (saved.model, saved.initial_epoch) == (None, 0)
    util.save_meta_data({"weights": [1.0]}, saved.model_path)
    assert util.resume_from_disk("regression", point, tmp_path / "models").model is None  # its parameters are missing
    util.save_meta_data(point, saved.model_mda_path)
    more = util.resume_from_disk("regression", {"epochs": 4, "units": 3}, tmp_path / "models")
    assert more == ({"weights": [1.0]}, saved.model_path, 2, saved.model_mda_path)
    assert util.resume_from_disk("regression", {"epochs": 4, "units": 4}, tmp_path / "models").model is None
    with pytest.raises(RuntimeError, match="epochs must be more than the 2 that"):
        util.resume_from_disk("regression", point, tmp_path / "models")
    (tmp_path / "models" / os.path.basename(saved.model_mda_path)).write_bytes(b"half")
    with pytest.raises(DataError, match="must be what was saved there"):
        util.resume_from_disk("regression", {"epochs": 4, "units": 3}, tmp_path / "models")


def test_files_are_staged_in(tmp_path):
    source, dest = tmp_path / "source", tmp_path / "dest"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "a.txt").write_text("one")
    assert util.stage_in(["sub/a.txt"], source) == {"sub/a.txt": str(source / "sub/a.txt")}
    assert util.stage_in(["sub/a.txt"], source, dest) == {"sub/a.txt": str(source / "sub/a.txt")}  # no such directory
    dest.mkdir()
    for text in ("one", "two and three"):
        (source / "sub" / "a.txt").write_text(text)
        assert util.stage_in(["sub/a.txt"], source, dest) == {"sub/a.txt": str(dest / "sub/a.txt")}
        assert (dest / "sub" / "a.txt").read_text() == text
    when = (dest / "sub" / "a.txt").stat().st_ino
    util.stage_in(["sub/a.txt"], source, dest)
    assert (dest / "sub" / "a.txt").stat().st_ino == when  # not copied again
    assert os.listdir(dest / "sub") == ["a.txt"]
    with pytest.raises(DataError, match=r"b\.txt must be in .*source, got none"):
        util.stage_in(["b.txt"], source, dest)


@pytest.mark.parametrize("name", ["cache.npz", "cache"])
def test_arrays_are_cached(tmp_path, name):
    calls = []

    @util.numpy_dict_cache(tmp_path / name)
    def load():
        """Load."""
        calls.append(1)
        return {"x": np.arange(3), "names": np.array(["a", "b"])}

    first, second = load(), load()
    assert len(calls) == 1
    assert load.__doc__ == "Load."
    assert os.listdir(tmp_path) == [name]
    assert all((first[key] == second[key]).all() for key in ("x", "names"))
    (tmp_path / name).write_bytes(b"PK half")
    with pytest.raises(DataError, match="remove it"):
        load()


def test_objects_are_not_cached(tmp_path):
    load = util.numpy_dict_cache(tmp_path / "a.npz")(lambda: {"x": np.array([1, None])})
    with pytest.raises(DataError, match="got objects in x"):
        load()
    assert not os.listdir(tmp_path)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'Timers'"):
        util.Timers  # noqa: B018  # what it does is the test


def test_text_in_place_of_a_cache_gets_no_advice_of_numpy(tmp_path):
    (tmp_path / "cache.npz").write_text("plain text")
    with pytest.raises(DataError, match="got no arrays of numpy; remove it"):
        util.numpy_dict_cache(tmp_path / "cache.npz")(dict)()
