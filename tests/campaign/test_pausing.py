"""Evaluations that save their state and go on: at the end of the time, after a kill or the loss of a worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.control.walltime import Pauses
from dhmpi.evaluation import State

TRAINING = """
import json, os, time

from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0, 9), 5)
NUM_STEPS = int(os.environ.get("NUM_STEPS", "20"))


def run(point, context):
    file, step = context.directory / "state.json", 0
    if context.resumed:
        assert context.resumed.directory == context.directory
        if file.exists():
            step = json.loads(file.read_text())["step"]
        with open(context.directory / "beginnings", "a") as log:
            log.write(f"{context.resumed.step} {step}\\n")
    while step < NUM_STEPS:
        time.sleep(0.03)
        step += 1
        with open(context.directory / "steps", "a") as log:
            log.write(f"{step}\\n")
        if "EVERY" in os.environ or context.should_checkpoint:
            new = file.with_suffix(".new")
            new.write_text(json.dumps({"step": step}))
            new.rename(file)
        context.report(step, point["x"] + 1 / step)
    return float(point["x"])
"""
NUM_STEPS = 20
WORDS = ["hps-random", "--problem", "training.py", "--max-evals", "2", "--quiet"]
PLACES = {
    "inline": ["--isolation", "inline"],
    "process": [],
    "threadPool": ["--evaluator", "threadPool", "--num-workers", "2"],
    "subprocess": ["--evaluator", "subprocess", "--num-workers", "2"],
}


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "training.py").write_text(TRAINING)


@pytest.fixture
def until_step(monkeypatch):
    """Run a campaign for which the time is about to end when its first evaluation has taken so many steps."""

    def search(number, *words):
        with monkeypatch.context() as patch:
            patch.setattr(Pauses, "is_due", lambda pauses: (steps(0) or [0])[-1] >= number)
            return main([*WORDS, "--max-minutes", "2", *words])

    return search


def evaluations():
    return results.read("results.h5").evaluations


def lines(name, id=0):
    path = Path(f"results.h5.files/evaluation-{id:06d}/{name}")
    return path.read_text().split("\n")[:-1] if path.exists() else []


def steps(id):
    return list(map(int, lines("steps", id)))


@pytest.mark.parametrize("place", PLACES)
def test_what_is_paused_goes_on_without_a_step_twice(place, until_step):
    assert until_step(5, *PLACES[place]) == 0
    found = results.read("results.h5")
    assert found.evaluations
    assert {each.state for each in found.evaluations} == {State.PAUSED}  # and nothing has begun since then
    assert 0 < found.metadata.statistics["pause_seconds"] < 60
    assert found.metadata.runs[-1]["why"] == "the time is over, and what can go on later has been paused"
    assert not found.metadata.complete
    assert main(["show", "results.h5", "--is-complete"]) == 3  # a chain of jobs goes on
    for each in found.evaluations:
        assert each.objective is None
        assert each.step == steps(each.id)[-1] < NUM_STEPS
    assert main([*WORDS, *PLACES[place], "--resume"]) == 0
    assert [each.state for each in evaluations()] == [State.DONE] * 2
    for each in evaluations():
        assert steps(each.id) == list(range(1, NUM_STEPS + 1))
    earlier = results.read("results.h5").columns.earlier
    assert sorted(earlier.evaluation.tolist()) == [each.id for each in found.evaluations]
    assert (earlier.duration > 0).all()
    for each in found.evaluations:
        assert lines("beginnings", each.id) == [f"{each.step} {each.step:g}"]


def test_what_does_not_look_goes_on(tmp_path, until_step):
    (tmp_path / "training.py").write_text(TRAINING.replace("context.should_checkpoint", "False"))
    assert until_step(5) == 0
    assert [each.state for each in evaluations()] == [State.DONE] * 2
    assert "pause_seconds" not in results.read("results.h5").metadata.statistics


# It saves nothing, and waits at a step until it is told to.
FORGETFUL = TRAINING.replace('"EVERY" in os.environ or context.should_checkpoint', "False").replace(
    "        context.report(",
    """        while step == int(os.environ["PAUSE_AT"]) and not context.should_checkpoint:
            time.sleep(0.01)
        context.report(""",
)


@pytest.fixture
def pause_at(tmp_path, until_step, monkeypatch, capsys):
    """Run one job of a chain, whose only evaluation is paused at a step; return what a job script is told then."""
    (tmp_path / "training.py").write_text(FORGETFUL)

    def run(step):
        monkeypatch.setenv("PAUSE_AT", str(step))
        Path("results.h5.files/evaluation-000000/steps").unlink(missing_ok=True)
        until_step(step, "--max-evals", "1", *(["--resume"] if Path("results.h5").exists() else []))
        capsys.readouterr()
        return main(["show", "results.h5", "--is-complete"]), capsys.readouterr().out

    return run


def test_what_gets_no_further_fails_and_the_chain_ends(pause_at):
    assert pause_at(3)[0] == 3
    assert pause_at(3) == (
        4,
        "not complete: 0 evaluations, 0 of them ended in this run; 1 paused in it, 1 of them no further than at an "
        "earlier pause\n",
    )
    assert [each.state for each in evaluations()] == [State.PAUSED]
    assert pause_at(2)[0] == 4
    [evaluation] = evaluations()
    assert (evaluation.state, evaluation.objective, evaluation.step, evaluation.extra) == (State.FAILED, None, 2, {})
    assert evaluation.error.startswith("what is paused must get further from one job to the next, got step 2 now and")
    assert "2 pauses ago" in results.read("results.h5").metadata.runs[-1]["why"]


def test_what_gets_further_now_and_then_goes_on(pause_at):
    assert [pause_at(step)[0] for step in (2, 2, 3, 3, 4)] == [3, 4, 3, 4, 3]
    assert [each.state for each in evaluations()] == [State.PAUSED]


NO_REPORT = """
import dhmpi
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0, 9), 5)


