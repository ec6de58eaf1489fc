"""View of a campaign: what several pictures of it have in common."""

import os
from functools import cached_property

from dhmpi.analysis.importance import Importance, importances
from dhmpi.analysis.plots import style
from dhmpi.analysis.timeline import Timeline
from dhmpi.results import Results, read


class View:
    """Campaign that is drawn.

    Args:
        results: The campaign.
        name: How it is called.
        now: When it is looked at, if it is going on [s since 1970-01-01 UTC].
    """

    def __init__(self, results: Results, name: str = "", now: float | None = None) -> None:
        self.results, self.name, self._now = results, name, now

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "View":
        """Return the view of a results file."""
        return cls(read(path), os.path.basename(path))

    @cached_property
    def timeline(self) -> Timeline:
        """Its timeline."""
        return Timeline(self.results, self._now)

    @cached_property
    def importances(self) -> list[Importance]:
        """Importances of its dimensions.

        Raises:
            ResultsError: Too few evaluations are DONE.
        """
        return importances(self.results)

    @property
    def measure(self) -> str:
        """Word for what is found: the name of the objective, or of the first one."""
        return style.text(self.results.metadata.main_objective.name)
