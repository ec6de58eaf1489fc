"""What needs Keras of dhmpi.benchmark.util and dhmpi.benchmark.keras_cmdline; with Keras 2 and with Keras 3."""

import numpy as np
import pytest

from dhmpi.benchmark import keras_cmdline, util
from dhmpi.benchmark.util import TerminateOnTimeOut, resume_from_disk, save_meta_data
from dhmpi.errors import OptionError

keras = pytest.importorskip("keras")

X = np.linspace(0, 1, 64, dtype="float32").reshape(32, 2)
Y = (X[:, :1] > 0.5).astype("float32")


def nothing(parser):
    """The options of a benchmark that has none."""


def network(**point):
    params = keras_cmdline.fill_missing_defaults(nothing, point)
    kernel = keras.initializers.Constant(0.3)
    hidden = keras.layers.Dense(3, params["activation"], kernel_initializer=kernel)
    model = keras.Sequential([keras.Input((2,)), hidden, keras.layers.Dense(1, "sigmoid", kernel_initializer=kernel)])
    model.compile(loss=params["loss"], optimizer=keras_cmdline.return_optimizer(params), metrics=["accuracy"])
    return model


def loss_after(**point):
    return network(**point).fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"][-1]


def test_defaults():
    params = keras_cmdline.fill_missing_defaults(nothing, {})
    assert params == vars(keras_cmdline.create_parser().parse_args([])) | {"init": "random_normal", "lr": 0.01}
    documented = {"backend": "tensorflow", "activation": "relu", "loss": "mae", "epochs": 2, "batch_size": 128}
    documented |= {"dropout": 0.0, "optimizer": "sgd", "patience": 10, "delta": 1e-4, "learning_rate": 0.01}
    documented |= {"momentum": 0.0, "decay": 0.0, "nesterov": False, "rho": 0.9, "epsilon": 1e-8, "beta1": 0.9}
    documented |= {"beta2": 0.999, "model_path": "", "data_source": "", "stage_in_destination": "", "timeout": 60.0}
    assert documented.items() <= params.items()


def test_defaults_of_a_benchmark_are_added_and_the_dict_is_the_same():
    def augment(parser):
        parser.add_argument("--nunits", nargs="?", const=2, type=int, default="512")
        return parser

    point = {"epochs": 7, "activation": "LeakyReLU"}
    params = keras_cmdline.fill_missing_defaults(augment, point)
    assert params is point
    assert (params["nunits"], params["epochs"], params["activation"]) == (512, 7, "leaky_relu")


@pytest.mark.parametrize("text", ["False", "no"])
def test_flags(text):
    parse = keras_cmdline.create_parser().parse_args
    assert parse(["--nesterov", text]).nesterov is False
    assert parse(["--nesterov"]).nesterov is True
    assert parse(["--lr", "0.5"]).learning_rate == parse(["--learning_rate", "0.5"]).learning_rate == 0.5
    assert parse(["--epochs"]).epochs == 2


@pytest.mark.parametrize("words", [["--version"], ["--nesterov", "perhaps"], ["--backend", "theano"]])
def test_what_ends_a_command_line(words, capsys):
    with pytest.raises(SystemExit):
        keras_cmdline.create_parser().parse_args(words)
    assert any(capsys.readouterr())


@pytest.mark.parametrize("name", [*keras_cmdline.ACTIVATIONS])
def test_activations_are_known_to_keras(name):
    assert callable(keras.activations.get(keras_cmdline.TODAY.get(name, name)))


@pytest.mark.parametrize("name", [*keras_cmdline.LOSSES])
def test_losses_are_known_to_keras(name):
    assert callable(keras.losses.get(keras_cmdline.TODAY.get(name, name)))


@pytest.mark.parametrize("name", [*keras_cmdline.INITIALIZERS])
def test_initializers_are_known_to_keras(name):
    assert callable(keras.initializers.get(keras_cmdline.TODAY.get(name, name)))


