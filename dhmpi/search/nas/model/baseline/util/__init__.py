"""Tools of the spaces."""
