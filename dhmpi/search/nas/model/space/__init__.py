"""Spaces of architectures: descriptions, which know no Keras until a model is created."""
