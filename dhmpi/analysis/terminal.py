"""Text of `show` and `best`, and of the end of a campaign."""

import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from shlex import quote
from typing import Any

from dhmpi.analysis.details import print_errors, print_running
from dhmpi.analysis.pareto_table import pareto_line
from dhmpi.analysis.step_curves import step_cost, step_doubts
from dhmpi.analysis.summary import Summary, model_use, summarise, why_no_best
from dhmpi.errors import EXIT_FAILURE, EXIT_INCOMPLETE, EXIT_NO_PROGRESS, OptionError, ResultsError
from dhmpi.evaluation import FINAL_STATES, MEASURED_STATES, PAUSES_IN_VAIN, Evaluation, Point, State, turned
from dhmpi.results import Metadata, Results, rank_table
from dhmpi.support.printing import Stream, escape
from dhmpi.support.wording import counted

# Characters of a result that are shown.
LONGEST = 200


def show(
    results: Results, stream: Stream, path: str = "results.h5", is_written: bool | None = None, where: str = ""
) -> None:
    """Print what ran, how it went, what went wrong, and the best point.

    Args:
        results: What the file says.
        stream: Where it is printed.
        path: How the file is called.
        is_written: Whether it is being written; None if that is not known.
        where: Where the problem is.
    """
    metadata, summary = results.metadata, summarise(results)
    counts, of_all = _counts(summary), f" of all {summary.num_runs} runs" if summary.num_runs > 1 else ""
    latest = "latest run: " if summary.num_runs > 1 else ""
    rows = {
        "search": metadata.search,
        "problem": f"{metadata.problem} ({counted(len(metadata.space), 'dimension')}, {_better(metadata)})",
        "seed": str(metadata.seed),
        "created": _local(metadata.created),
        "evaluations": f"{len(results.columns)}: {counts}" if counts else "none",
        "utilisation": "unknown" if summary.utilisation is None else f"{100 * summary.utilisation:.1f} %{of_all}",
        "state": _state(results, is_written),
    }
    if front := pareto_line(results):
        rows["Pareto set"] = front
    if cost := step_cost(results):
        rows["steps"] = str(cost)
    if where:
        rows["its file"] = where
    if surrogate := _surrogate(metadata.statistics):
        rows["surrogate"] = f"{latest}{surrogate}"
    if models := _models(results):
        rows["models"] = models
    if agents := _agents(results):
        rows["agents"] = agents
    if lost := _lost_time(metadata.statistics):
        rows["lost time"] = f"{latest}{lost}"
    for index, run in enumerate(metadata.runs):
        ended = "" if run["ended"] is None else f" for {timedelta(seconds=round(run['ended'] - run['started']))}"
        rows[f"run {index + 1}"] = (
            f"{_local(run['started'])}{ended}, {counted(run['num_workers'], 'worker')}; {run['layout']}"
        )
    for name, value in rows.items():
        print(f"{name:12}{escape(value, keep='')}", file=stream)
    for note in filter(None, (results.dropped, *step_doubts(results))):
        print(f"{'note':12}{note}", file=stream)
    print(file=stream)
    if metadata.is_open:
        worker = rank_table.name_of_workers(metadata.runs[-1] if metadata.runs else {})
        print_running(results.columns, None if is_written is False else time.time(), stream, worker)
    print_errors(results.columns, path, stream)
    best(results, stream)


def best(results: Results, stream: Stream, as_json: bool = False) -> None:
    """Print the best evaluation."""
    found = results.best
    if as_json:
        print(json.dumps(None if found is None else found.point), file=stream)
    elif found is None:
        print(why_no_best(results), file=stream)
        _print_errors(results, stream)
    else:
        if results.metadata.has_several:
            names = ", ".join(escape(each.name, keep="") for each in results.metadata.objectives)
            print(f"{len(results.metadata.objectives)} objectives ({names}); the set: dhmpi best --pareto", file=stream)
        _print_best(found, results.metadata, stream)


