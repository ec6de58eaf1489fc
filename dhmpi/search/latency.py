"""How long single calls take, in constant memory."""

import math

SHORTEST, BINS_PER_DECADE, NUM_BINS = 1e-6, 20, 200  # up to 10,000 s


class Latencies:
    """A histogram of times whose bins are 12 % wide."""

    def __init__(self) -> None:
        self._counts = [0] * NUM_BINS
        self._longest = 0.0
        self.num = 0

    def add(self, seconds: float) -> None:
        """Count a time."""
        number = math.ceil(BINS_PER_DECADE * math.log10(max(seconds, SHORTEST) / SHORTEST))
        self._counts[min(number, NUM_BINS - 1)] += 1
        self._longest = max(self._longest, seconds)
        self.num += 1

    def percentile(self, percent: float) -> float:
        """Return a time [s] that this share of the calls did not exceed, at most 12 % too long; 0 without any call."""
        wanted, passed = math.ceil(self.num * percent / 100), 0
        for number, count in enumerate(self._counts):
            passed += count
            if passed >= wanted:
                return min(SHORTEST * 10 ** (number / BINS_PER_DECADE), self._longest)
        return self._longest

    def summary(self) -> dict[str, float]:
        """Return the percentiles that are worth knowing [s]."""
        return {
            "ask_median": self.percentile(50),
            "ask_p90": self.percentile(90),
            "ask_p99": self.percentile(99),
            "ask_max": self._longest,
        }
