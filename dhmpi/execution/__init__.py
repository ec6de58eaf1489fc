"""Execution: how one evaluation runs."""
