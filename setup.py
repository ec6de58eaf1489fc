"""Let tools that still call setup.py build dhmpi; everything is declared in pyproject.toml."""

from setuptools import setup

setup()
