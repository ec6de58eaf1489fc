"""Helpers for run functions: timers, models that are trained on later, data that are copied and cached.

Importing this module imports neither numpy nor Keras.
"""

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from time import perf_counter
from typing import IO, Any, NamedTuple
from uuid import uuid4

from dhmpi.errors import DataError, InputError, OptionError, ResumeError
from dhmpi.support.printing import Printer

TRUE = ("true", "yes", "y", "on", "1")
FALSE = ("false", "no", "n", "off", "0")

# What says how long, where and by what a model is trained, and not which model it is.
NOT_OF_THE_MODEL = ("epochs", "model_path", "data_source", "stage_in_destination", "version", "backend")
PICKLED = "regression"  # the one benchmark whose model is no model of Keras


def __getattr__(name: str) -> Any:
    """Return the callback, which needs Keras as soon as it is defined."""
    if name == "TerminateOnTimeOut":
        from dhmpi.benchmark.terminate_on_time_out import TerminateOnTimeOut

        return TerminateOnTimeOut
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def str2bool(text: str | bool) -> bool:
    """Return what a word means; without regard to case, and to spaces around it.

    Args:
        text: true, yes, y, on or 1; or false, no, n, off or 0.

    Raises:
        OptionError: It is another word.
    """
    word = str(text).strip().lower()
    if word not in TRUE + FALSE:
        raise OptionError(f"a truth value must be one of {', '.join(TRUE + FALSE)}, got {text!r}")
    return word in TRUE


class Timer:
    """Prints how long parts of a program take; a part may lie within another.

    >>> from dhmpi.benchmark.util import Timer
    >>> timer = Timer()
    >>> timer.start("stage in")
    >>> timer.end()  # doctest: +ELLIPSIS
    TIMER stage in: ... seconds
    """

    def __init__(self) -> None:
        self._running: list[tuple[str, float]] = []

    def start(self, name: str) -> None:
        """Begin a part.

        Args:
            name: What is printed of it.
        """
        self._running.append((name, perf_counter()))

    def end(self) -> None:
        """End the part that was begun last, and print its name and its seconds.

        Raises:
            InputError: None has begun.
        """
        if not self._running:
            raise InputError("a timer must be started before it ends, got none that runs")
        name, began = self._running.pop()
        Printer().write(f"TIMER {name}: {perf_counter() - began:.4f} seconds\n")


# --- models that are trained on later


class SavedModel(NamedTuple):
    """Model as it is on disk, and where to save it.

    Attributes:
        model: The model, or None if it is to be built.
        model_path: Where it is to be saved.
        initial_epoch: Number of epochs that it has been trained for.
        model_mda_path: Where its parameters are to be saved.
    """

    model: Any
    model_path: str
    initial_epoch: int
    model_mda_path: str


def extension_from_parameters(param_dict: Mapping[str, Any]) -> str:
    """Return a text of all parameters that tell models apart: `.name=value` of each, sorted by name."""
    left_out = {*NOT_OF_THE_MODEL, *(["lr"] if "learning_rate" in param_dict else [])}  # two names of one parameter
    return "".join(f".{name}={param_dict[name]}" for name in sorted(param_dict) if name not in left_out)


