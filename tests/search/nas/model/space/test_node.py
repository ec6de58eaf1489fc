import numpy as np
import pytest

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.space.node import MirrorNode, Node
from dhmpi.search.nas.model.space.op.op1d import Activation, Conv1D, Dense, Dropout, Identity, dropout_ops


def node(num_ops):
    return Node("N", [Dense(units) for units in range(1, num_ops + 1)])


def test_the_documented_methods():
    first, second = Dense(5, "relu"), Identity()
    made = Node(name="N_1", ops=[first])
    made.add_op(second)
    assert made.num_ops() == 2
    assert made.get_ops() == [first, second]
    assert made.get_op(1) is second
    assert made.index is None
    assert str(made) == "N_1"
    assert made.set_op(0) is first
    assert (made.index, str(made)) == (0, "N_1[Dense_5_relu]")
    assert Node("N_1", [first, second], index=1).index == 1


def test_looking_at_an_operation_changes_nothing():
    made = node(3)
    made.get_op(2)
    made.get_ops().clear()
    assert made.index is None
    assert made.num_ops() == 3


@pytest.mark.parametrize(
    ("value", "num_ops", "number"),
    [
        (0, 8, 0),
        (7, 8, 7),
        (np.int64(3), 8, 3),
        (np.array(3), 8, 3),
        (0.0, 8, 0),
        (0.5, 8, 4),
        (0.999, 8, 7),
        (1.0, 8, 7),
        (0.5, 7, 3),
        (np.float32(0.5), 7, 3),
        ([0, 0, 1], 3, 2),
        (np.eye(8)[5], 8, 5),
        (np.eye(8, dtype=bool)[5], 8, 5),
        ((0.0, 1.0, 0.0, 0.0), 2, 1),
        (0.7, 1, 0),
    ],
)
def test_choices_are_numbers_fractions_or_one_hot(value, num_ops, number):
    made = node(num_ops)
    assert made.get_op(value) is made.get_ops()[number]


@pytest.mark.parametrize(
    "value",
    [
        -1,
        3,
        True,
        np.True_,
        1.5,
        -0.1,
        float("nan"),
        "1",
        None,
        np.eye(3),
        [[1], [0, 0], 0],
        [1, 0],
        [0, 0, 0],
        [1, 1, 0],
        [0, 0, 2],
        [0, 0, 0, 1],
    ],
    ids=repr,
)
def test_other_choices_are_refused(value):
    with pytest.raises(ProblemError, match=r"choice of N must be an integer from 0 to 2, .* got "):
        node(3).get_op(value)


def test_names_and_operations_are_checked():
    with pytest.raises(ProblemError, match="a node's name must be a string without '/', got 'a/b'"):
        Node("a/b")
    with pytest.raises(ProblemError, match="must be an instance of a subclass of Operation, got 'relu'"):
        Node("N", ["relu"])
    with pytest.raises(ProblemError, match="choice of N must be"):
        Node("N", [Identity()], index=1)


@pytest.mark.parametrize(
    ("make", "constraint"),
    [
        (lambda: Dense(0), "units must be an integer of at least 1, got 0"),
        (lambda: Dense(2.5), "units must be an integer of at least 1, got 2.5"),
        (lambda: Conv1D(3, num_filters=0), "num_filters must be an integer of at least 1, got 0"),
        (lambda: Dropout(1), "rate must be a number of at least 0 and below 1, got 1"),
        (lambda: Dropout(-0.1), "rate must be a number of at least 0 and below 1, got -0.1"),
    ],
)
def test_settings_of_operations_are_checked(make, constraint):
    with pytest.raises(ProblemError, match=constraint):
        make()


def test_texts_of_operations():
    texts = [Dense(20, "relu"), Dense(1), Dropout(0.05), Conv1D(5, 2), Activation("tanh"), Identity()]
    assert [str(op) for op in texts] == [
        "Dense_20_relu",
        "Dense_1_linear",
        "Dropout(0.05)",
        "Conv1D_5_2",
        "Activation_tanh",
        "Identity",
    ]
    assert [op.rate for op in dropout_ops] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_labels_tell_settings_apart():
    operations = [Dense(5), Dense(5, "relu"), Dense(6), Dropout(0.1), Dropout(0.2), Conv1D(3, 2), Conv1D(3, 2, 2)]
    assert len({op.label for op in operations}) == len(operations)
    assert Dense(5, "relu").label == Dense(5, "relu").label
    assert Dense(5, len).label == Dense(5, len).label
    assert Dense(5, lambda x: x).label != Dense(5, lambda x: -x).label


def test_a_mirror_leaves_the_decision_to_its_original():
    original = node(3)
    mirror = MirrorNode(MirrorNode(original))
    assert mirror.original is original
    assert mirror.name == original.name
    assert mirror.get_ops() == original.get_ops()
    assert original.is_decision
    assert not mirror.is_decision
