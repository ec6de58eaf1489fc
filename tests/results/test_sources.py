import csv
from dataclasses import replace

import pytest

from dhmpi.analysis.deephyper_csv import export_deephyper
from dhmpi.analysis.export import export_csv
from dhmpi.analysis.optuna_study import write_study
from dhmpi.errors import InputError
from dhmpi.evaluation import State
from dhmpi.results import Results, ResultsStore
from dhmpi.results.sources import read_source

SPACE = {"x": (0.0, 1.0), "state": [1, 2], "act": ["relu", None]}
POINT = {"x": 0.5, "state": 2, "act": None}


@pytest.fixture
def made(metadata, ended):
    """Two that are DONE, and one of each other state that has ended."""
    states = (State.DONE, State.FAILED, State.STOPPED, State.DONE, State.TIMEOUT)
    evaluations = [ended(number, state)._replace(point=POINT) for number, state in enumerate(states)]
    evaluations[2] = evaluations[2]._replace(objective=0.25, step=3.0)
    return Results.of(replace(metadata, space=SPACE), evaluations)


def outcomes(source):
    return [(each.objective, each.why) for each in source.results]


EXPECTED = [(0.0, ""), (None, "failed"), (None, "stopped early"), (3**0.5, ""), (None, "failed")]


def test_a_results_file(made, tmp_path):
    path = tmp_path / "old.h5"
    store = ResultsStore.create(path, made.metadata)
    store.submitted(made.evaluations)
    store.finished(made.evaluations)
    store.close("end")
    source = read_source(str(path))
    assert outcomes(source) == EXPECTED
    assert (source.dimensions, source.results[0].values) == (("x", "state", "act"), POINT)


@pytest.mark.parametrize("export", [export_csv, export_deephyper])
def test_exports(made, tmp_path, export):
    with (tmp_path / "old.csv").open("w", newline="") as file:
        export(made, file)
    source = read_source(str(tmp_path / "old.csv"))
    assert [each.objective for each in source.results] == [objective for objective, _ in EXPECTED]
    assert [each.why != "" for each in source.results] == [why != "" for _, why in EXPECTED]
    assert (source.dimensions, source.results[0].values) == (
        ("x", "state", "act"),
        {"x": "0.5", "state": "2", "act": "None"},
    )


@pytest.mark.parametrize("maximises", [False, True])
def test_a_database_of_optuna(made, tmp_path, maximises):
    url = f"sqlite:///{tmp_path}/study.db"
    write_study(replace(made, metadata=replace(made.metadata, maximises=maximises)), url, "one")
    assert outcomes(read_source(url)) == EXPECTED
    write_study(made, url, "two")
    assert outcomes(read_source(f"{url}#two")) == EXPECTED
    with pytest.raises(InputError, match=r"one study, got 2 studies: one, two; write .*#NAME"):
        read_source(url)
    with pytest.raises(InputError, match="one study, got 'three': one, two"):
        read_source(f"{url}#three")


def test_a_journal_of_optuna(tmp_path):
    import optuna
    from optuna.storages.journal import JournalFileBackend

    path = str(tmp_path / "journal.log")
    storage = optuna.storages.JournalStorage(JournalFileBackend(path))
    study = optuna.create_study(storage=storage, direction="maximize", study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    source = read_source(path)
    assert source.dimensions == ("x",)
    assert [each.objective for each in source.results] == [-each.values["x"] for each in source.results]


def test_a_table_of_one_s_own(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("x,note,objective\n0.5,good,1\n0.25,bad,nan\n0.75,,?\n")
    source = read_source(str(path))
    assert (source.dimensions, source.chooses) == (("x", "note"), True)
    assert outcomes(source) == [
        (1.0, ""),
        (None, "no finite number as objective"),
        (None, "no number as objective"),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "one of them objective, got nothing"),
        (b"x,y\n1,2\n", "one of them objective, got x, y"),
        (b"x,x,objective\n1,2,3\n", "each once"),
        (b"x,objective\n1\n", "2 columns in every line, got 1 in line 2"),
        (b"\xff\xfe\x00", "got neither"),
    ],
)
def test_other_files_are_refused(tmp_path, content, sentence):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_source(str(path))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"can be read, got .*No such file"):
        read_source(str(tmp_path / "no.h5"))


def test_a_deephyper_objective_is_to_be_large(made, tmp_path):
    with (tmp_path / "results.csv").open("w", newline="") as file:
        export_deephyper(made, file)
    with (tmp_path / "results.csv").open() as file:
        written = [row["objective"] for row in csv.DictReader(file)]
    assert "F" in written
    assert float(written[3]) == -(3**0.5)
    assert read_source(str(tmp_path / "results.csv")).results[3].objective == 3**0.5


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InputError, match=r"can be read, got sqlite:///.*no.db: no "):
        read_source(f"sqlite:///{tmp_path}/no.db")
    assert not list(tmp_path.iterdir())


def test_only_optuna_has_studies(tmp_path):
    (tmp_path / "old.csv").write_text("x,objective\n1,2\n")
    with pytest.raises(InputError, match=r"of Optuna only, got .*old.csv#mine; write .*old.csv$"):
        read_source(f"{tmp_path}/old.csv#mine")
