"""Three-hump camel function with a penalty, minimised; optimum 0 at the origin without penalty."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "run"]
__getattr__ = exported(__name__, Problem="problem", run="three_hump_camel")
