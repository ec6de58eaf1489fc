"""Hyperparameter problems to try; each package holds `Problem` and `run`, and the objective is minimised."""
