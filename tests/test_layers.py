"""Imports point down only, and each library has one door."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dhmpi"

# From top to bottom. A module belongs to the longest prefix that fits; modules of one line do not know each other,
# but what is inside one room may.
LAYERS = (
    ("dhmpi.__main__",),
    ("dhmpi.cli",),
    ("dhmpi.campaign", "dhmpi.analysis", "dhmpi.jobs"),
    ("dhmpi.agents",),
    ("dhmpi.search", "dhmpi.evaluator", "dhmpi.results", "dhmpi.callbacks"),
    ("dhmpi.search.nas.model", "dhmpi.search.nas.policy", "dhmpi.execution"),
    ("dhmpi.control", "dhmpi.mpi", "dhmpi.benchmark"),
    ("dhmpi.space", "dhmpi.support"),
    ("dhmpi.evaluation",),
    ("dhmpi.errors",),
    ("dhmpi",),
    ("dhmpi.aliases",),
)
UPWARD = {
    # The documented way to start a search from Python, and the type of what it returns.
    ("dhmpi.search.search", "dhmpi.campaign.start"),
    ("dhmpi.search.search", "dhmpi.results"),
    # The documented way to make an evaluator, a method of the contract; and names that are imported when asked for.
    ("dhmpi.evaluator.evaluator", "dhmpi.evaluator.methods"),
    ("dhmpi.evaluator", "dhmpi.evaluator.methods"),
    # What run functions use, which is imported when it is asked for.
    ("dhmpi", "dhmpi.execution.context"),
    # Documented names of dhmpi.results, `load` and its like, which are imported when they are asked for.
    ("dhmpi.results", "dhmpi.analysis.export"),
    ("dhmpi.results", "dhmpi.analysis.frame"),
    ("dhmpi.results", "dhmpi.analysis.summary"),
}
MAIN_BLOCK = "dhmpi.cli.main"

CONFIGSPACE_TYPES = ("dhmpi/space/configspace.py", "dhmpi/space/problem.py")  # for annotations alone
DOORS = {
    "ConfigSpace": ("dhmpi/space/from_configspace.py", "dhmpi/space/to_configspace.py", *CONFIGSPACE_TYPES),
    "cloudpickle": ("dhmpi/execution/pickles.py",),
    "balsam": ("dhmpi/evaluator/balsam_jobs.py",),
    "django": ("dhmpi/evaluator/balsam_jobs.py",),
    "horovod": ("dhmpi/support/data_parallel.py",),
    "mpi4py": ("dhmpi/mpi/comm.py",),
    "networkx": ("dhmpi/search/nas/model/space/",),
    "optuna": ("dhmpi/analysis/optuna_study.py", "dhmpi/results/optuna_storage.py"),
    "pyarrow": ("dhmpi/analysis/parquet.py",),
    "pydot": ("dhmpi/search/nas/model/draw.py",),
    "keras": ("dhmpi/callbacks.py", "dhmpi/search/nas/model/", "dhmpi/support/training_session.py", "dhmpi/benchmark/"),
    "tensorflow": ("dhmpi/search/nas/model/", "dhmpi/support/training_session.py", "dhmpi/benchmark/hps/"),
    "h5py": ("dhmpi/results/snapshot.py", "dhmpi/results/snapshot_reader.py"),
    "pandas": ("dhmpi/analysis/frame.py",),
    "msgpack": ("dhmpi/results/journal.py",),
    "matplotlib": ("dhmpi/analysis/plots/",),
    "scipy": (
        "dhmpi/search/hps/surrogate/",
        "dhmpi/search/hps/sobol.py",  # direction numbers for 21,201 dimensions
        "dhmpi/search/blas_threads.py",
        "dhmpi/analysis/comparison.py",
        "dhmpi/analysis/gaussian_process.py",
    ),
    "skopt": ("dhmpi/search/hps/surrogate/",),
    "sklearn": (
        "dhmpi/search/hps/surrogate/",
        "dhmpi/search/nas/model/preprocessing.py",
        "dhmpi/benchmark/",
    ),
    "threadpoolctl": ("dhmpi/search/blas_threads.py",),
    "tqdm": ("dhmpi/control/progress.py",),
}
ALLOWED = {*DOORS, "numpy", "dhmpi"} | set(sys.stdlib_module_names)

FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path, without_annotations=False):
    """Yield (module, whether it stands in the `__main__` block) of every import, deferred ones included."""
    tree = ast.parse(path.read_text())
    mains = [node for node in tree.body if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)]
    inside = {id(child) for main in mains for child in ast.walk(main)}
    hidden = annotations_only(tree) if without_annotations else ()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"imports must be absolute, got a relative one in {path}"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if is_module(name) else node.module for name in whole]
        else:
            continue
        for name in names:
            yield name, id(node) in inside


def is_module(name):
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def layer(name):
    found = [
        (len(prefix), level, prefix)
        for level, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if name == prefix or name.startswith(prefix + ".")
    ]
    return max(found)[1:]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_down(path):
    here = name_of(path)
    level, room = layer(here)
    for name, is_main in imported(path):
        if name.partition(".")[0] != "dhmpi" or (here, name) in UPWARD or (is_main and name == MAIN_BLOCK):
            continue
        other, other_room = layer(name)
        assert other > level or other_room == room, f"{here} imports {name}, which is not below it"


def test_analysis_knows_results_alone():
    below = ("dhmpi.analysis", "dhmpi.results", "dhmpi.evaluation", "dhmpi.errors", "dhmpi.support")
    for path in (PACKAGE / "analysis").rglob("*.py"):
        for name, _ in imported(path):
            assert not name.startswith("dhmpi") or name.startswith(below), f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_library_has_one_door(path):
    where = path.relative_to(PACKAGE.parent).as_posix()
    for name, _ in imported(path):
        library = name.partition(".")[0]
        assert library in ALLOWED, f"{where} imports {library}, which is no dependency"
        if library in DOORS:
            assert where.startswith(DOORS[library]), f"{where} imports {library}, whose door is {DOORS[library]}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_modules_are_short(path):
    assert len(path.read_text().splitlines()) <= 400


MOST_PARAMETERS = 6
# What DeepHyper 0.0.5 documented has the parameters that it had.
MANY_PARAMETERS = {
    ("dhmpi.space.problem", "add_dim"),  # and a problem says all that there is to a dimension in one place
    ("dhmpi.evaluator.methods", "create"),
    ("dhmpi.search.nas.model.space.op.cnn", "__init__"),
}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_have_few_parameters(path):
    here, many = name_of(path), {name for module, name in MANY_PARAMETERS if module == name_of(path)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name not in many:
            given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            names = [each.arg for each in given if each.arg not in ("self", "cls")]
            assert len(names) <= MOST_PARAMETERS, f"{here}: {node.name} has {len(names)} parameters; make a record"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("dhmpi", ["numpy", "keras", "dhmpi.execution", "dhmpi.evaluation"]),
        ("dhmpi.cli", ["numpy", "mpi4py", "h5py", "pandas", "skopt", "sklearn", "tqdm", "networkx", "tensorflow"]),
        ("dhmpi.cli", ["dhmpi.search.search", "dhmpi.campaign.start", "dhmpi.results", "dhmpi.jobs.script"]),
        ("dhmpi.results", ["h5py", "pandas", "mpi4py"]),
        ("dhmpi.campaign.start", ["numpy", "mpi4py.MPI", "h5py", "tqdm", "msgpack", "dhmpi.results", "dhmpi.agents"]),
        ("dhmpi.search.hps.ambs", ["numpy", "scipy", "mpi4py", "h5py", "skopt", "threadpoolctl"]),
        ("dhmpi.search.hps.ga", ["numpy", "mpi4py", "h5py"]),
        ("dhmpi.search.hps.random", ["numpy", "scipy", "mpi4py", "h5py"]),
        ("dhmpi.search.nas.ppo_a3c_async", ["mpi4py", "h5py", "keras", "tensorflow", "sklearn"]),
        ("dhmpi.search.nas.random", ["numpy", "mpi4py", "h5py", "keras", "networkx"]),
        ("dhmpi.benchmark.nas.linearReg.problem", ["keras", "tensorflow", "sklearn", "networkx"]),
        ("dhmpi.search.nas.model.baseline.anl_mlp_2", ["keras", "tensorflow", "sklearn", "pydot"]),
        ("dhmpi.benchmark.hps.polynome2", ["numpy", "scipy"]),
        ("dhmpi.benchmark.util", ["keras", "tensorflow"]),
        ("dhmpi.benchmark.keras_cmdline", ["keras", "tensorflow"]),
        ("dhmpi.execution.child", ["numpy", "mpi4py", "h5py"]),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(module, heavy):
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_no_test_is_empty(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            is_text = [isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in node.body]
            is_nothing = [isinstance(each, ast.Pass) or text for each, text in zip(node.body, is_text, strict=True)]
            assert not all(is_nothing), f"{node.name} does nothing"


def test_doors_are_there():
    for library, places in DOORS.items():
        for place in places:
            found = sorted((PACKAGE.parent / place).rglob("*.py")) or [PACKAGE.parent / place]
            names = {name.partition(".")[0] for path in found for name, _ in imported(path)}
            assert library in names, f"{place} is a door of {library}, and imports nothing of it"


def test_a_name_means_one_thing():
    """Files and public classes; but for documented names, and modules of benchmark problems."""
    documented = {"__init__.py", "__main__.py", "random.py", "problem.py", "model_run.py", "load_data.py"}
    documented |= {"callbacks.py", "Report"}  # `dhmpi.callbacks.Report` is for users of Keras
    seen = {}
    for path in FILES:
        classes = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
        for name in {path.name, *classes} - documented:
            if not name.startswith("_"):
                assert seen.setdefault(name, path) == path, f"{name} is in {path} and in {seen[name]}"


def annotations_only(tree):
    """Return the ids of nodes under `if TYPE_CHECKING:`."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {id(child) for block in blocks for child in ast.walk(block)}


def needed(path):
    """Return the modules of dhmpi that a file imports, deferred ones too, but for annotations and `__main__` blocks."""
    here, found = name_of(path), set()
    for name, is_main in imported(path, without_annotations=True):
        while name and not is_module(name):
            name = name.rpartition(".")[0]
        if name.startswith("dhmpi.") and name != here and not is_main and (here, name) not in UPWARD:
            found.add(name)
    return found


def test_there_is_no_circle():
    graph = {name_of(path): needed(path) for path in FILES}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle
