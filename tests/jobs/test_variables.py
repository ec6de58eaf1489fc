"""What becomes of a script's variables: job scripts run here, with programs that only say how they were called."""

import shlex
import subprocess
from pathlib import Path

import pytest

from dhmpi.jobs.script import JobScript, render
from dhmpi.jobs.sites import BALSAM
from dhmpi.search.registry import SEARCHES

VARIABLES = ("SEARCH", "PROBLEM", "RUN", "MAX_EVALS", "OUTPUT", "RANKS_PER_NODE", "CHAIN", "ARGUMENTS", "MODULE")
JOBS = Path(__file__).parents[2] / "jobs"
HPS, NAS = "dhmpi.benchmark.hps.polynome2.Problem", "dhmpi.benchmark.nas.linearReg.problem.Problem"
DEFAULTS = {
    "ambs": (HPS, "ambs.h5"),
    "ga": (HPS, "ga.h5"),
    "hps-random": (HPS, "hps_random.h5"),
    "nas-random": (NAS, "nas_random.h5"),
    "ppo-async": (NAS, "nas_ppo_async.h5"),
    "ppo-sync": (NAS, "nas_ppo_sync.h5"),
}
SCHEDULERS = {
    "sbatch": ("slurm", "perlmutter", "frontier"),
    "qsub -v": ("pbs", "polaris", "aurora"),
    "qsub --env": ("cobalt", "theta_ambs", "theta_nas_random", "theta_balsam"),
}
PROGRAMS = ("dhmpi", "srun", "mpiexec", "aprun", "sbatch", "qsub", "qstat", "module", "balsam")
# The campaign is never complete, and the job has an account.
PROGRAM = """\
#!/bin/sh
name=${0##*/}
echo "$name $*" >> calls
case "$name $1" in
    "dhmpi show") exit 3 ;;
    "qstat -f") echo "    Account_Name = me" ;;
    sbatch*|qsub*) env > environment ;;
esac
"""


