import random

import pytest

from dhmpi.search.stopping.sorted_values import SortedValues


def test_is_a_sorted_list():
    rng, values, plain = random.Random(1), SortedValues(), []
    for _ in range(6000):
        if plain and rng.random() < 0.2:
            value = rng.choice(plain)
            plain.remove(value)
            values.remove(value)
        else:
            value = rng.choice([rng.random(), rng.randrange(5), float("inf")])
            plain.append(value)
            values.add(value)
    assert [values[rank] for rank in range(len(values))] == sorted(plain)
    for value in sorted(plain):
        values.remove(value)
    assert len(values) == 0
    with pytest.raises(IndexError):
        values[0]
