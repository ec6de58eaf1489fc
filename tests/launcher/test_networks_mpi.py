"""Searches that train a documented network: on Fashion-MNIST, or on synthetic digits where that is not installed."""

import pytest

from dhmpi import results
from dhmpi.benchmark.datasets.mnist import FASHION_DIRECTORY

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(300)]
SOURCE = "fashion" if FASHION_DIRECTORY.is_dir() else "synthetic"
NARROW = """\
from dhmpi.benchmark.hps.mnistmlp import Problem as documented, run
from dhmpi.benchmark.hps.network_problem import NetworkProblem

Problem = NetworkProblem()
Problem.add_dim("epochs", (1, 2), 1)
Problem.add_dim("nhidden", (1, 2), 1)
Problem.add_dim("nunits", (4, 32), 16)
Problem.add_network_dims()
for problem in (documented, Problem):  # as people do it
    problem.add_dim("num_samples", [100], 100)
"""


def test_ambs_and_ga_train_networks(launch, tmp_path):
    name = "dhmpi.benchmark.hps.mnistmlp"
    words = ["--problem", f"{name}.Problem", "--run", f"{name}.run", "--max-evals", "1", "--output", "ambs.h5"]
    job = launch("ambs", *words, ranks=3, DHMPI_DATA=str(tmp_path))
    assert job.wait(100) == 2
    assert f"mnist.npz must be in {tmp_path}, got none" in job.stderr
    assert not (tmp_path / "ambs.h5").exists()

    (tmp_path / "narrow.py").write_text(NARROW)
    words = ["--problem", "narrow.py", "--output"]
    jobs = [
        launch(search, *words, f"{search}.h5", "--max-evals", "2", ranks=2, DHMPI_DATA=SOURCE)
        for search in ("ambs", "ga")
    ]
    for job, output in zip(jobs, ("ambs.h5", "ga.h5"), strict=True):
        assert job.wait(150) == 0, job.stderr
        found = results.read(tmp_path / output)
        assert [each.state for each in found.evaluations] == ["DONE"] * 2
        assert all(-1 <= each.objective <= 0 <= each.extra["test_accuracy"] <= 1 for each in found.evaluations)
        assert {each.extra["data_source"] for each in found.evaluations} == {SOURCE}
