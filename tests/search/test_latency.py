import pytest

from dhmpi.search.latency import Latencies


def test_percentiles_are_at_most_an_eighth_too_long():
    latencies = Latencies()
    times = [1e-6 * 1.07**power for power in range(200)]
    for seconds in times:
        latencies.add(seconds)
    for percent in (1, 50, 90, 99):
        exact = sorted(times)[percent * 2 - 1]
        assert exact <= latencies.percentile(percent) * (1 + 1e-9)
        assert latencies.percentile(percent) <= exact * 1.1221
    assert latencies.summary()["ask_max"] == max(times)


def test_nothing_takes_no_time():
    assert set(Latencies().summary().values()) == {0.0}


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e9])
def test_the_shortest_and_the_longest_times_are_counted_too(seconds):
    latencies = Latencies()
    latencies.add(seconds)
    assert latencies.num == 1
    assert latencies.percentile(50) == pytest.approx(min(max(seconds, 0.0), 1e4), rel=0.12)
