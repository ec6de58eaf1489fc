"""Translations to and from ConfigSpace, where that is installed."""

from typing import TYPE_CHECKING, NamedTuple

from dhmpi.errors import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ConfigSpace import ConfigurationSpace

    from dhmpi.space.problem import HpProblem


class Translations(NamedTuple):
    """Translations of problems.

    Attributes:
        fill: Adds a space of ConfigSpace to a problem.
        configspace_of: Returns a problem as such a space.
    """

    fill: "Callable[[HpProblem, ConfigurationSpace], None]"
    configspace_of: "Callable[[HpProblem], ConfigurationSpace]"


def translations() -> Translations:
    """Return the translations, which import ConfigSpace.

    Raises:
        ProblemError: It is not installed, or too old.
    """
    try:
        from dhmpi.space.from_configspace import fill
        from dhmpi.space.to_configspace import configspace_of
    except (ImportError, AttributeError) as error:  # before 1.2.1 it has no such clauses
        need = "ConfigSpace must be installed, 1.2.1 or later"
        raise ProblemError(f'{need}, got {error}; pip install "ConfigSpace>=1.2.1"') from error
    return Translations(fill, configspace_of)
