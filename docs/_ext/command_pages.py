"""Pages of the commands of dhmpi, made from their parsers: the same words as `--help`, each option with an anchor.

The option `--learner` of `dhmpi ambs` has the anchor `ambs-learner`, in Markdown `[the learner](#ambs-learner)`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from completion import parser_of
from docutils import nodes
from generated_pages import escaped, heading, write_changed
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.std import Cmdoption

from dhmpi.cli.main import GROUPS

FOLDER = Path(__file__).parents[1] / "commands"


class AnchoredOption(Cmdoption):
    """Directive `option` whose one anchor is short, and a label."""

    def add_target_and_index(self, firstname: str, sig: str, signode: addnodes.desc_signature) -> None:
        """Make the anchor from the program, without dhmpi, and the longest name of the option."""
        program = self.env.ref_context["std:program"]
        anchor = anchor_of(program.removeprefix("dhmpi-"), signode["allnames"])
        signode["ids"] = [anchor]
        self.state.document.note_explicit_target(signode)
        domain = self.env.domains.standard_domain
        domain.note_hyperlink_target(anchor, self.env.docname, anchor, firstname)
        for name in signode["allnames"]:
            domain.add_program_option(program, name, self.env.docname, anchor)
            entry = f"{program.replace('-', ' ', 1)} command line option; {name}"
            self.indexnode["entries"].append(("pair", entry, anchor, "", None))


def anchor_of(command: str, names: list[str]) -> str:
    """Return the anchor of an option."""
    return nodes.make_id(f"{command}-{max(names, key=len).lstrip('-')}")


def block(text: str) -> list[str]:
    """Return a block of lines that stay as they are."""
    return ["::", "", *(f"    {line}" for line in text.splitlines()), ""]


def prose(text: str | None) -> list[str]:
    """Return a description as argparse would show it: filled if it is one paragraph."""
    first, _, rest = (text or "").partition("\n\n")
    if "\n" in first:
        return block(text or "")
    return [escaped(first), "", *(block(rest) if rest else [])]


def options(parser: argparse.ArgumentParser, actions: list[argparse.Action]) -> Iterator[str]:
    """Yield the lines of the options of a group."""
    formatter = parser._get_formatter()  # argparse has no other way to what it shows
    for action in actions:
        if action.help == argparse.SUPPRESS:
            continue
        names = action.option_strings or [str(action.metavar or action.dest)]
        value = ""
        if action.option_strings and action.nargs != 0:
            value = " " + formatter._format_args(action, action.dest.upper())
        yield f".. option:: {', '.join(name + value for name in names)}"
        yield ""
        yield f"    {escaped(formatter._expand_help(action))}"
        yield ""


def page(command: str) -> str:
    """Return the page of a command."""
    parser = parser_of(command)
    usage = parser.format_usage().removeprefix("usage: ")
    lines = [*heading(f"dhmpi {command}", "="), f".. program:: dhmpi {command}", "", *block(usage)]
    lines += prose(parser.description)
    for group in parser._action_groups:
        found = list(options(parser, group._group_actions))
        if found:
            title = group.title or "options"
            lines += [*heading(title[0].upper() + title[1:], "-"), *found]
    return "\n".join([*lines, *prose(parser.epilog)])


def index() -> str:
    """Return the page that lists the commands."""
    lines = [*heading("Commands", "="), "``dhmpi COMMAND --help`` shows the same in a terminal.", ""]
    for title, commands in GROUPS.items():
        lines += heading(title[0].upper() + title[1:], "-")
        for name, command in commands.items():
            lines += [f":doc:`dhmpi {name} <{name}>`", f"    {escaped(command.summary)}"]
        lines += ["", ".. toctree::", "    :hidden:", "", *(f"    {name}" for name in commands), ""]
    return "\n".join(lines)


def write_pages(app: Sphinx) -> None:
    """Write all pages anew; those that have not changed keep their times."""
    pages = {"index": index()} | {name: page(name) for commands in GROUPS.values() for name in commands}
    write_changed(FOLDER, pages)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    app.add_directive_to_domain("std", "option", AnchoredOption, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
