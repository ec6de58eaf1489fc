"""Run functions that no name leads to, such as closures and those of notebooks, on their way to another interpreter.

The only importer of cloudpickle. A pickle goes from a process to interpreters that it has started itself, and nowhere
else: opening one runs what is in it.
"""

import base64
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

from dhmpi.errors import OptionError
from dhmpi.support.loader import guarded


def _short(run: object) -> str:
    return f"{run!r:.120}"


class PickledRun(NamedTuple):
    """A run function as text.

    Attributes:
        label: How it is called in sentences.
        data: The pickle in base64.
    """

    label: str
    data: str

    def __repr__(self) -> str:
        return self.label

    @classmethod
    def of(cls, run: Callable[..., Any], name: str, remedy: str) -> "PickledRun":
        """Pickle a run function with all that it refers to and another interpreter cannot import.

        Args:
            run: Any callable.
            name: How the option is called in errors.
            remedy: What to do if that is impossible.

        Raises:
            OptionError: It refers to something that cannot be pickled, such as an open file or a lock.
        """
        import cloudpickle  # only functions without a name need it

        try:
            data = cloudpickle.dumps(run)
        except Exception as error:  # cloudpickle passes on whatever the user's objects raise
            got = f"{_short(run)}: {str(error) or type(error).__name__}"
            raise OptionError(f"{name} must be importable or picklable, got {got}; {remedy}") from error
        return cls(_short(run), base64.b64encode(data).decode())

    def load(self) -> Any:
        """Return the run function.

        Raises:
            LoadError: What it refers to cannot be imported here.
        """
        data = base64.b64decode(self.data)
        return guarded(lambda: pickle.loads(data), f"{self.label} must be loadable in another interpreter")
