"""Hostile user code in a job: it may cost the evaluation that runs it, and nothing else.

    python benchmarks/hostile.py [--num 600] [--evaluators mpi,serial,processPool,subprocess]

Every second evaluation of a random search does something that could stop the job: forks, crashes, hangs, closes or
replaces what is not its own, leaves processes behind. The others must all succeed; each of these must end in one of the
states that fit. Prints a table of the deeds and their states, and how many processes were left when the job had ended.
Exit status 1 if a state is wrong, or anything is left.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
from durability import Job

from dhmpi import results

PROBLEM = "dhmpi.benchmark.hps.polynome2.Problem"
TIME_LIMIT = 1.0  # of an evaluation [s]
# Longest wait for an evaluation on average, and for the last processes to end after the job [s].
PATIENCE, LAST_MOMENTS = 10.0, 10.0


class Deed(NamedTuple):
    """Hostile act of an evaluation before it returns 1.0.

    Attributes:
        code: One line.
        states: In which it may end.
        told: What its error must tell.
    """

    code: str
    states: tuple[str, ...] = ("DONE",)
    told: str = ""


DAEMON = "os.fork() == 0 and (os.setsid(), os.fork() and os._exit(0), deafen(), time.sleep(317))"
ANSWER = 'answer = b\'[%d, "DONE", 5.0, 1.0, 2.0, "", {}, 0]\\n\' % (context.id + 1)'
DEEDS = {
    "return": Deed("pass"),
    # processes that come back
    "fork, return": Deed("if os.fork() == 0: time.sleep(0.1); return 2.0"),
    "fork, raise": Deed("if os.fork() == 0: time.sleep(0.1); raise ValueError"),
    "fork, exit": Deed("if os.fork() == 0: time.sleep(0.1); sys.exit(0)"),
    "fork, die; wait": Deed("if os.fork() == 0: return 2.0\n        os.wait()"),
    "fork, return late": Deed("if os.fork() == 0: time.sleep(0.5); return 2.0"),
    # channels
    "write to descriptors from 3 to 29": Deed("for fd in range(3, 30): attempt(os.write, fd, b'x\\n')"),
    "write to all descriptors": Deed(
        "for fd in range(3, 1024): attempt(os.write, fd, b'x\\n')", ("FAILED",), "got b'x"
    ),
    "write another's answer": Deed(f"{ANSWER}; [attempt(os.write, fd, answer) for fd in range(3, 1024)]", ("FAILED",)),
    "close descriptors from 3": Deed("os.closerange(3, 4096)", ("FAILED",)),
    "close all descriptors": Deed("os.closerange(0, 4096)", ("FAILED",)),
    "close standard output": Deed("os.close(1); os.close(2)"),
    "redirect standard output": Deed("os.dup2(os.open('/dev/full', os.O_WRONLY), 1)"),
    "sys.stdout = None": Deed("sys.stdout = sys.stderr = None"),
    "sys.stdout.close()": Deed("sys.stdout.close(); sys.stderr.close()"),
    "sys.stdout = object()": Deed("sys.stdout = object()"),
    # what is not its own
    "replace json": Deed("break_module(json)"),
    "replace os.write": Deed("os.write = os.dup2 = os.fstat = os.getpid = broken"),
    "replace time": Deed("time.time = time.perf_counter = time.monotonic = broken"),
    "replace traceback, raise": Deed(
        "break_module(traceback); raise ValueError('told')", ("FAILED",), "ValueError: told"
    ),
    "replace signal": Deed("signal.signal = signal.getsignal = signal.setitimer = broken"),
    "freeze the clock": Deed("time.time = lambda: 0.0"),
    "remove the directory of files": Deed("shutil.rmtree(context.directory.parent, ignore_errors=True)"),
    # exceptions
    "raise LoadError": Deed("raise errors.LoadError('no')", ("FAILED",), "LoadError"),
    "raise Interrupted": Deed("raise runner.Interrupted('DONE')", ("FAILED",), "Interrupted"),
    "raise BrokenPipeError": Deed("raise BrokenPipeError", ("FAILED",), "BrokenPipeError"),
    "raise StopIteration": Deed("raise StopIteration", ("FAILED",), "StopIteration"),
    "raise what cannot be told": Deed("raise Untold", ("FAILED",), "Untold"),
    "raise GeneratorExit": Deed("raise GeneratorExit", ("FAILED",), "GeneratorExit"),
    # signals
    "leave an alarm": Deed("signal.signal(signal.SIGALRM, broken); signal.setitimer(signal.ITIMER_REAL, 0.02)"),
    "leave a deadly alarm": Deed("signal.setitimer(signal.ITIMER_REAL, 0.05)"),
    "leave SIGTERM ignored": Deed("signal.signal(signal.SIGTERM, signal.SIG_IGN)"),
    "signal its group": Deed("os.killpg(0, signal.SIGTERM)", ("FAILED",), "SIGTERM"),
    "stop itself": Deed("os.kill(os.getpid(), signal.SIGSTOP)", ("TIMEOUT",), "ran longer than"),
    "kill its parent": Deed("os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)", ("FAILED",), "supervisor"),
    "stop its parent": Deed("os.kill(os.getppid(), signal.SIGSTOP)"),
    "stop its parent, hang": Deed("os.kill(os.getppid(), signal.SIGSTOP); time.sleep(60)", ("TIMEOUT",), "ran longer"),
    "terminate its parent": Deed("os.kill(os.getppid(), signal.SIGTERM)"),
    "crash": Deed("ctypes.string_at(0)", ("FAILED",), "SIGSEGV"),
    "ignore SIGTERM, hang": Deed("deafen(); time.sleep(60)", ("TIMEOUT",), "ran longer than"),
    "handle SIGTERM, hang": Deed(
        "signal.signal(signal.SIGTERM, lambda *_: 0); time.sleep(60)", ("TIMEOUT",), "ran lon"
    ),
    # what is left behind
    "leave a daemon": Deed(DAEMON),
    "leave a daemon, crash": Deed(f"{DAEMON}; os._exit(3)", ("FAILED",), "exit status 3"),
    "leave a daemon, hang": Deed(f"{DAEMON}; time.sleep(60)", ("TIMEOUT",), "ran longer than"),
    "leave sleep": Deed("subprocess.Popen(['sleep', '317'])"),
    "leave sleep in the background": Deed("os.system('sleep 317 & setsid sleep 317 &')"),
    "leave many, crash": Deed("[os.system('setsid sleep 317 &') for _ in range(8)]; os._exit(3)", ("FAILED",)),
    "leave what forks for ever": Deed("flee()"),
    "leave what forks for ever, hang": Deed("flee(); time.sleep(60)", ("TIMEOUT",), "ran longer than"),
}
HEAD = """\
import ctypes, json, os, shutil, signal, subprocess, sys, time, traceback
from dhmpi import errors
from dhmpi.execution import runner

