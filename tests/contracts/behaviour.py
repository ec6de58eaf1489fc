"""A run function that does what its point says; evaluators of every kind are tested with it."""

import ctypes
import os
import signal
import sys
import time


def behave(point, context):
    do, value = point["do"], point.get("value")
    actions = {
        "return": lambda: value,
        "echo": lambda: {"objective": 1.0, "point": point, "types": {k: type(v).__name__ for k, v in point.items()}},
        "context": lambda: {"objective": context.seed, "id": context.id, "deadline": context.deadline},
        "report": lambda: [context.report(step, 1 / (step + 1)) for step in range(3)] and 0.5,
        "write": lambda: (context.directory / "model.txt").write_text("kept") * 1.0,
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
        "pid": lambda: float(os.getpid()),
    }
    return actions[do]()
