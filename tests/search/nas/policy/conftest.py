"""What updates ask for is answered in memory."""

import numpy as np
import pytest
from contracts.wires import Wires

from dhmpi.search.nas.policy.update import Pool, Share, Stepped, UpdateStep


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
