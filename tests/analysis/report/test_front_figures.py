"""Pareto front and hypervolume in a report."""

import numpy as np
from contracts.campaigns import run

from dhmpi.analysis.report import page
from dhmpi.analysis.report.content import content_of
from dhmpi.evaluation import Evaluation, Objective, State
from dhmpi.results import Metadata, Results

TWO = (Objective("</script>", True), Objective("latency"))


def campaign(num, objectives=TWO):
    rng = np.random.default_rng(0)
    evaluations = []
    for id, (first, second) in enumerate(rng.random((num, 2)).tolist()):
        times = {"submitted": 0.0, "started": 0.0, "ended": 1.0 + id / num, "rank": 1, "order": id}
        point, extra = {"x": first}, {"latency": second}
        evaluations.append(Evaluation(id, point, -first, State.DONE, extra=extra, **times))
    metadata = Metadata("ga", "p", {"x": (0.0, 1.0)}, runs=[run(0.0, 2.0)], maximises=True, objectives=objectives)
    return Results.of(metadata, evaluations)


def content(num, objectives=TWO):
    [found] = content_of([campaign(num, objectives)]).campaigns
    return found


def test_the_front_is_drawn_as_it_was_returned():
    results, found = campaign(30), content(30)
    pareto = found.data["figures"]["pareto"]
    assert [each["maximises"] for each in pareto["objectives"]] == [True, False]
    assert pareto["objectives"][0]["values"] == [-each.objective for each in results.evaluations]
    assert pareto["objectives"][1]["values"] == [each.extra["latency"] for each in results.evaluations]
    assert pareto["isFront"] == results.columns.is_pareto.tolist()
    volume = found.data["figures"]["hypervolume"]["value"]
    assert volume == sorted(volume)
    [tile] = [each for each in found.tiles if each.title == "Pareto set"]
    assert (tile.value, tile.detail) == (str(len(results.pareto_set)), f"hypervolume {volume[-1]:.6g}")
    assert "for the largest </script> and the smallest latency" in found.lead


def test_of_many_evaluations_the_front_is_shown():
    results = campaign(30_000)
    [found] = content_of([results]).campaigns
    assert sum(found.data["figures"]["pareto"]["isFront"]) == len(results.pareto_set)
    assert "of which some are shown" in next(each.caption for each in found.figures if each.name == "pareto")


def test_one_objective_has_no_front():
    found = content(30, TWO[:1])
    assert not {"pareto", "hypervolume"} & {each.name for each in found.figures}
    assert "Pareto set" not in [each.title for each in found.tiles]


def test_names_are_texts():
    text = page.render(content_of([campaign(10)])).decode()
    assert "largest &lt;/script&gt;" in text
