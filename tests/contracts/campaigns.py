"""Campaigns whose figures can be told by hand."""

from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results, ResultsStore


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
