"""The module in real module systems: environment-modules and Lmod."""

import os
import re
import shutil

import pytest
from contracts.prefix import configure

import dhmpi
from dhmpi.search.registry import SEARCHES

# What the module systems keep for themselves.
OWN = re.compile(r"(_ModuleTable|_LMFILES_|LOADEDMODULES|__MODULES_|__LMOD_|LMOD_|MODULE|_=|SHLVL|BASH_FUNC)")
PROBLEM = "dhmpi.benchmark.hps.polynome2"


@pytest.fixture(scope="module")
def module(run, module_system):
    """Run a script of bash in which `module` looks for modules in a folder."""

    def in_shell(folder, script, status=0, **options):
        head = f'. {module_system}\nmodule use "{folder}"\n'
        return run("bash", "-c", head + script, status=status, timeout=120, **options)

    return in_shell


@pytest.fixture
def modulefiles(prefix):
    return prefix / "modulefiles"


@pytest.fixture
def copied(modulefiles, tmp_path):
    """A folder of modules, such as sites have, into which this one was copied."""
    shutil.copytree(modulefiles, tmp_path / "modules")
    return tmp_path / "modules"


def variables(path):
    """The variables in a file that `env -0` has written."""
    pairs = (entry.partition("=")[::2] for entry in path.read_text().split("\0") if entry)
    return {name: value for name, value in pairs if not OWN.match(name)}


def test_load_sets_and_unload_restores_the_environment(module, modulefiles, prefix, tmp_path):
    script = "env -0 > before; module load deephyper; env -0 > loaded; module unload deephyper; env -0 > after"
    module(modulefiles, script, cwd=tmp_path)
    before, loaded, after = (variables(tmp_path / name) for name in ("before", "loaded", "after"))
    assert after == before
    path = loaded.pop("PATH")
    assert path == f"{prefix}/bin:{prefix}/venv/bin:{before.pop('PATH')}"
    new = dict(loaded.items() - before.items())
    assert new.pop("DHMPI_ROOT") == str(prefix)
    assert new.pop("DHMPI_VERSION") == dhmpi.__version__
    assert new.pop("DHMPI_JOBS") == f"{prefix}/share/dhmpi/jobs"
    assert os.access(new.pop("DHMPI_MPIEXEC"), os.X_OK)
    assert sorted(new) == sorted("DH_" + name.upper().replace("-", "_") for name in SEARCHES)
    assert all(os.access(value, os.X_OK) for value in new.values())


@pytest.mark.launcher
def test_a_search_runs_from_the_loaded_module(module, modulefiles, tmp_path):
    words = f"--problem {PROBLEM}.Problem --run {PROBLEM}.run --max-evals 6 --output results.h5"
    mpirun = '"$DHMPI_MPIEXEC"' if "DHMPI_TEST_PREFIX" in os.environ else "mpirun"
    script = f"""\
        set -e
        module load deephyper
        dhmpi --version
        python -c "from dhmpi.search.hps.ambs import AMBS; print(AMBS.name)"
        python $DH_AMBS --help | head -n 1
        $DH_AMBS --help | head -n 1
        {mpirun} -np 3 dhmpi ambs {words}
        dhmpi show results.h5
    """
    printed = module(modulefiles, script, cwd=tmp_path)
    assert f"dhmpi {dhmpi.__version__}\nambs\n" in printed
    assert printed.count("usage: dhmpi ambs") == 2
    assert "6 DONE" in printed
    assert "2 workers" in printed


@pytest.fixture
def submit(run, module_system, prefix, tmp_path):
    """Run an installed job script as the login shell of a fresh job does, where a launcher says what it starts."""
    (tmp_path / "srun").write_text('#!/bin/sh\necho "launched: $(command -v dhmpi)"\n')
    (tmp_path / "srun").chmod(0o755)

    def submitted(name, status, **variables):
        env = {"SLURM_JOB_NUM_NODES": "2", "OUTPUT": str(tmp_path / "results.h5")} | variables
        script = f'. {module_system}; PATH={tmp_path}:$PATH; . "{prefix}/share/dhmpi/jobs/{name}.sh"'
        return run("bash", "-c", script, status=status, env=env)

    return submitted


def test_an_installed_job_script_loads_its_module_in_a_fresh_environment(submit, prefix):
    """The search that it would start is the one of the prefix; without results it is to be submitted again."""
    assert f"launched: {prefix}/bin/dhmpi\n" in submit("perlmutter", 3)


