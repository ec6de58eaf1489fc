"""A text that equal architectures have in common, and others have not.

Architectures are equal if one becomes the other by renaming its weights: by exchanging nodes that do the same, terms
of a sum, or terms of a concatenation if whatever takes it weights all its features. Nodes that share an input, or
weights, are told from nodes that have two equal ones.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from dhmpi.search.nas.model.space.network import NetworkStep
from dhmpi.search.nas.model.space.op.basic import Kind

Colours = list[bytes]


def canonical_key(steps: Sequence[NetworkStep]) -> str:
    """Return the key of a network, 32 hexadecimal digits.

    Steps get colours, which tell them apart by what they are made of and what is made of them (Weisfeiler and Leman
    1968), and are written down in the order of the colours. Networks with the same key are equal, always. Equal
    networks have the same key unless two steps get the same colour, which takes more symmetry than decisions make.
    """
    is_free = _is_free(steps)
    colours = _colours(steps, is_free)
    order = sorted(range(len(steps)), key=colours.__getitem__)
    rank = {number: place for place, number in enumerate(order)}
    shared: dict[int, int] = {}
    lines = []
    for place, number in enumerate(order):
        step = steps[number]
        inputs = [rank[each] for each in step.inputs]
        weights = shared.setdefault(step.weights, place)
        lines.append(f"{step.label} {sorted(inputs) if is_free[number] else inputs} {weights}")
    return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _is_free(steps: Sequence[NetworkStep]) -> list[bool]:
    """Return of each step whether the order of its inputs does not matter."""
    uses = Counter(step.weights for step in steps)
    fixed = [False] * len(steps)  # whether the order of its features matters
    is_free = [False] * len(steps)
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        is_free[number] = step.kind is Kind.SUM or (step.kind is Kind.JOIN and not fixed[number])
        passes_on = step.kind is Kind.EACH or step.kind is Kind.JOIN
        mixes = step.kind is Kind.MIX and uses[step.weights] == 1  # shared weights fit one order only
        if not mixes and (fixed[number] or not passes_on):
            for each in step.inputs:
                fixed[each] = True
    return is_free


def _colours(steps: Sequence[NetworkStep], is_free: Sequence[bool]) -> Colours:
    """Return a colour of its own for each step."""
    colours = _from_inputs([step.label.encode() for step in steps], steps, is_free)
    num_colours = len(set(colours))
    while num_colours < len(steps):
        colours = _from_inputs(_from_output(colours, steps, is_free), steps, is_free)
        num_before, num_colours = num_colours, len(set(colours))
        if num_colours == num_before:  # some steps can change places: any of them may be the first one
            colours[colours.index(min(_repeated(colours)))] += b"!"
            num_colours += 1
    return colours


def _repeated(colours: Colours) -> set[bytes]:
    return {colour for colour, count in Counter(colours).items() if count > 1}


def _from_inputs(colours: Colours, steps: Sequence[NetworkStep], is_free: Sequence[bool]) -> Colours:
    """Return colours that tell what a step is made of, too."""
    finer: Colours = []
    for colour, step, free in zip(colours, steps, is_free, strict=True):
        taken = [finer[each] for each in step.inputs]
        if free:
            taken.sort()
        finer.append(blake2b(b"".join([colour, b"<", *taken]), digest_size=8).digest())
    return finer


def _from_output(colours: Colours, steps: Sequence[NetworkStep], is_free: Sequence[bool]) -> Colours:
    """Return colours that tell what is made of a step, too."""
    finer = list(colours)
    uses: list[list[bytes]] = [[] for _ in steps]
    for number in range(len(steps) - 1, -1, -1):
        finer[number] = blake2b(b"".join([colours[number], b">", *sorted(uses[number])]), digest_size=8).digest()
        for position, each in enumerate(steps[number].inputs):
            uses[each].append(finer[number] + (b"" if is_free[number] else b"%d" % position))
    return finer
