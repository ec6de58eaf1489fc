"""Metadata: a campaign as a whole, as its results file has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dhmpi.errors import ResultsError, option_name, reason
from dhmpi.evaluation import Objective, main_objective
from dhmpi.results.schema import Dimension, dimensions
from dhmpi.support.json_text import dumps


@dataclass(frozen=True)
class Metadata:
    """The campaign as a whole.

    Attributes:
        search: Name of the search.
        problem: Name of the problem.
        space: Documented form of every dimension, by name: (low, high), (low, high, prior) or a list of choices.
        rules: Conditions and constraints of the space, as JSON values; see `Rules.specs`.
        labels: Unit and description of dimensions, by name; of those that have one.
        objectives: Those that the problem has declared, in order; none if run functions return `objective`.
        beliefs: What is believed of dimensions, by name, as JSON values; see `Belief.spec`.
        options: Options of the search and the evaluator; JSON values.
        seed: Seed of the campaign.
        created: When it began [s since 1970-01-01 UTC].
        version: Version of dhmpi.
        command: The command line.
        runs: One mapping per start: started, ended (None while it runs, or if it was killed) [s since 1970-01-01 UTC],
            num_workers, hosts, layout (text), why (it ended; empty if that is unknown), perhaps roles (JSON values),
            limit (when its time ends, if it does).
        statistics: What the search and the evaluator measured of themselves; JSON values.
        maximises: Whether the search looks for the largest value, of the first objective; its values are then minus
            what was returned.
        complete: Whether the campaign came to its end, with nothing left to resume.
        redone: How many results were taken back, for their points to be evaluated again.
        source: Where the problem is: `module`, its name, or nothing for a file; `attribute`; `files`, path and SHA-256
            of each, the problem's own first. Empty if it was given as an object.
    """

    search: str
    problem: str
    space: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    created: float = 0.0
    version: str = ""
    command: Sequence[str] = ()
    runs: Sequence[Mapping[str, Any]] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    maximises: bool = False
    complete: bool = False
    redone: int = 0
    source: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    objectives: Sequence[Objective] = ()
    beliefs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not -(2**63) <= self.seed < 2**63:
            raise ResultsError(f"seed must fit in 64 bits, got {self.seed}")

    @property
    def is_open(self) -> bool:
        """Whether the end of the latest run has not been recorded: it is going on, or was killed."""
        return not self.runs or self.runs[-1]["ended"] is None

    @property
    def main_objective(self) -> Objective:
        """Objective that is the first, or the only one."""
        return main_objective(self.objectives, self.maximises)

    @property
    def has_several(self) -> bool:
        """Whether there are several objectives."""
        return len(self.objectives) > 1

    @property
    def seeks_architectures(self) -> bool:
        """Whether points are architectures, whose rewards are maximised."""
        return self.maximises and not self.objectives

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The datasets of the points, in order."""
        return dimensions(self.space)

    @property
    def optional(self) -> frozenset[str]:
        """Names of the dimensions that are not always active."""
        return frozenset(self.rules.get("conditions", {}))

    def with_unit(self, name: str) -> str:
        """Return a dimension's name with its unit in brackets, if it has one, as axes are labelled."""
        unit = self.labels.get(name, {}).get("unit")
        return f"{name} [{unit}]" if unit else name

    def begin_run(
        self,
        started: float,
        num_workers: int,
        hosts: Sequence[str],
        layout: str,
        roles: Mapping[str, Any] | None = None,
        limit: float | None = None,
    ) -> "Metadata":
        """Return the metadata with one more run."""
        run: dict[str, Any] = {"started": started, "ended": None, "num_workers": num_workers}
        run |= {"hosts": list(hosts), "layout": layout, "why": ""}
        if roles is not None:
            run["roles"] = dict(roles)
        if limit is not None:
            run["limit"] = limit
        return replace(self, runs=[*self.runs, run], complete=False)

    def end_run(self, ended: float, why: str) -> "Metadata":
        """Return the metadata with the last run ended; the same if none is open."""
        if not self.runs or self.runs[-1]["ended"] is not None:
            return self
        return replace(self, runs=[*self.runs[:-1], {**self.runs[-1], "ended": ended, "why": why}])

    def resumed(self, now: "Metadata") -> "Metadata":
        """Return the stored metadata as the next run continues them.

        Args:
            now: Metadata of the run that resumes; its options, version and command take the place of the stored ones,
                and so does where its problem is, if that can be said, and what it says of dimensions.

        Raises:
            ResultsError: The search, the space, an objective or a belief is another one.
        """
        try:
            if now.search != self.search:
                raise ResultsError(f"search must be {self.search!r} as in the file, got {now.search!r}")
            self.require_space(now.space, now.rules)
            self.require_beliefs(now.beliefs)
        except ResultsError as error:
            if "warm_start" not in now.options or self.maximises != now.maximises:
                raise
            remedy = f"to make use of what it knows, begin another file with {option_name('warm_start')} and this one"
            raise ResultsError(reason(error), remedy=remedy) from error
        self.require_objectives(now.objectives)
        problem, source = (now.problem, now.source) if now.source else (self.problem, self.source)
        return replace(
            self,
            options=now.options,
            labels=now.labels,
            version=now.version,
            command=now.command,
            complete=False,
            problem=problem,
            source=source,
        )

    def changed_options(self, options: Mapping[str, Any]) -> str:
        """Return a sentence about options of the search that had other values in the latest run; nothing if none had.

        Args:
            options: Its own options now, by name.
        """
        changed = [
            f"the option {name} is {value}, and was {self.options[name]} in the latest run"
            for name, value in options.items()
            if name in self.options and name != "warm_start" and dumps(value) != dumps(self.options[name])
        ]
        return "; ".join(changed)

    def require_objectives(self, objectives: Sequence[Objective]) -> None:
        """Check that objectives are those of the file.

        Args:
            objectives: Those that a problem has declared.

        Raises:
            ResultsError: They are others, or in another order.
        """
        if list(objectives) != list(self.objectives):
            old, new = _listed(self.objectives), _listed(objectives)
            raise ResultsError(f"objectives must be {old} as in the file, got {new}")

    def require_space(self, space: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
        """Check that a space is the one of the file.

        Args:
            space: Documented form of every dimension, by name.
            rules: Its conditions and constraints, as JSON values.

        Raises:
            ResultsError: It is another one.
        """
        _require_same_space(self.dimensions, dimensions(space))
        for name in ("conditions", "constraints"):
            old, new = self.rules.get(name), rules.get(name)
            if dumps(old) != dumps(new):
                raise ResultsError(f"{name} must be {old or 'none'} as in the file, got {new or 'none'}")

    def require_beliefs(self, beliefs: Mapping[str, Any]) -> None:
        """Check that beliefs are those of the file: with others, its points could not be proposed again.

        Args:
            beliefs: What is believed of dimensions, by name, as JSON values.

        Raises:
            ResultsError: They are others.
        """
        for name in self.space:
            old, new = self.beliefs.get(name), beliefs.get(name)
            if dumps(old) != dumps(new):
                raise ResultsError(
                    f"prior of dimension {name!r} must be {old or 'none'} as in the file, got {new or 'none'}"
                )


def _listed(objectives: Sequence[Objective]) -> str:
    words = [f"{each.name} ({'large' if each.maximises else 'small'})" for each in objectives]
    return ", ".join(words) or "'objective' alone"


def _require_same_space(stored: Sequence[Dimension], now: Sequence[Dimension]) -> None:
    olds, news = ({each.name: each for each in dims} for dims in (stored, now))
    for name, old in olds.items():
        if name not in news:
            raise ResultsError(f"dimension {name!r} is in the file, {old.documented!r}, but not in the problem")
        # JSON tells 1 from 1.0 from True, which == does not.
        if dumps(old.spec) != dumps(news[name].spec):
            theirs = news[name].documented
            raise ResultsError(f"dimension {name!r} must be {old.documented!r} as in the file, got {theirs!r}")
    for name, new in news.items():
        if name not in olds:
            raise ResultsError(f"dimension {name!r} is in the problem, {new.documented!r}, but not in the file")
    if list(olds) != list(news):
        raise ResultsError(f"dimensions must be in the order {', '.join(olds)} of the file, got {', '.join(news)}")
