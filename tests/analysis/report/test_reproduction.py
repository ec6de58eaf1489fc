import shlex
import subprocess

import pytest

from dhmpi.analysis.report.reproduction import reproduction
from dhmpi.results import Metadata


def metadata(*words, ranks=1):
    run = {"started": 0.0, "ended": 1.0, "num_workers": 1, "roles": {"size": ranks}}
    return Metadata("ambs", "P", {}, seed=7, command=words, runs=[run])


@pytest.mark.parametrize(
    ("words", "ranks", "line"),
    [
        (["/opt/bin/dhmpi", "ambs", "--max-evals", "3"], 1, "dhmpi ambs --max-evals 3 --seed 7"),
        (["dhmpi", "ambs", "--seed", "5"], 4, "mpirun -n 4 dhmpi ambs --seed 5"),
        (["dhmpi", "ambs", "--seed=5", "--resume"], 1, "dhmpi ambs --seed=5"),
        (["/x/dhmpi/__main__.py", "ga"], 1, "python -m dhmpi ga --seed 7"),
        (["/x/mine.py", "a b"], 2, "mpirun -n 2 python /x/mine.py 'a b'"),
        ([], 4, ""),
    ],
)
def test_a_command_is_given_again_with_the_seed(words, ranks, line):
    assert reproduction(metadata(*words, ranks=ranks)).command == line


def test_every_word_reaches_a_shell_as_it_is():
    words = ["dhmpi", "ambs", "--problem", 'it\'s; $(touch x) `y` "z"\n<b>']
    line = reproduction(metadata(*words)).command
    assert shlex.split(line) == [*words, "--seed", "7"]
    said = subprocess.check_output(["sh", "-c", f"printf '%s\\0' {line}"], text=True)
    assert said.split("\0")[:-1] == [*words, "--seed", "7"]


def test_what_is_different_is_said():
    notes = " ".join(reproduction(metadata("dhmpi", "ambs", "--resume", ranks=3)).notes)
    assert "--resume is left out" in notes
    assert "3 ranks" in notes
    assert "seed" in notes


def test_metadata_of_other_programs_do_no_harm():
    strange = Metadata("ambs", "P", {}, command=["dhmpi", 3], runs=[{"started": 0.0, "ended": None, "roles": "x"}])
    assert reproduction(strange).command == "dhmpi 3 --seed 0"
