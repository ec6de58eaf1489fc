import subprocess
import sys

import pytest
from contracts.nas import NasContract

from dhmpi import results
from dhmpi.evaluation import State
from dhmpi.search.nas.random import NasRandom

TABLE = {"problem": "dhmpi.benchmark.nas.table.Problem", "run": "dhmpi.benchmark.nas.table.run"}


class TestContract(NasContract):
    @pytest.fixture
    def make(self):
        return NasRandom


@pytest.fixture
def found(tmp_path):
    output = str(tmp_path / "results.h5")
    NasRandom(**TABLE, max_evals=30, isolation="inline", quiet=True, output=output).main()
    return results.read(output)


def test_a_campaign_on_one_rank(found):
    assert len(found.evaluations) == 30
    assert {each.state for each in found.evaluations} == {State.DONE}
    assert found.metadata.maximises
    # Objectives are minus the rewards, which lie between 0 and 1 here.
    assert all(-1 <= each.objective <= 0 for each in found.evaluations)
    assert found.best.objective == min(each.objective for each in found.evaluations)


def test_a_large_space_is_not_counted():
    search = NasRandom(**TABLE)
    assert search.space.size == 13**12 * 9
    assert len(search.ask(2000)) == 2000


@pytest.mark.launcher
def test_under_mpirun_with_its_module(tmp_path):
    words = [sys.executable, "-m", "dhmpi.search.nas.random", "--max-evals", "40", "--output", "nas.h5", "--quiet"]
    words += ["--problem", TABLE["problem"], "--run", TABLE["run"]]
    done = subprocess.run(
        ["timeout", "60", "mpirun", "-n", "3", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "best reward 0." in done.stdout
    found = results.read(tmp_path / "nas.h5")
    assert len(found.evaluations) == 40
    assert {each.rank for each in found.evaluations} == {1, 2}