@pytest.fixture
def submit(tmp_path):
    """Run a script as a job of two nodes, and return how the programs were called."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o755)
    for name in ("balsamactivate", "balsamdeactivate"):
        (programs / name).touch()
    (tmp_path / "nodes").write_text("a\nb\n")
    env = {"PATH": f"{programs}:/usr/bin:/bin", "MODULE": "", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ACCOUNT": "me"}
    env |= {"PBS_NODEFILE": str(tmp_path / "nodes"), "PBS_O_WORKDIR": str(tmp_path), "PBS_JOBID": "1"}
    env |= {"COBALT_JOBSIZE": "2", "COBALT_PROJECT": "me", "COBALT_QUEUE": "q", "COBALT_ENDTIME": "9999999999"}

    def submitted(script, **variables):
        done = subprocess.run(
            ["bash", script], cwd=tmp_path, env=env | variables, capture_output=True, text=True, check=False, timeout=30
        )
        assert done.stderr == ""
        assert done.returncode == (0 if variables.get("CHAIN") == "1" else 3)
        calls = (tmp_path / "calls").read_text().splitlines()
        (tmp_path / "calls").unlink()
        return calls

    return submitted


@pytest.fixture
def searched(submit):
    """Run a script, and return how its search was called."""

    def words(script, **variables):
        [call] = [call for call in submit(script, **variables) if " --problem " in call]
        return call

    return words


def test_every_search_has_defaults():
    assert set(DEFAULTS) == set(SEARCHES)


@pytest.mark.parametrize("search", DEFAULTS)
def test_the_search_decides_on_the_problem_and_the_results_file(search, searched, tmp_path):
    problem, output = DEFAULTS[search]
    asked = f" {search} --problem {problem} --gpus-per-eval 1 --max-evals 1000 --output {output}"
    assert searched(JOBS / "polaris.sh", SEARCH=search).endswith(asked)
    (tmp_path / "mine.sh").write_text(render(JobScript("frontier", search)))
    assert searched(tmp_path / "mine.sh").endswith(asked)


def test_what_is_said_is_taken(searched, tmp_path):
    words = searched(JOBS / "slurm.sh", SEARCH="ga", PROBLEM="a b.py", RUN="my.run", OUTPUT="mine.h5", MAX_EVALS="7")
    assert words.endswith(" ga --problem a b.py --run my.run --max-evals 7 --output mine.h5")
    (tmp_path / "mine.sh").write_text(render(JobScript("slurm", "ambs", problem="@RUN@.py", output="mine-too.h5")))
    words = searched(tmp_path / "mine.sh", SEARCH="ppo-sync", ARGUMENTS="--seed 3")
    assert words.endswith(" ppo-sync --problem @RUN@.py --max-evals 1000 --output mine-too.h5 --seed 3")


def test_a_job_of_balsam_gets_words_as_they_are(submit, tmp_path):
    """Balsam splits the arguments of a job into words as a shell does."""
    problem, run, output = "my dir/p.py", "a'b", "o ut.h5"
    (tmp_path / output).touch()
    words = ["--problem", problem, "--run", run, "--max-evals", "1000", "--output", output, "--resume", "--seed", "3"]
    job = JobScript("theta", BALSAM, problem=problem, run=run, output=output, arguments="--seed 3")
    (tmp_path / "mine.sh").write_text(render(job))
    given = {"PROBLEM": problem, "RUN": run, "OUTPUT": output, "ARGUMENTS": "--seed 3"}
    for script, variables in ((tmp_path / "mine.sh", {}), (JOBS / "theta_balsam.sh", given)):
        [call] = [call for call in submit(script, **variables) if call.startswith("balsam job")]
        got = shlex.split(call.partition(" --args ")[2])
        assert got[got.index("--problem") :] == words


def test_a_dollar_is_not_expanded(searched, tmp_path):
    """Where it would be before the script has changed to the directory of the job, too."""
    (tmp_path / "mine.sh").write_text(render(JobScript("pbs", "ambs", problem="$PWD/p.py", output="$PWD/o.h5")))
    assert " --problem $PWD/p.py --max-evals 1000 --output $PWD/o.h5" in searched(tmp_path / "mine.sh")


def test_theta_has_a_script_for_each_search(searched):
    for stem, search in (("ga", "ga"), ("nas_random", "nas-random"), ("nas_ppo_sync", "ppo-sync")):
        problem, output = DEFAULTS[search]
        words = searched(JOBS / f"theta_{stem}.sh")
        assert words.endswith(f" dhmpi {search} --problem {problem} --max-evals 1000 --output {output}")


def test_a_results_file_that_is_there_is_resumed(searched, tmp_path):
    (tmp_path / "hps_random.h5").touch()
    assert searched(JOBS / "cobalt.sh", SEARCH="hps-random").endswith(" --output hps_random.h5 --resume")


@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command, names in SCHEDULERS.items() for name in names]
)
def test_a_successor_gets_all_variables(command, name, submit, tmp_path):
    given = {"CHAIN": "1", "SEARCH": "ppo-async", "ARGUMENTS": "--seed 3", "MAX_EVALS": "5", "RANKS_PER_NODE": "2"}
    given |= {"GPUS_PER_EVAL": "2"}
    expected = given | {"PROBLEM": NAS, "OUTPUT": "nas_ppo_async.h5", "RUN": "", "MODULE": ""}
    names = VARIABLES
    if name == "theta_balsam":
        expected |= {"PROBLEM": HPS, "OUTPUT": str(tmp_path / "balsam.h5")}
        names = VARIABLES[1:]  # it has one search
    if name in ("polaris", "aurora", "perlmutter", "frontier"):
        expected |= {"GPUS_PER_EVAL": "2"}
        names = (*VARIABLES, "GPUS_PER_EVAL")
    *_, call = submit(JOBS / f"{name}.sh", **given)
    assert call.startswith(command.split()[0])
    assert call.endswith(f" {JOBS / name}.sh")
    assert " -A me " in call or " --account=me " in call
    if command == "qsub --env":
        text = call.partition(" --env ")[2].removesuffix(f" {JOBS / name}.sh")
        got = dict(each.split("=", 1) for each in text.split(":"))
        assert tuple(got) == names
    else:
        got = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
        assert command == "sbatch" or f" -v {','.join(names)} " in call
    assert [got[each] for each in names] == [expected[each] for each in names]
