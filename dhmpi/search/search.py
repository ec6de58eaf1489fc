"""The contract of all searches: ask for points, tell what became of them."""

import dataclasses
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from dhmpi.benchmark.space import Space
from dhmpi.errors import OptionError
from dhmpi.evaluation import METHODS, Evaluation, Point
from dhmpi.loader import load_problem
from dhmpi.options import as_flag, build, check_names, choice
from dhmpi.search.options import DEFAULT_SEED, CampaignOptions

if TYPE_CHECKING:
    from dhmpi.results import Results


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """The options of a search that has none of its own."""


class Search(ABC):
    """Proposes points, one by one, none of them twice; smaller objectives are better.

    Calls come in this order: `ask` for points; `tell` each evaluation when it ends, in any order; and again. Points
    that have been asked and not told are pending. Subclasses write `_propose`; if they learn, `_learn`; and
    if they care for what is pending, `_lend`.

    Args:
        problem: The problem, or its name (`package.module.Problem` or `path/to/file.py`).
        run: The run function, or its name; for `main`.
        evaluator: Name of the evaluator, for `main`; by default the MPI job's worker ranks, or this process.
        **options: Options by the names of the command line, with `_` for `-`.

    Raises:
        InputError: The problem or an option cannot be used.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    # What `dhmpi NAME` searches if nothing else is said.
    default_problem: ClassVar[str] = "dhmpi.benchmark.hps.rosen2.problem.Problem"
    default_run: ClassVar[str] = "dhmpi.benchmark.hps.rosen2.rosenbrock2.run"
    # Whether run functions return what is to be large; objectives are minus that.
    maximises: ClassVar[bool] = False
    # Whether several ranks search, each with evaluators of its own.
    has_agents: ClassVar[bool] = False

    def __init__(self, problem: object, run: object = None, evaluator: object = None, **options: Any) -> None:
        check_names((CampaignOptions, self.Options), options)
        self._setup(problem, run, evaluator, build(CampaignOptions, options), build(self.Options, options), str)

    @classmethod
    def from_options(
        cls, problem: object, run: object, evaluator: object, options: CampaignOptions, own_options: Any
    ) -> "Search":
        """Make a search from options that have been checked; its errors call them by their command-line names."""
        search = cls.__new__(cls)
        search._setup(problem, run, evaluator, options, own_options, as_flag)
        return search

    def _setup(
        self,
        problem: object,
        run: object,
        evaluator: object,
        options: CampaignOptions,
        own_options: Any,
        label: Callable[[str], str],
    ) -> None:
        if isinstance(evaluator, str):
            evaluator = choice(METHODS)(label("evaluator"), evaluator)
        self.problem_target, self.run_target, self.evaluator_target = problem, run, evaluator
        self.options, self.own_options = options, own_options
        self.space, start = self._read_problem(load_problem(problem))
        size = self.space.size
        if size is not None and options.max_evals is not None and options.max_evals > size:
            raise OptionError(
                f"{label('max_evals')} must not exceed the {size} points of the space, got {options.max_evals}"
            )
        self._first = deque([] if start is None else [start])
        self._seen: set[Hashable] = set()
        self._pending: dict[Hashable, Point] = {}
        self._begin(DEFAULT_SEED if options.seed is None else options.seed)

    def _read_problem(self, problem: Any) -> tuple[Space, Point | None]:
        """Return the space of a problem, and its starting point if it has one."""
        return problem.dimensions, problem.starting_point_asdict if problem.has_starting_point else None

    def config(self, point: Point) -> Point | None:
        """Return what the run function gets for a point; None stands for the point itself, which is the default."""
        return None

    @property
    def num_pending(self) -> int:
        """How many points have been asked and not told."""
        return len(self._pending)

    @property
    def is_exhausted(self) -> bool:
        """Whether every point of the space has been asked."""
        size = self.space.size
        return size is not None and len(self._seen) >= size

    def ask(self, num: int = 1) -> list[Point]:
        """Return up to `num` new points; the problem's starting point comes first.

        There are fewer only while points are pending, or when the space is exhausted.
        """
        points: list[Point] = []
        seen, key_of = self._seen, self.space.key
        while len(points) < num and not self.is_exhausted:
            point = self._first.popleft() if self._first else self._propose()
            if point is None:
                break
            key = key_of(point)
            if key in seen:
                continue  # the starting point of a campaign that is resumed
            seen.add(key)
            self._pending[key] = point
            self._lend(key, point)
            points.append(point)
        return points

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report evaluations; those in a state that is not final stay, or become, pending.

        Evaluations that were never asked are welcome: those of an earlier run, or somebody's own.
        """
        final = []
        for evaluation in evaluations:
            key = self.space.key(evaluation.point)
            self._seen.add(key)
            if evaluation.state.is_final:
                self._pending.pop(key, None)
                final.append(evaluation)
            elif key not in self._pending:
                self._pending[key] = evaluation.point
                self._lend(key, evaluation.point)
        if final:
            self._learn(final)

    def resume(self, seed: int, evaluations: Iterable[Evaluation]) -> None:
        """Go on with a campaign as if it had never stopped; to be called before anything is asked.

        Args:
            seed: The campaign's seed.
            evaluations: All of its evaluations so far.
        """
        self._begin(seed)
        self.tell(evaluations)

    def _begin(self, seed: int) -> None:
        """Set up what depends on the seed."""
        self.seed = seed

    @abstractmethod
    def _propose(self) -> Point | None:
        """Return a point that is not in `_seen`, or None to wait for pending ones; the space is not exhausted."""

    def _learn(self, evaluations: list[Evaluation]) -> None:  # noqa: B027  # to learn nothing is a choice
        """Take note of final evaluations; the default learns nothing."""

    def _lend(self, key: Hashable, point: Point) -> None:  # noqa: B027  # not every search models what is pending
        """Take note of a point that has become pending; the default does not."""

    def statistics(self) -> dict[str, float | str]:
        """Return what the search has measured of itself, by name; the default measures nothing."""
        return {}

    def main(self) -> "Results | None":
        """Run the campaign on all ranks that call this.

        Returns:
            The results on rank 0; None on the others.

        Raises:
            DhmpiError: Something keeps the campaign from running, on rank 0.
        """
        # The one call upwards: the documented way to start a search from Python is a method of the search.
        from dhmpi.compose import run_search

        return run_search(self)
