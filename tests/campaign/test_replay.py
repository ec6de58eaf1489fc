import dataclasses
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from dhmpi import results
from dhmpi.campaign.replay import first_difference
from dhmpi.cli import main
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Report, State
from dhmpi.results import report_log
from dhmpi.results.report_log import ReportLog
from dhmpi.search.hps.surrogate.course_history import CourseHistory
from dhmpi.search.registry import find

BENCHMARKS = {"nas-random": "dhmpi.benchmark.nas.table", "default": "dhmpi.benchmark.hps.polynome2"}


def words(search, num, output, *more):
    name = BENCHMARKS.get(search, BENCHMARKS["default"])
    target = ["--problem", f"{name}.Problem", "--run", f"{name}.run"]
    options = ["--max-evals", str(num), "--output", str(output), "--quiet", "--isolation", "inline"]
    return [search, *target, *options, *more]


@pytest.fixture
def output(tmp_path):
    return tmp_path / "results.h5"


@pytest.mark.parametrize(
    ("search", "options"),
    [
        ("ambs", ["--learner", "RF", "--kappa", "0.5"]),
        ("ambs", ["--learner", "DUMMY"]),
        ("ga", ["--population-size", "8"]),
        ("hps-random", []),
        ("nas-random", []),
    ],
)
def test_a_campaign_is_repeated(output, capsys, search, options):
    assert main(words(search, 20, output, *options)) == 0
    assert main(words(search, 30, output, *options, "--resume")) == 0
    capsys.readouterr()
    assert main(["check", str(output)]) == 0
    assert capsys.readouterr().out == f"the same: {search} proposes all 30 points again\n"


BELIEVED = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("rate", (1e-5, 1e-1, "log-uniform"), 1e-4, prior=("normal", 1e-3, 0.5))
Problem.add_dim("kind", ["a", "b", (1, 2)], "b", prior={"a": 6, "b": 3, (1, 2): 1})
Problem.add_dim("layers", (1, 9), 2, prior=("normal", 3, 1))
Problem.add_condition("layers", when="kind != 'a'")


def run(point):
    return abs(point["rate"] - 1e-3) + len(str(point["kind"])) + abs(point.get("layers", 5) - 4)
