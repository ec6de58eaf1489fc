"""Run functions that train an architecture."""
