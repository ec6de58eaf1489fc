"""Two graph convolutions over all nodes of a graph.

Sources: T. Kipf and M. Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv 1609.02907
(`localpool`); F. Wu et al. 2019, Simplifying Graph Convolutional Networks, arXiv 1902.07153 (its powers); M. Defferrard
et al. 2016, Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering, arXiv 1606.09375
(`chebyshev`).
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dhmpi.benchmark.datasets.cora import Graph

WEIGHT_DECAY = 5e-4
Matrix = npt.NDArray[np.float32]


def propagation(neighbours: Matrix, filter: str, symmetric: bool) -> Matrix:
    """Return the matrix by which a filter takes one step along the edges.

    Args:
        neighbours: Which nodes have an edge, 0 or 1, symmetric.
        filter: `localpool`: the mean of a node and its neighbours; `chebyshev`: the Laplacian, scaled to [-1, 1] with 2
            for its largest eigenvalue.
        symmetric: Whether a node's share is divided by the square roots of both degrees, or by that of the receiver.
    """
    is_local = filter == "localpool"
    matrix = neighbours + np.eye(len(neighbours), dtype=np.float32) if is_local else -neighbours
    degrees = np.maximum(np.abs(matrix).sum(axis=1, keepdims=True), 1)
    step: Matrix = matrix / np.sqrt(degrees) / np.sqrt(degrees).T if symmetric else matrix / degrees
    return step


@keras.saving.register_keras_serializable("dhmpi")
class GraphNetwork(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Classes of nodes: input numbers of nodes (batch,), output probabilities (batch, num_classes).

    Args:
        shape: Numbers of nodes, of words and of classes.
        nunits: Units of the hidden layer.
        activation: Its activation function.
        dropout: Share of the inputs of both layers that are dropped.
        filter: See `propagation`.
        max_degree: How many steps along the edges a filter reaches.
        **kwargs: What all layers take.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        nunits: int,
        activation: str,
        dropout: float,
        filter: str,
        max_degree: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "shape": list(shape),
            "nunits": nunits,
            "activation": activation,
            "dropout": dropout,
            "filter": filter,
            "max_degree": max_degree,
        }
        self.is_local, self.max_degree = filter == "localpool", max_degree
        self.activation = keras.activations.get(activation)
        self.dropout = keras.layers.Dropout(dropout)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights; the graph itself is among those that are not trained."""
        num_nodes, num_words, num_classes = self.settings["shape"]
        self.words = self.add_weight(name="words", shape=(num_nodes, num_words), initializer="zeros", trainable=False)
        self.step = self.add_weight(name="step", shape=(num_nodes, num_nodes), initializer="zeros", trainable=False)
        self.hidden = self._kernels("hidden", num_words, self.settings["nunits"], keras.regularizers.L2(WEIGHT_DECAY))
        self.output_kernels = self._kernels("output", self.settings["nunits"], num_classes, None)
        super().build(input_shape)  # so that Keras 2 does not build it again

    def _kernels(self, name: str, inputs: int, outputs: int, regularizer: Any) -> list[Any]:
        degrees = 1 if self.is_local else self.max_degree + 1
        return [
            self.add_weight(name=f"{name}_{degree}", shape=(inputs, outputs), regularizer=regularizer)
            for degree in range(degrees)
        ]

    def assign(self, words: Matrix, step: Matrix) -> None:
        """Give the layer its graph.

        Args:
            words: Features of the nodes.
            step: See `propagation`.
        """
        self.words.assign(words)
        self.step.assign(step)

    def call(self, nodes: Any, training: bool = False) -> Any:
        """Return the probabilities of the classes of some nodes."""
        hidden = self._convolve(self.dropout(tf.convert_to_tensor(self.words), training=training), self.hidden)
        hidden = self.dropout(self.activation(hidden), training=training)
        return tf.nn.softmax(tf.gather(self._convolve(hidden, self.output_kernels), nodes))

    def _convolve(self, inputs: Any, kernels: list[Any]) -> Any:
        first, *others = (tf.matmul(inputs, kernel) for kernel in kernels)
        if self.is_local:
            for _ in range(self.max_degree):
                first = tf.matmul(self.step, first)
            return first
        # Clenshaw's recurrence sums the Chebyshev polynomials; on few columns, since kernels come first.
        one = other = tf.zeros_like(first)
        for projected in reversed(others):
            one, other = projected + 2 * tf.matmul(self.step, one) - other, one
        return first + tf.matmul(self.step, one) - other

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), **self.settings}


def scaled_words(graph: Graph) -> Matrix:
    """Return the words of papers, the row of each with the sum 1 if it has any."""
    words: Matrix = graph.words / np.maximum(graph.words.sum(axis=1, keepdims=True), 1)
    return words
