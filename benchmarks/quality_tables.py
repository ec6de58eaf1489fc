"""The tables of quality.py: medians over seeds, and how dhmpi's searches stand to the others."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from functions import NAMES, load
from peers import CONTENDERS, PEERS

AUTO, FOREST, GENETIC = "dhmpi-auto", "dhmpi-RF", "dhmpi-GA"
Regrets = Mapping[str, Mapping[str, Mapping[int, float]]]  # by contender, function and seed


def tables(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return all tables in Markdown.

    Args:
        lines: Lines of the results file with the same number of workers and evaluations.
    """
    parts = [_costs(lines)]
    for num in ("200", "500"):
        regrets = _regrets(lines, num)
        if regrets:
            parts += [_medians(regrets, num), _statements(regrets, num)]
    return "\n\n".join(parts)


def _regrets(lines: Iterable[Mapping[str, Any]], num: str) -> Regrets:
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        if num in line["regret"]:
            found[line["contender"]][line["function"]][line["seed"]] = line["regret"][num]
    return {name: found[name] for name in CONTENDERS if name in found}


def _costs(lines: Sequence[Mapping[str, Any]]) -> str:
    rows = ["| contender | version | runs | tell and ask, median [ms] | mean [ms] | a run [s] |", "|---" * 6 + "|"]
    for name in CONTENDERS:
        own = [line for line in lines if line["contender"] == name]
        if own:
            cost, mean, seconds = (fmean(line[key] for line in own) for key in ("ask_median", "ask_mean", "seconds"))
            versions = ", ".join(sorted({line["version"] for line in own}))
            figures = f"{1e3 * cost:,.1f} | {1e3 * mean:,.1f} | {seconds:,.1f}"
            rows.append(f"| {name} | {versions} | {len(own)} | {figures} |")
    return "\n".join(rows)


def _medians(regrets: Regrets, num: str) -> str:
    rows = [f"Median regret after {num} evaluations; the smallest is bold; (n): of n seeds, fewer than others have\n"]
    rows += [f"| function | {' | '.join(regrets)} |", "|---" * (len(regrets) + 1) + "|"]
    most = max(len(seeds) for by_function in regrets.values() for seeds in by_function.values())
    for function in NAMES:
        middle = {name: median(of[function].values()) for name, of in regrets.items() if of.get(function)}
        cells = []
        for name in regrets:
            if name not in middle:
                cells.append("-")
                continue
            cell = f"{middle[name]:.2e}"
            cell = f"**{cell}**" if middle[name] == min(middle.values()) else cell
            num_seeds = len(regrets[name][function])
            cells.append(cell if num_seeds == most else f"{cell} ({num_seeds})")
        if middle:
            rows.append(f"| {function} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _ratios(regrets: Regrets, ours: str, others: Iterable[str]) -> dict[str, float]:
    """Return our median regret over the smallest one of others, by function; over the seeds that each pair shares."""
    ratios = {}
    for function, seeds in regrets.get(ours, {}).items():
        pairs = []
        for other in others:
            theirs = regrets.get(other, {}).get(function, {})
            if shared := seeds.keys() & theirs.keys():
                pairs.append(median(seeds[seed] for seed in shared) / median(theirs[seed] for seed in shared))
        if pairs:
            ratios[function] = max(pairs)
    return ratios


def _seeds(regrets: Regrets, names: Iterable[str]) -> str:
    """Return how many seeds and functions contenders have, for people."""
    found = []
    for name in names:
        if numbers := [len(seeds) for seeds in regrets.get(name, {}).values() if seeds]:
            least, most = min(numbers), max(numbers)
            found.append(f"{name} {least if least == most else f'{least}-{most}'} x {len(numbers)}")
    return ", ".join(found)


def _share(ratios: Mapping[str, float]) -> str:
    good = sum(ratio <= 1 for ratio in ratios.values())
    return f"{good} of {len(ratios)} functions ({100 * good / len(ratios):.0f} %)"


def _mean(ratios: Iterable[float]) -> str:
    logarithms = [math.log(ratio) for ratio in ratios]
    return f"{math.exp(fmean(logarithms)):.3f}" if logarithms else "-"


def _statements(regrets: Regrets, num: str) -> str:
    """Return the comparisons, each over the seeds that both sides have."""
    rows = [f"After {num} evaluations (seeds x functions: {_seeds(regrets, regrets)}):\n"]
    if ratios := _ratios(regrets, AUTO, PEERS):
        worst = max(ratios, key=lambda function: ratios[function])
        rows.append(f"- {AUTO} is at least as good as the best peer on {_share(ratios)}")
        rows.append(f"- worst ratio {AUTO} / best peer: {ratios[worst]:.3g}, on {worst}")
    for ours in (AUTO, FOREST, GENETIC, "random"):
        for peer in PEERS:
            if ratios := _ratios(regrets, ours, [peer]):
                smooth = [ratio for function, ratio in ratios.items() if load(function).is_smooth]
                rows.append(
                    f"- {ours} / {peer}: geometric mean {_mean(ratios.values())}, on the {len(smooth)} smooth ones "
                    f"{_mean(smooth)}; at least as good on {_share(ratios)}"
                )
    return "\n".join(rows)
