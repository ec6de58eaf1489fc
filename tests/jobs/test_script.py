"""Job scripts: what they are made of, and that those in jobs/ are what `dhmpi job` prints."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dhmpi.cli import main
from dhmpi.errors import OptionError
from dhmpi.jobs.job_options import minutes_of
from dhmpi.jobs.script import BALSAM_VARIABLES, GPU_VARIABLES, VARIABLES, JobScript, _quoted, name_of, render
from dhmpi.jobs.sites import BALSAM, SEARCH_JOBS, SITES, THETA_SCRIPTS
from dhmpi.search.registry import SEARCHES

ROOT = Path(__file__).parents[2]
JOBS = ROOT / "jobs"
SCRIPTS = sorted(JOBS.glob("*.sh"))
SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:/usr/bin")
TEMPLATES = sorted((ROOT / "dhmpi" / "jobs" / "templates").glob("*.sh"))
MARKS = {"slurm": "#SBATCH", "pbs": "#PBS", "cobalt": "#COBALT"}
ALL = [JobScript(site, search) for site in SITES for search in SEARCH_JOBS if search != BALSAM or site == "theta"]
HEADS = (
    "#!/bin/bash -l",
    "# --- submit",
    "# --- modules",
    "# --- environment",
    "# --- launch line",
    "# --- exit status",
)


def printed(capsys, *words):
    assert main(["job", *words]) == 0
    return capsys.readouterr().out


# --- those that are in jobs/


def test_the_scripts_are_what_dhmpi_job_prints(capsys, tmp_path):
    """Otherwise: dhmpi job --all jobs"""
    printed(capsys, "--all", str(tmp_path))
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {path.name: path.read_text() for path in SCRIPTS} == fresh
    for search in THETA_SCRIPTS:
        text = (JOBS / name_of(JobScript("theta", search))).read_text()
        assert printed(capsys, "--site", "theta", "--search", search) == text
    for site in set(SITES) - {"theta"}:
        assert printed(capsys, "--site", site) == (JOBS / f"{site}.sh").read_text()


def test_the_documented_names():
    names = {"theta_ambs", "theta_ga", "theta_nas_ppo_async", "theta_nas_ppo_sync", "theta_nas_random", "theta_balsam"}
    names |= {
        "polaris",
        "aurora",
        "perlmutter",
        "perlmutter-cpu",
        "frontier",
        "lumi",
        "lumi-c",
        "slurm",
        "pbs",
        "cobalt",
    }
    assert {path.stem for path in SCRIPTS} == names


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_shell(path):
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_can_be_submitted(path):
    assert path.stat().st_mode & 0o111 == 0o111  # Cobalt refuses others
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


@pytest.mark.skipif(SHELLCHECK is None, reason="needs shellcheck, which is in the extra [tests]")
def test_shellcheck_has_nothing_to_say(tmp_path):
    odd = tmp_path / "odd.sh"
    job = JobScript("slurm", "ambs", problem="a b.py:x", run="it's", output="{}.h5", chain=True, module="a/1 b")
    odd.write_text(render(replace(job, arguments="""--run 'exec:./t.sh {x}' "$HOME" '*'"""), '/my `odd` "$prefix'))
    done = subprocess.run([SHELLCHECK, *SCRIPTS, odd], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", ["system-packages", "slurm-test-environment", "horovod"])
@pytest.mark.skipif(SHELLCHECK is None, reason="needs shellcheck, which is in the extra [tests]")
def test_our_own_scripts(script):
    done = subprocess.run([SHELLCHECK, ROOT / "scripts" / script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# --- any


@pytest.mark.parametrize("job", ALL, ids=lambda job: f"{job.site}-{job.search}")
def test_six_blocks_in_one_order(job):
    blocks = render(job).split("\n\n")
    assert [block.startswith(head) for block, head in zip(blocks, HEADS, strict=True)] == [True] * 6
    assert render(job).endswith('exit "$status"\n')
    assert max(len(line) for line in render(job).splitlines()) <= 120


@pytest.mark.parametrize("job", ALL, ids=lambda job: f"{job.site}-{job.search}")
def test_directives_are_nothing_but_directives(job):
    """Directly below the first line, where alone Cobalt reads them."""
    _, *directives = render(job).split("\n\n")[0].splitlines()
    mark = MARKS[SITES[job.site].scheduler]
    assert all(line.startswith(f"{mark} ") for line in directives)
    assert render(job).count(f"\n{mark} ") == len(directives)


@pytest.mark.parametrize("job", ALL, ids=lambda job: f"{job.site}-{job.search}")
def test_every_variable_has_a_default(job):
    text = render(job)
    names = GPU_VARIABLES if SITES[job.site].gpus else VARIABLES
    for name in BALSAM_VARIABLES if job.search == BALSAM else names:
        assert len(re.findall(rf"^{name}=\${{{name}:?-", text, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("site", "variables"),
    [("slurm", {"SLURM_ARRAY_TASK_ID": "7"}), ("pbs", {"PBS_ARRAY_INDEX": "7"}), ("pbs", {"PBS_ARRAYID": "7"})],
)
@pytest.mark.parametrize(
    ("output", "own"),
    [("ambs.h5", "ambs-7.h5"), ("a/b-c.h5", "a/b-c-7.h5"), ("plain", "plain-7.h5"), ("ambs-7.h5", "ambs-7.h5")],
)
def test_tasks_of_a_job_array_have_files_of_their_own(site, variables, output, own):
    lines = render(JobScript(site, "ambs", output=output)).splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("TASK="))
    default = next(line for line in lines if line.startswith("OUTPUT="))
    code = "\n".join(["set -u", default, *lines[begin : begin + 5], 'echo "$OUTPUT"'])
    for env, expected in ((variables, own), ({}, output)):
        shown = subprocess.run(["bash", "-c", code], env=env, capture_output=True, text=True, check=True).stdout
        assert shown.strip() == expected


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (
            "--site polaris --nodes 4",
            "queue prod of polaris takes 10 to 24 nodes for up to 3:00, or 25 to 99 nodes for up to 6:00, or 100 to "
            "496 nodes for up to 24:00 (read 2026-11-26), got --nodes 4 --walltime 3:00; that fits --queue capacity or "
            "preemptable",
        ),
        ("--site polaris --nodes 30 --walltime 6:00 --account me", ""),
        ("--site polaris --nodes 24 --walltime 6:00", "that fits no queue"),
        ("--site polaris --nodes 4 --walltime 100:00 --queue capacity", ""),
        ("--site polaris --queue R1234567", ""),
        (
            "--site aurora --queue debug-scalling",
            "not among those known (read 2026-11-26); did you mean 'debug-scaling'?",
        ),
        ("--site aurora --nodes 256", ""),
        ("--site aurora --nodes 257", "; that fits --queue prod"),
        ("--site aurora --nodes 9000 --walltime 24:00 --queue prod", ""),
        ("--site perlmutter --account m123", "accounts of perlmutter end in _g for GPU nodes (read 2026-11-26), got "),
        ("--site perlmutter --account m123_g", ""),
        ("--site slurm --nodes 100000", ""),
    ],
)
def test_what_a_queue_may_not_take_is_doubted(words, warned, capsys):
    """Queues change, so the script is written nevertheless."""
    assert main(["job", *words.split()]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("#!/bin/bash -l\n")
    assert captured.err.startswith("dhmpi job: warning: " if warned else "")
    assert warned in captured.err
    assert len(captured.err.splitlines()) == bool(warned)


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_the_queue_of_a_site_takes_its_job(site):
    rows = [each for each in site.queues if each.name == site.queue]
    assert not site.queues or any(each.takes(site.nodes, site.minutes) for each in rows)


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_ranks_fit_on_a_node(site):
    assert site.threads_per_node // site.ranks_per_node >= 1
    assert site.scheduler in MARKS


def test_the_list_of_sites_has_two_columns(capsys):
    with pytest.raises(SystemExit):
        main(["job", "--help"])
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in SITES)


def test_every_search_can_be_submitted():
    assert set(SEARCHES) <= set(SEARCH_JOBS)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["--site", "theta", "--nodes", "256", "--walltime", "3:00"],
            ["#COBALT -n 256", "#COBALT -t 180", "#COBALT -q default", "MAX_EVALS=${MAX_EVALS:-1000}"],
        ),
        (
            ["--site", "polaris", "--nodes", "16", "--walltime", "90", "--queue", "preemptable", "--account", "me"],
            ["#PBS -l select=16:system=polaris", "#PBS -l walltime=01:30:00", "#PBS -q preemptable", "#PBS -A me"],
        ),
        (
            ["--site", "perlmutter", "--queue", "debug", "--ranks-per-node", "2", "--chain"],
            ["#SBATCH --qos=debug", "RANKS_PER_NODE=${RANKS_PER_NODE:-2}", "CHAIN=${CHAIN:-1}"],
        ),
        (
            ["--site", "frontier", "--arguments", "--seed 3 --eval-timeout-minutes 5", "--module", "my/1.0 other"],
            [
                "ARGUMENTS=${ARGUMENTS:-'--seed 3 --eval-timeout-minutes 5'} # more options of the search; quotes hold "
                "words together",
                "MODULE=${MODULE-'my/1.0 other'} # modules that bring dhmpi; nothing if it is in PATH",
            ],
        ),
        (
            ["--site", "slurm", "--queue", "long", "--walltime", "100:05", "--search", "hps_random"],
            ["#SBATCH --partition=long", "#SBATCH --time=100:05:00", "RUN=${RUN:-}"],
        ),
        (
            ["--site", "cobalt", "--queue", "q", "--problem", "my.Problem", "--run", "my.run", "--max-evals", "7"],
            ["#COBALT -q q", "PROBLEM=${PROBLEM:-my.Problem}", "RUN=${RUN:-my.run}", "MAX_EVALS=${MAX_EVALS:-7}"],
        ),
    ],
)
def test_what_is_asked_for_is_written(words, lines, capsys):
    text = printed(capsys, *words).splitlines()
    assert [line for line in lines if line not in text] == []


@pytest.mark.parametrize(
    "words",
    [
        ["--site", "theta"],
        ["--nodes", "4"],
        ["--chain"],
        ["--search", "ambs"],
        ["--account", ""],
        ["--module", ""],
        ["--gpus-per-eval", "1"],
    ],
)
def test_all_scripts_have_their_defaults(words, capsys, tmp_path):
    assert main(["job", "--all", str(tmp_path), *words]) == 2
    assert f"--all must come without other options, since it writes all sites' defaults, got {words[0]}; " in (
        capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1), min_size=1, max_size=8))
def test_defaults_come_through_the_shell_unchanged(values):
    code = "".join(f"X=${{Y:-{_quoted(value)}}}; printf '%s\\n' \"$X\"\n" for value in values)
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, env={})
    assert done.stdout.splitlines() == values


@pytest.mark.parametrize(("text", "minutes"), [("180", 180), ("3:00", 180), ("0:05", 5), ("24:30", 1470)])
def test_walltimes(text, minutes):
    assert minutes_of("--walltime", text) == minutes


@pytest.mark.parametrize(
    "text", ["", "0", "0:00", "3:0", "3:60", "3:00:00", "-5", "1.5", "3h", "\u0663", "\u0663:00", "1_0", "9" * 5000]
)
def test_no_walltimes(text):
    with pytest.raises(OptionError, match="--walltime must be minutes, or hours and minutes as 3:00, got "):
        minutes_of("--walltime", text)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--all", "no/such"], "--all must be a directory that exists, got no/such"),
        (["--all", ""], "--all must be a directory that exists, got ''"),
        ([], "--site must be given; choose from theta, polaris"),
        (
            ["--site", "teta"],
            "--site must be one of theta, polaris, aurora, perlmutter, perlmutter-cpu, frontier, lumi, lumi-c, slurm",
        ),
        (["--site", "slurm", "--search", "abms"], "did you mean 'ambs'?"),
        (["--site", "slurm", "--search", "balsam"], "--search balsam must come with --site theta, got --site slurm"),
        (
            ["--site", "perlmutter", "--ranks-per-node", "6"],
            "--ranks-per-node must be at most 5 with --gpus-per-eval 1 on perlmutter, one more than find some of the 4 "
            "GPUs of a node, got 6; --gpus-per-eval 0 gives",
        ),
        (
            ["--site", "lumi", "--gpus-per-eval", "3", "--ranks-per-node", "4"],
            "must be at most 3 with --gpus-per-eval 3",
        ),
        (["--site", "polaris", "--gpus-per-eval", "5"], "must be at most 4, the GPUs of a node of polaris, got 5"),
        (
            ["--site", "pbs", "--gpus-per-eval", "1"],
            "--gpus-per-eval must come with a site whose GPUs are known: polaris",
        ),
        (
            ["--site", "theta", "--ranks-per-node", "129"],
            "--ranks-per-node must be at most 128, the hardware threads that ranks have on a node of theta, got 129",
        ),
        (
            ["--site", "slurm", "--arguments", "--a 'b"],
            "--arguments must be words as in a shell, got --a 'b (no closing",
        ),
        (
            ["--site", "slurm", "--arguments", "--output mine.h5"],
            "--arguments must be options of ambs, got --output mine.h5: --output must not be among them; give it to "
            "dhmpi job itself",
        ),
        (["--site", "slurm", "--arguments=--outp=results.h5"], "--output must not be among them"),
        (["--site", "slurm", "--arguments", "--max-evals 5"], "--max-evals must not be among them; give it to"),
        (["--site", "slurm", "--arguments", "--problem p.py"], "--problem must not be among them; give it to"),
        (["--site", "slurm", "--arguments", "--run r.py"], "--run must not be among them; give it to"),
        (["--site", "slurm", "--arguments=--resume"], "must not be among them; a script resumes a results file"),
        (
            ["--site", "slurm", "--arguments", "--nonsense 3"],
            "unrecognized arguments: --nonsense 3; ",
        ),
        (["--site", "slurm", "--arguments", "--sede 3"], "did you mean '--seed'?"),
        (["--site", "slurm", "--arguments=--seed"], "argument --seed: expected one argument"),
        (["--site", "slurm", "--arguments", "--seed x"], "--seed must be an integer of at least 0, got x"),
        (["--site", "slurm", "--arguments", "--evaluator nowhere"], "--evaluator must be one of"),
        (
            ["--site", "slurm", "--search", "ga", "--arguments", "--kappa 3"],
            "options of ga, got --kappa 3: unrecognized",
        ),
        (["--site", "slurm", "--arguments=--help"], "unrecognized arguments: --help"),
        (["--site", "slurm", "--arguments", "x"], "unrecognized arguments: x"),
        (
            ["--site", "theta", "--search", "balsam", "--arguments", "--num-workers 3"],
            "--num-workers must not be among them; the script for Balsam gives it",
        ),
        (
            ["--site", "polaris", "--nodes", "99999999999999999999"],
            "--nodes must be at most 999999999, got 99999999999999999999",
        ),
        (["--site", "polaris", "--nodes", "561"], "--nodes must be at most 560, the nodes of polaris, got 561"),
        (["--site", "slurm", "--nodes", "\u0663"], "--nodes must be an integer of at least 1"),
        (["--site", "slurm", "--nodes", "1_0"], "--nodes must be an integer of at least 1"),
        (["--site", "slurm", "--max-evals", "1000000000"], "--max-evals must be at most 999999999, got 1"),
        (["--site", "slurm", "--walltime", "999999999:00"], "--walltime must be at most a year, got 999999999:00"),
        (["--site", "slurm", "--nodes", "0"], "--nodes must be an integer of at least 1, got 0"),
        (["--site", "slurm", "--account", "a b"], "--account must have no blanks, got 'a b'"),
        (["--site", "slurm", "--problem", "a\nb"], r"--problem must be one line of text, got 'a\nb'"),
    ],
)
def test_bad_input_gets_one_sentence(words, sentence, capsys):
    assert main(["job", *words]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
