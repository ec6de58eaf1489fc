import os

import numpy as np
import pytest
from contracts.networks import a_step_changes_all_weights, applied, outputs

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.op import basic, cnn, op1d

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

DEPTHWISE = cnn.DepthwiseSeparable2D(3, 5, num_filters=4)

# operation, shapes of its inputs, shape of its output, number of weights
CASES = [
    (op1d.Identity(), [(3,)], (3,), 0),
    (op1d.Dense(5, "relu"), [(3,)], (5,), 3 * 5 + 5),
    (op1d.Dense(5), [(4, 3)], (4, 5), 3 * 5 + 5),
    (op1d.Dropout(0.3), [(4, 3)], (4, 3), 0),
    (op1d.Activation("tanh"), [(3,)], (3,), 0),
    (op1d.Conv1D(5, 2), [(7,)], (7, 2), 5 * 1 * 2 + 2),
    (op1d.Conv1D(3, 4, strides=2, padding="valid"), [(7, 2)], (3, 4), 3 * 2 * 4 + 4),
    (op1d.MaxPooling1D(3), [(7,)], (5, 1), 0),
    (op1d.MaxPooling1D(3, strides=3, padding="same"), [(7, 2)], (3, 2), 0),
    (op1d.Flatten(), [(4, 3)], (12,), 0),
    (op1d.Concatenate(), [(3,), (4,)], (7,), 0),
    (op1d.Concatenate(axis=1), [(3, 2), (4, 2)], (7, 2), 0),
    (basic.Concat(axis=3), [(4, 4, 2), (4, 4, 3)], (4, 4, 5), 0),
    (basic.Concat(last=True), [(4, 6, 2), (3, 7, 3), (2, 2, 1)], (4, 7, 6), 0),
    (basic.Concat(last=True), [(3,), (5, 2)], (5, 3), 0),
    (basic.Merge(None, None, []), [(3, 2), (4, 2)], (16,), 0),
    (basic.Add(), [(3,), (5,)], (5,), 0),
    (basic.Add(), [(4, 6, 2), (3, 7, 3), (5,)], (5, 7, 3), 0),
    (cnn.IdentityConv2D(4), [(6, 6, 3)], (6, 6, 4), 1 * 1 * 3 * 4 + 4 + 4 * 4),
    (cnn.IdentityConv2D(4, stride=2), [(5, 6, 3)], (3, 3, 4), 2 * 2 * 3 * 4 + 4 + 4 * 4),
    (cnn.Convolution2D(1, 7, num_filters=4), [(6, 6, 3)], (6, 6, 4), 1 * 7 * 3 * 4 + 4),
    (cnn.Convolution2D(3, 3, 4, stride=2, padding="VALID"), [(7, 7, 3)], (3, 3, 4), 3 * 3 * 3 * 4 + 4),
    (DEPTHWISE, [(6, 6, 3)], (6, 6, 4), 3 * 5 * 3 + 3 * 4 + 4),
    (cnn.Dilation2D(3, 3, num_filters=4), [(6, 6, 3)], (6, 6, 4), 3 * 3 * 3 * 4 + 4),
    (cnn.Dilation2D(3, 3, num_filters=4, stride=2), [(6, 6, 3)], (3, 3, 4), 3 * 3 * 3 * 4 + 4),
    (cnn.MaxPooling2D(3, 3, num_filters=4), [(6, 6, 3)], (6, 6, 4), 3 * 4 + 4 + 4 * 4),
    (cnn.AvgPooling2D(7, 7, stride=2, num_filters=4), [(6, 6, 3)], (3, 3, 4), 3 * 4 + 4 + 4 * 4),
    (cnn.GlobalAverage(), [(6, 6, 3), (3, 3, 4)], (7,), 0),
]


@pytest.mark.parametrize(("operation", "shapes", "shape", "num_weights"), CASES, ids=lambda case: str(case))
def test_operations_have_their_shape_and_their_weights(operation, shapes, shape, num_weights):
    model = applied(keras, operation, *shapes)
    assert tuple(model.outputs[0].shape) == (None, *shape)
    assert model.count_params() == num_weights


@pytest.mark.parametrize(("operation", "shapes", "shape", "num_weights"), CASES, ids=lambda case: str(case))
def test_gradients_pass_operations(operation, shapes, shape, num_weights):
    inputs = [keras.Input(shape=each) for each in shapes]
    before = [keras.layers.Dense(each[-1])(tensor) for each, tensor in zip(shapes, inputs, strict=True)]
    after = keras.layers.Dense(2)(keras.layers.Flatten()(operation(before)))
    assert a_step_changes_all_weights(keras, keras.Model(inputs if len(inputs) > 1 else inputs[0], after))


