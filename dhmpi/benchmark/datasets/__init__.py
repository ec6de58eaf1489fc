"""Data sets that benchmarks read from a directory; nothing is downloaded."""
