"""The documentation is true: its commands run, its tables are those of the code."""

import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path

import pytest
from contracts.campaigns import campaign, evaluation, write

import dhmpi
from dhmpi import results
from dhmpi.analysis.idle import Reason
from dhmpi.analysis.kind_names import KINDS
from dhmpi.evaluation import State
from dhmpi.results.schema import markdown_table
from dhmpi.search.hps.ga import GAOptions
from dhmpi.search.hps.surrogate.load_controller import MODES
from dhmpi.support.options import as_flag

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.launcher
@pytest.mark.timeout(500)
def test_the_readme_runs_from_top_to_bottom(tmp_path):
    env = dict(
        os.environ,
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        OMPI_ALLOW_RUN_AS_ROOT="1",
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
        PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe",
    )
    ran = 0
    for number, (language, text) in enumerate(BLOCKS):
        if language == "python":
            named = re.match(r"# (\w+\.py)\n", text)
            path = tmp_path / (named[1] if named else f"block{number}.py")
            path.write_text(text)
            commands = [] if named else [[sys.executable, path.name]]
        else:
            commands = [shlex.split(line) for line in text.splitlines()]
        for command in commands:
            if command[0] == "mpirun":
                command = ["timeout", "120", *command]
            done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}: {done.stderr}"
            ran += 1
    assert ran >= 9


