import os

from contracts.hostile_campaign import hostile

from dhmpi.analysis.report import causes
from dhmpi.analysis.timeline import Timeline
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results


def failures(tmp_path, errors):
    evaluations = [Evaluation(number, {}, None, State.FAILED, error=error) for number, error in enumerate(errors)]
    return Results.of(Metadata("ambs", "P", {}), evaluations, path=tmp_path / "x.h5")


def found(results):
    return causes.causes_of(results, Timeline(results))


def write_log(tmp_path, id, data):
    path = tmp_path / "x.h5.files" / f"evaluation-{id:06d}.log"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_failures_have_causes_counts_ids_and_what_the_first_one_says(tmp_path):
    groups = found(hostile(tmp_path / "x.h5"))
    failed, timeout = groups.causes
    assert (failed.state, failed.count, failed.ids) == (State.FAILED, 9, "5,15,25,35,45,55,65,75,85")
    assert (timeout.state, timeout.count, timeout.ids) == (State.TIMEOUT, 1, "95")
    assert "\x1b" not in failed.error
    places = dict.fromkeys(range(5, 95, 10), 0) | {95: 1}
    assert groups.of_row.tolist() == [places.get(row, -1) for row in range(100)]


def test_the_end_of_a_binary_log_is_text(tmp_path):
    (log,) = found(hostile(tmp_path / "x.h5")).causes[0].logs
    assert log.id == 5
    assert log.text.endswith("<img src=x onerror=alert(1)> end")
    assert not log.is_whole
    assert len(log.text) == causes.LONGEST_TAIL
    assert "\x00" not in log.text


def test_a_short_log_is_whole(tmp_path):
    write_log(tmp_path, 0, b"epoch 1\repoch 2\n")
    (log,) = found(failures(tmp_path, ["E: a"])).causes[0].logs
    assert (log.text, log.is_whole) == ("epoch 2\n", True)


def test_a_pipe_under_the_name_of_a_log_is_not_waited_for(tmp_path):
    path = write_log(tmp_path, 0, b"")
    path.unlink()
    os.mkfifo(path)
    write_log(tmp_path, 1, b"said")
    logs = found(failures(tmp_path, ["E: a", "E: a"])).causes[0].logs
    assert [log.id for log in logs] == [1]


def test_logs_of_a_cause_are_few_and_all_together_are_capped(tmp_path):
    num = causes.MOST_CAUSES + 10
    errors = [f"E{letter * 7}: a" for letter in map(chr, range(0x4E00, 0x4E00 + num)) for _ in range(5)]
    for id in range(len(errors)):
        write_log(tmp_path, id, b"x" * 10_000)
    groups = found(failures(tmp_path, errors))
    assert max(len(cause.logs) for cause in groups.causes) == causes.LOGS_OF_CAUSE
    total = sum(len(log.text) for cause in groups.causes for log in cause.logs)
    assert total <= causes.MOST_TEXT + causes.LOGS_OF_CAUSE * causes.LONGEST_TAIL
    assert (len(groups.causes), groups.num_more) == (causes.MOST_CAUSES, num - causes.MOST_CAUSES)
    assert groups.num == num


def test_many_ids_are_shortened(tmp_path):
    errors = ["E: a" if id % 2 else "F: b" for id in range(1000)]
    cause = found(failures(tmp_path, errors)).causes[0]
    assert cause.ids.startswith("0,2,4,")
    assert cause.ids.endswith(", ...")
    assert len(cause.ids) <= causes.LONGEST_IDS + 5


def test_a_long_error_keeps_both_ends(tmp_path):
    error = "begin" + "\n" + "x" * 100_000 + "\nValueError: end"
    cause = found(failures(tmp_path, [error])).causes[0]
    assert cause.error.startswith("begin")
    assert cause.error.endswith("ValueError: end")
    assert len(cause.error) < causes.LONGEST_ERROR + 100


def test_logs_of_all_ranks_of_a_group_and_first_of_that_which_the_error_names(tmp_path):
    for id in range(2):
        write_log(tmp_path, id, b"leader")
        for member in range(1, 8):
            write_log(tmp_path, id, b"").with_name(f"evaluation-{id:06d}-rank{member}.log").write_bytes(b"m%d" % member)
    write_log(tmp_path, 0, b"leader")
    write_log(tmp_path, 1, b"leader")
    logs = found(failures(tmp_path, ["on rank 6 of 8: E: a", "on rank 6 of 8: E: a"])).causes[0].logs
    assert [(log.id, log.member) for log in logs] == [(id, member) for id in (0, 1) for member in (6, 0, 1, 2)]
    assert [log.text for log in logs[:2]] == ["m6", "leader"]


def test_every_failure_may_be_of_a_cause_of_its_own(tmp_path):
    errors = [f"Traceback (most recent call last):\n  File\nE{chr(0x4E00 + number)}: a" for number in range(3000)]
    groups = found(failures(tmp_path, [*errors, errors[7]]))
    assert groups.num == 3000
    assert (groups.causes[0].count, groups.causes[0].ids) == (2, "7,3000")
    assert sum(cause.count for cause in groups.causes) + groups.num_more == 3001
