"""The layout of a results file: the writer, the reader and the documentation follow these tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, get_type_hints

from dhmpi.errors import ResultsError
from dhmpi.space.choices import OrderedList
from dhmpi.support.json_text import clean, plain

FORMAT = "dhmpi.results"
VERSION = 4  # since 2 with a checksum at the end, since 3 with texts of one length, since 4 with reports
GROUP = "evaluations"
POINT = "point"
ACTIVE = "active"
ORIGIN = "origin"
OBJECTIVES = "objectives"
PARETO = "pareto"
EARLIER = "earlier"
POLICY = "policy"
STATE = "state"
REPORTS = "reports"
SUPERSEDED = "superseded"
KNOWLEDGE = "knowledge"
SOURCES = "sources"

_TIME = "s since 1970-01-01 UTC"
_MEANINGS = {
    "string": "UTF-8 text of variable length",
    "name": "UTF-8 text, all of one length if none has more than 64 bytes",
    "json": "JSON text",
    "state": "ASCII text of 9 bytes",
}


@dataclass(frozen=True)
class Column:
    """One dataset of `/evaluations`, or one attribute of `/`.

    Attributes:
        name: Its name in the file.
        dtype: int64, float64, int32, bool, state, string, name (a text that occurs often) or json.
        unit: Its unit, empty if it has none.
        meaning: What it holds, in one phrase.
        optional: Whether files without it are read too, as from before there was such a thing.
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    optional: bool = field(default=False, kw_only=True)


COLUMNS = (
    Column("id", "int64", "", "number of the evaluation in its campaign, from 0; ascending"),
    Column(
        "objective",
        "float64",
        "",
        "what the run function returned, or reported at last if it was stopped, or minus that; of several objectives, "
        "the first; NaN when there is none",
    ),
    Column("state", "state", "", "PENDING, RUNNING, DONE, STOPPED, PAUSED, FAILED, TIMEOUT, LOST or CANCELLED"),
    Column("submitted", "float64", _TIME, "when the search rank sent it off"),
    Column("started", "float64", _TIME, "when its worker began; NaN before that"),
    Column("ended", "float64", _TIME, "when its worker ended it; NaN before that"),
    Column("rank", "int32", "", "MPI rank of the worker, or its number in a pool; -1 before it has one"),
    Column("host", "name", "", "name of the worker's host"),
    Column("error", "string", "", "why it failed; empty otherwise"),
    Column("extra", "json", "", "what the run function returned besides the objective; empty when there is nothing"),
    Column(
        "order", "int64", "", "how many results the campaign had when this one came; -1 if it is none", optional=True
    ),
    Column("step", "float64", "", "the last step that it reported; NaN if it reported none", optional=True),
)
# The datasets of `/evaluations/origin`: how points were chosen. In files of schema 1 they are missing, as is `order`.
ORIGIN_COLUMNS = (
    Column("model", "name", "", "what proposed the point: start, given, design, random, or the mode of the surrogate"),
    Column("known", "int64", "", "results that the search knew then"),
    Column("fitted", "int64", "", "results that its model was fitted to; 0 without a model"),
    Column("detail", "int64", "", "lot of candidates, how many were followed downhill, or place in a batch"),
    Column("memory", "json", "", "what the search must know of the choice to go on; empty if nothing", optional=True),
)
# The datasets of `/evaluations/earlier`, one row for each time that an evaluation began again, or was redone.
EARLIER_COLUMNS = (
    Column("evaluation", "int64", "", "number of the evaluation"),
    Column("state", "state", "", "what it was until then; RUNNING if its run was killed"),
    Column("submitted", "float64", _TIME, "when the search rank had sent it off; NaN if that is not known"),
    Column("started", "float64", _TIME, "when its worker had begun"),
    Column("ended", "float64", _TIME, "when its worker had ended it; NaN if its run was killed"),
    Column("rank", "int32", "", "MPI rank of that worker, or its number in a pool"),
    Column("host", "name", "", "name of that worker's host"),
)

ATTRIBUTES = (
    Column("format", "string", "", f"always {FORMAT}"),
    Column("schema", "int64", "", "version of this layout"),
    Column("campaign", "string", "", "random identifier; the journal carries the same one"),
    Column("generation", "int64", "", "number of this snapshot; a journal of the same number continues it"),
    Column("search", "string", "", "name of the search"),
    Column("problem", "string", "", "name of the problem"),
    Column(
        "source",
        "json",
        "",
        "where the problem is: module, attribute, and files, each with its SHA-256; empty for an object",
        optional=True,
    ),
    Column("space", "json", "", "specification of every dimension, by name, in order"),
    Column("rules", "json", "", "conditions and constraints of the space; empty without any", optional=True),
    Column("beliefs", "json", "", "what is believed of dimensions, by name: normal or weights", optional=True),
    Column("labels", "json", "", "unit and description of dimensions, by name; of those that have one", optional=True),
    Column(
        "objectives",
        "json",
        "",
        "whether each objective that the problem has declared is maximised, by name, in order; empty without any",
        optional=True,
    ),
    Column("options", "json", "", "options of the latest run"),
    Column("seed", "int64", "", "seed of the campaign"),
    Column("created", "float64", _TIME, "when the campaign began"),
    Column("version", "string", "", "version of dhmpi in the latest run"),
    Column("command", "json", "", "command line of the latest run, a list"),
    Column("runs", "json", "", "one object per start: started, ended, num_workers, hosts, layout, why, roles, limit"),
    Column("statistics", "json", "", "what the search and the evaluator measured of themselves"),
    Column(
        "maximises",
        "bool",
        "",
        "whether the search looks for the largest value, of the first objective; `objective` is then minus that",
        optional=True,
    ),
    Column("redone", "int64", "", "how many results dhmpi redo has taken back", optional=True),
    Column("complete", "bool", "", "whether the campaign came to its end, with nothing left to resume"),
)


_STEPS = "steps that the policy had taken since the batch's architectures were chosen"


class PolicyRow(NamedTuple):
    """One update of a policy: a number for each dataset of `/policy`, with its type in the file, unit and meaning."""

    agent: Annotated[int, "int32", "", "rank of the agent"]
    update: Annotated[int, "int64", "", "number of the update among those of the agent, from 0"]
    version: Annotated[int, "int64", "", "how many steps the policy has taken after it"]
    ended: Annotated[float, "float64", _TIME, "when it ended"]
    episodes: Annotated[int, "int64", "", "architectures that it learned from"]
    hits: Annotated[int, "int64", "", "those among them that had been evaluated before, or for somebody else"]
    failures: Annotated[int, "int64", "", "those among them whose evaluation failed"]
    dropped: Annotated[int, "int64", "", "architectures that were too old to be learned from"]
    staleness_mean: Annotated[float, "float64", "", f"mean of the {_STEPS}"]
    staleness_max: Annotated[float, "float64", "", f"most of the {_STEPS}"]
    reward_mean: Annotated[float, "float64", "", "mean of the rewards; NaN if all have failed"]
    reward_min: Annotated[float, "float64", "", "smallest reward"]
    reward_q10: Annotated[float, "float64", "", "10 % quantile of the rewards"]
    reward_median: Annotated[float, "float64", "", "median of the rewards"]
    reward_q90: Annotated[float, "float64", "", "90 % quantile of the rewards"]
    reward_max: Annotated[float, "float64", "", "largest reward"]
    loss: Annotated[float, "float64", "", "loss in the last epoch: of the policy, of the value, and of the entropy"]
    policy_loss: Annotated[float, "float64", "", "clipped surrogate of the policy, negative where it improves"]
    value_loss: Annotated[float, "float64", "", "mean squared error of the expected rewards, in scaled units"]
    entropy: Annotated[float, "float64", "nat", "mean entropy of a decision"]
    kl: Annotated[float, "float64", "nat", "how far the update has moved the policy: mean of log(old / new)"]
    clip_fraction: Annotated[float, "float64", "", "share of decisions whose probability ratio was clipped"]
    explained_variance: Annotated[float, "float64", "", "share of the rewards' variance that was expected; 1 is all"]
    gradient_norm: Annotated[float, "float64", "", "mean norm of the gradients before they were shortened"]
    learning_rate: Annotated[float, "float64", "", "step size"]
    epochs: Annotated[float, "float64", "", "steps; NaN for an update without episodes"]


# The datasets of `/policy`, one row per update of an agent; the group is there if agents have searched.
POLICY_COLUMNS = tuple(
    Column(name, *hint.__metadata__) for name, hint in get_type_hints(PolicyRow, include_extras=True).items()
)
# The datasets of `/policy/state`: what the policy is continued from. An attribute of the group, `version`, says how
# many steps it has taken.
STATE_COLUMNS = (
    Column("parameters", "float32", "", "all weights of the policy"),
    Column("first_moment", "float32", "", "Adam's mean of gradients"),
    Column("second_moment", "float32", "", "Adam's mean of their squares"),
)
# The datasets of `/reports`, one row per report of `context.report`, in the order in which they came; and those of
# `/reports/superseded`, which is there if a search has known more than these.
REPORT_COLUMNS = (
    Column("evaluation", "int64", "", "number of the evaluation"),
    Column("step", "float64", "", "how far it was, such as a number of epochs; of one evaluation, it grows"),
    Column("value", "float64", "", "what it would have returned then, or minus that, as `objective`"),
    Column("time", "float64", _TIME, "when"),
    Column("order", "int64", "", "how many results the campaign had when it came; -1 if unknown", optional=True),
)
# The datasets of `/knowledge`, one row per result of an earlier campaign; the group is there with `--warm-start`. An
# attribute of the group, `sources`, says where they come from.
KNOWLEDGE_COLUMNS = (
    Column("source", "int32", "", "number of its source, from 0"),
    Column("objective", "float64", "", "its objective there, smaller being better"),
    Column("point", "json", "", "its point in the space of this campaign"),
)


