import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dhmpi.errors import OptionError
from dhmpi.search.stopping import NAMES, Stopper, StopperSettings, make


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_steps", [None, 0.5, 1, 27, 1e6])
def test_every_name_makes_its_stopper(name, max_steps):
    stopper = make(name, {}, max_steps)
    assert (stopper is None) == (name == "none")
    if stopper is not None:
        assert isinstance(stopper, Stopper)
        stopper.begin(0)
        assert stopper.report(0, 1, 0.5) is False
        stopper.end(0, 0.5)


def test_settings_are_options():
    assert make("asha", {"reduction": "4", "min_steps": 2}, 81)._reduction == 4
    assert make("asha", StopperSettings(reduction=2.0), 81)._reduction == 2
    reason = "reduction must be a finite number of at least 1.1 and at most 1000, got 1"
    with pytest.raises(OptionError, match=re.escape(reason)):
        make("asha", {"reduction": 1}, 81)
    with pytest.raises(OptionError, match="options must be known, got 'reductoin'; did you mean 'reduction'"):
        make("asha", {"reductoin": 4}, 81)
    with pytest.raises(OptionError, match="stopper must be one of none, auto, asha, median, got ahsa; did you mean"):
        make("ahsa", {}, 81)


def test_needs_nothing_heavy():
    code = "import sys, dhmpi.search.stopping; print([name for name in ('numpy', 'mpi4py') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_documentation_has_every_setting_and_its_default():
    page = (Path(__file__).parents[3] / "docs" / "early-stopping.md").read_text()
    for field in dataclasses.fields(StopperSettings):
        setting = field.metadata["setting"]
        default = "" if field.default is None else f" {field.default} |"
        assert f"| `{setting.key.replace('_', '-')}` | {', '.join(setting.names)} |{default}" in page
