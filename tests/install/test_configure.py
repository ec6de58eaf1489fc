"""CMake renders the module and the searches' files, and refuses what it cannot use."""

import ast
import importlib.util
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from contracts.prefix import cmake, configure

import dhmpi
from dhmpi import cli
from dhmpi.search.registry import SEARCHES

ROOT = Path(__file__).resolve().parents[2]
TCL_FULL = """\
conflict deephyper balsam
prereq PrgEnv-gnu
prereq gcc openmpi

# The prefix that this file is in, also by a link and after a move; if it was copied elsewhere, where it was installed.
set root [file dirname [file dirname [file dirname [file dirname [file normalize "$ModulesCurrentModulefile/_"]]]]]
if {![file executable "$root/bin/dhmpi"]} {
    set root "/soft/deephyper"
}
if {[module-info mode load] && ![file executable "$root/bin/dhmpi"]} {
    error "dhmpi must be installed in $root, but bin/dhmpi is not there"
}

setenv DHMPI_ROOT "$root"
setenv DHMPI_VERSION "@VERSION@"
setenv DHMPI_JOBS "$root/share/dhmpi/jobs"
setenv DHMPI_MPIEXEC "$root/venv/bin/mpiexec"
@SEARCHES@
setenv PMI_NO_FORK "1"
setenv DHMPI_DATA "/soft/data sets"

prepend-path PATH "$root/venv/bin"
prepend-path PATH "$root/bin"
"""
LUA_FULL = """\
conflict("deephyper", "balsam")
prereq_any("PrgEnv-gnu")
prereq_any("gcc", "openmpi")

-- The prefix that this file is in, also after a move; if it was linked or copied elsewhere, where it was installed.
local root = myFileName():gsub("/modulefiles/deephyper/[^/]*$", "")
if not isFile(pathJoin(root, "bin/dhmpi")) then
    root = "/soft/deephyper"
end
if mode() == "load" and not isFile(pathJoin(root, "bin/dhmpi")) then
    LmodError("dhmpi must be installed in " .. root .. ", but bin/dhmpi is not there")
end

setenv("DHMPI_ROOT", root)
setenv("DHMPI_VERSION", "@VERSION@")
setenv("DHMPI_JOBS", root .. "/share/dhmpi/jobs")
setenv("DHMPI_MPIEXEC", root .. "/venv/bin/mpiexec")
@SEARCHES@
setenv("PMI_NO_FORK", "1")
setenv("DHMPI_DATA", "/soft/data sets")

prepend_path("PATH", pathJoin(root, "venv/bin"))
prepend_path("PATH", pathJoin(root, "bin"))
"""


def expected(text, line):
    """The text with one line for each search."""
    names = {f"DH_{name.upper().replace('-', '_')}": name for name in sorted(SEARCHES)}
    lines = "\n".join(line.format(variable, name) for variable, name in names.items())
    return text.replace("@SEARCHES@", lines).replace("@VERSION@", dhmpi.__version__)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    build = tmp_path_factory.mktemp("full")
    done = configure(
        build,
        "-DCMAKE_INSTALL_PREFIX=/soft/deephyper",
        "-DDHMPI_MODULE_PREREQS=PrgEnv-gnu;gcc openmpi",
        "-DDHMPI_MODULE_CONFLICTS=balsam",
        "-DDHMPI_MODULE_SETENV=PMI_NO_FORK=1;DHMPI_DATA=/soft/data sets",
    )
    assert done.returncode == 0, done.stderr
    return build / "modulefiles"


def test_the_module_in_tcl(full):
    text = (full / dhmpi.__version__).read_text()
    assert text.startswith(f"#%Module1.0\n# dhmpi {dhmpi.__version__},")
    commands = text[text.index("conflict ") :]
    assert commands == expected(TCL_FULL, 'setenv {} "$root/share/dhmpi/searches/{}.py"')


def test_the_module_in_lua(full):
    text = (full / f"{dhmpi.__version__}.lua").read_text()
    commands = text[text.index("conflict(") :]
    assert commands == expected(LUA_FULL, 'setenv("{}", root .. "/share/dhmpi/searches/{}.py")')


def test_the_default_version(full):
    assert (full / ".version").read_text().splitlines()[-1] == f'set ModulesVersion "{dhmpi.__version__}"'


def test_a_minimal_module(prefix):
    folder = prefix / "modulefiles" / "deephyper"
    assert "prereq" not in (folder / dhmpi.__version__).read_text()
    assert "prereq" not in (folder / f"{dhmpi.__version__}.lua").read_text()


def test_every_search_has_a_file(full):
    files = {path.stem: path for path in (full.parent / "searches").iterdir()}
    assert sorted(files) == sorted(SEARCHES)
    for name, path in files.items():
        assert f'[program, "{name}"]' in path.read_text()
        ast.parse(path.read_text(), feature_version=(3, 4))  # the site's Python may be old


