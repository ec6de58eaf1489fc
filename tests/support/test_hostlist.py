import pytest

from dhmpi.support.hostlist import expand, fold


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nid00001", ("nid00001",)),
        ("nid[00001-00003]", ("nid00001", "nid00002", "nid00003")),
        ("nid[00009-00010,7],login1", ("nid00009", "nid00010", "nid7", "login1")),
        ("[3834-3836,12]", ("3834", "3835", "3836", "12")),
        ("a[1-2]b[3,5]-ib", ("a1b3-ib", "a1b5-ib", "a2b3-ib", "a2b5-ib")),
        ("", ()),
    ],
)
def test_a_list_stands_for_names(text, names):
    assert expand(text) == names


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["nid00001", "nid00002", "nid00003"], "nid[00001-00003]"),
        (["nid00001", "nid00003", "nid00004"], "nid[00001,00003-00004]"),
        (["nid9", "nid10"], "nid9,nid10"),
        (["x1c0.site.org", "x2c0.site.org"], "x1c0.site.org,x2c0.site.org"),
        (["localhost"], "localhost"),
        ([], ""),
    ],
)
def test_names_make_a_list(names, text):
    assert fold(names) == text
    assert list(expand(text)) == names
