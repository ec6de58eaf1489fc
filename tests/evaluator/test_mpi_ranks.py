import subprocess
import sys


def test_a_worker_rank_that_breaks_down_says_why_though_its_output_is_the_evaluations(tmp_path):
    code = f"""
from dhmpi.evaluator import mpi_ranks as ranks
from dhmpi.execution.executor import Setup
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.evaluator.mpi_protocol import WorkerEnd

class Broken:
    def send(self, *message): pass
    def receive(self): raise RuntimeError("the network is down")

executor = InlineExecutor(Setup(abs, None, {str(tmp_path)!r}), lambda target: target, redirect=True)
ranks.serve(WorkerEnd(Broken(), executor))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "RuntimeError: the network is down" in done.stderr