def test_horovod_is_compiled_for_the_mpi_of_a_wheel(tmp_path):
    done = configure(tmp_path, "-DDHMPI_WITH_HOROVOD=ON")
    assert done.returncode == 0, done.stderr
    rules = (tmp_path / "CMakeFiles" / "environment.dir" / "build.make").read_text()
    [compiled] = [line for line in rules.splitlines() if "HOROVOD_WITH_MPI=1" in line]
    assert "HOROVOD_WITH_GLOO=1" in compiled
    assert r"-Wl,-rpath,\$$ORIGIN/../../../.." in compiled  # found wherever the environment is moved to
    assert f"PATH={tmp_path}/venv/bin:" in compiled


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-DDHMPI_MPI=lam"], "DHMPI_MPI must be site, openmpi or mpich, got lam"),
        (["-DDHMPI_EXTRAS=nas;balsm"], "DHMPI_EXTRAS must be nas, balsam, or both with a semicolon, got balsm"),
        (["-DDHMPI_WHEELHOUSE=/nowhere"], "DHMPI_WHEELHOUSE must be a folder of packages, got /nowhere"),
        (["-DDHMPI_CONSTRAINTS=/nowhere"], "DHMPI_CONSTRAINTS must be a file of versions for pip, got /nowhere"),
        (["-DDHMPI_MODULE_SETENV=A=1;B"], "DHMPI_MODULE_SETENV must be NAME=VALUE;NAME=VALUE"),
        (["-DDHMPI_MODULE_SETENV=A=$HOME"], "got A=$HOME"),
        (['-DDHMPI_MODULE_PREREQS=gcc"]'], "DHMPI_MODULE_PREREQS must be names of modules"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, options, told):
    done = configure(tmp_path, *options)
    assert done.returncode == 1
    assert told in " ".join(done.stderr.split())


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, as every build with the site's MPI does")
def test_without_an_mpi(tmp_path):
    done = configure(tmp_path, "-DDHMPI_MPI=site", "-DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON")
    assert done.returncode == 1
    assert "an MPI with its compilers is needed, and none was found" in " ".join(done.stderr.split())


def test_a_wheelhouse_is_used_instead_of_the_network(run, tmp_path):
    """An empty one has nothing to install."""
    (tmp_path / "wheels").mkdir()
    assert configure(tmp_path / "build", f"-DDHMPI_WHEELHOUSE={tmp_path}/wheels").returncode == 0
    printed = run(cmake(), "--build", tmp_path / "build", status=2, env={"PIP_CONFIG_FILE": "/dev/null"})
    assert "No matching distribution found for mpi4py" in printed


def test_all_files_of_the_package_are_installed():
    """Those that are not Python are named in pyproject.toml, and CMake knows what it has to build again for."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    named = {
        path
        for package, names in declared.items()
        for name in names
        for path in ROOT.glob(f"{package.replace('.', '/')}/{name}")
        if path.is_file()
    }
    found = {path for path in ROOT.glob("dhmpi/**/*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert named == found
    [globs] = re.findall(r"GLOB_RECURSE sources CONFIGURE_DEPENDS (.*)\)", (ROOT / "CMakeLists.txt").read_text())
    watched = {path for pattern in globs.split() for path in ROOT.glob(pattern.replace("/*", "/**/*"))}
    assert found <= watched


# ----------------------------------------------------------------------------------------------------- completion


@pytest.fixture(scope="module")
def completion():
    """The program that writes completions."""
    spec = importlib.util.spec_from_file_location("completion", ROOT / "cmake" / "completion.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def complete(completion, tmp_path_factory):
    """Complete a command line as bash does."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "dhmpi").write_text(completion.script())
    (folder / "problem.py").touch()

    def completed(line):
        code = "source ./dhmpi; read -ra COMP_WORDS <<< \"$1\"; [[ $1 != *' ' ]] || COMP_WORDS+=(''); "
        code += 'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _shtab_dhmpi 2>&1; printf "%s\n" "${COMPREPLY[@]}"'
        return subprocess.check_output(["bash", "-c", code, "bash", line], cwd=folder, text=True).split()

    return completed


def test_all_commands_are_completed(complete, completion):
    assert {*SEARCHES, "show", "best", "export", "draw"} <= set(completion.commands())
    assert complete("dhmpi ") == completion.commands()
    assert complete("dhmpi am") == ["ambs"]


def test_all_options_are_completed(complete, completion, capsys):
    for name in completion.commands():
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        told = re.findall(r"^  (?:-\w(?: \S+)?, )?(--[a-z0-9-]+)", capsys.readouterr().out, re.MULTILINE)
        assert set(complete(f"dhmpi {name} --")) == set(told)
    of_budget = ["--max-evals", "--max-minutes", "--max-failures"]
    assert complete("dhmpi ambs --max-") == [*of_budget, "--max-steps", "--max-steps-total"]


def test_files_are_completed(complete):
    assert complete("dhmpi ambs --problem pro") == ["problem.py"]
    assert complete("dhmpi show pro") == ["problem.py"]
