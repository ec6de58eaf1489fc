"""Agents that learn to choose architectures by proximal policy optimisation; pure numpy, no ranks and no files."""
