"""Programs of benchmarks/ still start: all are imported, and asked for their help, by one interpreter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = sorted(Path(__file__).parents[1].glob("benchmarks/*.py"))
# As `python benchmarks/NAME.py --help` does it. Those without options, and parts of others, are
# only imported.
CODE = """
import contextlib, importlib, io, json, runpy, sys, traceback

found = {}
for name in sys.argv[1:]:
    sys.argv, output = [name, "--help"], io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            text = open(name).read()
            if "__main__" in text and ("ArgumentParser(" in text or "import compare" in text):
                runpy.run_path(name, run_name="__main__")
            else:
                importlib.import_module(name.rpartition("/")[2].removesuffix(".py"))
                print("usage: imported")
        except SystemExit as error:
            print(error.code or "")
        except Exception:
            traceback.print_exc(file=output)
    found[name] = output.getvalue()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def helps():
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(PROGRAMS[0].parent)!r})\n{CODE}"]
    return json.loads(subprocess.check_output([*command, *map(str, PROGRAMS)], text=True, timeout=240))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_start(path, helps):
    assert helps[str(path)].startswith("usage: "), helps[str(path)]
