"""Network of an architecture: the operations that its output depends on, identities left out.

Models are built from this, and canonical keys made of it, so architectures with the same key give the same model.
"""

from collections.abc import Sequence
from typing import NamedTuple

from dhmpi.search.nas.model.space.op.basic import Kind, Operation
from dhmpi.search.nas.model.space.plan import Option, Plan

NOTHING = -1
OUTPUT = "Structure_Output"


class NetworkStep(NamedTuple):
    """An operation that is carried out.

    Attributes:
        place: Its place in the plan; that of the output comes after all others.
        name: Name of its node.
        op: The operation.
        label: Label of the operation.
        kind: Kind of the operation.
        inputs: Earlier steps whose outputs it takes.
        weights: Place whose weights it uses.
    """

    place: int
    name: str
    op: Operation
    label: str
    kind: Kind
    inputs: tuple[int, ...]
    weights: int


def make_network(plan: Plan, choices: Sequence[int]) -> list[NetworkStep]:
    """Return the steps; the last one gives the output, and there is none if nothing reaches it.

    Args:
        plan: The structure.
        choices: The number of an option for each decision.
    """
    options = plan.chosen(choices)
    taken = {place for option in options for place in option.inputs}
    loose = tuple(place for place in plan.outputs if place not in taken)
    options.append(Option(plan.output_op, plan.output_op.label, plan.output_op.kind, loose))
    inputs, root = _reduced(options)
    return _steps(plan, options, inputs, root)


def _reduced(options: Sequence[Option]) -> tuple[list[list[int]], int]:
    """Return the places that each place takes, and the place that gives the output or NOTHING.

    Operations that get nothing give nothing. Identities, and merging operations with one input, are bypassed. Merging
    operations take what merging operations of the same kind before them take; those that take the same are one.
    """
    gives: list[int] = []  # place whose tensor each place gives
    inputs: list[list[int]] = []
    merging: dict[tuple[str, tuple[int, ...]], int] = {}
    for place, (_, label, kind, sources) in enumerate(options):
        taken = [gives[source] for source in sources if gives[source] != NOTHING]
        given = place
        if not taken and kind is not Kind.SOURCE:
            given = NOTHING
        elif kind is Kind.JOIN or kind is Kind.SUM:
            groups = [inputs[source] if options[source].label == label else [source] for source in taken]
            taken = [each for group in groups for each in group]
            if kind is Kind.SUM:
                taken.sort()
            given = taken[0] if len(taken) == 1 else merging.setdefault((label, tuple(taken)), place)
        elif kind is Kind.PASS and len(taken) == 1:
            given = taken[0]
        gives.append(given)
        inputs.append(taken)
    return inputs, gives[-1]


def _steps(plan: Plan, options: Sequence[Option], inputs: Sequence[Sequence[int]], root: int) -> list[NetworkStep]:
    """Return those places as steps that the root depends on."""
    live = {root} - {NOTHING}
    for place in range(root, -1, -1):
        if place in live:
            live.update(inputs[place])
    steps: list[NetworkStep] = []
    position: dict[int, int] = {}
    for place in sorted(live):
        op, label, kind, _ = options[place]
        position[place] = len(steps)
        is_output = place == len(plan.places)
        name, weights = (OUTPUT, place) if is_output else (plan.places[place].name, plan.places[place].original)
        steps.append(
            NetworkStep(place, name, op, label, kind, tuple([position[each] for each in inputs[place]]), weights)
        )
    return steps
