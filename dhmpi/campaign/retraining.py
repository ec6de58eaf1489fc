"""Retraining of the best architectures after a search; their export, and drawings."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dhmpi.benchmark import Problem
from dhmpi.campaign import problem_source
from dhmpi.errors import DataError, OptionError, OutputError, ProblemError, ResultsError, option_name
from dhmpi.evaluation import Evaluation, seed_of, turned
from dhmpi.results import Results
from dhmpi.search.registry import find
from dhmpi.support.loader import check_problem, load, load_problem
from dhmpi.support.options import plain
from dhmpi.support.printing import Stream, tell


class Again(NamedTuple):
    """Settings of a retraining.

    Attributes:
        epochs: How long; None is as long as in the search.
        seed: Seed of the weights, the dropout and the order of the samples; None is each evaluation's own, with which
            the search has trained it.
        problem: Name of the problem; None looks where it was, and beside the results file.
        data: Directory of the data; None leaves it to the problem.
    """

    epochs: int | None = None
    seed: int | None = None
    problem: str | None = None
    data: str | None = None


class Retrained(NamedTuple):
    """An architecture that has been trained again.

    Attributes:
        evaluation: The one that found it.
        reward: The reward of the new training.
        valid: Loss and metrics of the validation part.
        test: Loss and metrics of the test part; None if the problem has none.
        parameters: Number of its weights.
        model: The Keras model.
    """

    evaluation: Evaluation
    reward: float
    valid: Mapping[str, float]
    test: Mapping[str, float] | None
    parameters: int
    model: Any


class _Candidate(NamedTuple):
    """An architecture to be trained again: what found it, its configuration, and the seed."""

    evaluation: Evaluation
    config: dict[str, Any]
    seed: int


def draw(problem: str, arch: str | None, path: str) -> None:
    """Write a picture of a problem's space, or of one of its architectures.

    Args:
        problem: Name of the problem.
        arch: Its decisions, separated by commas; None draws the space.
        path: File ending in .dot; or in .png, .svg or .pdf if Graphviz is installed.
    """
    from dhmpi.search.nas.nas_search import load_structure

    structure: Any = load_structure(load_problem(problem))
    if not hasattr(structure, "draw_graphviz"):
        raise OptionError(f"a problem must have a structure of layers to be drawn, got {type(structure).__name__}")
    if arch is not None:
        structure.set_ops(_decisions(arch))
    structure.draw_graphviz(path)


def draw_best(results: Results, given: str | None, path: str) -> Evaluation:
    """Write a picture of the best architecture of a campaign.

    Args:
        results: Of a search for architectures.
        given: Name of the problem; None looks where it was, and beside the results file.
        path: See `draw`.

    Returns:
        The evaluation that found it.

    Raises:
        ResultsError: There is no architecture to draw.
    """
    _require_architectures(results, "drawn")
    [best] = results.ranked(1)
    search = _search_of(results, recall(results, given))
    structure = search.structure
    if not hasattr(structure, "draw_graphviz"):
        raise OptionError(f"a problem must have a structure of layers to be drawn, got {type(structure).__name__}")
    structure.set_ops(list(search.space.decisions(best.point)))
    structure.draw_graphviz(path)
    return best


def _require_architectures(results: Results, what: str) -> None:
    """Check that results have an architecture for which something can be done."""
    search = results.metadata.search
    if not results.metadata.seeks_architectures:
        raise ResultsError(f"results must hold architectures to be {what}, got hyperparameters of search {search}")
    if results.best is None:
        raise ResultsError(f"results must hold architectures to be {what}, got none of search {search} that is DONE")


def _search_of(results: Results, problem: Any) -> Any:
    """Return the search that a campaign had, with its problem as it is now; their spaces are the same."""
    search = find(results.metadata.search)(problem)
    results.metadata.require_space(search.space.specs(), search.space.rules.specs())
    return search


def _decisions(text: str) -> list[int]:
    try:
        return [int(plain(word)) for word in text.split(",")]
    except ValueError:
        raise OptionError(f"--arch must be integers separated by commas, got {text!r}") from None


def retrain(results: Results, top: int, again: Again) -> Iterator[Retrained]:
    """Train the best architectures of a campaign again, the best one first.

    Args:
        results: Of a search for architectures.
        top: How many.
        again: How.

    Raises:
        ResultsError: There is no architecture to train.
    """
    candidates = _candidates(results, top, again)  # may find faults for which TensorFlow is not needed
    from dhmpi.search.nas.model.run import alpha
    from dhmpi.search.nas.model.trainer.cost import num_parameters
    from dhmpi.support.training_session import Standalone, session

    for each in candidates:
        with session(each.seed):
            trained = alpha.train(each.config, Standalone(each.seed))
            test = None if trained.data.test is None else trained.trainer.evaluate(trained.data.test)
            valid = trained.trainer.evaluate(trained.data.valid)
            reward, parameters = trained.training.reward, num_parameters(trained.model)
            yield Retrained(each.evaluation, reward, valid, test, parameters, trained.model)


def _candidates(results: Results, top: int, again: Again) -> list[_Candidate]:
    """Return the best evaluations, and what to train; the best one first."""
    _require_architectures(results, "trained")
    search = _search_of(results, recall(results, again.problem, again.data))
    try:
        check_problem(search.problem)
    except DataError as error:
        if again.data is not None or not _takes_directory(_parameters(search.problem)):
            raise
        raise DataError(f"{error}, or give {option_name('data')}") from error
    candidates = []
    for evaluation in results.ranked(top):
        config = dict(search.config(evaluation.point) or {})
        if again.epochs is not None:
            config["hyperparameters"] = {**config["hyperparameters"], "num_epochs": again.epochs}
        seed = seed_of(results.metadata.seed, evaluation.id) if again.seed is None else again.seed
        candidates.append(_Candidate(evaluation, config, seed))
    return candidates


def recall(results: Results, given: str | None, data: str | None = None) -> Any:
    """Return the problem of a campaign, with a warning if it has changed since.

    Args:
        results: Of the campaign.
        given: Name of the problem; None looks where it was, and beside the results file.
        data: Directory of the data; None leaves it to the problem.

    Raises:
        InputError: It is not found, or cannot be loaded.
    """
    problem, changed = problem_source.recall(results, given)
    if changed:
        tell(f"warning: {changed}")
    return problem if data is None else _with_data(problem, data)


def _with_data(problem: Any, directory: str) -> Any:
    """Return a problem whose data come from a directory."""
    path = Path(directory).expanduser().absolute()
    if not path.is_dir():
        raise OptionError(f"--data must be a directory that exists, got {directory!r}")
    parameters = _parameters(problem)
    if not _takes_directory(parameters) or not isinstance(problem, Problem):
        got = ", ".join(parameters) or "none at all"
        raise OptionError(f"--data must come with a load_data that has a parameter data_dir, got {got}; leave it out")
    entry = problem.space["load_data"]
    return problem.with_dim("load_data", {**entry, "kwargs": {**(entry.get("kwargs") or {}), "data_dir": str(path)}})


def _parameters(problem: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the function that loads a problem's data; none if there is no such function."""
    entry = problem.space.get("load_data")
    if entry is None:
        return {}
    load_data: Any = load(entry["func"], "load_data") if isinstance(entry["func"], str) else entry["func"]
    return inspect.signature(load_data).parameters


