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

    The objective is to be large there: it is minus ours, or the reward; that of a failure is F. Times are seconds
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
    writer.writerow([*points, "objective", "job_id", "job_status", *own, *extras])
    words = words_of_none(results)
    final = [each for each in results.evaluations if each.state.is_final]
    for each in sorted(final, key=lambda evaluation: (evaluation.order, evaluation.id)):
        point = point_cells([each.point.get(name, INACTIVE) for name in names], words)
        objective = FAILURE if each.objective is None else turned(each.objective, True)
        moments = (each.submitted, each.started, each.ended, each.ended)
        times = [None if moment is None else moment - begin for moment in moments]
        found = [each.extra.get(key) for key in keys]
        texts = [dumps(value) if isinstance(value, list | dict) else value for value in found]
        status = "CANCELLED" if each.state is State.TIMEOUT else "DONE"
        course = [each.step, each.state is State.STOPPED] if reports else []
        writer.writerow([*point, objective, each.id, status, *times, each.rank, each.host, each.error, *course, *texts])
