"""Messages between agents in memory, without ranks."""

import random
from collections import deque


class Wires:
    """Messages between agents: in order from one to another, as with MPI; all else as chance has it.

    Args:
        seed: Of that chance.
    """

    def __init__(self, seed=0):
        self.rng = random.Random(seed)
        self.num_sent = 0
        self._queues = {}

    def sender(self, source):
        def send(destination, kind, payload):
            assert isinstance(payload, bytes)
            self.num_sent += 1
            self._queues.setdefault((source, destination), deque()).append((kind, payload))

        return send

    def deliver(self, ends):
        """Deliver one message to one of the ends, by rank; return whether there was one."""
        pairs = [pair for pair, queue in self._queues.items() if queue]
        if not pairs:
            return False
        source, destination = self.rng.choice(pairs)
        ends[destination].take(source, *self._queues[source, destination].popleft())
        return True
