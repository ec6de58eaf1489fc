"""What a person types wrongly: one sentence, exit status 2, and nothing is touched."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(60)]

SENTENCE = re.compile(r"^dhmpi(?: [\w-]+)?: error: (.+)$", re.MULTILINE)
FILES = {
    "no_dimension.py": "from dhmpi.benchmark import HpProblem\nProblem = HpProblem()\n",
    "three_points.py": "from dhmpi.benchmark import HpProblem\nProblem = HpProblem()\nProblem.add_dim('x', (1, 3))\n",
    "not_callable.py": "run = 42\n",
    "broken.py": "def helper():\n    import no_such_library\n\nhelper()\n",
    "leaving.py": "import sys\nsys.exit('no licence')\n",
    "notes.txt": "these are no results\n",
}
NEW = ["--output", "new.h5"]
PROBLEM = ["--problem", "dhmpi.benchmark.hps.rosen2.Problem"]
RUN = ["--run", "dhmpi.benchmark.hps.rosen2.run"]
# What is typed, and what the sentence must contain: the value, and what is allowed.
CASES = {
    "no command": ([], ["must be given", "ambs", "hps-random"]),
    "unknown command": (["hps-randon"], ["'hps-randon'", "did you mean 'hps-random'?"]),
    "unknown option": (["ambs", "--max-eval-count", "3"], ["--max-eval-count"]),
    "option without value": (["ambs", "--max-evals"], ["--max-evals"]),
    "no evaluation": (["ambs", "--max-evals", "0"], ["--max-evals", "got 0", "at least 1"]),
    "no number": (["ambs", "--max-minutes", "soon"], ["--max-minutes", "got soon", "number"]),
    "unknown learner": (["ambs", "--learner", "RFF"], ["--learner", "got RFF", "RF, ET, GBRT, GP, DUMMY"]),
    "unknown isolation": (["ambs", "--isolation", "inlin"], ["--isolation", "got inlin", "did you mean 'inline'?"]),
    "unknown module": (["ambs", "--problem", "no_such_package.Problem"], ["'no_such_package'", "must be in"]),
    "unknown attribute": (
        ["ambs", "--problem", "dhmpi.benchmark.hps.polynome2:Probelm"],
        ["'Probelm'", "did you mean 'Problem'?"],
    ),
    "unknown run attribute": (["ambs", "--run", "dhmpi.benchmark.hps.polynome2:rnu"], ["'rnu'", "did you mean 'run'?"]),
    "problem alone": (["ambs", "--problem", "no_dimension.py"], ["--run must be given", "--problem no_dimension.py"]),
    "run alone": (["ambs", "--run", "not_callable.py"], ["--problem must be given", "--run not_callable.py"]),
    "missing file": (["ambs", *RUN, "--problem", "brokn.py"], ["'brokn.py'", "did you mean 'broken.py'?"]),
    "no dimension": (["ambs", *RUN, "--problem", "no_dimension.py"], ["'no_dimension.py'", "add_dim"]),
    "run not callable": (["ambs", *PROBLEM, "--run", "not_callable.py"], ["callable", "'not_callable.py'", "an int"]),
    "problem fails": (["ambs", *RUN, "--problem", "broken.py"], ["'broken.py'", "No module named 'no_such_library'"]),
    "run fails": (["ambs", *PROBLEM, "--run", "broken.py"], ["'broken.py'", "No module named 'no_such_library'"]),
    "run exits": (["ambs", *PROBLEM, "--run", "leaving.py"], ["'leaving.py'", "SystemExit: no licence"]),
    "run fails inline": (
        ["ambs", *PROBLEM, "--run", "broken.py", "--isolation", "inline"],
        ["'broken.py'", "No module named 'no_such_library'"],
    ),
    "no program": (["ambs", *PROBLEM, "--run", "exec:./brokn.py"], ["'./brokn.py'", "did you mean 'broken.py'?"]),
    "too many evaluations": (
        ["ambs", *RUN, "--problem", "three_points.py", "--max-evals", "4"],
        ["--max-evals", "3 points", "got 4"],
    ),
    "wrong number of workers": (["ambs", "--num-workers", "7"], ["--num-workers", "got 7", " here", "rank"]),
    "output exists": (["ambs", "--output", "earlier.h5"], ["earlier.h5", "--resume", "--overwrite"]),
    "output directory missing": (["ambs", "--output", "nowhere/new.h5"], ["nowhere", "must exist"]),
    "output below a file": (["ambs", "--output", "notes.txt/new.h5"], ["notes.txt", "must exist"]),
    "output not writable": (["ambs", "--output", "/proc/new.h5"], ["/proc", "must be writable"]),
    "output is a directory": (["ambs", "--output", "."], ["must not be a directory"]),
    "another problem": (
        ["hps-random", "--problem", "dhmpi.benchmark.hps.polynome2.Problem", "--output", "earlier.h5", "--resume"],
        ["dimension 'x1'", "in the file"],
    ),
    "another search": (["ambs", "--output", "earlier.h5", "--resume"], ["'hps-random' as in the file", "got 'ambs'"]),
    "another seed": (["hps-random", "--seed", "7", "--output", "earlier.h5", "--resume"], ["--seed", "12345", "got 7"]),
    "resume of no HDF5": (["ambs", "--output", "notes.txt", "--resume"], ["notes.txt", "must be an HDF5 file"]),
    "resume of a truncated file": (["hps-random", "--output", "half.h5", "--resume"], ["half.h5", "truncated"]),
    "resume of a missing file": (["ambs", "--resume", *NEW], ["new.h5", "does not exist", "without --resume"]),
    "resume and overwrite": (
        ["hps-random", "--resume", "--overwrite", "--output", "earlier.h5"],
        ["--resume", "--overwrite", "exclude"],
    ),
    "show without a file": (["show", "missing.h5"], ["missing.h5", "does not exist"]),
    "export of no HDF5": (["export", "--csv", "notes.txt"], ["notes.txt", "must be an HDF5 file"]),
}
USERS_OWN = {"problem fails", "run fails", "run exits", "run fails inline"}
# One of each kind: where rank 0 finds it alone, where each rank finds it, and where only the workers' children do.
UNDER_MPIRUN = ["no evaluation", "unknown attribute", "run fails", "run fails inline", "wrong number of workers"]
UNDER_MPIRUN += ["no program", "output exists", "another problem", "unknown learner"]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """The bytes of a results file."""
    path = tmp_path_factory.mktemp("earlier") / "earlier.h5"
    words = [f"{Path(sys.executable).parent}/dhmpi", "hps-random", "--max-evals", "5", "--output", str(path)]
    subprocess.run(words, check=True, capture_output=True, timeout=30)
    return path.read_bytes()


@pytest.fixture
def place(tmp_path, earlier):
    """A directory with all that the cases name."""
    place = tmp_path / "place"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text)
    (place / "earlier.h5").write_bytes(earlier)
    (place / "half.h5").write_bytes(earlier[: len(earlier) // 2])
    return place


PRINTED = (".out", ".err")  # by the job itself


def content(place):
    """Every file with its bytes, every directory with None, but for what belongs to the job and to MPI."""
    found = [path for path in place.rglob("*") if path.suffix not in PRINTED]
    names = {path: path.relative_to(place) for path in found if "scratch" not in path.relative_to(place).parts}
    return {name: path.read_bytes() if path.is_file() else None for path, name in names.items()}


def check(name, job):
    fragments = CASES[name][1]
    sentences = SENTENCE.findall(job.stderr)
    assert len(sentences) == 1, job.stderr
    assert [fragment for fragment in fragments if fragment not in sentences[0]] == [], sentences[0]
    if name in USERS_OWN:
        assert job.stderr.count("Traceback") == 1
        assert re.search(r'File ".*/(broken|leaving)\.py", line \d', job.stderr)
        frames = re.findall(r'File "(.*)", line', job.stderr)
        assert {Path(frame).name for frame in frames} <= {"broken.py", "leaving.py"}
    else:
        assert "Traceback" not in job.stderr


@pytest.mark.parametrize("name", CASES)
def test_one_process(name, place, launch):
    before = content(place)
    job = launch(*CASES[name][0], directory=place)
    assert job.wait(20) == 2, job.stderr
    check(name, job)
    assert job.stderr.splitlines()[-1].startswith("dhmpi")
    assert content(place) == before


@pytest.mark.parametrize("name", UNDER_MPIRUN)
def test_mpirun(name, place, launch, until):
    before = content(place)
    job = launch(*CASES[name][0], ranks=3, directory=place)
    until(lambda: SENTENCE.search(job.stderr) or job.process.poll() is not None, 20, "nothing was said")
    said = time.monotonic()
    assert job.wait(20) == 2, job.stderr
    assert time.monotonic() - said < 5
    check(name, job)
    assert content(place) == before


@pytest.mark.parametrize("name", ["no evaluation", "unknown command", "unknown attribute", "output exists"])
def test_rank_0_is_slow(name, place, launch, tmp_path):
    """A launcher ends the whole job when a rank leaves with an error: no rank may do so before rank 0 has spoken."""
    delay = "import os, time\ntime.sleep(0.5 if os.environ.get('OMPI_COMM_WORLD_RANK') == '0' else 0)\n"
    (tmp_path / "sitecustomize.py").write_text(delay)
    job = launch(*CASES[name][0], ranks=3, directory=place, PYTHONPATH=str(tmp_path))
    assert job.wait(20) == 2, job.stderr
    check(name, job)


TABLE = ["--problem", "dhmpi.benchmark.nas.table.Problem", "--run", "dhmpi.benchmark.nas.table.run"]


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["--gpus-per-eval", "4", "--gpus-per-node", "1"], ["--gpus-per-eval must be at most 1", "got 4"]),
        (["--ranks-per-eval", "2"], ["--ranks-per-eval must be 1", "got 2", "--agents"]),
    ],
)
def test_what_agents_find_alone_is_said_by_rank_0(words, fragments, place, launch):
    """The parameter server does not evaluate."""
    job = launch("ppo-async", *TABLE, *words, ranks=3, directory=place)
    assert job.wait(20) == 2, job.stderr
    [sentence] = SENTENCE.findall(job.stderr)
    assert [fragment for fragment in fragments if fragment not in sentence] == [], sentence
