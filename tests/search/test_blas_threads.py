import os
import subprocess
import sys

import pytest

from dhmpi.support.environment import num_cores

PROGRAM = """
import numpy as np
from threadpoolctl import threadpool_info

from dhmpi.benchmark.hps.rosen2.problem import Problem
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.surrogate.background import Background

def threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

before, background = threads(), Background()
AMBS(Problem, learner=LEARNER)
print(*before, *threads(), *background.submit(threads).result())
"""


@pytest.mark.parametrize("learner", ["auto", "GP"])
def test_blas_uses_one_thread_for_proposals_and_refits(learner):
    """Otherwise its threads spin while evaluations want the cores: an ask of 30 ms takes 300."""
    program = f"LEARNER = {learner!r}\n{PROGRAM}"
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(min(2, num_cores())), "1", "1"], done.stderr
