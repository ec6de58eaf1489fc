"""Parts of the ranks that evaluate together, and the ports by which they find each other."""

import itertools
import random
import socket
from collections import Counter
from collections.abc import Iterator, Sequence

from dhmpi.support.place import GroupPart

# Ports that no connection gets by itself, of which the groups of a node have parts of their own.
FIRST_PORT, LAST_PORT, PORTS_OF_RANK = 15_000, 32_000, 100


def parts_of(hosts: Sequence[str]) -> list[GroupPart]:
    """Return the parts of ranks, as far as they are the same in all evaluations; of addresses only their own host.

    Args:
        hosts: The host of each rank.
    """
    sizes, seen = Counter(hosts), Counter[str]()
    parts = []
    for rank, host in enumerate(hosts):
        # A host need not know its own name.
        address = "localhost" if len(sizes) == 1 else host
        parts.append(GroupPart(rank, len(hosts), seen[host], sizes[host], [address]))
        seen[host] += 1
    return parts


def free_ports(number: int) -> Iterator[int]:
    """Yield ports that nobody listens on, as far as this host knows; each comes again only after all others.

    Args:
        number: Number of the rank on its node; each has ports of its own.
    """
    num_parts = (LAST_PORT - FIRST_PORT) // PORTS_OF_RANK
    first = FIRST_PORT + number % num_parts * PORTS_OF_RANK
    ports = list(range(first, first + PORTS_OF_RANK))
    # Another job on this node may have begun with the same one.
    start = random.SystemRandom().randrange(PORTS_OF_RANK)
    for port in itertools.cycle(ports[start:] + ports[:start]):
        with socket.socket() as tried:
            try:
                tried.bind(("", port))
            except OSError:
                continue
        yield port