def test_an_evaluator_is_driven_by_hand_as_documented(tmp_path):
    page = (ROOT / "docs" / "evaluators.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "by_hand.py").write_text(code)
    words = [sys.executable, "by_hand.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["{'x': 1} 0.0", "{'x': 3} 4.0"]
    assert 2 <= len(lines) == len(set(lines)) <= 10  # the others, as far as they have ended


def test_beliefs_are_written_as_documented(tmp_path):
    page = (ROOT / "docs" / "new-problem.md").read_text()
    [code] = re.findall(r"^```python\n(# believed.py\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "believed.py").write_text(code)
    done = subprocess.run([sys.executable, "believed.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "  learning_rate: about 0.001, standard deviation 0.5 orders of magnitude\n" in done.stdout
    for search in ("ambs", "ga", "hps-random"):
        words = [sys.executable, "-m", "dhmpi", search, "--problem", "believed.py", "--max-evals", "16", "--quiet"]
        words += ["--isolation", "inline", "--output", f"{search}.h5"]
        subprocess.run(words, cwd=tmp_path, capture_output=True, check=True, timeout=60)
        points = [each.point for each in results.read(tmp_path / f"{search}.h5").evaluations]
        assert sum(88 <= point["units"] <= 168 for point in points) >= 5


def test_agents_are_started_from_python_as_documented(tmp_path):
    page = (ROOT / "docs" / "ppo.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "agents.py").write_text(code)
    words = [sys.executable, "agents.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "4"


def test_a_campaign_is_shown_as_documented(tmp_path):
    page = (ROOT / "docs" / "top.md").read_text()
    [commands], [expected] = (
        re.findall(rf"^```{kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE) for kind in ("sh", "text")
    )
    for command in commands.splitlines():
        words = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)

    def without_times(text):
        return re.sub(r"\d[\d:.,-]*(?= |/|$)", "#", re.sub(r"\[.*\]", "[]", text), flags=re.MULTILINE)

    assert without_times(done.stdout).startswith(without_times(expected))


def test_reports_are_written_as_documented(tmp_path):
    page = (ROOT / "docs" / "reporting.md").read_text()
    for language, name in (("python", r"# (\w+\.py)\n"), ("bash", r"#!/bin/sh\n# (\w+\.sh)\n")):
        for text in re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
            path = tmp_path / re.match(name, text)[1]
            path.write_text(text)
            path.chmod(0o700)
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)).splitlines()
    assert len(lines) == 3
    for line in lines:
        words = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    for name in ("results.h5", "programs.h5"):
        states = {each.state for each in results.read(tmp_path / name).evaluations}
        assert states == {State.DONE, State.STOPPED}


def test_several_objectives_are_searched_as_documented(tmp_path):
    page = (ROOT / "docs" / "objectives.md").read_text()
    problem, more = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "network.py").write_text(problem)
    (tmp_path / "more.py").write_text(more)
    [lines] = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    commands = [[sys.executable, "-m", *shlex.split(line)] for line in lines.splitlines()]
    printed = []
    for command in [*commands, [sys.executable, "more.py"]]:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    found = results.read(tmp_path / "results.h5")
    assert found.metadata.has_several
    assert len(json.loads(printed[3])) == len(found.pareto_set) > 5
    assert len(printed[2].splitlines()) == len(found.pareto_set) + 2
    assert float(printed[-1].splitlines()[0]) > 0.5


class Received(http.server.BaseHTTPRequestHandler):
    """Keeps the bodies of what is posted, in a list of the server."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        """Print nothing."""


def test_callbacks_write_lines_and_post_messages_as_documented(tmp_path):
    page = (ROOT / "docs" / "callbacks.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    with http.server.HTTPServer(("localhost", 0), Received) as server:
        server.bodies = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "followed.py").write_text(code.replace(":8000", f":{server.server_port}"))
        words = [sys.executable, "followed.py"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [[str(id), "DONE"] for id in range(5)]
    [body] = server.bodies
    assert json.loads(body)["text"].endswith("5 evaluations are complete")


def test_every_file_that_is_mentioned_is_there():
    pages = [path.relative_to(ROOT) for path in ROOT.glob("docs/**/*.md")]
    for name in ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", *pages]:
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            if link.startswith("https:"):
                continue
            assert ((ROOT / name).parent / link).exists(), f"{name} links to {link}"
    for script in re.findall(r"^    (scripts/\w+)", README, re.MULTILINE):
        assert os.access(ROOT / script, os.X_OK)


def test_the_layout_of_the_results_file_is_documented():
    assert markdown_table() in (ROOT / "docs" / "results.md").read_text()


def test_the_modes_of_auto_are_documented():
    shown = (ROOT / "docs" / "surrogate.md").read_text()
    for name, batch, effort, _ in MODES:
        row = f"| `{name}` | {batch} | {effort.num_points} | {effort.num_candidates:,} | {effort.num_polished} |"
        assert row in shown


def test_the_options_of_ga_are_documented():
    shown = (ROOT / "docs" / "ga.md").read_text()
    for field in (each for each in fields(GAOptions) if each.name != "points"):  # which all searches have
        unset = {"mutation_probability": "1 / number of dimensions", "warm_start": "nothing"}
        unset["tournament_size"] = "3, or 2 with several objectives"
        default = unset[field.name] if field.default is None else field.default
        assert f"| `{as_flag(field.name)}` | {default} |" in shown


def test_the_kinds_of_pictures_are_documented(tmp_path):
    page = (ROOT / "docs" / "plots.md").read_text()
    for name, meaning in KINDS.items():
        assert f"| `{name}` | {meaning} |" in page
    [code] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.py").write_text(code)
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
    ]
    assert len(lines) >= 5
    found = campaign([evaluation(k, k, k + 1, float(k), rank=k % 2) for k in range(12)])
    names = {word for line in lines for word in line.split() if word.endswith(".h5")}
    for name in names:
        write(found, tmp_path / name)
    commands = [[sys.executable, "-m", *shlex.split(line)] for line in lines] + [[sys.executable, "mine.py"]]
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert {path.name for path in tmp_path.iterdir()} >= {"results.png", "workers.svg", "compared.png", "mine.png"}


def test_the_reasons_of_idle_time_are_documented():
    page = (ROOT / "docs" / "idle.md").read_text()
    for why in Reason:
        assert f"| {why} |" in page


def test_the_version_has_its_changes():
    assert f"## {dhmpi.__version__}" in (ROOT / "CHANGES.md").read_text()