def print_ranked(evaluations: Sequence[Evaluation], metadata: Metadata, stream: Stream) -> None:
    """Print evaluations that are DONE, in their order."""
    for number, each in enumerate(evaluations, start=1):
        what, found = _main(each, metadata)
        print(f"{number}. {what} {found:.10g}, evaluation {each.id}:", file=stream)
        width = max((len(escape(name, keep="")) for name in each.point), default=0)
        for name, value in each.point.items():
            print(f"   {escape(name, keep=''):{width}}  {value!r}{_unit(metadata, name)}", file=stream)


def print_ranks(results: Results, stream: Stream) -> None:
    """Print the ranks of the latest run, in a table.

    Raises:
        ResultsError: The file does not say what they did.
    """
    run = results.metadata.runs[-1] if results.metadata.runs else {}
    if "roles" not in run:
        raise ResultsError("a file must say what the ranks did, got one of an early version; there is no table of them")
    try:
        table = rank_table.rows(run)
    except (KeyError, TypeError, AttributeError, ValueError, OptionError) as error:
        raise ResultsError(f"the roles of ranks must be as dhmpi writes them, got {run['roles']!r:.200}") from error
    for line in rank_table.lines(table):
        print(escape(line, keep=""), file=stream)


def report(results: Results, path: str, stream: Stream) -> None:
    """Print how a campaign ended, and how to look further."""
    summary = summarise(results)
    run = results.metadata.runs[-1]
    busy = "" if summary.utilisation is None else f", workers {100 * summary.utilisation:.0f} % busy"
    of_all = f" of {summary.num_runs} runs" if summary.num_runs > 1 else ""
    took = f"{timedelta(seconds=round(summary.duration))}{of_all}"
    num = counted(len(results.columns), "evaluation")
    print(f"{run['why']}: {num} in {took}{busy}", file=stream)
    if counts := _counts(summary):
        print(f"{num}: {counts}", file=stream)
    if front := pareto_line(results):
        print(f"Pareto set: {front}", file=stream)
    if cost := step_cost(results):
        print(cost, file=stream)
    for sentence in step_doubts(results):
        print(sentence, file=stream)
    if lost := _lost_time(results.metadata.statistics):
        print(f"lost at the end{' of this run' if of_all else ''}: {lost}", file=stream)
    best(results, stream)
    if remedy := _remedy(results, path):
        print(remedy, file=stream)
    print(f"to look further: dhmpi show {quote(str(path))}, dhmpi export --csv {quote(str(path))}", file=stream)
    stream.flush()


def _remedy(results: Results, path: str) -> str:
    """Return how to continue; nothing where that is not to be done."""
    counts, redo = results.columns.counts(), f"dhmpi redo {quote(str(path))}"
    if results.best is None and (counts.get(State.FAILED) or counts.get(State.TIMEOUT)):
        return f"to continue, when that is mended: {redo}, then the same command with --resume"
    if not results.metadata.complete:
        return "to continue: the same command with --resume"
    if results.best is None and counts.get(State.STOPPED):
        again = f"{redo} --states STOPPED, then the same command with --resume --stopper none"
        more = " and a larger --max-steps-total" if results.metadata.options.get("max_steps_total") else ""
        return f"to let them come to their ends: {again}{more}"
    return ""


