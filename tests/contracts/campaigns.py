"""Campaigns whose figures can be told by hand."""

from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results, ResultsStore
from dhmpi.results.columns import Columns
from dhmpi.results.table import EvaluationTable


def run(started, ended, num_workers=2, **more):
    return {
        "started": started,
        "ended": ended,
        "num_workers": num_workers,
        "hosts": [],
        "layout": "",
        "why": "",
        **more,
    }


def evaluation(number, started, ended, objective=1.0, state=State.DONE, rank=1, **more):
    objective = objective if state is State.DONE else None
    point = {"x": more.pop("x", number / 10)}
    fields = {"submitted": started, "rank": rank, "order": number, **more}
    return Evaluation(number, point, objective, state, started=started, ended=ended, **fields)


def campaign(evaluations, runs=None, maximises=False, space=None, **metadata):
    runs = [run(0.0, 10.0)] if runs is None else runs
    space = {"x": (0.0, 1.0)} if space is None else space
    search = metadata.pop("search", "s")
    return Results.of(Metadata(search, "p", space, runs=runs, maximises=maximises, **metadata), evaluations)


def write(results, path):
    """Write a campaign to a file."""
    store = ResultsStore.create(path, results.metadata)
    store.submitted(results.evaluations)
    store.finished([each for each in results.evaluations if each.state is not State.RUNNING])
    store.close("over", True)


def begun_again(is_killed=False, num_runs=2):
    """Return a campaign of two runs of 10 s, with two workers that were busy all the time.

    Evaluation 0 was PAUSED at the end of the first run, and evaluation 1 cancelled, or its run killed: then the last
    that is known of it is the beginning of evaluation 2. They came to their ends in the second run.
    """
    table = EvaluationTable(["x"])
    workers = [{"rank": 1, "host": "a"}, {"rank": 2, "host": "b"}]
    sent = [Evaluation(number, {"x": 0.5}, submitted=0.0, started=0.0, **workers[number]) for number in range(2)]
    table.submit(sent)
    table.finish([sent[0]._replace(state=State.PAUSED, ended=10.0)])
    if is_killed:
        table.submit([Evaluation(2, {"x": 0.5}, submitted=10.0)])
    else:
        table.finish([sent[1]._replace(state=State.CANCELLED, ended=10.0)])
    runs = [run(0.0, None if is_killed else 10.0), run(100.0, 110.0)][:num_runs]
    if num_runs == 1:
        return Results(Metadata("s", "p", {"x": (0.0, 1.0)}, runs=runs), Columns.of(table))
    again = [each._replace(submitted=100.0, started=100.0, **workers[1 - each.id]) for each in sent]
    table.submit(again)
    table.finish([each._replace(state=State.DONE, objective=1.0, ended=110.0) for each in again])
    return Results(Metadata("s", "p", {"x": (0.0, 1.0)}, runs=runs), Columns.of(table))
