"""These tests install dhmpi as a site does, around the environment that they run in, which takes seconds.

whole_builds.py builds environments, too.
"""

import os
import subprocess
import sys
from pathlib import Path

import contracts.prefix
import pytest
from contracts.prefix import make_prefix, run_script

# Nothing of the environment that runs the tests. Open MPI 4 and 5 let root, and more ranks than cores, pass.
CLEAN = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}


def run_command(*words, status=0, timeout=110, env=(), **options):
    """Run a command in a clean environment, and return what it printed."""
    done = subprocess.run(
        [str(word) for word in words],
        env=CLEAN | dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
        **options,
    )
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def run():
    return run_command


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """Where dhmpi is installed: where CTest says, or else around the environment of these tests."""
    if "DHMPI_TEST_PREFIX" in os.environ:
        return Path(os.environ["DHMPI_TEST_PREFIX"])
    found = tmp_path_factory.mktemp("site") / "prefix"
    make_prefix(tmp_path_factory.mktemp("build"), found, sys.prefix)
    return found


@pytest.fixture(scope="session")
def mpiexec(prefix):
    """The launcher of the MPI that the prefix was built with; one of a wheel moves with the prefix."""
    return os.environ.get("DHMPI_TEST_MPIEXEC") or prefix / "venv" / "bin" / "mpiexec"


@pytest.fixture
def move(prefix):
    """Move the prefix elsewhere, for the rest of the test."""
    moved = []

    def rename(name):
        moved.append(prefix.with_name(name))
        return prefix.rename(moved[0])

    yield rename
    for path in moved:
        path.rename(prefix)


@pytest.fixture(scope="session", params=["environment-modules", "lmod"])
def module_system(request, tmp_path_factory):
    """The file that makes the command `module` known to bash."""
    if request.param == "lmod":
        return Path(run_script("lmod", str(tmp_path_factory.mktemp("lmod"))))
    found = contracts.prefix.module_system()
    if "lmod" in str(found):
        pytest.skip("Debian's lmod is installed, and environment-modules conflicts with it")
    return found
