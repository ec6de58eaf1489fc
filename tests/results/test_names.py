import subprocess
import sys

import pytest

import dhmpi.search
from dhmpi import results


@pytest.mark.parametrize("package", [results, dhmpi.search], ids=lambda package: package.__name__)
def test_public_names_are_there(package):
    """Those that are imported when they are asked for, too."""
    assert all(getattr(package, name) for name in package.__all__)
    assert sorted(package.__all__) == package.__all__
    with pytest.raises(AttributeError, match="has no attribute 'no_such'"):
        _ = package.no_such


def test_names_of_analysis_are_those_of_results():
    from dhmpi.analysis.frame import load

    assert results.load is load
    assert {"load", "export_csv", "summarise"} <= set(dir(results))


def test_a_name_is_imported_when_it_is_asked_for():
    code = "import sys; from dhmpi import results; print('pandas' in sys.modules); results.load"
    code += "; print('pandas' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60) == "False\nTrue\n"
