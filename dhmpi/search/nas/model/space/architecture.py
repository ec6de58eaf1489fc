"""Architectures: structures with every choice made."""

from functools import cached_property
from os import PathLike
from typing import Any

import networkx as nx

from dhmpi.search.nas.model.space.key import canonical_key
from dhmpi.search.nas.model.space.network import OUTPUT, NetworkStep, make_network
from dhmpi.search.nas.model.space.plan import Plan


class Architecture:
    """One architecture of a structure.

    Args:
        plan: The structure.
        choices: The number of an operation for each decision.
    """

    def __init__(self, plan: Plan, choices: tuple[int, ...]) -> None:
        self.plan = plan
        self.choices = choices

    @cached_property
    def network(self) -> list[NetworkStep]:
        """Network that the output depends on, identities left out; the last step gives the output."""
        return make_network(self.plan, self.choices)

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The names of all nodes, with attribute `op`, and an edge from each to those that take its output."""
        graph = nx.DiGraph()
        places = self.plan.places
        for place, option in zip(places, self.plan.chosen(self.choices), strict=True):
            graph.add_node(place.name, op=option.op)
            graph.add_edges_from((places[each].name, place.name) for each in option.inputs)
        loose = [places[each].name for each in self.plan.outputs if not graph.out_degree(places[each].name)]
        graph.add_node(OUTPUT, op=self.plan.output_op)
        graph.add_edges_from((name, OUTPUT) for name in loose)
        return graph

    @property
    def canonical_key(self) -> str:
        """Key that equal architectures have in common."""
        return canonical_key(self.network)

    def create_model(self, activation: str | None = None) -> Any:
        """Return a new Keras model, untrained.

        The output is a dense layer of the structure's output shape, after all outputs that no node takes.

        Args:
            activation: Activation of the output; None is linear.

        Raises:
            ProblemError: If an operation cannot be applied to what it gets, or nothing reaches the output.
        """
        from dhmpi.search.nas.model.space.build import build

        return build(self.plan, self.network, activation)

    def describe(self) -> str:
        """Return a line for every operation that matters: its node, what it is, what it takes."""
        rows = [(step.name, str(step.op), step.inputs) for step in self.network if step.inputs]
        rows.append(("output", f"Dense {self.plan.output_shape}", (len(self.network) - 1,) if self.network else ()))
        width, op_width = (max(len(row[column]) for row in rows) for column in (0, 1))
        taken = [", ".join(self.network[each].name for each in inputs) or "nothing" for *_, inputs in rows]
        return "\n".join(
            f"{name:{width}}  {op:{op_width}}  of {names}" for (name, op, _), names in zip(rows, taken, strict=True)
        )

    def draw_graphviz(self, path: str | PathLike[str]) -> None:
        """Write a picture of the chosen operations.

        Args:
            path: File ending in `.dot`; or in `.png`, `.svg` or `.pdf` if Graphviz is installed.

        Raises:
            OptionError: If the ending is another one, the file cannot be written, or Graphviz is needed and missing.
        """
        from dhmpi.search.nas.model.draw import draw_architecture

        draw_architecture(self, path)
