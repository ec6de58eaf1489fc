import io

from dhmpi.analysis import details
from dhmpi.evaluation import Evaluation, State
from dhmpi.results.columns import Columns

FRAMES = 'Traceback (most recent call last):\n  File "run.py", line 3, in run\n    f(x)\n'


def failed(id, error, state=State.FAILED):
    return Evaluation(id, {}, None, state, error=error)


EVALUATIONS = [
    failed(0, f"{FRAMES}KeyError: 'a'"),
    Evaluation(1, {}, 1.0, State.DONE),
    failed(2, f"{FRAMES}ValueError: x must not be negative, got -0.25"),
    failed(3, f"{FRAMES}ValueError: x must not be negative, got -3.5"),
    failed(4, "ran longer than 3 s", State.TIMEOUT),
    failed(5, "", State.LOST),
    failed(6, f"{FRAMES}ValueError: x must not be negative, got -1e-05\n--- last output ---\nepoch 3"),
    failed(9, ""),
    Evaluation(10, {}, 1.0, State.STOPPED),  # which is no failure
]


def text(print_them, evaluations, *arguments):
    stream = io.StringIO()
    print_them(Columns.of_evaluations((), evaluations), *arguments, stream)
    return stream.getvalue()


def test_errors_are_grouped_by_their_last_line():
    kinds = details.kinds_of_errors(Columns.of_evaluations((), EVALUATIONS))
    assert [(kind.state, kind.line, kind.ids) for kind in kinds] == [
        ("FAILED", "ValueError: x must not be negative, got -0.25", [2, 3, 6]),
        ("FAILED", "KeyError: 'a'", [0]),
        ("TIMEOUT", "ran longer than 3 s", [4]),
        ("FAILED", "", [9]),
    ]


def test_each_kind_has_one_line_with_a_log(tmp_path):
    path = str(tmp_path / "my.h5")
    log = tmp_path / "my.h5.files" / "evaluation-000002.log"
    log.parent.mkdir()
    log.touch()
    assert text(details.print_errors, EVALUATIONS, path) == (
        "errors:\n"
        f"  3 x FAILED: ValueError: x must not be negative, got -0.25 (evaluation 2; {log})\n"
        "  1 x FAILED: KeyError: 'a' (evaluation 0; no log)\n"
        "  1 x TIMEOUT: ran longer than 3 s (evaluation 4; no log)\n"
        "  1 x FAILED: no error (evaluation 9; no log)\n"
        f"  all that they say: dhmpi show --errors {path}\n\n"
    )


def test_all_of_them_say_whom_they_concern_and_everything():
    shown = text(details.print_all_errors, EVALUATIONS, "my.h5")
    assert shown.startswith(
        "3 x FAILED: ValueError: x must not be negative, got -0.25\n"
        "  evaluations  2-3,6\n"
        "  log of 2     no log\n"
        "    Traceback (most recent call last):\n"
        '      File "run.py", line 3, in run\n'
    )
    assert "    ran longer than 3 s\n" in shown


def test_without_errors_there_is_nothing_to_list():
    assert text(details.print_errors, EVALUATIONS[1:2], "my.h5") == ""
    assert text(details.print_all_errors, EVALUATIONS[1:2], "my.h5") == "no evaluation has failed\n"


def running(id, submitted, started=None, rank=-1):
    return Evaluation(id, {}, None, State.RUNNING, submitted, started, rank=rank, host="nid" * (rank >= 0))


def test_what_has_been_running_for_longest_comes_first():
    evaluations = [
        running(0, 90.0, 95.0, 2),
        running(7, 10.0),
        Evaluation(8, {}, 1.0, State.DONE, 0.0, 0.0),
        running(11, 40.0, 40.0, 3),
        running(12, None),
        running(13, 200.0, 200.0, 1),
    ]
    assert text(details.print_running, evaluations, 100.0) == (
        "running:\n"
        "  evaluation  7 for 0:01:30\n"
        "  evaluation 11 for 0:01:00 on rank 3 (nid)\n"
        "  evaluation  0 for 0:00:05 on rank 2 (nid)\n"
        "  evaluation 13 for 0:00:00 on rank 1 (nid)\n"  # another host's clock
        "  evaluation 12\n\n"
    )
    assert text(details.print_running, evaluations[2:3], 100.0) == ""


def test_of_many_that_are_running_some_are_shown():
    shown = text(details.print_running, [running(id, float(id), float(id), 1) for id in range(50)], 50.0)
    assert shown.splitlines()[-3:] == ["  evaluation 9 for 0:00:41 on rank 1 (nid)", "  and 40 more", ""]
