"""Another name of mnist1D, the one in the documentation's table."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem"]
__getattr__ = exported(__name__, Problem="problem")