def resume_from_disk(
    benchmark_name: str,
    param_dict: Mapping[str, Any],
    data_dir: str | os.PathLike[str] = "",
    custom_objects: Mapping[str, Any] | None = None,
) -> SavedModel:
    """Return the model that was saved with the same parameters, epochs aside, to be trained for more epochs.

    Args:
        benchmark_name: Name of the benchmark.
        param_dict: Parameters; `epochs` is the number of epochs that the model shall have been trained for in the end.
        data_dir: Directory of models, made if need be.
        custom_objects: Classes and functions of the model's own, for Keras.

    Raises:
        ResumeError: The model has been trained for so many epochs already. It is a RuntimeError, as documented.
        DataError: The model or its parameters cannot be read.
    """
    key = hashlib.sha224(extension_from_parameters(param_dict).encode()).hexdigest()
    directory = Path(data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    model_path, mda_path = (str(directory / f"{benchmark_name}-{key}{suffix}") for suffix in (".keras", ".pkl"))
    if not (os.path.exists(model_path) and os.path.exists(mda_path)):
        return SavedModel(None, model_path, 0, mda_path)
    parameters = load_meta_data(mda_path)
    with _readable(mda_path):
        initial_epoch = parameters["epochs"]
    if initial_epoch >= param_dict["epochs"]:
        raise ResumeError(
            f"epochs must be more than the {initial_epoch} that {model_path} was trained for,"
            f" got {param_dict['epochs']}; remove the file to train from the start"
        )
    with _readable(model_path):
        model = _load_model(benchmark_name, model_path, custom_objects)
    return SavedModel(model, model_path, initial_epoch, mda_path)


def _load_model(benchmark_name: str, path: str, custom_objects: Mapping[str, Any] | None) -> Any:
    if benchmark_name == PICKLED:
        return load_meta_data(path)
    import keras

    return keras.models.load_model(path, custom_objects=dict(custom_objects or {}))


def save_meta_data(param_dict: Any, file_name: str | os.PathLike[str]) -> None:
    """Pickle parameters into a file, which is there as a whole or not at all.

    Args:
        param_dict: Anything that can be pickled.
        file_name: The file.
    """
    with _written_at_once(Path(file_name)) as file:
        pickle.dump(param_dict, file, pickle.HIGHEST_PROTOCOL)


def load_meta_data(file_name: str | os.PathLike[str]) -> Any:
    """Return what `save_meta_data` has saved; do not read files of strangers, since a pickle may run code.

    Args:
        file_name: The file.

    Raises:
        DataError: It is missing or broken.
    """
    with _readable(file_name), open(file_name, "rb") as file:
        return pickle.load(file)


# --- data


def stage_in(
    file_names: Iterable[str], source: str | os.PathLike[str], dest: str | os.PathLike[str] = ""
) -> dict[str, str]:
    """Copy files to where they are read faster, such as a disk of the node, and return where they are.

    Several processes may do so at once. A file that has the size and the time of the original is not copied again.

    Args:
        file_names: Names of files, relative to the source.
        source: Directory where they are.
        dest: Directory to copy them to; if there is none, they are read where they are.

    Returns:
        The path of each name.

    Raises:
        DataError: A file is not there.
    """
    paths = {}
    for name in file_names:
        original = Path(source, name)
        if not original.is_file():
            raise DataError(f"{name} must be in {Path(source).absolute()}, got none; put it there")
        copy = Path(dest, name)
        is_copied = bool(dest) and os.path.isdir(dest)
        if is_copied and not _is_same(original, copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            with _written_at_once(copy, like=original) as file, original.open("rb") as source_file:
                shutil.copyfileobj(source_file, file)
        paths[name] = str(copy if is_copied else original)
    return paths


def _is_same(original: Path, copy: Path) -> bool:
    if not copy.is_file():
        return False
    one, other = original.stat(), copy.stat()
    return (one.st_size, int(one.st_mtime)) == (other.st_size, int(other.st_mtime))


Arrays = dict[str, Any]


def numpy_dict_cache(cache_loc: str | os.PathLike[str]) -> Callable[[Callable[[], Arrays]], Callable[[], Arrays]]:
    """Return a decorator for a function that loads arrays: from its second call on, they come from a file.

    Args:
        cache_loc: The file, in numpy's format npz whatever its name; remove it to load the arrays anew.
    """
    path = Path(cache_loc)

    def decorate(load: Callable[[], Arrays]) -> Callable[[], Arrays]:
        @wraps(load)
        def cached() -> Arrays:
            import numpy as np

            if path.exists():
                with _readable(path), path.open("rb") as cache, np.load(cache, allow_pickle=False) as arrays:
                    return dict(arrays)
            loaded = load()
            if objects := [name for name, array in loaded.items() if np.asarray(array).dtype.hasobject]:
                raise DataError(f"arrays must be numbers or text to be kept in {path}, got objects in {objects[0]}")
            with _written_at_once(path) as file:
                np.savez(file, **loaded)
            return loaded

        return cached

    return decorate


# --- files


@contextmanager
def _written_at_once(path: Path, like: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a file that takes its place as a whole, with the times of another if one is given."""
    part = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with part.open("xb") as file:
            yield file
        if like is not None:
            shutil.copystat(like, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _readable(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong with the content of a file into one sentence."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path} must be there, got no such file; save it first", fault="not here") from error
    except Exception as error:  # broken files make pickle, numpy and h5py raise nearly anything
        got = " ".join(f"{type(error).__name__}: {error}".split())
        if "allow_pickle" in got:  # numpy's advice would let a file run code
            got = "no arrays of numpy"
        raise DataError(f"{path} must be what was saved there, got {got:.200}; remove it") from error
