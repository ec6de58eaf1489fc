"""Contract of searches for neural architectures."""

import inspect
from collections.abc import Collection, Hashable, Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

from dhmpi.errors import DataError, LoadError
from dhmpi.evaluation import Point
from dhmpi.search.search import Search
from dhmpi.space.space import Categorical, Space
from dhmpi.support.loader import guarded, load, run_name

if TYPE_CHECKING:
    from numpy.random import Generator

# A space of at most so many architectures is counted: some are equal, and when all have been seen the search is over.
LARGEST_COUNTED = 20_000


class Structure(Protocol):
    """Space of architectures, as far as a search needs it; `KerasStructure` is one."""

    @property
    def num_options(self) -> tuple[int, ...]:
        """Number of options of each decision."""

    @property
    def decision_names(self) -> tuple[str, ...]:
        """Name of each decision."""

    def decode(self, arch_seq: Any) -> tuple[int, ...]:
        """Return the decisions that a sequence stands for."""

    def canonical_key(self, arch_seq: Any) -> str:
        """Return what equal architectures have in common."""


class ArchitectureSpace(Space):
    """The decisions of a structure as categories 0, 1, ...; points of equal architectures have the same key.

    Args:
        structure: What is to be decided.
    """

    def __init__(self, structure: Structure) -> None:
        names = [name.replace("/", ".") for name in structure.decision_names]  # they become data sets
        options = [Categorical(tuple(range(num))) for num in structure.num_options]
        super().__init__(dict(zip(names, options, strict=True)))
        self._structure = structure

    def decisions(self, point: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the decisions of a point, in their order."""
        return tuple([point[name] for name in self.names])

    def key(self, point: Mapping[str, Any]) -> Hashable:
        """Return the canonical key of the architecture."""
        return self._structure.canonical_key(self.decisions(point))

    @cached_property
    def size(self) -> int | None:
        """Number of distinct architectures in a small space; in a large one, that of all sequences of decisions."""
        num = super().size
        assert num is not None
        if num > LARGEST_COUNTED:
            return num
        return len({self.key(point) for point in self._all()})

    def unseen(self, seen: Collection[Hashable], rng: "Generator") -> Point | None:
        """Return a point whose key is not among the seen ones, or None if there is none left."""
        return next((point for point in self._all() if self.key(point) not in seen), None)

    def _all(self) -> Iterator[Point]:
        """Yield every sequence of decisions; only for small spaces."""
        choices = [dim.choices for dim in self.dimensions if isinstance(dim, Categorical)]
        return (dict(zip(self.names, values, strict=True)) for values in product(*choices))


class NasSearch(Search):
    """Proposes architectures, one by one, no two of them equal; larger rewards are better.

    The run function gets the problem's entries and `arch_seq`, a list of decisions. See `Search` for the arguments.
    """

    maximises = True
    seeks_architectures = True
    most_objectives = 0
    default_problem = "dhmpi.benchmark.nas.linearReg.problem.Problem"
    default_run = "dhmpi.search.nas.model.run.alpha.run"
    default_run_fits_all = True  # it trains whatever the problem describes
    space: ArchitectureSpace

    def _read_problem(self, problem: Any) -> tuple[ArchitectureSpace, None]:
        self._config = {name: _named(name, entry) for name, entry in problem.space.items()}
        self.structure = load_structure(problem)
        return ArchitectureSpace(self.structure), None

    def config(self, point: Point) -> Point:
        """Return what the run function gets: the problem, and the decisions."""
        return {**self._config, "arch_seq": list(self.space.decisions(point))}


def load_structure(problem: Any) -> Structure:
    """Return the space of architectures of a problem.

    Its function is called without shapes if it has defaults for them, since decisions hardly ever depend on them; only
    otherwise are the data loaded here to find them out.

    Raises:
        LoadError: The problem has no space of architectures, or it cannot be made.
    """
    entry = problem.space.get("create_structure")
    if entry is None:
        raise LoadError("a problem for an architecture search must have 'create_structure', got none; add it")
    create, arguments = _function(entry["func"], "create_structure"), dict(entry.get("kwargs") or {})
    parameters = inspect.signature(create).parameters
    lacking = [
        name
        for name in ("input_shape", "output_shape")
        if name in parameters and parameters[name].default is inspect.Parameter.empty and name not in arguments
    ]
    if lacking:
        shapes = _shapes(problem.space["load_data"])
        arguments |= {name: shapes[name] for name in lacking}
    made: Structure = guarded(lambda: create(**arguments), "create_structure must make a space of architectures")
    if not hasattr(made, "decision_names"):
        raise LoadError(f"create_structure must return a structure, got {made!r:.80}; return the one that it has made")
    return made


def _function(target: Any, default: str) -> Any:
    return load(target, default) if isinstance(target, str) else target


def _shapes(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes of one input, or of each of several, and of one output."""
    load_data, arguments = _function(entry["func"], "load_data"), dict(entry.get("kwargs") or {})
    (inputs, outputs), *_ = guarded(lambda: load_data(**arguments), "load_data must load data", passing=(DataError,))
    input_shape = [each.shape[1:] for each in inputs] if isinstance(inputs, list) else inputs.shape[1:]
    return {"input_shape": input_shape, "output_shape": outputs.shape[1:]}


def _named(name: str, entry: Any) -> Any:
    """Return an entry of a problem as it travels: a function as its name."""
    if not isinstance(entry, Mapping) or not callable(entry.get("func")):
        return entry
    found = run_name(entry["func"])
    if found is None:
        raise LoadError(
            f"func of {name!r} must be a function that another interpreter can import, got {entry['func']!r}; "
            "define it at the top of a module"
        )
    return {**entry, "func": found}
