"""A prefix as CMake installs it, around an environment that is there already; and what its tests need.

It takes a second.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_script(name, *words):
    """Run one of the project's scripts, and skip the test with its reason where it cannot do its work."""
    done = subprocess.run([ROOT / "scripts" / name, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(done.stderr.strip().splitlines()[-1])  # where the script says what this machine lacks
    return done.stdout.strip()


def module_system():
    """The file that makes `module` known to bash: of Debian's Lmod if it is installed, else of environment-modules."""
    lmod = Path("/usr/share/lmod/lmod/init/bash")
    if lmod.exists():
        return lmod
    run_script("system-packages", "environment-modules")
    return Path("/usr/share/modules/init/bash")


def cmake():
    """The path of CMake."""
    if shutil.which("cmake") is None:
        run_script("system-packages", "cmake")
    return shutil.which("cmake")


def configure(build, *options):
    """Configure a build that needs no MPI, and return the finished process."""
    words = (cmake(), "-S", ROOT, "-B", build, f"-DPython3_EXECUTABLE={sys.executable}", "-DDHMPI_MPI=openmpi")
    return subprocess.run([*words, *options], capture_output=True, text=True, check=False)


def make_prefix(build, prefix, venv):
    """Install everything but an environment, and link this one in its place."""
    done = configure(build, f"-DCMAKE_INSTALL_PREFIX={prefix}")
    assert done.returncode == 0, done.stderr
    subprocess.run([cmake(), "--install", build, "--component", "files"], check=True, stdout=subprocess.DEVNULL)
    os.symlink(venv, prefix / "venv")
