"""Records of a campaign, as fixtures."""

import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata


@pytest.fixture
def metadata():
    space = {
        "x": (0.0, 1.0),
        "n": (1, 9),
        "act": ["relu", None, True, 3, 0.5],
        "name": ["é", "b"],
        "flag": [True, False],
    }
    return Metadata("ambs", "pkg.Problem", space, {"num": 3}, 42, 1000.0, "0.1.0", ["dhmpi", "ambs"], [], {}, False)


@pytest.fixture
def running():
    choices = ["relu", None, True, 3, 0.5]

    def make(number):
        point = {"x": number / 7, "n": number % 9 + 1, "act": choices[number % 5], "name": "é", "flag": number % 2 == 0}
        return Evaluation(number, point, state=State.RUNNING, submitted=1000.0 + number)

    return make


@pytest.fixture
def ended(running):
    def make(number, state=State.DONE, **fields):
        objective = number**0.5 if state is State.DONE else None
        times = {"started": 1001.0 + number, "ended": 1003.0 + number, "rank": 1 + number % 3, "host": "nid0"}
        return running(number)._replace(**{"objective": objective, "state": state, **times, **fields})

    return make
