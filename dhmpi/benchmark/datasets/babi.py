"""bAbI: short stories about people and things, each with a question and an answer of one word.

Source: J. Weston et al. 2015, Towards AI-Complete Question Answering, arXiv 1502.05698;
http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz
"""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dhmpi.benchmark.datasets.data_files import (
    SYNTHETIC,
    PublicFile,
    check_stage,
    data_directory,
    data_source,
    is_there,
    missing,
    reading,
    ready,
    verify,
)

SOURCE = "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz"
ARCHIVE = PublicFile("babi-tasks-v1-2.tar.gz", SOURCE, 11_745_123)
FOLDER = "tasks_1-20_v1-2"
# Stories of the synthetic set, each with several questions; and what they are made of.
NUM_TRAIN, NUM_TEST = 500, 100
PEOPLE = ("Mary", "John", "Daniel", "Sandra")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
THINGS = ("apple", "football", "milk")
MOVES = ("moved to", "went to", "journeyed to", "travelled to")


class Question(NamedTuple):
    """A question, the words of the story before it, and its answer."""

    story: list[str]
    words: list[str]
    answer: str


class Questions(NamedTuple):
    """Questions for training and test."""

    train: list[Question]
    test: list[Question]


class BabiTask(NamedTuple):
    """One of the twenty tasks.

    Attributes:
        number: Its number.
        path: Of its files in the archive, where `{}` is `train` or `test`.
    """

    number: int
    path: str


ONE_FACT = BabiTask(1, f"{FOLDER}/en-10k/qa1_single-supporting-fact_{{}}.txt")
TWO_FACTS = BabiTask(2, f"{FOLDER}/en/qa2_two-supporting-facts_{{}}.txt")


def load(task: BabiTask, source: str | None = None, stage_in: str | None = None, seed: int = 0) -> Questions:
    """Return the questions of a task, from the archive or synthetic ones.

    Args:
        task: The task.
        source: A directory, or `synthetic`; by default $DHMPI_DATA, or `data` in the current directory.
        stage_in: Directory on this node to which the archive is copied; by default $DHMPI_STAGE_IN, or none.
        seed: Seed of synthetic stories.

    Raises:
        DataError: If the archive is missing or broken.
    """
    if data_source(source) == SYNTHETIC:
        rng = np.random.default_rng([seed, task.number])
        return Questions(*(list(parse(_invent(task, num, rng))) for num in (NUM_TRAIN, NUM_TEST)))
    return _read(ready(_find(source), ARCHIVE, stage_in), task)


def _find(source: str | None) -> Path:
    path = data_directory(source) / ARCHIVE.name
    if not is_there(path):
        raise missing(ARCHIVE.name, path.parent, SOURCE)
    return path


def _read(path: Path, task: BabiTask) -> Questions:
    with reading(path, SOURCE), tarfile.open(path) as archive:
        return Questions(*(_read_part(archive, task.path.format(part)) for part in ("train", "test")))


def check(source: str | None = None) -> None:
    """Find out whether the archive is there and can be read; its checksum is not known.

    Args:
        source: See `load`.

    Raises:
        DataError: If the archive is missing or broken.
    """
    if data_source(source) == SYNTHETIC:
        return
    path = _find(source)
    if not verify(path, ARCHIVE):
        for task in (ONE_FACT, TWO_FACTS):
            _read(path, task)
    check_stage()


def _read_part(archive: tarfile.TarFile, name: str) -> list[Question]:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"no file {name}")
    questions = list(parse(file.read().decode()))
    if not questions:
        raise ValueError(f"no question in {name}")
    return questions


def parse(text: str) -> Iterator[Question]:
    """Yield the questions of a text in bAbI's form.

    Args:
        text: Lines that begin with a number, 1 for a new story. In a line with a question, tabulators stand before and
            behind the answer.
    """
    story: list[str] = []
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        if int(number) == 1:
            story = []
        if "\t" in rest:
            words, answer, _ = rest.split("\t")
            yield Question(list(story), _words(words), answer)
        else:
            story += _words(rest)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _invent(task: BabiTask, num_stories: int, rng: np.random.Generator) -> str:
    """Return the text of stories, in which people move about and, in the second task, take things along."""
    lines: list[str] = []
    for _ in range(num_stories):
        is_about_things = task.number == TWO_FACTS.number
        lines += [f"{number} {line}" for number, line in enumerate(_invent_story(is_about_things, rng), start=1)]
    return "\n".join(lines)


def _invent_story(is_about_things: bool, rng: np.random.Generator) -> Iterator[str]:
    people, things = rng.permutation(PEOPLE)[:3], rng.permutation(THINGS)[:2]
    place_of: dict[str, str] = {}
    holder_of: dict[str, str] = {}
    for step in range(9 if is_about_things else 6):
        person = str(rng.choice(people))
        free = [thing for thing in things if thing not in holder_of]
        if is_about_things and person in place_of and free and rng.random() < 0.6:
            thing = str(rng.choice(free))
            holder_of[thing] = person
            yield f"{person} got the {thing} there."
        else:
            place_of[person] = str(rng.choice(PLACES))
            yield f"{person} {rng.choice(MOVES)} the {place_of[person]}."
        known = sorted(holder_of) if is_about_things else sorted(place_of)
        if step % 3 == 2 and known:
            asked = str(rng.choice(known))
            answer = place_of[holder_of[asked]] if is_about_things else place_of[asked]
            yield f"Where is {'the ' if is_about_things else ''}{asked}? \t{answer}\t1"
