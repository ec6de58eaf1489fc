import pytest

from dhmpi.evaluation import LAST_OUTPUT
from dhmpi.support.error_lines import error_kind, error_line, is_hopeless

FRAMES = 'Traceback (most recent call last):\n  File "run.py", line 3, in run\n    import torchx\n'
MISSING = f"{FRAMES}ModuleNotFoundError: No module named 'torchx'"
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "run.py", line 3, in run
  |     raise ExceptionGroup("all", errors)
  | ExceptionGroup: all (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "run.py", line 2, in run
    |     raise ValueError("first")
    | ValueError: first
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "run.py", line 2, in run
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | KeyError: 'b'
      +------------------------------------"""
NEGATIVE = f"{FRAMES}ValueError: x must not be negative"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("", ""),
        ("ran longer than 3 s", "ran longer than 3 s"),
        (MISSING, "ModuleNotFoundError: No module named 'torchx'"),
        (f"{MISSING}\n{LAST_OUTPUT}\nepoch 3", "ModuleNotFoundError: No module named 'torchx'"),
        (f"{NEGATIVE}\nsee the manual\n\n", "ValueError: x must not be negative"),
        (f"{NEGATIVE}\n\nDuring handling of it:\n\n{FRAMES}KeyError: 'a'", "KeyError: 'a'"),
        (GROUP, "ExceptionGroup: all (2 sub-exceptions)"),
        (f"on rank 1 of 2: {GROUP}\non rank 0 of 2: {NEGATIVE}", "ValueError: x must not be negative"),
        (f"on rank 1 of 2: {NEGATIVE}\non rank 0 of 2: {GROUP}", "ExceptionGroup: all (2 sub-exceptions)"),
        (f"{GROUP}\n\nDuring handling of it:\n\n{FRAMES}KeyError: 'a'", "KeyError: 'a'"),
        (f'{FRAMES}  File "x.py", line 1\n    a b\n      ^\nSyntaxError: bad', "SyntaxError: bad"),
        (f"file 'run.py' must be importable\n{MISSING}", "ModuleNotFoundError: No module named 'torchx'"),
        ("the program ended with exit status 3", "the program ended with exit status 3"),
        (f"exit status 3\n{LAST_OUTPUT}\nepoch 7", "exit status 3"),
        (f"exit status 1\n{LAST_OUTPUT}\n{NEGATIVE}", "exit status 1: ValueError: x must not be negative"),
        (f"exit status 1\n{LAST_OUTPUT}\ncat: a: No such file or directory", None),
        (f"ValueError: {'a' * 1000}", f"ValueError: {'a' * 184} ..."),
    ],
)
def test_the_line_that_says_most(error, line):
    assert error_line(error) == ("exit status 1: cat: a: No such file or directory" if line is None else line)


@pytest.mark.parametrize(
    "error",
    [
        MISSING,
        f"{FRAMES}ImportError: cannot import name 'a'",
        f"{FRAMES}NameError: name 'nunpy' is not defined",
        f"{FRAMES}IndentationError: unexpected indent",
        f"{FRAMES}FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'",
        "the program ended with exit status 127",
        f"the program ended with exit status 127\n{LAST_OUTPUT}\nsh: 1: foo: not found",
        f"the program ended with exit status 1\n{LAST_OUTPUT}\n{MISSING}",
        f"{FRAMES}subprocess.CalledProcessError: Command 'foo' returned non-zero exit status 127.",
        "a process must start, got [Errno 2] No such file or directory: './train.sh'",
    ],
)
def test_no_point_is_to_blame(error):
    assert is_hopeless(error)


@pytest.mark.parametrize(
    "error",
    [
        "",
        NEGATIVE,
        "ran longer than 3 s",
        f"{FRAMES}UnboundLocalError: cannot access local variable 'a'",  # which branch was taken, a point may decide
        f"{FRAMES}ValueError: NameError",
        "the program ended with exit status 1",
        "the process was killed by signal 9 (SIGKILL)",
        f"{NEGATIVE}\n{LAST_OUTPUT}\n{MISSING}",
    ],
)
def test_a_point_may_be_to_blame(error):
    assert not is_hopeless(error)


@pytest.mark.parametrize(
    ("line", "other", "are_alike"),
    [
        ("ValueError: got 0.25", "ValueError: got 1e-05", True),
        ("ValueError: got -227336", "ValueError: got -1000", True),
        ("ValueError: got 0.25", "ValueError: want 0.25", False),
        ("exit status 1", "exit status 127", False),
        ("kind 1", "kind 2", False),
    ],
)
def test_errors_that_differ_in_values_are_of_one_kind(line, other, are_alike):
    assert (error_kind(line) == error_kind(other)) == are_alike


def test_expressions_made_from_points_do_not_end_it():
    error = (
        'Traceback (most recent call last):\n  File "<string>", line 1\n    1 +\n       ^\nSyntaxError: invalid syntax'
    )
    assert not is_hopeless(error)
    assert is_hopeless(error.replace("<string>", "/home/me/model.py"))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("ValueError: in user code:\n\n    cannot reshape", "ValueError: in user code: cannot reshape"),
        ("ValueError: one\ntwo", "ValueError: one"),
        ("ValueError: nothing follows:\n", "ValueError: nothing follows:"),
    ],
)
def test_what_is_only_announced_is_in_the_line_too(error, line):
    assert error_line(f"Traceback (most recent call last):\n  File\n{error}") == line


@pytest.mark.parametrize(
    "value", ["0x7f6e46528150", "0xDEADBEEF", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "9f86d081884c7d65"]
)
def test_addresses_and_identifiers_make_no_kind_of_their_own(value):
    assert error_kind(f"cannot use <O at {value}>") == "cannot use <O at #>"
    assert error_kind("a defaced facade") == "a defaced facade"
