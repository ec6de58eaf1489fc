"""The contract of all searches: ask for points, tell what became of them."""

import dataclasses
import reprlib
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dhmpi.control.callbacks import Callbacks
from dhmpi.errors import EvaluationError, InputError, LoadError, OptionError, option_name
from dhmpi.evaluation import EARLIER, GIVEN, METHODS, START, Evaluation, Observation, Origin, Point, Proposal, Report
from dhmpi.search.campaign_options import DEFAULT_SEED, CampaignOptions
from dhmpi.search.told import as_told, checked_report, checked_result
from dhmpi.space.objectives import objectives_of
from dhmpi.space.space import Space
from dhmpi.space.starting_point import starting_point_of
from dhmpi.support.collection import no_collection
from dhmpi.support.loader import guarded, load_problem
from dhmpi.support.options import build, check_names, choice, choice_with_settings, integer, name_alone
from dhmpi.support.targets import Pair, complete

if TYPE_CHECKING:
    from dhmpi.results import Results


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """The options of a search that has none of its own."""


class Search(ABC):
    """Proposes points, one by one, none of them twice; smaller objectives are better.

    Calls come in this order: `ask` for points; `tell` each evaluation when it ends, in any order; and again. Points
    that have been asked and not told are pending. Subclasses write `_propose`; if they learn, `_learn`; if they care
    for what is pending, `_add_pending`; and if a point may have to wait for a model, `_is_ready` and `_follow`.

    Args:
        problem: The problem, or its name (`package.module.Problem` or `path/to/file.py`).
        run: The run function, or its name; for `main`. By default `run` in the file that the problem's name leads to.
        evaluator: Name of the evaluator, for `main`, or NAME:key=value,key=value; an evaluator; or an executor of
            `concurrent.futures`. By default the MPI job's worker ranks, or this process.
        callbacks: What `main` calls on rank 0 as the campaign begins, at each result, and in the end; see `Callbacks`.
        **options: Options by the names of the command line, with `_` for `-`.

    Raises:
        InputError: The problem or an option cannot be used.

    Attributes:
        problem: The problem itself.
        objectives: Those that the problem has declared.
        callbacks: What `main` calls.
        is_waiting: Whether the latest call got fewer points than it wanted because a model is not ready.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    # What `dhmpi NAME` searches if nothing else is said.
    default_problem: ClassVar[str] = "dhmpi.benchmark.hps.rosen2.problem.Problem"
    default_run: ClassVar[str] = "dhmpi.benchmark.hps.rosen2.rosenbrock2.run"
    # Whether the default run function evaluates points of any problem.
    default_run_fits_all: ClassVar[bool] = False
    # Whether run functions return what is to be large, the first of several objectives; objectives are minus that.
    maximises: bool = False
    # How many objectives a problem may declare.
    most_objectives: ClassVar[float] = 1
    # Whether points are architectures.
    seeks_architectures: ClassVar[bool] = False
    # Whether several ranks search, each with evaluators of its own.
    has_agents: ClassVar[bool] = False

    def __init__(
        self,
        problem: object,
        run: object = None,
        evaluator: object = None,
        *,
        callbacks: Iterable[object] = (),
        **options: Any,
    ) -> None:
        check_names((CampaignOptions, self.Options), options)
        if isinstance(evaluator, str):
            evaluator = choice_with_settings(METHODS)(option_name("evaluator"), evaluator)
        campaign_options = build(CampaignOptions, options | {"evaluator": evaluator})
        called = Callbacks(callbacks)
        self._setup(problem, run, evaluator, campaign_options, build(self.Options, options))
        self.callbacks = called

    @classmethod
    def from_options(
        cls, problem: object, run: object, evaluator: object, options: CampaignOptions, own_options: Any
    ) -> "Search":
        """Make a search from options that have been checked; its errors call them by their command-line names."""
        search = cls.__new__(cls)
        search._setup(problem, run, evaluator, options, own_options)
        return search

    def _setup(
        self,
        problem: object,
        run: object,
        evaluator: object,
        options: CampaignOptions,
        own_options: Any,
    ) -> None:
        if isinstance(evaluator, str):
            evaluator = choice(METHODS)(option_name("evaluator"), name_alone(evaluator))
        self.problem_target, self.run_target, self.evaluator_target = problem, run, evaluator
        self.options, self.own_options, self.callbacks = options, own_options, Callbacks()
        self.problem = loaded = load_problem(problem)
        named = repr(problem) if isinstance(problem, str) else "given"
        constraint = f"the problem {named} must tell its space and starting point"
        self.objectives = objectives_of(loaded, self.name, self.most_objectives)
        self.maximises = self.objectives[0].maximises if self.objectives else self.maximises
        self.space, start = guarded(lambda: self._read_problem(loaded), constraint, passing=(InputError,))
        size = self.space.size
        if size is not None and options.max_evals is not None and options.max_evals > size:
            raise OptionError(
                f"{option_name('max_evals')} must not exceed the {size} points of the space, got {options.max_evals}"
            )
        self._start = start
        self.is_waiting = False
        self._num_known = 0
        self._origin = Origin()
        self._seen: set[Hashable] = set()
        self._pending: dict[Hashable, Point] = {}
        self._begin(DEFAULT_SEED if options.seed is None else options.seed)
        self._first = deque(self._first_proposals())

    @classmethod
    def complete(cls, problem: object, run: object) -> Pair:
        """Return which problem is searched, and by which run function, if one or both of them are not given."""
        defaults = Pair(cls.default_problem, cls.default_run)
        return complete(problem, run, defaults, any_run=cls.default_run_fits_all)

    def _read_problem(self, problem: Any) -> tuple[Space, Point | None]:
        """Return the space of a problem, and its starting point if it has one."""
        if not hasattr(problem, "dimensions") and "create_structure" in problem.space:
            need = "a problem for a search for hyperparameters must have dimensions, got one for architectures"
            raise LoadError(f"{need}; use nas-random, ppo-async or ppo-sync")
        return problem.dimensions, starting_point_of(problem)

    def _first_proposals(self) -> list[Proposal]:
        """Return what is asked first of all; what depends on the seed may be drawn here."""
        return [] if self._start is None else [Proposal(self._start, Origin(START))]

    def config(self, point: Point) -> Point | None:
        """Return what the run function gets for a point; None stands for the point itself, which is the default."""
        return None

    @property
    def num_pending(self) -> int:
        """Number of points that have been asked and not told."""
        return len(self._pending)

    @property
    def is_list(self) -> bool:
        """Whether it proposes listed points, and ends with them; then there is no limit by default."""
        return False

    @property
    def extent(self) -> str:
        """Description of all that it can propose."""
        return "every point of the space"

    @property
    def is_exhausted(self) -> bool:
        """Whether every point of the space has been asked."""
        return self.space.is_covered(self._seen)

    @property
    def learns(self) -> bool:
        """Whether points depend on results: then none is asked before a worker is there for it."""
        return True

    def begin_run(self, num_workers: int) -> None:  # noqa: B027  # not every search cares
        """Say how many workers evaluate; a search whose models are slow may then let time decide.

        By hand, this is not called: then the same results in the same order give the same points.
        """

    def ask(self, num: int = 1) -> list[Point]:
        """Return up to `num` new points; the starting point comes first, then those that are given.

        There are fewer only while points are pending, or when the space is exhausted. What is due is waited for.

        Raises:
            OptionError: `num` is no integer of at least 0.
        """
        return [proposal.point for proposal in self.proposals(num)]

    def proposals(self, num: int = 1, timeout: float | None = None) -> list[Proposal]:
        """Return up to `num` new points with their origins.

        Args:
            num: How many.
            timeout: How long a model may be waited for [s]; then there are fewer, and `is_waiting` is set. None: as
                long as it takes.

        Raises:
            OptionError: `num` is no integer of at least 0.
        """
        if isinstance(num, str):  # elsewhere a text may stand for a number, since people type it
            raise OptionError(f"num must be an integer of at least 0, got {num!r}")
        num = integer(0)("num", num)
        found: list[Proposal] = []
        self.is_waiting = False
        seen, key_of = self._seen, self.space.key
        while len(found) < num and not self.is_exhausted:
            if self._first:
                point, origin = self._first.popleft()
                origin = origin._replace(known=self._num_known)
            elif self._is_ready(0.0 if found and timeout is not None else timeout):
                proposed = self._propose()
                if proposed is None:
                    break
                point, origin = proposed, self._origin
            else:
                self.is_waiting = True
                break
            key = key_of(point)
            if key in seen:
                continue  # it is given twice, or was evaluated before the campaign was resumed
            seen.add(key)
            self._pending[key] = point
            self._add_pending(key, point)
            found.append(Proposal(point, origin))
        return found

    def give(self, point: Point) -> None:
        """Let a point be asked next, unless it has been before.

        Raises:
            ProblemError: It is not in the space, or not allowed there.
        """
        self._first.appendleft(Proposal(self.space.allowed(point), Origin(GIVEN)))

    def repeat(self, origin: Origin) -> Point | None:
        """Return the point that was asked with this origin, if nothing else has changed; None if there is none.

        To be called in the order of asking, each time after the results have been told that were known then; one
        that was given must be given again.
        """
        if origin.model not in (START, GIVEN, EARLIER):
            self._first.clear()  # they were known already
        self._follow(origin)
        return next((proposal.point for proposal in self.proposals(1)), None)

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report evaluations; those in a state that is not final stay, or become, pending.

        Evaluations that were never asked are welcome: those of an earlier run, or the user's own.

        Raises:
            InputError: A point is not in the space, or an objective is no finite number; nothing has been told.
        """
        self._tell([self._identified(each) for each in evaluations])

    def _tell(self, identified: Iterable[tuple[Hashable, Evaluation]]) -> None:
        final = []
        for key, evaluation in identified:
            self._seen.add(key)
            if evaluation.state.is_final:
                self._pending.pop(key, None)
                final.append(evaluation)
            elif key not in self._pending:
                self._pending[key] = evaluation.point
                self._add_pending(key, evaluation.point)
        if final:
            self._num_known += len(final)
            self._learn(final)

    def _identified(self, evaluation: Evaluation) -> tuple[Hashable, Evaluation]:
        """Return the key of an evaluation's point, and the evaluation with plain values."""
        if not isinstance(evaluation, Evaluation):
            raise EvaluationError(f"what is told must be an Evaluation, got {reprlib.repr(evaluation)}; make one")
        state, value = checked_result(evaluation, self.objectives)
        key, point = self._known_point(evaluation.point)
        if point is not evaluation.point or value is not evaluation.objective or state is not evaluation.state:
            evaluation = evaluation._replace(point=point, objective=value, state=state)
        return key, evaluation

    def _recognised(self, evaluation: Evaluation) -> tuple[Hashable, Evaluation]:
        """Return the key of an evaluation's point, and the evaluation, which comes from a file that a search wrote."""
        if type(self.space) is Space and self.space.is_canonical(evaluation.point):
            return self.space.key(evaluation.point), evaluation
        return self._identified(evaluation)

    def _known_point(self, point: Point) -> tuple[Hashable, Point]:
        """Return the key and the canonical form of a point; those that are pending need no check."""
        is_plain = type(self.space) is Space and not self.space.rules.conditions
        if is_plain and isinstance(point, dict) and len(point) == len(self.space.names):
            try:
                key = self.space.key(point)
                if key in self._pending:
                    return key, self._pending[key]
            except (KeyError, TypeError):
                pass  # it does not fit, as the next line will say
        point = self.space.canonical(point)
        return self.space.key(point), point

    def report(self, point: Point, step: float, value: float) -> None:
        """Report how good a pending evaluation is so far.

        Args:
            point: Its point, as it was asked.
            step: How far it is, such as a number of epochs.
            value: What its objective would be if it ended here; what is not finite says nothing.

        Raises:
            InputError: The point is not pending, the step no finite number, or the value none.
        """
        key = self._known_point(point)[0]
        if key not in self._pending:
            raise EvaluationError(f"what reports must be pending, got {reprlib.repr(point)}; ask for points first")
        self._report(key, *checked_report(step, value), self._num_known)

    def remember(self, evaluations: Iterable[Evaluation], reports: Iterable[tuple[Report, int]]) -> None:
        """Take note of what evaluations of a file have reported; to be called before any of them is told.

        With each report goes how many results there were when it came; -1 if that is unknown.
        """
        if self.learns and (pairs := list(reports)):
            reporting = {report.id for report, _ in pairs}
            keys = {each.id: self._recognised(each)[0] for each in evaluations if each.id in reporting}
            for report, order in ((report, order) for report, order in pairs if report.id in keys):
                self._report(keys[report.id], report.step, report.value, sys.maxsize if order < 0 else order)

    def resume(self, seed: int, evaluations: Iterable[Evaluation], reports: Iterable[tuple[Report, int]] = ()) -> None:
        """Go on with a campaign as if it had never stopped; to be called before anything is asked.

        Args:
            seed: The campaign's seed.
            evaluations: All of its evaluations so far.
            reports: All that they have reported; see `remember`.
        """
        self._begin(seed)
        self._first = deque(self._first_proposals())
        evaluations = as_told(list(evaluations))
        with no_collection():
            self.remember(evaluations, reports)
            self._tell([self._recognised(each) for each in evaluations])

    def prime(self, observations: Sequence[Observation]) -> None:
        """Let it know what earlier campaigns have found; to be called before anything is asked.

        Raises:
            OptionError: This search cannot use it.
        """
        raise OptionError(f"a search must learn to make use of earlier results, got {self.name}; use ambs or ga")

    def _begin(self, seed: int) -> None:
        """Set up what depends on the seed."""
        self.seed = seed

    @abstractmethod
    def _propose(self) -> Point | None:
        """Return a point that is not in `_seen`, or None to wait for pending ones; the space is not exhausted."""

    def _is_ready(self, timeout: float | None) -> bool:
        """Return whether a point can be proposed, at the latest after so many seconds; by default at once."""
        return True

    def _follow(self, origin: Origin) -> None:  # noqa: B027  # not every search depends on more than what it was told
        """Let the next proposal be the one with this origin; the default does nothing, since there is just one."""

    def _learn(self, evaluations: list[Evaluation]) -> None:  # noqa: B027  # to learn nothing is a choice
        """Take note of final evaluations; the default learns nothing."""

    def _add_pending(self, key: Hashable, point: Point) -> None:  # noqa: B027  # not every search models what is pending
        """Take note of a point that has become pending; the default does not."""

    def _report(self, key: Hashable, step: float, value: float, known: int) -> None:  # noqa: B027  # few learn from it
        """Take note of what an evaluation has reported when so many results were known; the default does not."""

    def describe_model(self) -> str:
        """Return which model points come from by now, for people; nothing without one, which is the default."""
        return ""

    def statistics(self) -> dict[str, float | str]:
        """Return what the search has measured of itself, by name; the default measures nothing."""
        return {}

    def main(self) -> "Results | None":
        """Run the campaign on all ranks that call this.

        Returns:
            The results on rank 0; None on the others.

        Raises:
            CampaignError: It came to its end, or was given up, and nothing in it is DONE; on rank 0.
            DhmpiError: Something else keeps the campaign from running, on rank 0.
        """
        # The one call upwards: the documented way to start a search from Python is a method of the search.
        from dhmpi.campaign.start import run_search

        return run_search(self)