"""


@pytest.mark.parametrize(
    ("search", "options"),
    [("ambs", []), ("ambs", ["--learner", "RF"]), ("ambs", ["--learner", "GP"]), ("ga", []), ("hps-random", [])],
)
def test_beliefs_are_in_the_file(output, tmp_path, capsys, search, options):
    """All of them are needed to repeat a campaign, and a run that goes on must have the same ones."""
    problem = tmp_path / "believed.py"
    problem.write_text(BELIEVED)
    command = [search, "--problem", str(problem), "--output", str(output), "--quiet", "--isolation", "inline", *options]
    assert main([*command, "--max-evals", "16"]) == 0
    assert main([*command, "--max-evals", "24", "--resume"]) == 0
    capsys.readouterr()
    other = tmp_path / "otherwise.py"
    other.write_text(BELIEVED.replace("1e-3, 0.5", "1e-3, 0.6"))
    assert main([*command, "--problem", str(other), "--max-evals", "30", "--resume"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "prior of dimension 'rate' must be {'normal': [0.001, 0.5]} as in the file, got {'normal': [0.001" in line
    problem.unlink()
    assert main(["check", str(output)]) == 0
    assert capsys.readouterr().out == f"the same: {search} proposes all 24 points again\n"


@pytest.mark.parametrize("search", ["ambs", "ga", "hps-random"])
def test_given_points_are_in_the_file(output, tmp_path, capsys, search):
    """Those of a later run, too, and although the list of them is gone."""
    points = tmp_path / "points.csv"
    points.write_text("e0,e1\n2,3\n4,5\n")
    assert main(words(search, 8, output, "--points", str(points))) == 0
    points.write_text("e0,e1\n4,5\n2,3\n6,7\n")
    assert main(words(search, 16, output, "--points", str(points), "--resume")) == 0
    points.unlink()
    origins = [each.origin.model for each in results.read(output).evaluations]
    assert [id for id, model in enumerate(origins) if model == "given"] == [1, 2, 8]
    capsys.readouterr()
    assert main(["check", str(output)]) == 0
    assert capsys.readouterr().out == f"the same: {search} proposes all 16 points again\n"


@pytest.mark.parametrize("learner", ["auto", "RF"])
@pytest.mark.parametrize(("num", "num_first"), [(10, 20), (14, 10)])
def test_a_short_campaign_that_is_made_longer_goes_on_with_its_model(output, capsys, num, num_first, learner):
    """The first model of a long one knows more results, if the short one has not come to its own."""
    package = "dhmpi.benchmark.hps.rosen30"
    command = ["ambs", "--problem", f"{package}.Problem", "--run", f"{package}.run", "--learner", learner, "--quiet"]
    command += ["--output", str(output), "--isolation", "inline", "--max-evals"]
    assert main([*command, str(num)]) == 0
    assert main([*command, "60", "--resume"]) == 0
    fitted = [each.origin.fitted for each in results.read(output).evaluations]
    assert not any(fitted[:num_first])
    assert all(fitted[num_first:])
    capsys.readouterr()
    assert main(["check", str(output)]) == 0
    assert capsys.readouterr().out == "the same: ambs proposes all 60 points again\n"


@pytest.mark.launcher
@pytest.mark.timeout(180)
@pytest.mark.parametrize("learner", ["auto", "RF"])
def test_a_campaign_of_several_workers_is_repeated_though_time_decides(output, learner, capsys):
    """As in the README's first command: evaluations take no time, and yet all points come from a model."""
    env = dict(os.environ, PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe")
    if os.getuid() == 0:
        env |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    mpirun = str(Path(sys.executable).with_name("mpirun"))
    for num, more in ((40, ()), (70, ("--resume",))):
        command = [mpirun, "-n", "4", sys.executable, "-m", "dhmpi", *words("ambs", num, output, *more)]
        subprocess.run([*command, "--learner", learner], env=env, check=True, timeout=80, capture_output=True)
    assert main(["check", str(output)]) == 0
    assert capsys.readouterr().out == "the same: ambs proposes all 70 points again\n"
    use = results.model_use(results.read(output).columns)
    assert use.num_points >= 50
    assert use.num_without == 0
    assert use.largest_age <= 7
    assert results.read(output).best.objective < -700  # random search finds -651


def test_the_first_point_that_differs_is_named(output, capsys):
    main(words("ambs", 20, output, "--learner", "RF"))
    with h5py.File(output, "r+") as file:
        dataset = file["evaluations/point/e3"]
        changed = 5 if dataset[16] != 5 else 4
        before, dataset[16] = dataset[16], changed
    capsys.readouterr()
    assert main(["check", str(output)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "evaluation 16 differs (RF; 16 results known, 16 in the model):"
    assert f"  e3  {changed} in the file, {before} now" in lines


def test_a_file_that_does_not_say_how_points_were_chosen_is_refused(output, capsys):
    main(words("ambs", 3, output))
    with h5py.File(output, "r+") as file:
        del file["evaluations/origin"], file["evaluations/order"]
    with pytest.raises(
        ResultsError, match=r"the file must say how its points were chosen, got one of dhmpi 0\.1\.0 that"
    ):
        first_difference(results.read(output))


def test_a_campaign_of_agents_is_refused(output):
    metadata = results.Metadata("ppo-async", "dhmpi.benchmark.nas.table.Problem", {}, maximises=True)
    with pytest.raises(ResultsError, match=r"a search without agents must have written the file .* got ppo-async"):
        first_difference(results.Results.of(metadata, []))


def test_the_starting_point_comes_from_the_file(output):
    search = find("ambs")("dhmpi.benchmark.hps.polynome2.Problem")
    space = search.space.specs()
    [proposal] = search.proposals(1)
    evaluation = Evaluation(0, proposal.point, 1.0, State.DONE, origin=proposal.origin, order=0)
    metadata = results.Metadata("ambs", "forgotten", space, seed=search.seed)
    assert first_difference(results.Results.of(metadata, [evaluation])) is None


TRAINING = """
import math
import time

from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (-5.0, 5.0), 4.0)
Problem.add_dim("y", (-5.0, 5.0), 4.0)


def run(point, context):
    end = point["x"] ** 2 + point["y"] ** 2
    for step in range(1, 28):
        time.sleep(0.0005)
        context.report(step, end + 30 * math.exp(-step / 5))
    return end
"""


@pytest.mark.parametrize("learner", ["auto", "RF", "GP"])
def test_what_was_reported_leads_to_the_same_points_again(output, tmp_path, capsys, learner):
    """Models know what was stopped, and what was running, as it was when they were made."""
    (tmp_path / "training.py").write_text(TRAINING)
    command = ["ambs", "--problem", str(tmp_path / "training.py"), "--output", str(output), "--quiet"]
    command += ["--stopper", "asha", "--max-steps", "27", "--learner", learner]
    command += ["--evaluator", "threadPool", "--num-workers", "4", "--max-evals"]
    assert main([*command, "40"]) == 0
    assert main([*command, "60", "--resume"]) == 0
    found = results.read(output)
    assert any(each.state is State.STOPPED for each in found.evaluations)
    assert len(set(found.reports.order.tolist())) > 10
    capsys.readouterr()
    assert main(["check", str(output)]) == 0
    assert capsys.readouterr().out == "the same: ambs proposes all 60 points again\n"


def test_reports_change_what_is_proposed(output, tmp_path, monkeypatch):
    """Repeated without them, another point is proposed."""
    (tmp_path / "training.py").write_text(TRAINING)
    words = ["ambs", "--problem", str(tmp_path / "training.py"), "--output", str(output), "--quiet"]
    words += ["--stopper", "asha", "--max-steps", "27", "--max-evals", "40"]
    assert main([*words, "--evaluator", "threadPool", "--num-workers", "4"]) == 0
    found = results.read(output)
    assert first_difference(found) is None
    without = dataclasses.replace(found, report_source=None)
    assert first_difference(without) is not None


def known_of(history, num):
    return [dict(course.values) for _, course in history._running_at(num)]


@pytest.mark.parametrize("seed", range(30))
def test_all_that_was_known_at_any_time_comes_from_the_log(monkeypatch, seed):
    """However often an evaluation begins again, reports a step once more, or what cannot be learned from."""
    monkeypatch.setattr(report_log, "MOST_ROWS", 12)
    draw, live, log = random.Random(seed), CourseHistory(), ReportLog()
    step, order = 0.0, 0
    for number in range(300):
        order += draw.random() < 0.3
        step = draw.choice([step, step + 1, step + 1, step + 1, step * 1.5, draw.choice([0.0, 1.0, step / 2])])
        report = Report(7, step, draw.choice([float(number), float(number), math.nan, 1e200]), 0.0)
        log.append([report], order)
        live.report("key", report.step, report.value, order)
        if draw.random() < 0.02:
            log = ReportLog(log.history())  # resumed
    again = CourseHistory()
    for report, known in log.history().ordered():
        again.report("key", report.step, report.value, known)
    assert len({str(known_of(live, num)) for num in range(order + 2)}) > 10
    assert [known_of(again, num) for num in range(order + 2)] == [known_of(live, num) for num in range(order + 2)]


# What evaluations do that have reported something: they begin again, or stay at a step.
UNEVEN = """
import math
import random
import time

from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (-5.0, 5.0), 4.0)
Problem.add_dim("y", (-5.0, 5.0), 4.0)


def run(point, context):
    end = point["x"] ** 2 + point["y"] ** 2
    for step in [STEPS]:
        time.sleep(SECONDS * (1 + point["y"] % 1))  # evaluations end one by one
        context.report(step, end + 30 * math.exp(-step / 5) + 50 * random.Random(step).random())
    return end
"""


def uneven(tmp_path, steps, seconds=0.01):
    (tmp_path / "uneven.py").write_text(UNEVEN.replace("STEPS", steps).replace("SECONDS", str(seconds)))
    command = ["ambs", "--problem", str(tmp_path / "uneven.py"), "--output", str(tmp_path / "results.h5"), "--quiet"]
    return [*command, "--evaluator", "threadPool", "--num-workers", "4", "--max-evals"]


@pytest.mark.parametrize(
    "steps",
    [
        "*range(1, 20), *range(1, 28)",  # it has begun again by itself
        "*(step for step in range(1, 12) for _ in range(4))",
        "*range(1, 80)",
    ],
)
def test_what_later_reports_took_the_place_of_leads_to_the_same_points_again(tmp_path, monkeypatch, capsys, steps):
    monkeypatch.setattr(report_log, "MOST_ROWS", 20)
    command = uneven(tmp_path, steps)
    assert main([*command, "30"]) == 0
    assert main([*command, "45", "--resume"]) == 0
    found = results.read(tmp_path / "results.h5")
    assert len(found.report_history.superseded.step) > 10
    capsys.readouterr()
    assert main(["check", str(tmp_path / "results.h5")]) == 0
    assert capsys.readouterr().out == "the same: ambs proposes all 45 points again\n"


def is_in_the_middle(output):
    """Return whether there are models, and something runs that has reported before and after the latest result."""
    if not output.exists():
        return False
    found = results.read(output)
    num, running = int(found.columns.is_in(State.DONE).sum()), found.columns.id[found.columns.is_in(State.RUNNING)]
    order = [found.reports.of(number).order for number in running.tolist()]
    return num >= 13 and any(len(each) > 20 and each[0] < each[-1] for each in order)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.timeout(180)
def test_what_began_again_after_an_end_before_its_time_leads_to_the_same_points_again(tmp_path, capsys, sent):
    command = [sys.executable, "-m", "dhmpi", *uneven(tmp_path, "*range(1, 60)")]
    output = tmp_path / "results.h5"
    with subprocess.Popen([*command, "30"], stderr=subprocess.PIPE) as process:
        while not is_in_the_middle(output):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(sent)
        process.communicate(timeout=60)
    begun = {each.id for each in results.read(output).evaluations if each.state is not State.DONE and each.step}
    assert begun
    subprocess.run([*command, "30", "--resume"], check=True, capture_output=True, timeout=120)
    found = results.read(output)
    assert begun & set(found.report_history.superseded.evaluation.tolist())
    assert main(["check", str(output)]) == 0
    assert capsys.readouterr().out == "the same: ambs proposes all 30 points again\n"


NESTED = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("kind", ["a", "b"])
Problem.add_dim("x", (0, 100))
Problem.add_condition("x", when="kind", is_in=["a"])
Problem.add_constraint("x < 90")
Problem.add_constraint(lambda point: point.get("x") != 5)


def run(point):
    return abs(point.get("x", 70) - 40)
"""


@pytest.mark.parametrize("search", ["ambs", "ga", "hps-random"])
def test_conditions_come_from_the_file_and_functions_from_the_problem(tmp_path, monkeypatch, capsys, search):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nested_problem.py").write_text(NESTED)
    words = [search, "--problem", "nested_problem.py", "--quiet", "--isolation", "inline", "--max-evals", "25"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["check", "results.h5"]) == 0
    assert capsys.readouterr().out == f"the same: {search} proposes all 25 points again\n"
