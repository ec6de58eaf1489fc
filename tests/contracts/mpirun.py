#!/usr/bin/env python3
"""A stand-in for Open MPI's mpirun: its hosts are this machine, and it writes down which of them are in use.

It refuses what it does not know, and hosts that are in use already; it ends all ranks when one of them fails, and waits
for the end of all output, as srun does.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

STATE = Path(__file__).resolve().parent / "state"


def fail(sentence):
    sys.exit(f"mpirun: {sentence}")


def parse(words):
    options = {}
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option not in ("--host", "--map-by", "--bind-to", "-x", "-n") or not words:
            fail(f"unknown option {option}")
        options.setdefault(option, []).append(words.pop(0))
    return {name: values[0] for name, values in options.items()}, words


def copy(descriptor):
    with open(descriptor, "rb", 0) as source, open(1, "wb", 0, closefd=False) as target:
        shutil.copyfileobj(source, target)


def main():
    if sys.argv[1:] == ["--version"]:
        print("mpirun (Open MPI) 5.0.11")
        return 0
    options, program = parse(sys.argv[1:])
    hosts = [each.split(":") for each in options["--host"].split(",")]
    num, per_node = int(options["-n"]), int(hosts[0][1])
    if num != sum(int(slots) for _, slots in hosts) or options["--map-by"] != f"ppr:{per_node}:node":
        fail(f"these ranks do not fit: {options}")
    STATE.mkdir(exist_ok=True)
    for host, _ in hosts:
        try:
            (STATE / host).mkdir()
        except FileExistsError:
            fail(f"{host} is in use")
    with open(STATE / "log", "a") as log:
        log.write(f"{os.environ.get('DHMPI_ID', '')} {' '.join(host for host, _ in hosts)}\n")
    ranks = []
    reading, writing = os.pipe()
    printer = threading.Thread(target=copy, args=(reading,), daemon=True)
    printer.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        for rank in range(num):
            env = os.environ | {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": str(num)}
            env["OMPI_COMM_WORLD_LOCAL_RANK"] = str(rank % per_node)
            stdin = None if rank == 0 else subprocess.DEVNULL
            ranks.append(subprocess.Popen(program, env=env, stdin=stdin, stdout=writing, stderr=writing))
        os.close(writing)
        while any(rank.poll() is None for rank in ranks) and not any(rank.poll() for rank in ranks):
            time.sleep(0.01)
        status = next((rank.returncode for rank in ranks if rank.returncode), 0)
        if not status:
            printer.join()
        return 128 - status if status < 0 else status
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
        printer.join(1.0)
        for host, _ in hosts:
            (STATE / host).rmdir()


sys.exit(main())
