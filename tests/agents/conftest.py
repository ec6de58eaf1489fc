import pytest
from contracts.wires import Wires


@pytest.fixture
def wires():
    return Wires
