"""Evaluators in executors of this process: one of them, or a pool of children."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import Evaluation, State, Worker
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.execution.context import Notice
from dhmpi.execution.executor import Executor, Setup, readable
from dhmpi.execution.executor_choice import count_workers, local_executor
from dhmpi.execution.fresh_interpreter import InterpreterExecutor
from dhmpi.execution.local_group import LocalGroup
from dhmpi.execution.program import ProgramExecutor, is_program
from dhmpi.execution.runner import Task
from dhmpi.mpi.slots import Deal, Sharers, capacity, deal, teams_of
from dhmpi.support import environment
from dhmpi.support.gpus import GpuView, visible
from dhmpi.support.place import Place
from dhmpi.support.resources import SlotOptions

EQUAL_SHARES = SlotOptions()


class PoolEvaluator(Evaluator):
    """Runs one evaluation at a time in each of its executors.

    Args:
        executors: Where evaluations run; all of one kind, and only one if it is inline.
        slot: Which GPUs each evaluation gets.
    """

    def __init__(self, executors: Sequence[Executor], slot: SlotOptions = EQUAL_SHARES) -> None:
        super().__init__()
        self._slot = slot
        self._executors = executors
        self._host = environment.hostname()
        for executor in executors:
            executor.hear(self._take_reports, self._look_around)
        self.divide(environment.num_cores())
        self.deal(visible())

    def divide(self, num_cores: int) -> None:
        """Give each executor its part of so many cores; to be called before they load."""
        for executor in self._executors:
            executor.divide(max(1, num_cores // len(self._executors)))

    def deal(self, view: GpuView) -> None:
        """Deal out GPUs to the executors; to be called before they load.

        Raises:
            OptionError: They do not suffice.
        """
        num = len(self._executors)
        try:
            dealt = self._dealt(view, num)
        except OptionError:
            self.shutdown()
            raise
        for executor, slot in zip(self._executors, dealt.slots, strict=True):
            size = num * len(slot.ranks)
            executor.settle(
                *(
                    Place(slot.worker, rank, rank, size, slot.gpus_of(rank), slot.variable, slot.is_set, member)
                    for member, rank in enumerate(slot.ranks)
                )
            )
        self.roles = self.roles._replace(gpus=dealt)

    def _dealt(self, view: GpuView, num: int) -> Deal:
        """Return who of so many gets which GPUs."""
        ranks = tuple(range(num * self._slot.ranks_per_eval))
        teams = teams_of([ranks], self._slot.ranks_per_eval)
        dealt = deal([Sharers(self._host, ranks, view)], self._slot, teams)
        if len(dealt.slots) < num:
            raise OptionError(
                f"{option_name('num_workers')} must be at most {len(dealt.slots)} with {self._slot.gpus_per_eval:g} of "
                f"{len(view.devices)} GPUs for each, got {num}"
            )
        return dealt

    def settle(self, place: Place) -> None:
        """Keep to the GPUs of a rank that shares its node with others; to be called before executors load."""
        self._slot = replace(self._slot, gpus_per_node=None)
        if len(self._executors) > 1:
            self.deal(GpuView(place.variable, place.gpus, is_listed=not place.is_set))
        else:
            self._executors[0].settle(place)

    def open(self) -> None:
        """Start what must run before MPI starts; see `Executor.open`."""
        for executor in self._executors:
            executor.open()

    @property
    def num_workers(self) -> int:
        """The number of executors."""
        return len(self._executors)

    @property
    def num_idle(self) -> int:
        """Number of idle executors; one that is still loading takes its first task already."""
        return sum(not executor.busy for executor in self._executors)

    def start(self) -> None:
        """Load the run function everywhere, and wait until that is done somewhere."""
        for executor in self._executors:
            executor.load()
        while not any(executor.ready for executor in self._executors):
            self._look(1.0)

    def _submit(self, task: Task) -> Worker:
        idle = [worker for worker, executor in enumerate(self._executors) if not executor.busy]
        chosen = next((worker for worker in idle if self._executors[worker].ready), idle[0])
        self._executors[chosen].submit([task])
        return Worker(chosen, self._host_of(chosen))

    def _host_of(self, worker: int) -> str:
        """Return where an executor runs its evaluation."""
        return self._host

    def _tell(self, rank: int, notice: Notice) -> None:
        self._executors[rank].tell(notice)

    def _gather(self, timeout: float) -> list[Evaluation]:
        """Return what has ended; inline, the evaluation always does, however long it takes."""
        return self._look(timeout if self._pending else 0.0)

    def _look(self, timeout: float) -> list[Evaluation]:
        at_work = [(rank, each) for rank, each in enumerate(self._executors) if each.busy or _is_loading(each)]
        if not at_work:
            return []
        descriptors = [descriptor for _, each in at_work if (descriptor := each.descriptor) is not None]
        if len(descriptors) == len(at_work):
            left = min(timeout, *(each.seconds_left for _, each in at_work))
            readable(descriptors, left)
        outcomes = [(rank, outcome) for rank, each in at_work for outcome in each.poll(0.0)]
        # Those that are not there have been given up since.
        known = [(rank, outcome) for rank, outcome in outcomes if outcome.id in self._pending]
        return [self._conclude(outcome, rank, self._host_of(rank)) for rank, outcome in known]

    def _cancel(self, timeout: float) -> list[Evaluation]:
        _at_once(lambda each: each.cancel(), [each for each in self._executors if each.busy])
        end = time.monotonic() + timeout
        evaluations: list[Evaluation] = []
        while self._pending and (left := end - time.monotonic()) > 0:
            evaluations += self._gather(min(0.1, left))
        return evaluations + self._give_up(self._pending, State.CANCELLED)

    def interrupt(self) -> None:
        """Stop user code that runs in this process."""
        for executor in self._executors:
            executor.interrupt()

    def shutdown(self) -> None:
        """Close the executors."""
        _at_once(lambda each: each.close(), self._executors)

    def hosts(self) -> list[str]:
        """Return this host's name."""
        return [self._host]


