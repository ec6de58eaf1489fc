"""Roles of the ranks in a campaign: who searches, who evaluates for whom, and which ranks share a node."""

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

from dhmpi.errors import OptionError, ProtocolError, option_name
from dhmpi.mpi.nodes import ComputeNode
from dhmpi.mpi.slots import Deal, deal, teams_of
from dhmpi.support import environment
from dhmpi.support.place import Place
from dhmpi.support.printing import in_short
from dhmpi.support.resources import SlotOptions

# This rank has the results: it searches, or it coordinates those that do.
COORDINATOR = 0
# So many groups are listed for people; of more, the first two and the last.
MOST_SHOWN = 4


class Group(NamedTuple):
    """A rank that searches, and those that evaluate for it.

    Attributes:
        leader: The search rank, or an agent.
        workers: The ranks that evaluate; none if they need not, because the leader sees to it by itself.
    """

    leader: int
    workers: tuple[int, ...] = ()


class Roles(NamedTuple):
    """Roles of all ranks of a campaign, computed once; the same on each of them.

    Attributes:
        size: Number of ranks.
        groups: Those that search, in order, and who evaluates for them.
        has_agents: Whether those that search are agents; else it is one search rank.
        has_server: Whether the coordinator is a parameter server, and no agent.
        nodes: Where the ranks are; nothing as long as MPI has not started.
        gpus: Which ranks evaluate together, and with which GPUs; nothing before these are dealt out.
    """

    size: int
    groups: tuple[Group, ...]
    has_agents: bool = False
    has_server: bool = False
    nodes: tuple[ComputeNode, ...] = ()
    gpus: Deal = Deal()

    @classmethod
    def on_ranks(cls, size: int) -> "Roles":
        """Let rank 0 search, and the others evaluate."""
        return cls(size, (Group(COORDINATOR, tuple(range(1, size))),))

    @classmethod
    def local(cls) -> "Roles":
        """Let rank 0 search and see to it that evaluations run; the launcher's other ranks have nothing to do."""
        launch = environment.launch()
        return cls(max(launch.rank + 1, launch.size), (Group(COORDINATOR),))

    @classmethod
    def of_agents(cls, size: int, num_agents: int | None, has_server: bool, may_have_workers: bool) -> "Roles":
        """Give every rank its role in a search by agents.

        Args:
            size: Number of ranks.
            num_agents: Number of agents; by default as many as ranks can be.
            has_server: Whether rank 0 is a parameter server.
            may_have_workers: Whether ranks may evaluate for agents.

        Raises:
            OptionError: The ranks do not suffice, or some of them would have nothing to do.
        """
        room = size - has_server
        if room < 1:
            raise OptionError(
                f"a search with a parameter server must have at least 2 ranks, got {size}; "
                "start more with mpirun, or use ppo-sync"
            )
        num = room if num_agents is None else num_agents
        if num > room:
            raise OptionError(
                f"{option_name('agents')} must be at most {room} on {size} ranks, got {num}; start more ranks"
            )
        rest = range(has_server + num, size)
        if rest and not may_have_workers:
            raise OptionError(
                f"{option_name('agents')} must be {room} on {size} ranks where agents do not evaluate on ranks, "
                f"got {num}; leave it out, or leave out {option_name('evaluator')}"
            )
        if 0 < len(rest) < num:
            raise OptionError(
                f"ranks that evaluate must be none, or at least one for each of the {num} agents, got {len(rest)}; "
                f"give {option_name('agents')} {room} or at most {room // 2}, or start more ranks"
            )
        return cls(size, _groups(range(has_server, has_server + num), rest), True, has_server)

    @property
    def name_of_workers(self) -> str:
        """Name of one that evaluates: rank, or worker of a pool, where MPI has not started."""
        return "rank" if self.nodes else "worker"

    def placed(self, nodes: tuple[ComputeNode, ...]) -> "Roles":
        """Return the same with where the ranks are.

        Raises:
            ProtocolError: There are other ranks than the launcher said.
        """
        ranks = sorted(chain.from_iterable(node.ranks for node in nodes))
        if ranks != list(range(self.size)):
            raise ProtocolError(
                f"the launcher started {self.size} processes, but in MPI there are {len(ranks)} ranks; "
                "use the launcher of the MPI that mpi4py was built for"
            )
        return self._replace(nodes=nodes)

    def with_slots(self, options: SlotOptions) -> "Roles":
        """Return the same with ranks and GPUs for each evaluation; ranks that are left over have nothing to do.

        Raises:
            OptionError: They do not suffice.
        """
        evaluating = frozenset(self.evaluating)
        together = options.ranks_per_eval
        if together > 1 and not self.workers:
            raise OptionError(
                f"{option_name('ranks_per_eval')} must be 1 where the ranks that search evaluate, got {together}; "
                "start more ranks"
            )
        if together > len(evaluating):
            raise OptionError(
                f"{option_name('ranks_per_eval')} must be at most {len(evaluating)}, the ranks that evaluate, got "
                f"{together}; start more ranks"
            )
        teams = teams_of([node.ranks_apart(evaluating) for node in self.nodes], together)
        dealt = deal(chain.from_iterable(node.sharers(evaluating) for node in self.nodes), options, teams)
        served = dealt.teams()
        if together == 1 and len(served) == len(self.evaluating):
            return self._replace(gpus=dealt)
        if not self.workers or len(served) < len(self.groups):
            raise OptionError(_too_few(options, len(self.groups), len(served)))
        groups = _groups(self.leaders, range(len(served)))
        ranks_of = [tuple(chain.from_iterable(served[worker] for worker in group.workers)) for group in groups]
        return self._replace(
            gpus=dealt, groups=tuple(Group(leader, ranks) for (leader, _), ranks in zip(groups, ranks_of, strict=True))
        )

    def place(self, rank: int) -> Place:
        """Return the place of a rank that evaluates; where the ranks are must be known."""
        [node] = (node for node in self.nodes if rank in node.ranks)
        [slot] = (slot for slot in self.gpus.slots if rank in slot.ranks)
        gpus = slot.gpus_of(rank)
        member = self.team(rank).index(rank)
        return Place(slot.worker, rank, node.ranks.index(rank), self.size, gpus, slot.variable, slot.is_set, member)

    def host(self, rank: int) -> str:
        """Return where a rank is, which must be known."""
        return next(node.host for node in self.nodes if rank in node.ranks)

    def team(self, rank: int) -> tuple[int, ...]:
        """Return the ranks that evaluate together with one of them, the one that leads them first."""
        [worker] = (slot.worker for slot in self.gpus.slots if rank in slot.ranks)
        return tuple(chain.from_iterable(slot.ranks for slot in self.gpus.slots if slot.worker == worker))

    def team_leaders(self, workers: Sequence[int]) -> tuple[int, ...]:
        """Return those of some ranks that lead a team."""
        first = {team[0] for team in self.gpus.teams()}
        return tuple(rank for rank in workers if rank in first)

    # --- of a rank

    @property
    def leaders(self) -> tuple[int, ...]:
        """The ranks that search: the search rank, or the agents."""
        return tuple(group.leader for group in self.groups)

    @property
    def agents(self) -> tuple[int, ...]:
        """The ranks that search, where these are agents."""
        return self.leaders if self.has_agents else ()

    @property
    def workers(self) -> tuple[int, ...]:
        """The ranks that evaluate for others."""
        return tuple(chain.from_iterable(group.workers for group in self.groups))

    @property
    def evaluating(self) -> tuple[int, ...]:
        """The ranks whose cores evaluations use."""
        return self.workers or self.leaders

    @property
    def spare(self) -> tuple[int, ...]:
        """The ranks that have nothing to do."""
        busy = {COORDINATOR, *self.leaders, *self.workers}
        return tuple(rank for rank in range(self.size) if rank not in busy)

    def group_of(self, rank: int) -> tuple[int, ...]:
        """Return the leader and the workers of the group that a rank is in; nothing if it is in none."""
        return next(((leader, *workers) for leader, workers in self.groups if rank in (leader, *workers)), ())

    def threads(self, rank: int) -> int:
        """Return how many threads user code may have on a rank that evaluates; where the ranks are must be known."""
        return next(node.threads(self.evaluating)[rank] for node in self.nodes if rank in node.ranks)

    # --- as text

    def __str__(self) -> str:
        """Return the roles for people."""
        return self.sentence()

    def sentence(self, more: str = "") -> str:
        """Return the roles for people, with more about those that search or evaluate."""
        sentence = self._agents_sentence() if self.has_agents else self._search_sentence()
        parts = [sentence + more + self._nodes_sentence(), self.gpus.sentence]
        return "; ".join(filter(None, parts))

    def _nodes_sentence(self) -> str:
        if len(self.nodes) < 2:
            return ""
        fewest, *_, most = sorted(len(node.ranks) for node in self.nodes)
        each = f"{most} rank{'s' * (most > 1)} each" if fewest == most else f"{fewest} to {most} ranks"
        return f"; on {len(self.nodes)} nodes with {each}"

    def _search_sentence(self) -> str:
        workers = self.workers
        if not workers:
            return f"{'1 rank' if self.size == 1 else f'1 of {self.size} ranks'}, which searches"
        verb = "evaluates" if len(workers) == 1 else "evaluate"
        return f"{self.size} ranks: rank 0 searches, {_words(workers)} {verb}"

    def _agents_sentence(self) -> str:
        agents, num = self.leaders, len(self.groups)
        if self.has_server:
            roles = [f"rank 0 serves parameters; {_words(agents)} {'are agents' if num > 1 else 'is the agent'}"]
        elif num > 1:
            roles = [f"rank 0 coordinates; {_words(agents)} are agents"]
        else:
            roles = ["rank 0 coordinates, and is the agent"]
        if self.workers:
            pairs = [f"{_words(group.workers)} for {group.leader}" for group in self.groups]
            shown = pairs if num <= MOST_SHOWN else [*pairs[:2], "...", pairs[-1]]
            roles.append(f"evaluating: {'; '.join(shown)}")
        else:
            roles.append("each evaluates itself" if num > 1 else "it evaluates itself")
        return f"{self.size} rank{'s' if self.size > 1 else ''}: {'; '.join(roles)}"

    def as_json(self) -> dict[str, Any]:
        """Return the roles as a results file keeps them; ranks that follow each other are written as in `1-63`."""
        evaluating = frozenset(self.evaluating)
        return {
            "size": self.size,
            "has_agents": self.has_agents,
            "has_server": self.has_server,
            "groups": [{"leader": leader, "workers": in_short(workers)} for leader, workers in self.groups],
            "spare": in_short(self.spare),
            "nodes": [
                {
                    "host": node.host,
                    "ranks": in_short(node.ranks),
                    "threads": _by_number(node.threads(evaluating)),
                    "cores": _by_cores(node),
                }
                for node in self.nodes
            ],
            "gpus": self.gpus.as_json(),
            "teams": [in_short(team) for team in self.gpus.teams() if len(team) > 1],
        }


