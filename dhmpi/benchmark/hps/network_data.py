"""Data of networks: samples for training, validation and test."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.datasets.babi import Question, Questions
from dhmpi.benchmark.datasets.images import NUM_CLASSES, Images, scaled

Array = npt.NDArray[Any]

VALID_SHARE = 0.3  # of what is for training, as documented


class Samples(NamedTuple):
    """Samples: one array of inputs or several, shape (num, ...), and the classes to predict, shape (num, ...)."""

    inputs: Any
    classes: Array

    def rows(self, which: slice) -> "Samples":
        """Return some of the samples."""
        if isinstance(self.inputs, list):
            return Samples([each[which] for each in self.inputs], self.classes[which])
        return Samples(self.inputs[which], self.classes[which])


class SampleParts(NamedTuple):
    """A data set.

    Attributes:
        train: What is trained on.
        valid: What the objective is measured on.
        test: What is only reported.
        num_classes: Number of classes.
        graph: The graph whose nodes the samples are, if they are any.
    """

    train: Samples
    valid: Samples
    test: Samples
    num_classes: int
    graph: Any = None

    def at_most(self, num: int) -> "SampleParts":
        """Return so many samples of each part; all for 0."""
        if not num:
            return self
        train, valid, test = (part.rows(slice(num)) for part in (self.train, self.valid, self.test))
        return self._replace(train=train, valid=valid, test=test)


def split(train: Samples, test: Samples, num_classes: int) -> SampleParts:
    """Return a data set whose validation part is the last 30 % of what is for training."""
    num_train = len(train.classes) - round(VALID_SHARE * len(train.classes))
    return SampleParts(train.rows(slice(num_train)), train.rows(slice(num_train, None)), test, num_classes)


def image_parts(images: Images) -> SampleParts:
    """Return images with pixels in [0, 1], and their classes."""
    train = Samples(scaled(images.train_images), images.train_labels)
    return split(train, Samples(scaled(images.test_images), images.test_labels), NUM_CLASSES)


def question_parts(questions: Questions) -> SampleParts:
    """Return the words of stories and of questions as numbers, padded with 0 in front, and those of the answers."""
    everything = [*questions.train, *questions.test]
    texts = [[*each.story, *each.words, each.answer] for each in everything]
    numbers = {word: number for number, word in enumerate(sorted({word for text in texts for word in text}), start=1)}
    longest = max(len(each.story) for each in everything), max(len(each.words) for each in everything)

    def samples(part: list[Question]) -> Samples:
        stories = _padded([[numbers[word] for word in each.story] for each in part], longest[0])
        asked = _padded([[numbers[word] for word in each.words] for each in part], longest[1])
        return Samples([stories, asked], np.array([numbers[each.answer] for each in part]))

    return split(samples(questions.train), samples(questions.test), len(numbers) + 1)


def _padded(rows: list[list[int]], length: int) -> Array:
    padded = np.zeros((len(rows), length), np.int32)
    for target, row in zip(padded, rows, strict=True):
        target[length - len(row) :] = row
    return padded