def completeness(results: Results, since: float | None, stream: Stream) -> int:
    """Print whether a campaign is complete, and whether it gets on; for job scripts.

    Args:
        results: What its file says.
        since: Evaluations that ended, or were paused further than before, from then on are progress [s since
            1970-01-01 UTC]. Default: those of the latest run.
        stream: Where it is printed.

    Returns:
        The exit status: 0, EXIT_INCOMPLETE, or EXIT_NO_PROGRESS.
    """
    runs = results.metadata.runs
    if since is None:
        since = runs[-1]["started"] if runs else 0.0
    columns = results.columns
    ended = columns.is_in(*FINAL_STATES)
    has_result, num_ended = bool(columns.is_in(*MEASURED_STATES).any()), int(ended.sum())
    num_new = int((columns.ended[ended] >= since).sum())
    is_paused = columns.is_in(State.PAUSED) & (columns.ended >= since)
    num_paused = int(is_paused.sum())
    num_vain = sum(PAUSES_IN_VAIN in json.loads(text) for row, text in columns.extra.items() if is_paused[row])
    complete = results.metadata.complete
    state = "complete" if complete else "not complete"
    none_done = "" if results.best is not None or not num_ended else "; none is DONE"
    paused = f"; {num_paused} paused in it" if num_paused else ""
    paused += f", {num_vain} of them no further than at an earlier pause" if num_vain else ""
    print(
        f"{state}: {counted(num_ended, 'evaluation')}, {num_new} of them ended in this run{paused}{none_done}",
        file=stream,
    )
    if complete:
        return 0
    return EXIT_INCOMPLETE if num_paused > num_vain or (num_new and has_result) else EXIT_NO_PROGRESS


def redone(states: Mapping[int, State], stream: Stream) -> None:
    """Print what will be evaluated again: ids, and the states until now."""
    if not states:
        print("nothing is to be evaluated again that would not be anyway", file=stream)
        return
    counts = ", ".join(f"{num} {state}" for state, num in sorted(Counter(states.values()).items()))
    print(f"{counted(len(states), 'evaluation')} to be evaluated again: {counts}", file=stream)
    print("to evaluate them: the command of the campaign with --resume", file=stream)


def repetition(results: Results, difference: tuple[Evaluation, Point | None] | None, stream: Stream) -> int:
    """Print whether a search proposes the same points again.

    Args:
        results: What its file says.
        difference: The first evaluation whose point differs, and the point that is proposed now; None if all agree.
        stream: Where it is printed.

    Returns:
        The exit status: 0, or EXIT_FAILURE if one differs.
    """
    if difference is None:
        points = counted(len(results.columns), "point")
        print(f"the same: {results.metadata.search} proposes all {points} again", file=stream)
        return 0
    found, proposed = difference
    model, known, fitted, *_ = found.origin
    how = f"{model or 'no model'}; {known} results known, {fitted} in the model"
    print(f"evaluation {found.id} differs ({how}):", file=stream)
    names = [escape(name, keep="") for name in found.point]
    width = max(map(len, names))
    again = proposed or {}
    for name, (key, value) in zip(names, found.point.items(), strict=True):
        print(f"  {name:{width}}  {value!r} in the file, {again.get(key, 'nothing')!r} now", file=stream)
    return EXIT_FAILURE


def _unit(metadata: Metadata, name: str) -> str:
    """Return the unit of a dimension, as it stands behind a value."""
    unit = metadata.labels.get(name, {}).get("unit", "")
    return escape(f" {unit}", keep="") if unit else ""


def _better(metadata: Metadata) -> str:
    if not metadata.objectives:
        return "larger rewards are better" if metadata.maximises else "smaller objectives are better"
    wanted = [f"{'larger' if each.maximises else 'smaller'} {each.name}" for each in metadata.objectives]
    return f"{' and '.join(wanted)} {'are' if len(wanted) > 1 else 'is'} better"


def _main(evaluation: Evaluation, metadata: Metadata) -> tuple[str, float | None]:
    """Return the name of the main objective, and what an evaluation has returned as that."""
    name, maximises = metadata.main_objective
    return escape(name, keep=""), turned(evaluation.objective, maximises)


def _print_best(found: Evaluation, metadata: Metadata, stream: Stream) -> None:
    what, value = _main(found, metadata)
    print(f"best {what} {value:.10g}, evaluation {found.id}:", file=stream)
    names = [escape(name, keep="") for name in (*found.point, *found.extra)]
    width = max(map(len, names), default=0)
    texts = [f"{value!r}{_unit(metadata, name)}" for name, value in found.point.items()]
    texts += map(_shortened, found.extra.values())
    for index, (name, text) in enumerate(zip(names, texts, strict=True)):
        if index == len(found.point):
            print("its other results:", file=stream)
        indented = text.replace("\n", "\n" + " " * (width + 4))
        print(f"  {name:{width}}  {indented}", file=stream)


