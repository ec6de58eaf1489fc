import pytest
from contracts.stopper import StopperContract

from dhmpi.search.stopping.auto_stopper import AutoStopper


class TestContract(StopperContract):
    @pytest.fixture
    def make(self):
        return make


def make(min_steps=None, max_steps=None):
    return AutoStopper(0.25, min_steps, max_steps)
