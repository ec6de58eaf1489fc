import datetime
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from dhmpi.analysis.optuna_study import write_study
from dhmpi.errors import OptionError, OutputError
from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.report_log import ReportHistory, Reports

SPACE = {"x": (0.001, 1.0, "log-uniform"), "n": (1, 9), "act": ["relu", None], "flag": [True, 1]}


@pytest.fixture
def found(metadata, ended, running):
    """One evaluation of each state."""
    made = [running(0), *(ended(number, state) for number, state in enumerate(State, start=1) if state != "RUNNING")]
    point = {"x": 0.5, "n": 3, "act": None, "flag": True}
    return Results.of(replace(metadata, space=SPACE), [each._replace(point=point) for each in made])


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/study.db"


def test_a_study_has_a_trial_for_each_evaluation(found, url, ended):
    done = ended(9, extra={"loss": [1], "reports": [[0, 3.0], [1, 2.0]]})
    done = done._replace(id=11, point=found.evaluations[0].point)
    assert write_study(Results.of(found.metadata, [*found.evaluations, done]), url, "s") == 10
    study = optuna.load_study(study_name="s", storage=url)
    assert study.direction.name == "MINIMIZE"
    assert study.user_attrs["dhmpi"]["seed"] == 42
    trial = study.trials[-1]
    assert (trial.value, trial.state) == (3.0, TrialState.COMPLETE)
    assert trial.params == {"x": 0.5, "n": 3, "act": None, "flag": "True"}
    assert trial.distributions == {
        "x": FloatDistribution(0.001, 1.0, log=True),
        "n": IntDistribution(1, 9),
        "act": CategoricalDistribution(["relu", None]),
        "flag": CategoricalDistribution(["True", "1"]),
    }
    assert trial.datetime_start == datetime.datetime.fromtimestamp(1010)
    assert trial.duration == datetime.timedelta(seconds=2)
    assert trial.user_attrs == {"id": 11, "rank": 1, "host": "nid0", "state": "DONE", "extra.loss": [1]}
    assert trial.intermediate_values == {0: 3.0, 1: 2.0}


@pytest.mark.parametrize(
    ("steps", "numbers"),
    [
        ([[1.0, 2.0, 9.0], [1.0, 9.0]], [[1, 2, 9], [1, 9]]),
        ([[0.5, 1.0, 1.5], [0.75, 1.0]], [[1, 3, 4], [2, 3]]),
        ([[1.0, 2.0**31], [2.0]], [[1, 3], [2]]),
    ],
)
def test_steps_are_integers_and_none_takes_the_place_of_another(steps, numbers, found, url):
    rows = [(id, step, step / 10, 1.0, -1) for id, part in zip((3, 4), steps, strict=True) for step in part]
    reports = Reports(*map(np.array, zip(*rows, strict=True)))
    write_study(replace(found, report_source=lambda: ReportHistory(reports)), url, "s")
    trials = optuna.load_study(study_name="s", storage=url).trials
    curves = {each.user_attrs["id"]: each.intermediate_values for each in trials if each.intermediate_values}
    assert {id: list(curve) for id, curve in curves.items()} == dict(zip((3, 4), numbers, strict=True))
    assert [list(curve.values()) for curve in curves.values()] == [[step / 10 for step in part] for part in steps]


def test_states(found, url):
    write_study(found, url, "s")
    study = optuna.load_study(study_name="s", storage=url)
    states = {trial.user_attrs["state"]: trial.state.name for trial in study.trials}
    assert states == {
        "DONE": "COMPLETE",
        "STOPPED": "PRUNED",
        "PAUSED": "WAITING",
        "FAILED": "FAIL",
        "TIMEOUT": "FAIL",
        "RUNNING": "RUNNING",
        "PENDING": "WAITING",
        "LOST": "WAITING",
        "CANCELLED": "WAITING",
    }
    trial = study.ask()  # as a campaign that is resumed, Optuna evaluates first what has not ended
    assert trial.suggest_float("x", 0.001, 1.0, log=True) == 0.5


def test_rewards_are_maximised(found, url, ended):
    done = [ended(number)._replace(point=found.evaluations[0].point, objective=-float(number)) for number in (1, 2)]
    write_study(Results.of(replace(found.metadata, maximises=True), done), url, "s")
    study = optuna.load_study(study_name="s", storage=url)
    assert (study.direction.name, study.best_value) == ("MAXIMIZE", 2.0)


def test_a_study_is_not_written_twice(found, url):
    write_study(found, url, "s")
    with pytest.raises(OptionError, match=r"study must be a name that .* does not have yet, got 's'"):
        write_study(found, url, "s")
    write_study(found, url, "t")
    assert len(optuna.load_study(study_name="s", storage=url).trials) == len(found.evaluations)


@pytest.mark.parametrize("bad", ["study.db", "sqlite:////nowhere/study.db", "redis://a", ""])
def test_it_must_be_a_database(found, bad):
    with pytest.raises(OptionError, match="optuna must be the URL of a database"):
        write_study(found, bad, "s")


def test_nothing_is_left_of_a_study_that_cannot_be_written(found, url, ended):
    beyond = found.evaluations[0].point | {"n": 10**6}
    with pytest.raises(OutputError, match="cannot be written: The value 1000000"):
        write_study(Results.of(found.metadata, [ended(0)._replace(point=beyond)]), url, "s")
    assert optuna.get_all_study_names(url) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://user:s3cret@host/db", "mysql://user:***@host/db and none; run: pip install mysqlclient; or pip "),
        ("oracle://user:s3cret@host/db", "oracle://user:***@host/db and none; run: pip install "),
        ("mysql://user:s3:cret@s3cret@host/db", "mysql://user:***@host/db and none"),
        ("mysql:/user:s3cret@host/db", "'***@host/db': "),
        ("postgresql://user:s3cret@host:port/db", "'postgresql://user:***@host:port/db': "),
        ("nothing://user:s3cret@host/s3cret", "'nothing://user:***@host/s3cret': "),
        ("redis://:s3cret@localhost:1", "'redis://:***@localhost:1': "),
        ("sqlite:////nowhere/s.db?user=me&password=s3cret", "'sqlite:////nowhere/s.db?user=me&password=***': "),
    ],
)
def test_a_database_that_cannot_be_opened_is_a_sentence_without_its_password(found, url, said):
    with pytest.raises(OptionError) as error:
        write_study(found, url, "s")
    assert said in str(error.value)
    assert "s3cret" not in str(error.value).replace("host/s3cret", "")
    assert "\n" not in str(error.value)