def test_a_job_script_ends_with_a_sentence_if_its_module_is_not_there(submit):
    printed = submit("perlmutter", 2, MODULE="deephyper/9.9")
    assert printed.endswith(
        "module load deephyper/9.9 must succeed, and does not; give another MODULE, or none if dhmpi is in PATH\n"
    )
    assert "launched" not in printed


def test_show_and_help_tell_what_it_does(module, modulefiles, prefix):
    printed = module(modulefiles, "module show deephyper; module help deephyper; module whatis deephyper")
    assert f"{prefix}/share/dhmpi/searches/ambs.py" in printed
    assert "mpirun -np 4 dhmpi ambs --help" in printed
    assert "Description: hyperparameter and neural architecture search over MPI" in printed


def test_two_versions_are_refused(module, module_system, modulefiles, prefix, tmp_path):
    other = tmp_path / "modules" / "deephyper" / "0.0.5"
    other.parent.mkdir(parents=True)
    other.write_text('#%Module1.0\nsetenv OTHER "1"\n')
    script = f"module use {modulefiles}; module load deephyper/0.0.5; module load deephyper/{dhmpi.__version__}; "
    script += 'echo "$?: other is $OTHER, ambs is $DH_AMBS."'
    if "lmod" in str(module_system):  # which exchanges them unless told otherwise
        printed = module(tmp_path / "modules", script)
        assert printed.endswith(f"0: other is , ambs is {prefix}/share/dhmpi/searches/ambs.py.\n")
    printed = module(tmp_path / "modules", script, env={"LMOD_DISABLE_SAME_NAME_AUTOSWAP": "yes"})
    assert printed.endswith("1: other is 1, ambs is .\n")


def test_the_default_version_is_loaded(module, copied):
    (copied / "deephyper" / "9.9").write_text('#%Module1.0\nsetenv OTHER "1"\n')
    printed = module(copied, 'module load deephyper; echo "$DHMPI_VERSION and $OTHER."')
    assert printed == f"{dhmpi.__version__} and .\n"


def test_the_module_may_be_copied_and_linked_elsewhere(module, copied, modulefiles, prefix, tmp_path):
    """If it was copied, it knows where the prefix was when it was installed."""
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "deephyper").symlink_to(modulefiles / "deephyper")
    for folder in (copied, tmp_path / "linked"):
        assert module(folder, "module load deephyper; echo $DHMPI_ROOT") == f"{prefix}\n"


def test_the_module_moves_with_the_prefix(module, move):
    moved = move("moved")  # Lmod 8.6 takes no blanks in paths
    printed = module(moved / "modulefiles", 'module load deephyper; echo "$DHMPI_ROOT"; dhmpi --version')
    assert printed == f"{moved}\ndhmpi {dhmpi.__version__}\n"


def test_a_copy_that_has_lost_its_prefix_says_so(module, copied, prefix, move):
    move("moved")
    printed = module(copied, '! module load deephyper && echo "ambs is $DH_AMBS."')
    assert f"dhmpi must be installed in {prefix}, but bin/dhmpi is not there" in " ".join(printed.split())
    assert printed.endswith("ambs is .\n")


def test_the_module_in_tcl_serves_both(module, copied, prefix):
    (copied / "deephyper" / f"{dhmpi.__version__}.lua").unlink()
    printed = module(copied, "module load deephyper; echo $DH_AMBS; module unload deephyper; echo $DH_AMBS.")
    assert printed == f"{prefix}/share/dhmpi/searches/ambs.py\n.\n"


def test_prerequisites_and_conflicts(module, prefix, tmp_path):
    build, folder = tmp_path / "build", tmp_path / "modules"
    options = ("-DDHMPI_MODULE_PREREQS=mympi othermpi", "-DDHMPI_MODULE_CONFLICTS=balsam")
    assert configure(build, f"-DCMAKE_INSTALL_PREFIX={prefix}", *options).returncode == 0
    shutil.copytree(build / "modulefiles", folder / "deephyper")
    for name in ("othermpi", "balsam"):
        (folder / name).write_text(f"#%Module1.0\nsetenv {name.upper()} 1\n")
    load = 'module load deephyper; echo "$?: ambs is $DH_AMBS."'
    assert module(folder, f"module load othermpi; {load}") == f"0: ambs is {prefix}/share/dhmpi/searches/ambs.py.\n"
    refused = module(folder, f"module load othermpi balsam; {load}")
    assert "balsam" in refused
    assert refused.endswith("1: ambs is .\n")
    (folder / "othermpi").unlink()  # else environment-modules loads it
    missing = module(folder, load)
    assert "othermpi" in missing
    assert missing.endswith("1: ambs is .\n")
