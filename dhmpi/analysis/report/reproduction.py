"""Command that repeats a campaign."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from dhmpi.results import Metadata


@dataclass(frozen=True)
class Reproduction:
    """Reproduction of a campaign.

    Attributes:
        command: The line for a shell; empty if the file does not know the command.
        given: The command as it was given, for a shell.
        notes: What is different in the line, and why; sentences.
    """

    command: str
    given: str
    notes: Sequence[str]


def reproduction(metadata: Metadata) -> Reproduction:
    """Return the command that repeats a campaign: the one that was given, by short names, with the seed."""
    words = [str(word) for word in metadata.command]
    if not words:
        return Reproduction("", "", ())
    program, options, notes = _program(words[0]), words[1:], []
    if program[-1] == "dhmpi":
        if "--resume" in options:
            options = [word for word in options if word != "--resume"]
            notes.append("--resume is left out: the line begins a new campaign.")
        if not any(word == "--seed" or word.startswith("--seed=") for word in options):
            options += ["--seed", str(metadata.seed)]
            notes.append("The seed is the one that the campaign had.")
    else:
        notes.append(f"The seed was {metadata.seed}.")
    ranks = _num_ranks(metadata)
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    if launcher:
        notes.append(f"There were {ranks} ranks; another launcher than mpirun may have started them.")
    notes.append("Where there is a results file of that name already, --output needs another one.")
    return Reproduction(shlex.join([*launcher, *program, *options]), shlex.join(words), notes)


def _program(word: str) -> list[str]:
    path = PurePath(word)
    if path.name == "dhmpi" or (path.name == "__main__.py" and path.parent.name == "dhmpi"):
        return ["dhmpi"] if path.name == "dhmpi" else ["python", "-m", "dhmpi"]
    return ["python", word] if path.suffix == ".py" else [word]


def _num_ranks(metadata: Metadata) -> int:
    roles = metadata.runs[-1].get("roles") if metadata.runs else None
    size = roles.get("size") if isinstance(roles, dict) else None
    return size if isinstance(size, int) else 1