# The dataset of `/evaluations` that is there with several objectives, and the meaning of those of one each.
PARETO_COLUMN = Column(PARETO, "bool", "", "whether it is DONE, and no other one dominates it")
OBJECTIVE_MEANING = "what the run function returned as this objective, or reported at last if it was stopped; else NaN"


def link_of(name: str) -> str:
    """Return the name of a dataset: that of what it holds, with what HDF5 forbids in names escaped."""
    link = clean(name).replace("%", "%25").replace("/", "%2F")
    return {"": "%", ".": "%2E", "..": "%2E%2E"}.get(link, link)


@dataclass(frozen=True)
class Dimension(Column):
    """One dataset of `/evaluations/point`.

    Attributes:
        spec: {"range": [low, high]} with or without "prior", or {"choices": [...]}, with "ordered" if they are.
    """

    spec: Mapping[str, Any]

    @property
    def link(self) -> str:
        """The name of the dataset."""
        return link_of(self.name)

    @property
    def documented(self) -> tuple[Any, ...] | list[Any]:
        """The documented form."""
        return documented(self.spec)


def documented(spec: Mapping[str, Any]) -> tuple[Any, ...] | list[Any]:
    """Return the documented form of a specification: (low, high), (low, high, prior) or a list of choices."""
    if "choices" in spec:
        return OrderedList(spec["choices"]) if spec.get("ordered") else list(spec["choices"])
    prior = (spec["prior"],) if "prior" in spec else ()
    return (*spec["range"], *prior)


def dimension(name: str, form: Any) -> Dimension:
    """Derive the dataset of a dimension from its documented form.

    Args:
        name: The dimension's name.
        form: (low, high) or (low, high, prior) for a range, a list for choices.

    Raises:
        ResultsError: The form is neither.
    """
    simple = plain(form)
    if isinstance(form, tuple) and len(simple) in (2, 3):
        spec: dict[str, Any] = {"range": simple[:2]} | ({"prior": simple[2]} if len(simple) == 3 else {})
        dtype = "int64" if _dtype(simple[:2]) == "int64" else "float64"
        return Dimension(name, dtype, "", f"value of {name}, in a range", spec)
    if isinstance(form, list):
        spec = {"choices": simple} | ({"ordered": True} if isinstance(form, OrderedList) else {})
        return Dimension(name, _dtype(simple), "", f"value of {name}, one of its choices", spec)
    raise ResultsError(f"dimension {name!r} must be a tuple (low, high) or a list of choices, got {form!r}")


def dimensions(space: Mapping[str, Any]) -> tuple[Dimension, ...]:
    """Derive the datasets of `/evaluations/point` from the documented form of a space."""
    return tuple(dimension(name, form) for name, form in space.items())


def _dtype(values: list[Any]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {str} and all(clean(value) == value for value in values):
        return "string"
    if kinds == {bool}:
        return "bool"
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return "int64"
    return "float64" if kinds == {float} else "json"


def markdown_table() -> str:
    """Render the layout for the documentation."""
    rows = [(f"`/` attribute `{column.name}`", column) for column in ATTRIBUTES]
    rows += [(f"`/{GROUP}/{column.name}`", column) for column in COLUMNS]
    rows.append((f"`/{GROUP}/{OBJECTIVES}/<objective>`", Column("", "float64", "", OBJECTIVE_MEANING)))
    rows.append((f"`/{GROUP}/{PARETO}`", PARETO_COLUMN))
    point = Column("", "by specification", "", "value of the dimension; attribute `spec` says what was searched")
    rows.append((f"`/{GROUP}/{POINT}/<dimension>`", point))
    active = Column("", "bool", "", "whether the point has the dimension; there for those with conditions")
    rows.append((f"`/{GROUP}/{ACTIVE}/<dimension>`", active))
    rows += [(f"`/{GROUP}/{ORIGIN}/{column.name}`", column) for column in ORIGIN_COLUMNS]
    rows += [(f"`/{GROUP}/{EARLIER}/{column.name}`", column) for column in EARLIER_COLUMNS]
    rows += [(f"`/{REPORTS}/{column.name}`", column) for column in REPORT_COLUMNS]
    earlier = "the same of reports that are no longer there, as far as searches have learned from them"
    rows.append((f"`/{REPORTS}/{SUPERSEDED}/<column>`", Column("", f"as in `/{REPORTS}`", "", earlier)))
    rows += [(f"`/{KNOWLEDGE}/{column.name}`", column) for column in KNOWLEDGE_COLUMNS]
    rows += [(f"`/{POLICY}/{column.name}`", column) for column in POLICY_COLUMNS]
    rows += [(f"`/{POLICY}/{STATE}/{column.name}`", column) for column in STATE_COLUMNS]
    lines = ["| name | dtype | unit | meaning |", "|---|---|---|---|"]
    for name, column in rows:
        lines.append(f"| {name} | {_MEANINGS.get(column.dtype, column.dtype)} | {column.unit} | {column.meaning} |")
    return "\n".join(lines) + "\n"
