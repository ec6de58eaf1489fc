import base64
import gzip
import json
import re
import shutil
import subprocess

import pytest
from contracts.hostile_campaign import ATTACK, hostile

from dhmpi.analysis.report import page
from dhmpi.analysis.report.content import content_of
from dhmpi.analysis.report.markup import Markup, element, text
from dhmpi.cli import main
from dhmpi.evaluation import State
from dhmpi.results import snapshot
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.snapshot import Snapshot

ASSETS = page.resources.files("dhmpi.analysis.report").joinpath("assets")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    return page.render(content_of([hostile(tmp_path_factory.mktemp("page") / "x.h5")])).decode()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.h5"
    found = hostile(path)
    path.write_bytes(snapshot.dump(Snapshot(found.metadata, found.columns.table(), "campaign", 1, PolicyLog())))
    return path


def test_texts_are_escaped_and_markup_is_not():
    assert text("<b> & \"'\x00\u202e") == "&lt;b&gt; &amp; &quot;&#x27;\\u0000\\u202e"
    assert element("p", element("b", "<"), " x", class_="a", hidden=True, id=None) == (
        '<p class="a" hidden><b>&lt;</b> x</p>'
    )
    assert isinstance(element("p", "x"), Markup)
    assert element("p", title="\"'") == '<p title="&quot;&#x27;"></p>'


def test_no_text_of_a_campaign_is_markup(rendered):
    assert rendered.count("<script") == 3
    assert ATTACK not in rendered
    assert "<!--" not in rendered
    assert "\u2028" not in rendered


def test_the_page_forbids_the_network_and_names_no_address(rendered):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', rendered)[1]
    assert "default-src 'none'" in policy
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", rendered.partition('<script type="application')[0])


def test_data_are_the_content(rendered):
    packed = re.search(r'id="data">([^<]*)<', rendered)[1]
    data = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert [each["name"] for each in data["campaigns"]] == ["x.h5"]


def test_assets_end_no_element_early():
    for name in (*page.SCRIPTS, "echarts/echarts.min.js"):
        assert not re.search("</script|<!--", ASSETS.joinpath(name).read_text(), re.IGNORECASE), name
    assert "</style" not in ASSETS.joinpath("page.css").read_text()


@pytest.mark.skipif(not shutil.which("node"), reason="needs node, which checks the syntax of scripts")
def test_scripts_are_scripts(tmp_path):
    path = tmp_path / "all.js"
    path.write_text("\n".join(ASSETS.joinpath(name).read_text() for name in page.SCRIPTS))
    subprocess.run(["node", "--check", path], check=True)


def test_the_command_writes_a_page(file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "x.h5"]) == 0
    assert capsys.readouterr().err == "wrote report.html\n"
    first = (tmp_path / "report.html").read_bytes()
    assert main(["report", str(file), str(file), "-o", "report.html"]) == 0  # a page that is there is replaced
    assert len((tmp_path / "report.html").read_bytes()) > len(first)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("x.h5", "--output must end in .html or .htm, got 'x.h5'"),
        ("nowhere/x.html", "--output must be a file in a directory that exists, got 'nowhere/x.html'"),
        ("folder.html", "--output must be a file in a directory that exists, got 'folder.html'"),
    ],
)
def test_a_page_that_cannot_be_there_is_an_input_error(output, said, file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.html").mkdir()
    before = file.read_bytes()
    assert main(["report", "x.h5", "-o", output]) == 2
    assert said in capsys.readouterr().err
    assert file.read_bytes() == before


def test_every_state_has_a_symbol_and_colours():
    script = ASSETS.joinpath("theme.js").read_text()
    tables = [script.split("STATE_SYMBOLS = {")[1].split("}")[0]]
    tables += [part.split("}")[0] for part in script.split("states: {")[1:]]
    assert len(tables) == 3
    for table in tables:
        assert set(re.findall(r"(\w+): '", table)) == {state.value for state in State}
