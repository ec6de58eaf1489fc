"""A run function that does what its point says; evaluators of every kind are tested with it."""

import ctypes
import os
import random
import signal
import sys
import threading
import time


def say_much(num):
    """Print on both streams, more than a pipe holds."""
    print("x" * num)
    print("y" * num, file=sys.stderr)
    return 1.0


def mimic(value):
    """Print what an evaluator that reads the output could take for a result."""
    os.system("echo 'DH-OUTPUT: 5'")
    print('DH-OUTPUT: 5\n[0, "DONE", 5.0, 1.0, 2.0, "", {}]\n{"objective": 5.0}', flush=True)
    return value


def burn(seconds):
    """Compute in pure Python."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return 1.0


def announce(context):
    """Tell who runs, then wait for the end."""
    print("announced")
    name = context.directory / "pid"
    name.with_suffix(".new").write_text(str(os.getpid()))
    name.with_suffix(".new").rename(name)
    time.sleep(30)


def save(context):
    """Save when the time ends, and report a little later."""
    (context.directory / "begun").touch()
    while not context.should_checkpoint:
        time.sleep(0.01)
    (context.directory / "saved").touch()
    time.sleep(0.1)
    context.report(1, 0.5)


def fail(how):
    """Print, then fail in one way or another."""
    for number in range(3000):
        print("line", number)
    print("last words é")
    return {"raise": lambda: [][7], "die": lambda: os._exit(3), "sleep": lambda: time.sleep(30), "return": dict}[how]()


def behave(point, context):
    do, value = point["do"], point.get("value")
    actions = {
        "return": lambda: value,
        "echo": lambda: {"objective": 1.0, "point": point, "types": {k: type(v).__name__ for k, v in point.items()}},
        "context": lambda: {"objective": context.seed, "id": context.id, "deadline": context.deadline},
        "report": lambda: [context.report(step, 1 / (step + 1)) for step in range(3)] and 0.5,
        "write": lambda: (context.directory / "model.txt").write_text("kept") * 1.0,
        "complex": lambda: {"objective": 1.0, "kept": 1 + 2j},
        "nan": lambda: float("nan"),
        "infinity": lambda: {"objective": float("inf"), "note": "kept"},
        "lacking": lambda: {"accuracy": 0.5},
        "raise": lambda: [][value],
        "exit": lambda: sys.exit(3),
        "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt),
        "sleep": lambda: time.sleep(value) or 1.0,
        "print": lambda: print("x" * value) or os.system("echo from a grandchild") * 0.0,
        "die": lambda: os._exit(3),
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "crash": lambda: ctypes.string_at(0),
        "stubborn": lambda: [signal.signal(signal.SIGTERM, signal.SIG_IGN), time.sleep(value)] and 1.0,
        "random": lambda: time.sleep(value or 0) or random.random(),
        "much": lambda: say_much(value),
        "mimic": lambda: mimic(value),
        "burn": lambda: burn(value),
        "announce": lambda: announce(context),
        "save": lambda: save(context),
        "fail": lambda: fail(value),
        "memory": lambda: (_ for _ in ()).throw(MemoryError("no memory")),
        "large": lambda: {"objective": 1.0, "text": "x" * value},
        "odd": lambda: {"objective": 1.0, "lock": threading.Lock(), "lambda": lambda: 1, "set": {1}, "bytes": b"1"},
        "pid": lambda: float(os.getpid()),
    }
    return actions[do]()


def tell_place(point, context):
    """Return where it runs, and on which GPUs."""
    found = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES"), "gpus": context.gpus}
    place = context.worker, context.rank, context.local_rank, context.size
    return found | {"objective": time.sleep(0.02) or 0.0, "place": place}