def _shortened(value: object) -> str:
    """Return a value as a person wants to see it: texts of several lines as they are, all else in one, cut short."""
    if isinstance(value, str) and "\n" in value:
        return value
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _print_errors(results: Results, stream: Stream) -> None:
    errors = results.columns.error
    if errors:
        print(f"the latest error:\n{errors[max(errors)]}", file=stream)


def _state(results: Results, is_written: bool | None) -> str:
    metadata = results.metadata
    if metadata.complete:
        return "complete"
    if not metadata.is_open:
        return f"{metadata.runs[-1]['why']}: continue with --resume"
    if is_written:
        return "running"
    return f"{'killed' if is_written is False else 'running, or killed'}: continue with --resume"


def _figures(statistics: Mapping[str, Any], *names: str) -> list[float] | None:
    """Return some of the statistics; None if one is missing, or no number."""
    found = [statistics.get(name) for name in names]
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    return numbers if len(numbers) == len(found) and all(map(math.isfinite, numbers)) else None


def _surrogate(statistics: Mapping[str, Any]) -> str:
    if "mode" not in statistics:
        return ""
    if "ask_median" not in statistics:
        return f"{statistics['mode']}; no point was asked"
    figures = _figures(statistics, "ask_median", "ask_p99", "busy_share")
    if figures is None:
        return ""
    median, last, busy = figures
    asks = f"a point took {1000 * median:.3g} ms, 99 % of them at most {1000 * last:.3g} ms"
    return f"{statistics['mode']}; {asks}; rank 0 was computing {100 * busy:.0f} % of the time"


def _models(results: Results) -> str:
    """Return how many points came from models, and how old these were; nothing for a search without any."""
    use = model_use(results.columns)
    if use.num_points == use.num_without and not results.metadata.statistics.get("points_without_model"):
        return ""
    ages = f"models were {counted(round(use.median_age), 'result')} behind (median; at most {use.largest_age})"
    return f"{use.num_without} of {use.num_points} points without a model; {ages}"


def _agents(results: Results) -> str:
    statistics, entropy = results.metadata.statistics, [row.entropy for row in results.policy.rows() if row.episodes]
    figures = _figures(statistics, "agents", "episodes", "hits", "shared", "lost_agents")
    if figures is None:
        return ""
    agents, episodes, hits, shared, lost = map(int, figures)
    in_latest = " in the latest run" if len(results.metadata.runs) > 1 else ""  # they are counted anew
    parts = [
        f"{counted(agents, 'agent')}, {counted(len(results.policy), 'update')}",
        f"{episodes} architectures chosen, {hits + shared} of them known already{in_latest}",
    ]
    if entropy:
        parts.append(f"entropy {entropy[0]:.3g} at first, {entropy[-1]:.3g} at last")
    gradients = _figures(statistics, "gradients", "gradient_staleness_mean")
    if gradients is not None and gradients[0]:
        parts.append(f"gradients {gradients[1]:.3g} steps old")
    if lost:
        parts.append(f"{counted(lost, 'agent')} given up")
    return "; ".join(parts)


def _lost_time(statistics: Mapping[str, Any]) -> str:
    """Return what the latest run lost at its end, or nothing if that is less than a second."""
    figures = _figures(statistics, "lost_idle_seconds", "lost_cancelled_seconds")
    if figures is None or sum(figures) < 1.0:
        return ""
    idle, cancelled = figures
    return f"{idle:.0f} worker-seconds without work, {cancelled:.0f} in evaluations that were cancelled"


def _counts(summary: Summary) -> str:
    return ", ".join(f"{num} {state.value}" for state, num in sorted(summary.counts.items()))


def _local(time: float) -> str:
    return datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M:%S")