def run(point, context):
    if context.resumed:
        return 1.0
    (context.directory / "steps").write_text("1\\n")
    while not context.should_checkpoint:
        pass
    raise dhmpi.StopEvaluation
"""


@pytest.mark.parametrize("place", PLACES)
def test_what_reports_nothing_may_be_paused_too(tmp_path, place, until_step):
    (tmp_path / "training.py").write_text(NO_REPORT)
    assert until_step(1, *PLACES[place]) == 0
    num = len(evaluations())
    assert [(each.state, each.step) for each in evaluations()] == [(State.PAUSED, None)] * num
    assert main([*WORDS, *PLACES[place], "--max-evals", str(num), "--resume"]) == 0
    assert [each.state for each in evaluations()] == [State.DONE] * num


ENDINGS = {
    "a full disk": 'raise OSError(28, "No space left on device")',
    "a return": "return",
    "an exit": "import sys; sys.exit()",
    "a crash": "os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize(("ending", "place"), [*((each, "process") for each in ENDINGS), ("a crash", "subprocess")])
def test_however_it_ends_when_it_knows_of_the_end_what_it_has_saved_counts(
    tmp_path, ending, place, until_step, monkeypatch
):
    """Where a disk is full, all that is paused at the same moment would be FAILED."""
    monkeypatch.setenv("EVERY", "1")
    told = f"        if not context.resumed and context.should_checkpoint:\n            {ENDINGS[ending]}\n"
    text = TRAINING.replace('        if "EVERY"', f'{told}        if "EVERY"')
    (tmp_path / "training.py").write_text(text)
    assert until_step(5, *PLACES[place], "--max-evals", "1") == 0
    [paused] = evaluations()
    assert (paused.state, paused.objective, paused.error) == (State.PAUSED, None, "")
    assert main([*WORDS, *PLACES[place], "--max-evals", "1", "--resume"]) == 0
    assert [each.state for each in evaluations()] == [State.DONE]
    assert lines("beginnings") == [f"{paused.step} {paused.step:g}"]


PROGRAM = """#!/bin/sh
BEGIN
step=0
if [ -n "${DHMPI_RESUMED+set}" ]; then
    step=$(cat "$DHMPI_DIRECTORY/step")
    echo "$DHMPI_RESUMED $step" >> "$DHMPI_DIRECTORY/beginnings"
