"""Pictures of structures and architectures: the door to pydot."""

import shutil
from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import pydot

from dhmpi.errors import OptionError
from dhmpi.search.nas.model.space.network import OUTPUT
from dhmpi.search.nas.model.space.plan import Plan, PlanNode

if TYPE_CHECKING:
    from dhmpi.search.nas.model.space.architecture import Architecture

TEXTS, IMAGES = (".dot", ".gv"), (".png", ".svg", ".pdf")
# Colours of the frames of cells and of blocks.
FRAMES = {"cell": "orange", "block": "blue"}


def draw_architecture(architecture: "Architecture", path: str | PathLike[str]) -> None:
    """Write a picture of an architecture; what its output does not depend on, and identities, have dashed lines.

    Args:
        architecture: What to draw.
        path: File ending in `.dot` or `.gv`; or in `.png`, `.svg` or `.pdf` if Graphviz is installed.

    Raises:
        OptionError: If the ending is another one, the file cannot be written, or Graphviz is needed and missing.
    """
    graph, plan = architecture.graph, architecture.plan
    texts = {place.name: _text(place) for place in plan.places}
    labels = {name: f"{texts.get(name, name)}[{op}]" for name, op in graph.nodes(data="op")}
    dashed = set(graph) - {step.name for step in architecture.network} - {OUTPUT}
    _write(_picture(plan, labels, dict.fromkeys(graph.edges, False), dashed), path)


def draw_space(plan: Plan, path: str | PathLike[str]) -> None:
    """Write a picture of a structure; connections that not all operations of a node make have dashed lines.

    Args:
        plan: The structure.
        path: As for `draw_architecture`.

    Raises:
        OptionError: If the ending is another one, the file cannot be written, or Graphviz is needed and missing.
    """
    labels = {OUTPUT: f"{OUTPUT}[{plan.output_op}]"}
    edges = {}
    for place in plan.places:
        ops = place.options
        labels[place.name] = _text(place) + (f"[{len(ops)} operations]" if len(ops) > 1 else f"[{ops[0].op}]")
        for source in {source: None for option in ops for source in option.inputs}:
            edges[plan.places[source].name, place.name] = not all(source in option.inputs for option in ops)
    edges |= {(plan.places[place].name, OUTPUT): True for place in plan.outputs}
    _write(_picture(plan, labels, edges, ()), path)


def _text(place: PlanNode) -> str:
    return f"{place.node.name}({place.node.id})"


def _picture(
    plan: Plan, labels: Mapping[str, str], edges: Mapping[tuple[str, str], bool], dashed: Collection[str]
) -> pydot.Dot:
    """Return a graph with a frame around each cell and each block.

    Args:
        plan: Tells which nodes are in which cell and block.
        labels: Text of each node, by its name.
        edges: Whether the line is dashed, by the names of its ends.
        dashed: Nodes whose outlines are dashed.
    """
    picture = pydot.Dot("structure", graph_type="digraph")
    frames: dict[tuple[int, ...], pydot.Graph] = {(): picture}
    blocks = {place.name: place.block for place in plan.places}
    for name, label in labels.items():
        style = "dashed" if name in dashed else "solid"
        node = pydot.Node(name, label=label.replace("\\", "\\\\"), style=style)
        _frame(blocks.get(name, ()), frames).add_node(node)
    for (source, target), is_dashed in edges.items():
        picture.add_edge(pydot.Edge(source, target, style="dashed" if is_dashed else "solid"))
    return picture


def _frame(block: tuple[int, ...], frames: dict[tuple[int, ...], pydot.Graph]) -> pydot.Graph:
    """Return the frame of a block or cell, made when it is first asked for."""
    if block not in frames:
        kind = ("cell", "block")[len(block) - 1]
        name = "_".join(["cluster", *map(str, block)])  # Graphviz frames subgraphs whose names begin so
        frames[block] = cluster = pydot.Subgraph(name, label=f"{kind}_{block[-1]}", color=FRAMES[kind])
        _frame(block[:-1], frames).add_subgraph(cluster)
    return frames[block]


def _write(picture: pydot.Dot, path: str | PathLike[str]) -> None:
    file = Path(path)
    ending = file.suffix.lower()
    if ending not in TEXTS + IMAGES:
        raise OptionError(f"a picture's file must end in {', '.join(TEXTS + IMAGES)}, got {str(path)!r}")
    if ending in IMAGES and shutil.which("dot") is None:
        raise OptionError(
            f"a {ending} picture must be made by Graphviz's command dot, got no such command; "
            f"install Graphviz (apt install graphviz), or write {file.with_suffix('.dot')}"
        )
    try:
        picture.write(str(file), format="raw" if ending in TEXTS else ending[1:])
    except OSError as error:
        raise OptionError(f"a picture must go to a file that can be written, got {str(path)!r}: {error}") from error