def _too_few(options: SlotOptions, num_agents: int, num_served: int) -> str:
    """Return what is wrong where not each agent has something that evaluates."""
    if options.gpus_per_eval is None:
        return (
            f"{option_name('ranks_per_eval')} must leave something to each of the {num_agents} agents, got "
            f"{options.ranks_per_eval} with ranks for {num_served}; give less, or fewer {option_name('agents')}"
        )
    return (
        f"{option_name('gpus_per_eval')} must leave something to each of the {num_agents} agents, got "
        f"{options.gpus_per_eval:g} with GPUs for {num_served}; give less, or fewer {option_name('agents')}"
    )


def _groups(leaders: Sequence[int], rest: Sequence[int]) -> tuple[Group, ...]:
    """Return groups that are as equal as can be: with 7 ranks for 3 leaders 3, 2 and 2, in order, which share nodes."""
    ends = [len(rest) * index // len(leaders) for index in range(len(leaders) + 1)]
    return tuple(Group(leader, tuple(rest[a:b])) for leader, (a, b) in zip(leaders, pairwise(ends), strict=True))


def _by_cores(node: ComputeNode) -> dict[str, str]:
    """Return which ranks may run on which cores, as JSON has it."""
    ranks: dict[int, list[int]] = {}
    for rank, mask in zip(node.ranks, node.masks, strict=True):
        ranks.setdefault(mask, []).append(rank)
    return {
        in_short(core for core in range(mask.bit_length()) if mask >> core & 1): in_short(ranks[mask]) for mask in ranks
    }


def _by_number(threads: Mapping[int, int]) -> dict[str, str]:
    """Return which ranks have how many threads, as JSON has it."""
    numbers = sorted(set(threads.values()))
    return {str(num): in_short([rank for rank in threads if threads[rank] == num]) for num in numbers}


def _words(ranks: Sequence[int]) -> str:
    """Return ranks for people; most follow each other."""
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    if ranks[-1] - ranks[0] == len(ranks) - 1:
        return f"ranks {ranks[0]} to {ranks[-1]}"
    return f"{len(ranks)} of ranks {ranks[0]} to {ranks[-1]}"
