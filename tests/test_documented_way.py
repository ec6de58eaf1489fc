"""The documented way to run the tests: `cd tests; pytest`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Some that load code by name, read files of the project, or start interpreters.
FILES = ("test_errors.py", "support/test_loader.py", "support/test_targets.py", "results/test_schema.py", "space")


@pytest.mark.parametrize("directory", [TESTS, TESTS.parent], ids=["tests", "root"])
def test_pytest_finds_what_tests_need(directory):
    pytest_itself = Path(sys.executable).with_name("pytest")
    names = [str((TESTS / name).relative_to(directory)) for name in FILES]
    words = [pytest_itself, "-q", "-p", "no:cacheprovider", *names]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(words, cwd=directory, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
