"""What user code finds out about its worker and its GPUs; variables stand in for GPUs, since there is none here."""

import os

import pytest
from contracts.evaluator import collect

from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import create
from dhmpi.evaluator.factory import make
from dhmpi.execution.executor import Setup
from dhmpi.support.resources import SlotOptions

CUDA = "CUDA_VISIBLE_DEVICES"
RUN = """
import os
AT_IMPORT = os.environ.get("CUDA_VISIBLE_DEVICES")

def run(point, context):
    names = "DHMPI_WORKER", "DHMPI_LOCAL_RANK", "DHMPI_GPUS", "CUDA_VISIBLE_DEVICES"
    numbers = context.worker, context.rank, context.local_rank, context.size
    found = {name: os.environ.get(name) for name in names} | {"numbers": numbers, "gpus": context.gpus}
    return found | {"objective": 0.0, "import": AT_IMPORT, "cores": context.cores}
"""


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Evaluate a point on each worker, and return what was found there, by worker."""
    (tmp_path / "module_of_gpus.py").write_text(RUN)
    monkeypatch.setenv(CUDA, "4,5,6,7")

    def found(method, num_workers=None, isolation=None, run=f"{tmp_path}/module_of_gpus.py:run", **options):
        setup = Setup(run, None, str(tmp_path / "files"), slot=SlotOptions(**options))
        evaluator = make(method, setup, num_workers, isolation)
        try:
            evaluator.start()
            for id in range(evaluator.num_workers):
                evaluator.submit(Evaluation(id, {"x": 0.0}))
            ended = collect(evaluator, evaluator.num_workers)
        finally:
            evaluator.shutdown()
        assert [each.error for each in ended if each.state is not State.DONE] == []
        return {each.rank: each.extra for each in ended}

    return found


@pytest.mark.parametrize("method", ["processPool", "subprocess"])
def test_each_worker_of_a_pool_has_gpus_of_its_own(evaluated, method):
    found = evaluated(method, 2)
    for worker, gpus in ((0, ["4", "5"]), (1, ["6", "7"])):
        extra = found[worker]
        assert extra["numbers"] == [worker, worker, worker, 2]
        assert extra["gpus"] == gpus
        assert extra[CUDA] == extra["import"] == extra["DHMPI_GPUS"] == ",".join(gpus)
        assert extra["DHMPI_WORKER"] == extra["DHMPI_LOCAL_RANK"] == str(worker)
        assert extra["cores"] == sorted(os.sched_getaffinity(0))


@pytest.mark.parametrize("isolation", ["inline", "process"])
def test_a_single_worker_has_what_it_asks_for(evaluated, isolation):
    [found] = evaluated("serial", isolation=isolation, gpus_per_eval=3.0).values()
    assert found[CUDA] == found["import"] == found["DHMPI_GPUS"] == "4,5,6"


def test_a_process_has_its_environment_back(evaluated):
    evaluated("serial", isolation="inline", gpus_per_eval=1.0)
    assert os.environ[CUDA] == "4,5,6,7"
    assert "DHMPI_GPUS" not in os.environ


def test_a_pool_has_as_many_workers_as_find_gpus(evaluated):
    found = evaluated("processPool", gpus_per_eval=2.0)
    assert {rank: extra["gpus"] for rank, extra in found.items()} == {0: ["4", "5"], 1: ["6", "7"]}


def test_a_pool_with_more_workers_is_refused(evaluated):
    with pytest.raises(OptionError, match="must be at most 4 with 1 of 4 GPUs for each, got 5"):
        evaluated("processPool", 5, gpus_per_eval=1.0)


def test_threads_know_the_gpus_that_they_share(evaluated):
    found = evaluated("threadPool", 2)
    assert [(extra["numbers"][0], extra["gpus"]) for _, extra in sorted(found.items())] == [
        (0, ["4", "5", "6", "7"]),
        (1, ["4", "5", "6", "7"]),
    ]


@pytest.mark.parametrize("method", ["threadPool", "balsam"])
def test_where_gpus_cannot_be_dealt_out_they_are_refused(method, tmp_path):
    setup = Setup("math:sqrt", None, str(tmp_path), slot=SlotOptions(gpus_per_eval=1.0))
    with pytest.raises(OptionError, match=f"must be left out with {method}, .* got 1; give evaluator processPool"):
        make(method, setup, 1)


@pytest.mark.parametrize("method", ["serial", "subprocess"])
def test_programs_find_it_in_their_environment(evaluated, tmp_path, method):
    script = tmp_path / "train.sh"
    words = "$DHMPI_WORKER:$DHMPI_LOCAL_RANK:$DHMPI_GPUS:$CUDA_VISIBLE_DEVICES"
    script.write_text(f'#!/bin/sh\necho "{words}" > {tmp_path}/seen-$DHMPI_WORKER\necho DH-OUTPUT: 1\n')
    script.chmod(0o755)
    evaluated(method, 1, run=f"exec:{script}", gpus_per_eval=1.0)
    assert (tmp_path / "seen-0").read_text() == "0:0:4:4\n"


def test_evaluators_that_are_driven_by_hand_have_the_options(tmp_path, monkeypatch):
    monkeypatch.setenv(CUDA, "1,2")
    path = tmp_path / "module_by_hand.py"
    path.write_text(RUN)
    files = str(tmp_path / "files")
    evaluator = create(f"{path}:run", method="processPool", num_workers=2, files=files, gpus_per_eval=1)
    try:
        evaluator.add_eval({"x": 0.0})
        [(_, objective)] = evaluator.await_evals([{"x": 0.0}])
        assert objective == 0.0
    finally:
        evaluator.shutdown()
    for value in (1.5, -1, "many"):
        with pytest.raises(OptionError, match="gpus_per_eval must be a"):
            create(f"{path}:run", method="processPool", files=files, gpus_per_eval=value)
