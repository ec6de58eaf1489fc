import subprocess
import sys

from contracts.evaluator import collect, drive

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import Evaluator, HandDrivenEvaluator
from dhmpi.execution.runner import Outcome


class Least(Evaluator):
    """What a new evaluator must have, and no more; the objective is x."""

    num_workers = 2

    def __init__(self):
        super().__init__()
        self.tasks = []

    def _submit(self, task):
        self.tasks.append(task)

    def _gather(self, timeout):
        tasks, self.tasks = self.tasks, []
        return [self._conclude(Outcome(each.id, State.DONE, each.point["x"], 1.0, 2.0), 0, "here") for each in tasks]

    def _cancel(self, timeout):
        self.tasks.clear()
        return self._give_up(self._pending, State.CANCELLED)


def test_the_least_is_enough():
    evaluator = Least()
    evaluator.start()
    assert evaluator.layout == "1 rank, which searches; Least evaluates with 2 workers"
    assert (evaluator.num_idle, evaluator.hosts()) == (2, [])
    assert [each.objective for each in drive(evaluator, [{"x": float(x)} for x in range(5)])] == [0, 1, 2, 3, 4]
    evaluator.submit(Evaluation(7, {"x": 1.0}))
    assert (evaluator.num_idle, evaluator.num_pending) == (1, 1)
    assert [each.state for each in evaluator.cancel(1.0)] == [State.CANCELLED]
    evaluator.shutdown()


def test_the_least_can_be_driven_by_hand():
    with HandDrivenEvaluator(Least()) as by_hand:
        by_hand.add_eval_batch({"x": float(x)} for x in range(5))
        assert list(by_hand.await_evals([{"x": 3.0}, {"x": 0.0}])) == [({"x": 3.0}, 3.0), ({"x": 0.0}, 0.0)]


def test_four_members_are_what_a_new_evaluator_must_have():
    assert Evaluator.__abstractmethods__ == {"num_workers", "_submit", "_gather", "_cancel"}
    assert not hasattr(Evaluator, "add_eval")


def test_equal_points_are_evaluated_once_for_searches_too():
    """They get what drives it, and the evaluator keeps what equal points have in common."""
    evaluator = HandDrivenEvaluator(Least(), lambda point: point["x"] // 10).evaluator
    evaluator.submit(Evaluation(0, {"x": 11.0}))
    evaluator.submit(Evaluation(1, {"x": 12.0}))
    assert len(evaluator.tasks) == 1
    assert [each.objective for each in collect(evaluator, 2)] == [11.0, 11.0]


def test_scripts_and_the_interpreters_that_import_them_need_little():
    code = "import sys; from dhmpi.evaluator import Evaluator, HandDrivenEvaluator; print(*sys.modules)"
    names = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    unneeded = {"dhmpi.evaluator.factory", "dhmpi.execution.executor", "dhmpi.mpi.comm", "subprocess", "concurrent"}
    assert not unneeded.intersection(names)