def _at_once(act: Callable[[Executor], None], executors: Sequence[Executor]) -> None:
    """Call a function for every executor at the same time, since it may take half a second."""
    with ThreadPoolExecutor(max(1, len(executors))) as threads:
        list(threads.map(act, executors))


def _is_loading(executor: Executor) -> bool:
    return not executor.ready and executor.descriptor is not None


class SerialEvaluator(PoolEvaluator):
    """Runs one evaluation at a time, in this process or in a child: for one rank, and to test searches with.

    Args:
        executor: Where it runs.
        slot: Which GPUs each evaluation gets.
    """

    def __init__(self, executor: Executor, slot: SlotOptions = EQUAL_SHARES) -> None:
        super().__init__([executor], slot)

    @property
    def layout(self) -> str:
        """Layout of the ranks as a sentence."""
        return self.roles.sentence(" and evaluates")


def process_pool(setup: Setup, num_workers: int | None = None) -> PoolEvaluator:
    """Return an evaluator whose children stay; the loss of one of them costs one evaluation.

    Args:
        setup: What to run.
        num_workers: Children; by default one per core that this process may use.
    """
    setup = setup.portable()
    return _pool("ProcessPoolEvaluator", lambda: local_executor(setup, "process"), num_workers, setup.slot)


def subprocess_pool(setup: Setup, num_workers: int | None = None) -> PoolEvaluator:
    """Return an evaluator that runs each evaluation in a fresh interpreter.

    Args:
        setup: What to run.
        num_workers: Evaluations at the same time; by default one per core that this process may use.
    """
    setup = setup.portable()
    executor_class = ProgramExecutor if is_program(setup.run) else InterpreterExecutor
    return _pool("SubprocessEvaluator", lambda: executor_class(setup), num_workers, setup.slot)


def _pool(name: str, make: Callable[[], Executor], num_workers: int | None, slot: SlotOptions) -> PoolEvaluator:
    if num_workers is None and slot.gpus_per_eval:  # as many as find GPUs
        num_gpus = slot.gpus_per_node or len(visible().devices)
        num_workers = capacity(num_gpus, slot.gpus_per_eval) or None
    together = slot.ranks_per_eval
    if num_workers is None and together > 1:
        num_workers = max(1, count_workers(None) // together)
    num = count_workers(num_workers)
    made = _made(make, num, together)
    groups = [made[first : first + together] for first in range(0, len(made), together)]
    executors = made if together == 1 else [LocalGroup(each, number) for number, each in enumerate(groups)]
    evaluator = PoolEvaluator(executors, slot)
    evaluator.name = name
    return evaluator


def _made(make: Callable[[], Executor], num: int, together: int) -> list[Executor]:
    """Return executors for so many workers of so many processes together.

    Raises:
        OptionError: There is no room for them.
    """
    made: list[Executor] = []
    try:
        for _ in range(num * together):
            made.append(make())
    except OSError as error:
        for executor in made:
            executor.close()
        wanted = f"{num} with {option_name('ranks_per_eval')} {together}" if together > 1 else str(num)
        raise OptionError(
            f"{option_name('num_workers')} must be as many as this machine has room for, got {wanted}: "
            f"{error.strerror}; give less"
        ) from error
    return made
