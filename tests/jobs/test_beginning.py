"""How job scripts begin: the module, what a site's nodes do not have, and arguments; with programs that only play."""

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dhmpi.jobs import installation
from dhmpi.jobs.script import JobScript, render

JOBS = Path(__file__).parents[2] / "jobs"
# What a module system does: `brings` is a file of the names that it knows.
MODULE = """\
module() {{
    echo "module $*" >> calls
    case "$1" in
        load) for name in "${{@:2}}"; do grep -qx "$name" brings || return 1; done; PATH={home}/software:$PATH ;;
    esac
}}
"""
LAUNCHER = '#!/bin/sh\nprintf "%s\\n" "$@" > words\n'
SEARCH = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def submit(tmp_path):
    """Run a script in the login shell of a fresh job; return its status, what it says, and the calls of module."""
    for folder, names in {"software": ["dhmpi"], "programs": ["mpiexec", "srun", "aprun", "qsub"]}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(SEARCH if name == "dhmpi" else LAUNCHER)
            (tmp_path / folder / name).chmod(0o755)
    (tmp_path / "brings").write_text("deephyper\ncray-python\n")
    (tmp_path / "profile").write_text(MODULE.format(home=tmp_path))
    (tmp_path / "nodes").write_text("a\nb\n")

    def submitted(script, *, has_modules=True, **variables):
        env = {"PATH": f"{tmp_path}/programs:/usr/bin:/bin", "PBS_NODEFILE": "nodes", "SLURM_JOB_NUM_NODES": "2"}
        env |= {"PBS_O_WORKDIR": str(tmp_path), "BASH_ENV": str(tmp_path / "profile") if has_modules else ""}
        (tmp_path / "calls").write_text("")
        done = subprocess.run(
            ["bash", script], cwd=tmp_path, env=env | variables, capture_output=True, text=True, check=False, timeout=30
        )
        return done.returncode, done.stderr, (tmp_path / "calls").read_text().splitlines()

    return submitted


@pytest.fixture
def written(tmp_path):
    """Write a script and return its path."""

    def write(site, modulefiles="", **fields):
        path = tmp_path / f"{site}.sh"
        path.write_text(render(JobScript(site, "hps-random", **fields), modulefiles))
        return path

    return write


@pytest.mark.parametrize("site", ["polaris", "pbs", "slurm", "frontier"])
def test_a_script_of_an_installation_finds_its_module(site, submit, written):
    """Also at sites whose module is unknown otherwise, such as any cluster with PBS."""
    status, said, calls = submit(written(site, "/soft/deep hyper/modulefiles"))
    assert (status, said) == (0, "")
    assert calls == ["module use /soft/deep hyper/modulefiles", "module load deephyper"]


def test_a_prefix_may_have_any_name(submit, written):
    _, _, calls = submit(written("polaris", '/a "$b" `c` \\d'))
    assert calls[0] == 'module use /a "$b" `c` \\d'


def test_several_modules_bring_it(submit, written, tmp_path):
    status, _, calls = submit(written("frontier"), MODULE="cray-python deephyper")
    assert (status, calls) == (0, ["module load cray-python deephyper"])
    status, _, calls = submit(written("frontier", module="deephyper"))
    assert (status, calls) == (0, ["module load deephyper"])


def test_without_a_module_it_is_in_path(submit, written, tmp_path):
    path = f"{tmp_path}/software:{tmp_path}/programs:/usr/bin:/bin"
    for script in (written("polaris", "/soft", module=""), written("polaris", "/soft")):
        status, said, calls = submit(script, MODULE="", PATH=path)
        assert (status, said, calls) == (0, "", [])


@pytest.mark.parametrize("name", ["polaris", "aurora", "perlmutter", "frontier", "lumi", "theta_ambs", "theta_balsam"])
def test_a_module_that_cannot_be_loaded_ends_the_script_with_a_sentence(name, submit, tmp_path):
    """Even if another dhmpi is in PATH."""
    path = f"{tmp_path}/software:{tmp_path}/programs:/usr/bin:/bin"
    status, said, _ = submit(JOBS / f"{name}.sh", MODULE="deephyper/9", PATH=path)
    assert status == 2
    assert (
        said == "module load deephyper/9 must succeed, and does not; give another MODULE, or none if dhmpi is in PATH\n"
    )
    assert not (tmp_path / "words").exists()


def test_a_machine_without_modules(submit, tmp_path):
    for name in ("polaris", "theta_ambs"):
        status, said, _ = submit(JOBS / f"{name}.sh", has_modules=False)
        assert status == 2
        assert said == (
            "module load deephyper needs the command module, and there is none; "
            "give an empty MODULE if dhmpi is in PATH\n"
        )


