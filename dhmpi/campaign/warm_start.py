"""Warm start of a campaign: results of earlier ones, mapped into its space."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import Observation, turned
from dhmpi.results.knowledge import Knowledge
from dhmpi.results.sources import EarlierCampaign, read_source
from dhmpi.search.search import Search
from dhmpi.space.mapping import Mapped, PointMapping
from dhmpi.space.objectives import objective_text
from dhmpi.space.starting_point import defaults_of
from dhmpi.support.wording import counted

# Of each source, so many results are kept at most: the best, and as many of the others.
MOST_KEPT = 1000
# Names and reasons that one line tells.
MOST_TOLD = 6


def gather(search: Search, names: Sequence[str]) -> tuple[Knowledge, list[str]]:
    """Read earlier results, and map them into the space of a search.

    Args:
        search: The search.
        names: Files and URLs; see `read_source`.

    Returns:
        What fits, and lines for people that tell what does, and what does not.

    Raises:
        InputError: A source cannot be read, or nothing in it fits.
    """
    sources: list[dict[str, Any]] = []
    observations: list[Observation] = []
    lines: list[str] = []
    for number, name in enumerate(names):
        source = read_source(name)
        _require_same_objective(search, source)
        mapping = _mapping(search, source)
        if not mapping.mapped.names:
            raise OptionError(
                f"{option_name('warm_start')} must name results whose dimensions some of the space are, got "
                f"{', '.join(source.dimensions) or 'none'} in {source.name}; say what one was called by formerly="
            )
        found, left_out = _mapped(mapping, source, number)
        if not found:
            remedy = "; ".join(_left_out(left_out, mapping.mapped)) or "it has no results"
            raise OptionError(
                f"{option_name('warm_start')} must name results of which some fit into the space, got {source.name} "
                f"with none of {len(source.results)}: {remedy}"
            )
        kept = _kept(found)
        sources.append(
            {"name": source.name, "found": len(source.results), "used": len(kept), "left_out": dict(left_out)}
        )
        observations += kept
        best = turned(min(each.objective for each in found), search.maximises)
        num = f"{len(found)} of {counted(len(source.results), 'result')}"
        lines.append(f"warm start: {num} in {source.name} fit, best {best:.6g}")
        lines += _told(source, mapping.mapped, left_out)
    return Knowledge(sources, observations), lines


def _require_same_objective(search: Search, source: EarlierCampaign) -> None:
    """Check that an earlier campaign has looked for the same, as far as both say."""
    there, here = source.main_objective, next(iter(search.objectives), None)
    if there is not None and here is not None and there != here:
        raise OptionError(
            f"{option_name('warm_start')} must name results of the objective {objective_text(here)}, got "
            f"{objective_text(there)} in {source.name}; leave it out"
        )


def _mapping(search: Search, source: EarlierCampaign) -> PointMapping:
    problem: Any = search.problem
    return PointMapping(
        search.space,
        source.dimensions,
        defaults_of(problem),
        getattr(problem, "formerly", {}),
    )


def _mapped(mapping: PointMapping, source: EarlierCampaign, number: int) -> tuple[list[Observation], Counter[str]]:
    """Return the observations, and how many results were left out for each reason."""
    found, left_out = [], Counter[str]()
    for values, objective, why in source.results:
        if objective is None:
            left_out[why] += 1
            continue
        point = mapping(values)
        if isinstance(point, str):
            left_out[point] += 1
        else:
            found.append(Observation(point, objective, number))
    return found, left_out


def _kept(found: list[Observation]) -> list[Observation]:
    """Return the best observations and others from all over, in order of their objectives, if there are many."""
    if len(found) <= MOST_KEPT:
        return found
    ranked = sorted(found, key=lambda each: each.objective)
    best, others = ranked[: MOST_KEPT // 2], ranked[MOST_KEPT // 2 :]
    num = MOST_KEPT - len(best)
    return best + [others[index * len(others) // num] for index in range(num)]


def _told(source: EarlierCampaign, mapped: Mapped, left_out: Counter[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in _left_out(left_out, mapped))
    renamed = [f"{name} was {other}" for name, other in mapped.names.items() if name != other]
    if renamed:
        yield f"  {_listed(renamed)}"
    if mapped.assumed:
        assumed = [f"{name}={value}" for name, value in mapped.assumed.items()]
        yield f"  not there, and assumed: {_listed(assumed)}"
    if mapped.ignored:
        kind = "no dimensions" if source.chooses else "no dimensions any more"
        yield f"  {kind}: {_listed(mapped.ignored)}"


def _left_out(left_out: Counter[str], mapped: Mapped) -> Iterator[str]:
    """Yield how many results were left out for each reason, the most frequent one first."""
    for why, num in left_out.most_common(MOST_TOLD):
        yield f"{num} left out: {why}"
    if len(left_out) > MOST_TOLD:
        yield f"{left_out.total() - sum(num for _, num in left_out.most_common(MOST_TOLD))} left out for other reasons"
    if mapped.missing:
        yield f"without a default, nothing can be assumed of {_listed(mapped.missing)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_TOLD
    return ", ".join([*names[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])
