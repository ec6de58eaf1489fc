"""Layout of a search by agents: what each rank does."""

from itertools import pairwise
from typing import NamedTuple

from dhmpi.errors import OptionError, option_name

# So many groups are listed for people; of more, the first two and the last.
MOST_SHOWN = 4


class AgentLayout(NamedTuple):
    """The roles of all ranks, computed once; rank 0 keeps the books.

    Attributes:
        size: Number of ranks.
        agents: Ranks of the agents, in order.
        groups: The ranks that evaluate for each agent; none if it evaluates itself.
        has_server: Whether rank 0 is a parameter server, and no agent.
    """

    size: int
    agents: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    has_server: bool

    @classmethod
    def of(cls, size: int, num_agents: int | None, has_server: bool, groups_allowed: bool) -> "AgentLayout":
        """Give every rank its role.

        Args:
            size: Number of ranks.
            num_agents: Number of agents; by default as many as ranks can be.
            has_server: Whether rank 0 is a parameter server.
            groups_allowed: Whether ranks may evaluate for agents.

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
        rest = list(range(has_server + num, size))
        if rest and not groups_allowed:
            raise OptionError(
                f"{option_name('agents')} must be {room} on {size} ranks where agents do not evaluate on ranks, "
                f"got {num}; leave it out, or leave out {option_name('evaluator')}"
            )
        if 0 < len(rest) < num:
            raise OptionError(
                f"ranks that evaluate must be none, or at least one for each of the {num} agents, got {len(rest)}; "
                f"give {option_name('agents')} {room} or at most {room // 2}, or start more ranks"
            )
        # As equal as can be: with 7 ranks for 3 agents 3, 2 and 2, in consecutive ranks, which share nodes.
        ends = [len(rest) * index // num for index in range(num + 1)]
        groups = tuple(tuple(rest[start:end]) for start, end in pairwise(ends))
        return cls(size, tuple(range(has_server, has_server + num)), groups, has_server)

    def group_with(self, rank: int) -> tuple[int, ...]:
        """Return the agent and the ranks that evaluate for it, if a rank is one of these; else nothing."""
        groups = ((agent, *group) for agent, group in zip(self.agents, self.groups, strict=True))
        return next((group for group in groups if rank in group), ())

    def __str__(self) -> str:
        """Return the roles for people."""
        num = len(self.agents)
        if self.has_server:
            roles = [f"rank 0 serves parameters; {_ranks(self.agents)} {'are agents' if num > 1 else 'is the agent'}"]
        elif num > 1:
            roles = [f"rank 0 coordinates; {_ranks(self.agents)} are agents"]
        else:
            roles = ["rank 0 coordinates, and is the agent"]
        if self.groups[0]:
            pairs = [f"{_ranks(group)} for {agent}" for agent, group in zip(self.agents, self.groups, strict=True)]
            shown = pairs if num <= MOST_SHOWN else [*pairs[:2], "...", pairs[-1]]
            roles.append(f"evaluating: {'; '.join(shown)}")
        else:
            roles.append("each evaluates itself" if num > 1 else "it evaluates itself")
        return f"{self.size} rank{'s' if self.size > 1 else ''}: {'; '.join(roles)}"


def _ranks(ranks: tuple[int, ...]) -> str:
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
