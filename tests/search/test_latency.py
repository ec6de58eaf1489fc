import pytest

from dhmpi.search.latency import NUM_KEPT, Latencies


def test_percentiles_are_exact():
    latencies = Latencies()
    times = [1e-6 * 1.07**power for power in range(200)]
    for seconds in reversed(times):
        latencies.add(seconds)
    for percent in (1, 50, 90, 99):
        assert latencies.percentile(percent) == times[percent * 2 - 1]
    assert latencies.summary()["ask_max"] == max(times)


def test_percentiles_are_those_of_the_latest_calls():
    latencies = Latencies()
    latencies.add(7.0)
    for _ in range(NUM_KEPT):
        latencies.add(1.0)
    assert latencies.summary() == {"ask_median": 1.0, "ask_p90": 1.0, "ask_p99": 1.0, "ask_max": 7.0}
    assert latencies.num == NUM_KEPT + 1


def test_nothing_takes_no_time():
    assert Latencies().percentile(50) == 0.0
    assert Latencies().summary() == {}


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_the_shortest_and_the_longest_times_are_counted_too(seconds):
    latencies = Latencies()
    latencies.add(seconds)
    assert (latencies.num, latencies.percentile(50)) == (1, seconds)
