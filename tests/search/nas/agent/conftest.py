"""Agents without ranks: what they say to each other stays in memory."""

import random
from collections import deque

import numpy as np
import pytest

from dhmpi.search.nas.agent.update import Pool, Share, Stepped, UpdateStep


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


def drive(updating, after=None, scale=None):
    """Answer what an update asks for, as if there were no other agents.

    Args:
        updating: The update.
        after: Returns the parameters after a step, or what a `UpdateStep` is answered with.
        scale: The rewards of all agents; those of the batch by default.

    Returns:
        The steps that were asked for, and the figures.
    """
    steps = []
    try:
        request = next(updating)
        while True:
            if isinstance(request, Share):
                answer = scale or request.scale
            elif isinstance(request, Pool):
                answer = request.moments
            else:
                assert isinstance(request, UpdateStep)
                steps.append(request)
                answer = after(request)
                if isinstance(answer, np.ndarray):
                    answer = Stepped(answer, len(steps), 1.0)
            request = updating.send(answer)
    except StopIteration as end:
        return steps, end.value


@pytest.fixture(name="drive")
def the_driver():
    return drive


@pytest.fixture
def wires():
    return Wires
