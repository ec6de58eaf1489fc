import numpy as np
import pytest

from dhmpi.search.hps.surrogate.box import Box, Frame
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.space.space import Space

MIXED = Space.from_specs({"x": (0.0, 1.0), "n": (1, 5), "kind": ["a", "b", "c"], "constant": ["z"], "y": (1.0, 4.0)})


def test_in_a_frame_the_box_reaches_from_minus_one_to_one():
    encoding = Encoding(MIXED)
    box = Box(np.array([0.5, 0.5, 0.5, 0.5, 0.25]), np.array([0.1, 0.5, 1.0, 1.0, 0.05]))
    rows = encoding.rows(np.array([[0.4, 0.5, 0.1, 0.5, 0.3], [0.6, 0.5, 0.9, 0.5, 0.2]]))
    framed = Frame(encoding, box).rows(rows)
    assert framed[:, 0] == pytest.approx([-1, 1])
    assert framed[:, -1] == pytest.approx([1, -1])
    # Whatever the box, two categories that differ are at the distance 1.
    assert np.linalg.norm(framed[0, 2:5] - framed[1, 2:5]) == pytest.approx(1)