fi
save() { echo "$step" > "$DHMPI_DIRECTORY/step"; }
while [ "$step" -lt 20 ]; do
    sleep 0.03
    step=$((step + 1))
    echo "$step" >> "$DHMPI_DIRECTORY/steps"
    echo "DH-REPORT: $step $1"
    LOOK
done
echo "DH-OUTPUT: $1"
"""
WAYS = {
    "a trap that ends it": ("trap 'save; exit 0' USR1", ""),
    "a trap that is looked at": ("trap 'ends=yes' USR1", '[ -z "$ends" ] || { save; exit 0; }'),
    "a trap that ends with what the signal makes of it": ("trap 'save; exit 138' USR1", ""),
    "a file": ("", '[ ! -e "$DHMPI_SHOULD_CHECKPOINT" ] || { save; exit 0; }'),
}
PROGRAM_WORDS = ["--run", "exec:./program.sh {x}"]
PROGRAM_PLACES = {"a pool": ["--evaluator", "subprocess", "--num-workers", "2"], "this process": []}


def write_program(begin, look):
    path = Path("program.sh")
    path.write_text(PROGRAM.replace("BEGIN", begin).replace("LOOK", look))
    path.chmod(0o755)


@pytest.mark.parametrize("way", WAYS)
def test_a_program_is_paused_and_goes_on(way, until_step):
    write_program(*WAYS[way])
    words = [*PROGRAM_WORDS, *PROGRAM_PLACES["this process" if way == "a file" else "a pool"]]
    assert until_step(5, *words) == 0
    paused = evaluations()
    assert paused
    assert {each.state for each in paused} == {State.PAUSED}
    for each in paused:
        assert each.step == steps(each.id)[-1] < NUM_STEPS
    assert not list(Path("results.h5.files").glob("*.checkpoint"))
    assert main([*WORDS, *words, "--resume"]) == 0
    assert [each.state for each in evaluations()] == [State.DONE] * 2
    for each in evaluations():
        assert steps(each.id) == list(range(1, NUM_STEPS + 1))
    for each in paused:
        assert lines("beginnings", each.id) == [f"{each.step:g} {each.step:g}"]


def test_a_program_that_does_not_listen_goes_on(until_step):
    write_program("", "")
    assert until_step(5, *PROGRAM_WORDS) == 0
    assert [each.state for each in evaluations()] == [State.DONE] * 2


def test_a_program_that_listens_late_is_told_then(until_step):
    write_program("", '[ "$step" != 8 ] || { trap "save; exit 0" USR1; while true; do sleep 0.05; done; }')
    assert until_step(2, *PROGRAM_WORDS, "--max-evals", "1") == 0
    [evaluation] = evaluations()
    assert (evaluation.state, evaluation.step) == (State.PAUSED, 8)


@pytest.mark.parametrize(("listens", "state"), [(True, State.PAUSED), (False, State.FAILED)])
def test_a_program_that_fails_while_it_saves_goes_on_from_what_it_saved_before(listens, state, until_step):
    look = "save; [ $step != 8 ] || { echo no room; exit 1; }"
    write_program("trap : USR1" if listens else "", f'[ -n "${{DHMPI_RESUMED+set}}" ] || {{ {look}; }}')
    until_step(2, *PROGRAM_WORDS, "--max-evals", "1")
    [evaluation] = evaluations()
    assert evaluation.state is state
    assert evaluation.error.startswith("the program ended with exit status 1" if state is State.FAILED else "")
    if state is State.PAUSED:
        assert main([*WORDS, *PROGRAM_WORDS, "--max-evals", "1", "--resume"]) == 0
        assert steps(0) == list(range(1, NUM_STEPS + 1))


ELSEWHERE = """#!/bin/sh
[ -z "${DHMPI_RESUMED+set}" ] || { echo "DH-OUTPUT: $DHMPI_RESUMED"; exit; }
trap 'exit 0' USR1
echo "DH-REPORT: 3 0.5"
while true; do sleep 0.05; done
"""


def test_a_program_that_saves_elsewhere_knows_where_it_was(until_step):
    Path("program.sh").write_text(ELSEWHERE)
    Path("program.sh").chmod(0o755)
    assert until_step(0, *PROGRAM_WORDS, "--max-evals", "1") == 0
    assert [(each.state, each.step) for each in evaluations()] == [(State.PAUSED, 3)]
    assert main([*WORDS, *PROGRAM_WORDS, "--max-evals", "1", "--resume"]) == 0
    assert [each.objective for each in evaluations()] == [3.0]


@pytest.mark.parametrize(("isolation", "kills"), [("inline", [8]), ("process", [8, 16])])
def test_a_kill_costs_the_last_step_alone(isolation, kills):
    env = os.environ | {"EVERY": "1", "NUM_STEPS": "24"}
    words = [sys.executable, "-m", "dhmpi", *WORDS, "--max-evals", "1", "--isolation", isolation]
    for kill_at in (*kills, None):
        process = subprocess.Popen(
            [*words, *(["--resume"] if Path("results.h5").exists() else [])],
            env=env,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if kill_at is not None:
            end = time.monotonic() + 60
            while (steps(0) or [0])[-1] < kill_at and time.monotonic() < end:
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        time.sleep(0.2)  # the child is told by its supervisor
    [evaluation] = evaluations()
    assert evaluation.state is State.DONE
    assert evaluation.step == 24
    taken = steps(0)
    assert set(taken) == set(range(1, 25))
    assert len(taken) <= 24 + len(kills)
    for line in lines("beginnings"):
        reported, saved = line.split()
        assert int(saved) - float(reported) <= 2, "reports are in the journal at once"


LOST = TRAINING.replace("import json, os, time", "import json, os, signal, time").replace(
    "        context.report(",
    "        if step == 5:\n            os.kill(os.getpid(), signal.SIGTERM)\n        context.report(",
)


def test_what_is_lost_goes_on_in_the_same_run(tmp_path, monkeypatch):
    (tmp_path / "training.py").write_text(LOST)
    monkeypatch.setenv("EVERY", "1")
    monkeypatch.setenv("NUM_STEPS", "8")
    assert main([*WORDS, "--max-evals", "1"]) == 0
    assert steps(0) == list(range(1, 9))
    assert lines("beginnings") == ["4.0 5"]


REDONE = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0, 9), 5)


def run(point, context):
    left = sorted(path.name for path in context.directory.iterdir())
    (context.directory / f"state-{len(left)}").touch()
    if not (context.directory / ".." / "mended").exists():
        raise ValueError("bad luck")
    return {"objective": 1.0, "left": left, "is resumed": context.resumed is not None}
"""


@pytest.mark.parametrize(
    "words", [[], ["--evaluator", "subprocess", "--num-workers", "1"]], ids=["alone", "subprocess"]
)
def test_what_is_redone_finds_its_directory_empty(tmp_path, words):
    (tmp_path / "training.py").write_text(REDONE)
    assert main([*WORDS, *words, "--max-evals", "1"]) == 1
    assert main(["redo", "results.h5"]) == 0
    files = Path("results.h5.files")
    assert (files / "evaluation-000000" / "state-0").exists(), "it may still be looked at"
    (files / "mended").touch()
    (files / "evaluation-000001").mkdir()  # of an evaluation that a crash of the machine has cost
    (files / "evaluation-000001" / "old").touch()
    (files / "evaluation-000000.step-x").mkdir()  # of a step of a launcher that was killed
    (files / "evaluation-000000.log").write_text("printed before\n")
    assert main([*WORDS, *words, "--max-evals", "2", "--resume"]) == 0
    assert [each.extra for each in evaluations()] == [{"left": [], "is resumed": False}] * 2
    assert not (files / "evaluation-000000.step-x").exists()
    assert (files / "evaluation-000000.log").read_text().startswith("printed before\n")
