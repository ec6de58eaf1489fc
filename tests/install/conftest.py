"""These tests install dhmpi as a site does.

Those marked `site` build environments, which takes minutes; the others use the environment that they run in.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

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


def run_command(*words, status=0, timeout=60, env=(), **options):
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


def prepare(script, *words):
    """Run one of the project's scripts, and skip the test with its reason where it cannot do its work."""
    done = subprocess.run([ROOT / "scripts" / script, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip()


@pytest.fixture(scope="session")
def run():
    return run_command


@pytest.fixture(scope="session")
def configure():
    """Configure a build in a directory; it takes a second, and needs no MPI."""
    cmake = shutil.which("cmake")
    if cmake is None:
        prepare("system-packages", "cmake")
        cmake = shutil.which("cmake")

    def configured(build, *options, status=0):
        python = f"-DPython3_EXECUTABLE={sys.executable}"
        words = (cmake, "-S", ROOT, "-B", build, python, "-DDHMPI_MPI=openmpi", *options)
        return run_command(*words, status=status)

    return configured


@pytest.fixture(scope="session")
def prefix(tmp_path_factory, configure):
    """Where dhmpi is installed: where CTest says, or else with the environment of these tests in place of its own."""
    if "DHMPI_TEST_PREFIX" in os.environ:
        return Path(os.environ["DHMPI_TEST_PREFIX"])
    build = tmp_path_factory.mktemp("build")
    found = tmp_path_factory.mktemp("site") / "prefix"
    configure(build, f"-DCMAKE_INSTALL_PREFIX={found}")
    run_command(shutil.which("cmake"), "--install", build, "--component", "files")
    (found / "venv").symlink_to(sys.prefix)
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
        return Path(prepare("lmod", str(tmp_path_factory.mktemp("lmod"))))
    if Path("/usr/share/lmod/lmod").exists():
        pytest.skip("Debian's lmod is installed, and environment-modules conflicts with it")
    prepare("system-packages", "environment-modules")
    return Path("/usr/share/modules/init/bash")
