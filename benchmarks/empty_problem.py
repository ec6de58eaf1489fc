"""The problem of dispatch.py: ten real dimensions and an objective that costs nothing."""

from dhmpi.benchmark import HpProblem

Problem = HpProblem()
for _index in range(10):
    Problem.add_dim(f"x{_index}", (0.0, 1.0))


def run(point: dict[str, float]) -> float:
    """Do nothing."""
    return 1.0