@pytest.mark.parametrize("name", ["polaris", "pbs", "slurm"])
def test_a_search_that_is_not_there_ends_the_script_with_a_sentence(name, submit):
    """As where a module is loaded that only says that it was."""
    status, said, _ = submit(JOBS / f"{name}.sh", MODULE="")
    assert (status, said) == (2, "dhmpi must be in PATH, and is not; give the MODULE that brings it\n")


@pytest.mark.parametrize(
    ("name", "variables", "sentence"),
    [
        (
            "perlmutter",
            {"RANKS_PER_NODE": "6"},
            "RANKS_PER_NODE must be at most 5 with GPUS_PER_EVAL=1, one more than find some of the 4 GPUs of a node, "
            "got 6",
        ),
        (
            "frontier",
            {"RANKS_PER_NODE": "4", "GPUS_PER_EVAL": "3"},
            "RANKS_PER_NODE must be at most 3 with GPUS_PER_EVAL=3, one more than find some of the 8 GPUs of a node, "
            "got 4",
        ),
        (
            "polaris",
            {"GPUS_PER_EVAL": "5"},
            "GPUS_PER_EVAL must be at most the 4 GPUs of a node, got 5",
        ),
        (
            "aurora",
            {"RANKS_PER_NODE": "97", "GPUS_PER_EVAL": "0"},
            "RANKS_PER_NODE must be at most the 96 threads of a node, got 97",
        ),
        ("theta_ambs", {"RANKS_PER_NODE": "129"}, "RANKS_PER_NODE must be at most the 128 threads of a node, got 129"),
        ("slurm", {"ARGUMENTS": "--label 'a"}, "ARGUMENTS must be words, got --label 'a"),
    ],
)
def test_what_cannot_be_granted_ends_the_script_with_a_sentence(name, variables, sentence, submit, tmp_path):
    status, said, _ = submit(JOBS / f"{name}.sh", MODULE="deephyper", COBALT_JOBSIZE="2", **variables)
    assert status == 2
    assert said.splitlines()[-1] == sentence
    assert not (tmp_path / "words").exists()


NO_NUMBERS = ["-1", "abc", "1.5", "08", " 3", "+3", "\u0663", "1_0", "10000000000000000000000", "a[$(echo 1 >&2)]"]


@pytest.mark.parametrize(
    ("name", "variable", "least", "values"),
    [
        ("polaris", "GPUS_PER_EVAL", 0, NO_NUMBERS),
        ("polaris", "RANKS_PER_NODE", 1, [*NO_NUMBERS, "0"]),
        ("slurm", "RANKS_PER_NODE", 1, [*NO_NUMBERS, "0"]),
        ("cobalt", "MAX_EVALS", 1, [*NO_NUMBERS, "0"]),
        ("theta_balsam", "MAX_EVALS", 1, ["x"]),
    ],
)
def test_a_variable_that_is_no_number_ends_the_script_with_a_sentence(name, variable, least, values, submit, tmp_path):
    for value in values:
        status, said, calls = submit(JOBS / f"{name}.sh", **{variable: value})
        sentence = f"{variable} must be a whole number from {least} to 999999999, got {value}\n"
        assert (status, said, calls) == (2, sentence, [])


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"SEARCH": "nonsense"},
            "SEARCH must be one of ambs, ga, hps-random, nas-random, ppo-async, ppo-sync, got nonsense\n",
        ),
        ({"SEARCH": "nas-x"}, "got nas-x\n"),
        ({"CHAIN": "yes"}, "CHAIN must be 0 or 1, got yes\n"),
        ({"GPUS_PER_EVAL": "8"}, "GPUS_PER_EVAL must be at most the 4 GPUs of a node, got 8\n"),
    ],
)
def test_a_variable_that_is_not_known_ends_the_script_with_a_sentence(variables, sentence, submit):
    status, said, calls = submit(JOBS / "perlmutter.sh", **variables)
    assert (status, len(said.splitlines()), calls) == (2, 1, [])
    assert said.endswith(sentence)


CHARACTERS = st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" ")
WORDS = st.lists(st.text(CHARACTERS), max_size=5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS)
def test_arguments_come_through_the_shell_unchanged(submit, tmp_path, words):
    """Blanks, quotes, and what shells expand; written into the script, or given when it is submitted."""
    (tmp_path / "mine.sh").write_text(render(JobScript("perlmutter", "ambs", arguments=shlex.join(words))))
    for script, variables in ((tmp_path / "mine.sh", {}), (JOBS / "perlmutter.sh", {"ARGUMENTS": shlex.join(words)})):
        status, said, _ = submit(script, **variables)
        assert (status, said) == (0, "")
        launched = (tmp_path / "words").read_text().split("\n")
        end = launched.index("--output") + 2
        assert launched[end:-1] == words


def test_only_an_installation_has_a_folder_of_modules(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    assert installation.modulefiles() == ""
    (tmp_path / "modulefiles" / "deephyper").mkdir(parents=True)
    assert installation.modulefiles() == ""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dhmpi").touch()
    assert installation.modulefiles() == str(tmp_path / "modulefiles")
