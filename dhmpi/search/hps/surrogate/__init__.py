"""Surrogate models: the only importers of scikit-optimize and scikit-learn."""
