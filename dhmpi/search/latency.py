"""Latencies of single calls, in constant memory."""

import math
from collections import deque

# Percentiles are those of so many calls, the latest ones.
NUM_KEPT = 10_000


class Latencies:
    """Latencies of calls: percentiles of the latest ones, and the longest of all."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=NUM_KEPT)
        self._longest = 0.0
        self.num = 0

    def add(self, seconds: float) -> None:
        """Add the latency of a call [s]."""
        self._latest.append(seconds)
        self._longest = max(self._longest, seconds)
        self.num += 1

    def percentile(self, percent: float) -> float:
        """Return the time [s] that this share of the latest calls did not exceed; 0 without any call."""
        if not self._latest:
            return 0.0
        wanted = math.ceil(len(self._latest) * percent / 100)
        return sorted(self._latest)[max(wanted, 1) - 1]

    def summary(self) -> dict[str, float]:
        """Return the percentiles that are worth knowing [s]; nothing without any call."""
        if not self._latest:
            return {}
        return {
            "ask_median": self.percentile(50),
            "ask_p90": self.percentile(90),
            "ask_p99": self.percentile(99),
            "ask_max": self._longest,
        }
