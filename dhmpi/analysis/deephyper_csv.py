"""A campaign as the file results.csv of today's DeepHyper, for programs that read such files."""

import csv

from dhmpi.analysis.export import extra_keys, has_steps, point_cells, words_of_none
from dhmpi.evaluation import INACTIVE, State, turned
from dhmpi.results.reader import Results
from dhmpi.support.json_text import dumps
from dhmpi.support.printing import Stream

# What an objective begins with there if there is none.
FAILURE = "F"


def export_deephyper(results: Results, stream: Stream) -> None:
    """Write one line per evaluation that has ended for good, in the order in which the results came.

    The objective is to be large there: it is minus ours, or the reward; that of a failure is F. Several are numbered:
    objective_0, objective_1, and pareto_efficient says whether no other one dominates them. Times are seconds
    since the campaign began; when results were gathered is when the evaluations ended, as nothing else is known.

    Args:
        results: What to write.
        stream: A text file, opened with newline="".
    """
    names, keys, begin = list(results.metadata.space), extra_keys(results), results.metadata.created
    own = ["m:timestamp_submit", "m:timestamp_start", "m:timestamp_end", "m:timestamp_gather", "m:rank", "m:host"]
    own.append("m:error")
    reports = has_steps(results)
    own += ["m:budget", "m:stopped"] if reports else []  # as in the examples of its documentation
    extras = [f"m:extra.{key}" if f"m:{key}" in own else f"m:{key}" for key in keys]
    points = [f"p:{name}" for name in names]
    writer = csv.writer(stream, lineterminator="\n")
    num = len(results.metadata.objectives)
    objectives = [f"objective_{number}" for number in range(num)] + ["pareto_efficient"] if num > 1 else ["objective"]
    writer.writerow([*points, *objectives, "job_id", "job_status", *own, *extras])
    words = words_of_none(results)
    final = [each for each in results.evaluations if each.state.is_final]
    for each in sorted(final, key=lambda evaluation: (evaluation.order, evaluation.id)):
        point = point_cells([each.point.get(name, INACTIVE) for name in names], words)
        values = (each.objectives or [None] * num) if num > 1 else [each.objective]
        found = [FAILURE if value is None else turned(value, True) for value in values]
        found += [each.id in results.pareto_ids] if num > 1 else []
        moments = (each.submitted, each.started, each.ended, each.ended)
        times = [None if moment is None else moment - begin for moment in moments]
        texts = [dumps(value) if isinstance(value, list | dict) else value for value in map(each.extra.get, keys)]
        status = "CANCELLED" if each.state is State.TIMEOUT else "DONE"
        course = [each.step, each.state is State.STOPPED] if reports else []
        writer.writerow([*point, *found, each.id, status, *times, each.rank, each.host, each.error, *course, *texts])