def _takes_directory(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(name == "data_dir" or each.kind is each.VAR_KEYWORD for name, each in parameters.items())


def report(results: Results, top: int, again: Again, stream: Stream) -> None:
    """Train the best architectures again, and print what came of them."""
    for number, each in enumerate(retrain(results, top, again), start=1):
        found = turned(each.evaluation.objective, True)
        print(
            f"{number}. evaluation {each.evaluation.id}: reward {each.reward:.6g}, in the search {found:.6g}",
            file=stream,
        )
        print(f"   {each.parameters} parameters", file=stream)
        print(f"   validation: {_listed(each.valid)}", file=stream)
        print(f"   test:       {'the problem has none' if each.test is None else _listed(each.test)}", file=stream)
        stream.flush()


def export(results: Results, path: str, again: Again, with_preprocessing: bool, stream: Stream) -> None:
    """Train the best architecture again, write it as a Keras model, and print what the saved model makes of test data.

    Args:
        results: Of a search for architectures.
        path: File to write.
        again: How it is trained.
        with_preprocessing: Whether the model does the preprocessing, too, and so takes raw data.
        stream: Where it is printed.

    Raises:
        OptionError: It cannot be written there.
        ProblemError: The preprocessing cannot become part of the model.
    """
    if Path(path).suffix != ".keras":
        raise OptionError(f"--keras must be a file ending in .keras, got {path!r}")
    if not Path(path).absolute().parent.is_dir() or Path(path).is_dir():
        raise OptionError(f"--keras must be a file in a directory that exists, got {path!r}")
    [each] = _candidates(results, 1, again)
    from dhmpi.search.nas.model import deployment
    from dhmpi.search.nas.model.run import alpha
    from dhmpi.support.training_session import Standalone, session

    with session(each.seed):
        data = alpha.load_raw(each.config)
        scaling = _affine(data) if with_preprocessing else None  # before a training that would be in vain
        trained = alpha.train(each.config, Standalone(each.seed), data)
        try:
            deployment.save(trained.model, scaling, path)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
        reward, test = trained.training.reward, "the problem has none"
        if data.test is not None:
            record = deployment.measure(path, trained, is_raw=with_preprocessing)
            test = f"{_listed(record)}, of the saved model on {'raw' if with_preprocessing else 'preprocessed'} data"
    print(f"{path}: evaluation {each.evaluation.id}, reward {reward:.6g}; test: {test}", file=stream)


def _affine(data: Any) -> Any:
    try:
        return data.affine()
    except ProblemError as error:
        remedy = "give --without-preprocessing to export a model that takes preprocessed data"
        raise ProblemError(f"{error}; {remedy}") from error


def _listed(record: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in record.items())
