import time
from pathlib import Path

import pytest
from contracts.evaluator import EvaluatorContract, StoppableEvaluatorContract, collect, evaluate

from dhmpi.errors import LoadError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import SerialEvaluator
from dhmpi.evaluator.child import ChildExecutor
from dhmpi.evaluator.executor import InlineExecutor, Setup
from dhmpi.loader import load_run

BEHAVE = str(Path(__file__).parents[1] / "contracts" / "behaviour.py") + ":behave"


@pytest.fixture
def files(tmp_path):
    return tmp_path / "results.h5.files"


def started(executor):
    evaluator = SerialEvaluator(executor)
    evaluator.start()
    return evaluator


class TestInline(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, files):
        evaluator = started(InlineExecutor(Setup(BEHAVE, 1.0, str(files)), load_run))
        yield evaluator
        evaluator.shutdown()

    def test_a_time_out_ends_python_code(self, evaluator):
        found = evaluate(evaluator, do="sleep", value=60)
        assert (found.state, found.error) == (State.TIMEOUT, "ran longer than 1 s")

    def test_what_has_not_begun_is_cancelled(self, evaluator):
        evaluator.submit(Evaluation(0, {"do": "return", "value": 1.0}))
        assert [each.state for each in evaluator.cancel(5.0)] == [State.CANCELLED]
        assert evaluate(evaluator, do="return", value=1.0).state is State.DONE

    def test_functions_need_no_name(self, files):
        evaluator = started(InlineExecutor(Setup(lambda point: point["x"], None, str(files)), load_run))
        assert evaluate(evaluator, x=3).objective == 3.0


class TestProcess(StoppableEvaluatorContract):
    @pytest.fixture
    def evaluator(self, files):
        evaluator = started(ChildExecutor(Setup(BEHAVE, 1.0, str(files))))
        yield evaluator
        evaluator.shutdown()

    def test_a_function_that_cannot_be_loaded_is_said_at_the_start(self, files):
        evaluator = SerialEvaluator(ChildExecutor(Setup("math.no_such_function", None, str(files))))
        with pytest.raises(LoadError, match="no_such_function"):
            evaluator.start()
        evaluator.shutdown()

    def test_a_module_that_kills_its_process_is_said_at_the_start(self, tmp_path, files):
        (tmp_path / "deadly.py").write_text("import os\nprint('last words', flush=True)\nos._exit(9)\n")
        evaluator = SerialEvaluator(ChildExecutor(Setup(str(tmp_path / "deadly.py"), None, str(files))))
        with pytest.raises(LoadError, match="exit status 9") as caught:
            evaluator.start()
        assert "last words" in caught.value.details
        evaluator.shutdown()

    def test_the_child_does_not_take_itself_for_a_rank(self, files, monkeypatch, tmp_path):
        monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
        monkeypatch.setenv("PMI_RANK", "1")
        (tmp_path / "look.py").write_text(
            "import os\ndef run(point):\n    return {'objective': 0, 'env': sorted(os.environ)}\n"
        )
        evaluator = started(ChildExecutor(Setup(str(tmp_path / "look.py"), None, str(files))))
        names = evaluate(evaluator, x=1).extra["env"]
        evaluator.shutdown()
        assert not [name for name in names if name.startswith(("OMPI_COMM", "PMI_"))]
        assert "OMP_NUM_THREADS" in names

    def test_siblings_of_the_run_function_are_importable(self, files, tmp_path):
        (tmp_path / "a_sibling.py").write_text("VALUE = 4.0\n")
        (tmp_path / "with_sibling.py").write_text("import a_sibling\ndef run(point):\n    return a_sibling.VALUE\n")
        evaluator = started(ChildExecutor(Setup(str(tmp_path / "with_sibling.py"), None, str(files))))
        assert evaluate(evaluator, x=1).objective == 4.0
        evaluator.shutdown()

    def test_several_tasks_at_once_blame_the_right_one(self, files):
        """Short evaluations travel in batches; a crash among them must cost no other."""
        executor = ChildExecutor(Setup(BEHAVE, 1.0, str(files)))
        evaluator = started(executor)
        from dhmpi.evaluator.runner import Task

        points = [{"do": "return", "value": 1.0}, {"do": "kill"}, {"do": "sleep", "value": 60}, {"do": "pid"}]
        executor.submit([Task(id, point, 0) for id, point in enumerate(points)])
        outcomes, end = [], time.monotonic() + 20
        while len(outcomes) < 4 and time.monotonic() < end:
            outcomes += executor.poll(0.5)
        assert [(each.id, each.state) for each in outcomes] == [
            (0, State.DONE),
            (1, State.FAILED),
            (2, State.TIMEOUT),
            (3, State.DONE),
        ]
        evaluator.shutdown()

    def test_loading_takes_nothing_from_the_time_limit(self, tmp_path, files):
        (tmp_path / "slow_import.py").write_text("import time\ntime.sleep(1.5)\ndef run(point):\n    return 1.0\n")
        evaluator = started(ChildExecutor(Setup(str(tmp_path / "slow_import.py"), 1.0, str(files))))
        evaluator.submit(Evaluation(0, {"x": 1}))
        assert collect(evaluator, 1)[0].state is State.DONE
        evaluator.shutdown()