def broken(*args, **kwargs):
    raise RuntimeError("replaced")

def break_module(module):
    for name, value in list(vars(module).items()):
        if callable(value):
            setattr(module, name, broken)

# Later evaluations in the same process do their own deeds with these.
SAVED = [(vars(module), dict(vars(module))) for module in (json, os, time, traceback, signal)]

def attempt(function, *args):
    try:
        function(*args)
    except OSError:
        pass

def deafen():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def flee():
    if os.fork() == 0:
        os.setsid()
        while True:
            if os.fork():
                os._exit(0)
            time.sleep(0.001)

class Untold(Exception):
    def __str__(self):
        raise RuntimeError("no text")

def run(point, context):
    for names, saved in SAVED:
        names.update(saved)
    print("evaluation", context.id)
    if context.id % 2 == 0:
        time.sleep(0.02)
        return 1.0
    number = context.id // 2 % NUM_DEEDS
"""


def run_function(deeds: Mapping[str, Deed]) -> str:
    """Return the text of a module whose run function does one after the other."""
    cases = [f"    if number == {number}:\n        {deed.code}\n" for number, deed in enumerate(deeds.values())]
    return HEAD.replace("NUM_DEEDS", str(len(deeds))) + "".join(cases) + "    return 1.0\n"


class Report(NamedTuple):
    """Outcome of a job.

    Attributes:
        states: How often each deed ended in which state.
        wrong: Evaluations that did not end as they must, as sentences.
        left: The command lines of the processes that were left.
        seconds: How long it took.
    """

    states: dict[str, Counter[str]]
    wrong: list[str]
    left: list[str]
    seconds: float


def campaign(evaluator: str, num: int, directory: Path, deeds: Mapping[str, Deed]) -> Report:
    """Run a search whose every second evaluation is hostile.

    Args:
        evaluator: Where evaluations run; with mpi, on three ranks.
        num: Evaluations.
        directory: Where everything goes.
        deeds: What they do.
    """
    (directory / "user.py").write_text(run_function(deeds))
    words = ["dhmpi", "hps-random", "--problem", PROBLEM, "--run", "user.py", "--max-evals", str(num)]
    words += ["--evaluator", evaluator, "--eval-timeout-minutes", str(TIME_LIMIT / 60)]
    if evaluator in ("processPool", "subprocess"):
        words += ["--num-workers", "2"]
    begun = time.monotonic()
    job = Job(["mpirun", "-n", "3", *words] if evaluator == "mpi" else words, directory)
    try:
        status = job.process.wait(60 + PATIENCE * num)
        seconds, end = time.monotonic() - begun, time.monotonic() + LAST_MOMENTS
        while job.processes() and time.monotonic() < end:
            time.sleep(0.1)
        left = [_command(pid) for pid in job.processes()]
    finally:
        job.kill()
    wrong = [f"the job must end with status 0, got {status}: {job.err.read_text()[-2000:]}"] if status else []
    states: dict[str, Counter[str]] = defaultdict(Counter)
    found = results.read(directory / "results.h5").evaluations
    if len(found) != num:
        wrong.append(f"there must be {num} evaluations, got {len(found)}")
    names = list(deeds)
    for evaluation in found:
        name = names[evaluation.id // 2 % len(names)] if evaluation.id % 2 else "return"
        deed = deeds.get(name, Deed("pass"))
        states[name][evaluation.state] += 1
        fits = evaluation.state in deed.states and deed.told in evaluation.error
        if not fits or (evaluation.state == "DONE" and evaluation.objective != 1.0):
            wrong.append(f"{evaluation.id}, {name}: {evaluation.state}, {evaluation.objective}, {evaluation.error}")
    return Report(states, wrong, left, seconds)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "one that has just ended"


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaigns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=600, help="evaluations of each evaluator")
    parser.add_argument("--evaluators", default="mpi,serial,processPool,subprocess")
    arguments = parser.parse_args(words)
    reports: dict[str, Report] = {}
    for evaluator in arguments.evaluators.split(","):
        with tempfile.TemporaryDirectory() as directory:
            reports[evaluator] = campaign(evaluator, arguments.num, Path(directory), DEEDS)
        print(f"{evaluator}: {reports[evaluator].seconds:.0f} s", file=sys.stderr)
    print(f"| deed | {' | '.join(reports)} |")
    print(f"|---|{'---|' * len(reports)}")
    for name in DEEDS:
        cells = (
            ", ".join(f"{num} {state}" for state, num in sorted(report.states[name].items()))
            for report in reports.values()
        )
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"| wrong | {' | '.join(str(len(report.wrong)) for report in reports.values())} |")
    print(f"| processes left | {' | '.join(str(len(report.left)) for report in reports.values())} |")
    faults = [fault for report in reports.values() for fault in (*report.wrong, *report.left)]
    print(*faults, sep="\n", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