@pytest.mark.parametrize("name", keras_cmdline.OPTIMIZERS)
def test_the_learning_rate_is_the_one_of_the_point(name):
    for key in ("learning_rate", "lr"):
        point = keras_cmdline.fill_missing_defaults(nothing, {"optimizer": name, key: 0.125})
        optimizer = keras_cmdline.return_optimizer(point)
        assert type(optimizer).__name__ == keras_cmdline.OPTIMIZERS[name]
        assert float(optimizer.learning_rate) == 0.125


def test_optimizers_take_what_they_know():
    point = {"optimizer": "sgd", "momentum": 0.5, "nesterov": True, "clipnorm": 2.0, "beta1": 0.1}
    config = keras_cmdline.return_optimizer(keras_cmdline.fill_missing_defaults(nothing, point)).get_config()
    assert (config["momentum"], config["nesterov"], config["clipnorm"]) == (0.5, True, 2.0)
    point = {"optimizer": "adam", "beta1": 0.5, "beta2": 0.75, "epsilon": 0.1}
    config = keras_cmdline.return_optimizer(keras_cmdline.fill_missing_defaults(nothing, point)).get_config()
    assert (config["beta_1"], config["beta_2"], config["epsilon"], config["clipnorm"]) == (0.5, 0.75, 0.1, None)


def test_every_parameter_changes_the_training():
    base = loss_after()
    for change in [
        {"learning_rate": 0.1},
        {"decay": 1.0},
        {"momentum": 0.9},
        {"optimizer": "adam"},
        {"clipvalue": 1e-3},
    ]:
        assert loss_after(**change) != base


def test_wrong_parameters_are_refused():
    with pytest.raises(OptionError, match=r"no such optimizer: 'adm' \(did you mean 'adam'\?\)"):
        keras_cmdline.return_optimizer({"optimizer": "adm", "learning_rate": 0.1})
    with pytest.raises(OptionError, match=r"clipped by clipnorm or by clipvalue, got clipnorm=1.0 and clipvalue=0.5"):
        keras_cmdline.return_optimizer({"optimizer": "sgd", "lr": 0.1, "clipnorm": 1.0, "clipvalue": 0.5})
    with pytest.raises(OptionError, match="lr is another name"):
        keras_cmdline.fill_missing_defaults(nothing, {"lr": 0.1, "learning_rate": 0.2})
    filled = keras_cmdline.fill_missing_defaults(nothing, {"learning_rate": 0.2})
    assert filled["lr"] == 0.2
    without = {name: value for name, value in filled.items() if name != "lr"}
    assert util.extension_from_parameters(filled) == util.extension_from_parameters(without)


@pytest.mark.parametrize(("minutes", "num_batches"), [(-1, 8), (-60, 8), (0, 1), (60, 8)])
def test_a_time_limit_ends_a_training(minutes, num_batches, capsys):
    seen = []
    count = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: seen.append(batch))
    network().fit(X, Y, batch_size=4, epochs=1, verbose=0, callbacks=[TerminateOnTimeOut(minutes), count])
    assert len(seen) == num_batches
    assert capsys.readouterr().out.count("training ends after") == (num_batches == 1)


def test_a_time_limit_is_a_number():
    with pytest.raises(OptionError, match="got nan"):
        TerminateOnTimeOut(float("nan"))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras, with NumPy 2
@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
def test_a_model_is_trained_on(tmp_path, loss):
    point = keras_cmdline.fill_missing_defaults(nothing, {"loss": loss, "optimizer": "adam"})
    saved = resume_from_disk("mlp", point, data_dir=tmp_path)
    assert saved.model is None
    model = network(loss=loss, optimizer="adam")
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(saved.model_path)
    save_meta_data(point, saved.model_mda_path)
    again = resume_from_disk("mlp", point | {"epochs": 3}, data_dir=tmp_path)
    assert again.initial_epoch == 2
    assert np.allclose(again.model.predict(X, verbose=0), model.predict(X, verbose=0))
    assert len(again.model.fit(X, Y, initial_epoch=2, epochs=3, verbose=0).history["loss"]) == 1
