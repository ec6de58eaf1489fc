"""Capsules with routing by agreement.

Source: Sabour et al. 2017, Dynamic Routing Between Capsules, arXiv 1710.09829.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dhmpi")
class Capsules(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Lengths of capsules, in [0, 1): input (batch, positions, features), output (batch, num_capsules).

    Args:
        num_capsules: Number of capsules.
        dim_capsule: Dimension of the vector that a capsule is.
        routings: How often the agreement of positions and capsules is looked at.
        share_weights: Whether all positions have the same weights.
        **kwargs: What all layers take.
    """

    def __init__(self, num_capsules: int, dim_capsule: int, routings: int, share_weights: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_capsules, self.dim_capsule = num_capsules, dim_capsule
        self.routings, self.share_weights = routings, share_weights

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights."""
        _, positions, features = input_shape
        outputs = self.num_capsules * self.dim_capsule
        limit = (6 / (features + outputs)) ** 0.5  # as for a dense layer (Glorot and Bengio 2010)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(1 if self.share_weights else positions, features, outputs),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        super().build(input_shape)  # so that Keras 2 does not build it again

    def call(self, inputs: Any) -> Any:
        """Return the lengths."""
        positions = inputs.shape[1]
        if self.share_weights:
            votes = tf.einsum("bpf,fo->bpo", inputs, self.kernel[0])
        else:
            votes = tf.einsum("bpf,pfo->bpo", inputs, self.kernel)
        votes = tf.reshape(votes, (-1, positions, self.num_capsules, self.dim_capsule))
        logits = tf.zeros_like(votes[..., 0])
        for routing in range(self.routings):
            capsules = squash(tf.einsum("bpc,bpcd->bcd", tf.nn.softmax(logits), votes))
            if routing < self.routings - 1:
                logits += tf.einsum("bcd,bpcd->bpc", capsules, votes)
        return tf.sqrt(tf.reduce_sum(tf.square(capsules), axis=-1) + keras.backend.epsilon())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {name: getattr(self, name) for name in ("num_capsules", "dim_capsule", "routings", "share_weights")}
        return {**super().get_config(), **own}


def squash(vectors: Any) -> Any:
    """Return vectors of the same directions whose lengths are below 1 (equation 1)."""
    squares = tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True) + keras.backend.epsilon()
    return tf.sqrt(squares) / (1 + squares) * vectors