@pytest.mark.parametrize(
    ("operation", "name", "setting", "value"),
    [
        (cnn.MaxPooling2D(3, 5), "MaxPooling2D", "pool_size", (3, 5)),
        (cnn.AvgPooling2D(3, 5), "AveragePooling2D", "pool_size", (3, 5)),
        (cnn.Dilation2D(3, 3, rate_height=2, rate_width=3), "Conv2D", "dilation_rate", (2, 3)),
        (cnn.Dilation2D(3, 3, stride=2), "Conv2D", "dilation_rate", (1, 1)),
        (cnn.DepthwiseSeparable2D(3, 3, depth_multiplier=2), "SeparableConv2D", "depth_multiplier", 2),
    ],
    ids=str,
)
def test_images_are_filtered_as_asked(operation, name, setting, value):
    filtering = applied(keras, operation, (6, 6, 2)).layers[1]
    assert type(filtering).__name__ == name
    assert getattr(filtering, setting) == value


def test_weights_start_at_random_around_zero():
    kernel = applied(keras, op1d.Dense(200), (50,)).trainable_weights[0].numpy()
    assert abs(kernel.mean()) < 0.1 * kernel.std()
    assert 0.05 < kernel.std() < 0.2


def test_each_call_makes_new_weights():
    operation = op1d.Dense(2)
    inputs = keras.Input(shape=(3,))
    assert keras.Model(inputs, op1d.Concatenate()([operation([inputs]), operation([inputs])])).count_params() == 16


def test_add_pads_around_the_middle():
    added = outputs(applied(keras, basic.Add(), (3,), (5,), (4,)), [[1, 2, 3]], [[0] * 5], [[10, 20, 30, 40]])
    assert added.tolist() == [[10, 21, 32, 43, 0]]


def test_concat_pads_around_the_middle():
    small, large = np.ones((1, 1, 2)), np.zeros((1, 4, 1))
    joined = outputs(applied(keras, basic.Concat(last=True), (1, 2), (4, 1)), small, large)
    assert joined.tolist() == [[[0, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]]]


@pytest.mark.parametrize("sizes", [(1, 2, 5), (2, 3, 4), (3, 4, 8), (5, 6, 6)])
def test_padding_twice_is_padding_once(sizes):
    tensors = [keras.Input(shape=(size,)) for size in sizes]
    nested = basic.Add()([basic.Add()(tensors[:2]), tensors[2]])
    model = keras.Model(tensors, [nested, basic.Add()(tensors)])
    twice, once = model([np.random.default_rng(0).normal(size=(2, size)).astype("float32") for size in sizes])
    assert np.allclose(twice, once)


def test_dropout_drops_in_training_only():
    model, ones = applied(keras, op1d.Dropout(0.5), (1000,)), np.ones((1, 1000), dtype="float32")
    assert outputs(model, ones).tolist() == ones.tolist()
    assert 300 < (model(ones, training=True).numpy() == 0).sum() < 700


def test_a_tensor_is_given_as_it_is():
    tensor = keras.Input(shape=(3,))
    assert basic.Tensor(tensor)([]) is tensor


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_activations_may_be_functions(activation):
    function = getattr(keras.activations, activation)
    assert str(op1d.Dense(5, function)) == f"Dense_5_{activation}"
    points = [[-1.0, 0.5, 2.0]]
    by_name, by_function = (applied(keras, op1d.Activation(each), (3,)) for each in (activation, function))
    assert np.allclose(outputs(by_name, points), outputs(by_function, points))


def test_what_does_not_fit_together_is_said():
    with pytest.raises(ProblemError, match="Dense_5_linear must have one input, got 2; merge them before"):
        op1d.Dense(5)([keras.Input(shape=(3,)), keras.Input(shape=(3,))])
    with pytest.raises(ProblemError, match="axis must be from -1 to 1 for tensors of 2 axes, got 2"):
        basic.Concat(axis=2)([keras.Input(shape=(3,)), keras.Input(shape=(3,))])
    with pytest.raises(ProblemError, match="of more than 3 axes must have the same shape"):
        basic.Add()([keras.Input(shape=(2, 2, 2, 2)), keras.Input(shape=(2, 2, 2, 3))])
