"""Comparisons of searches that are kept in a record, a line for each run, and go on where they were stopped."""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

Run = dict[str, Any]


def compare(
    about: str | None,
    defaults: tuple[Path, Iterable[str], Iterable[str]],
    run: Callable[[str, str, int], Run],
    print_table: Callable[[list[Run]], None],
) -> None:
    """Run what a record lacks until time is over, and print the table.

    Args:
        about: Docstring of the program.
        defaults: Where runs are kept, and the names of problems and of searches.
        run: Runs a search on a problem with a seed; what it returns has `name`, `search` and `seed`.
        print_table: Prints the table of all runs.
    """
    path, names, searches = defaults
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"problems; by default {', '.join(names)}")
    parser.add_argument("--searches", default=",".join(searches), help="by default %(default)s")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long runs are begun")
    parser.add_argument("--record", type=Path, default=path, help="where runs are kept: %(default)s")
    parser.add_argument("--table", action="store_true", help="print the table alone")
    options = parser.parse_args()
    lines = options.record.read_text().splitlines() if options.record.exists() else []
    record = {(each["name"], each["search"], each["seed"]): each for each in map(json.loads, lines)}
    end = time.monotonic() + 60 * options.minutes
    for seed, name, search in product(range(options.seeds), options.names or names, options.searches.split(",")):
        if options.table or time.monotonic() > end or (name, search, seed) in record:
            continue
        record[name, search, seed] = run(name, search, seed)
        with options.record.open("a") as file:
            file.write(json.dumps(record[name, search, seed]) + "\n")
    print_table(list(record.values()))
