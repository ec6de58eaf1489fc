"""What is done with architectures outside a search: drawing them, and training the best ones again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dhmpi.errors import OptionError, ResultsError
from dhmpi.evaluation import Evaluation, State, seed_of, turned
from dhmpi.loader import load_problem
from dhmpi.printing import Stream
from dhmpi.results import Results
from dhmpi.search.registry import find


class Again(NamedTuple):
    """How architectures are trained again.

    Attributes:
        epochs: How long; None is as long as in the search.
        seed: Seed of the weights, the dropout and the order of the samples; None is each evaluation's own, with which
            the search has trained it.
    """

    epochs: int | None = None
    seed: int | None = None


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


def draw(problem: str, arch: str | None, path: str) -> None:
    """Write a picture of a problem's space, or of one of its architectures.

    Args:
        problem: Name of the problem.
        arch: Its decisions, separated by commas; None draws the space.
        path: File ending in .dot; or in .png, .svg or .pdf if Graphviz is installed.
    """
    from dhmpi.search.nas.search import load_structure

    structure: Any = load_structure(load_problem(problem))
    if not hasattr(structure, "draw_graphviz"):
        raise OptionError(f"a problem must have a structure of layers to be drawn, got {type(structure).__name__}")
    if arch is not None:
        structure.set_ops(_decisions(arch))
    structure.draw_graphviz(path)


def _decisions(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
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
    from dhmpi.search.nas.model.run import alpha
    from dhmpi.search.nas.model.trainer.cost import num_parameters
    from dhmpi.search.nas.model.trainer.session import session

    metadata = results.metadata
    done = [each for each in results.evaluations if each.state is State.DONE]
    if not metadata.maximises or not done:
        raise ResultsError(
            f"results must hold architectures to be trained, got {len(done)} of search {metadata.search}"
        )
    search = find(metadata.search)(metadata.problem)
    for evaluation in sorted(done, key=lambda each: (each.objective, each.id))[:top]:
        config = dict(search.config(evaluation.point) or {})
        if again.epochs is not None:
            config["hyperparameters"] = {**config["hyperparameters"], "num_epochs": again.epochs}
        own_seed = seed_of(metadata.seed, evaluation.id)
        context = alpha.Standalone(own_seed if again.seed is None else again.seed)
        with session(context.seed):
            trained = alpha.train(config, context)
            test = None if trained.data.test is None else trained.trainer.evaluate(trained.data.test)
            valid = trained.trainer.evaluate(trained.data.valid)
            reward, parameters = trained.training.reward, num_parameters(trained.model)
            yield Retrained(evaluation, reward, valid, test, parameters, trained.model)


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


def export(results: Results, path: str, again: Again, stream: Stream) -> None:
    """Train the best architecture again, and write it as a Keras model."""
    if Path(path).suffix != ".keras":
        raise OptionError(f"--keras must be a file ending in .keras, got {path!r}")
    [each] = retrain(results, 1, again)
    each.model.save(path)
    test = "" if each.test is None else f"; test: {_listed(each.test)}"
    print(f"{path}: evaluation {each.evaluation.id}, reward {each.reward:.6g}{test}", file=stream)


def _listed(record: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in record.items())
