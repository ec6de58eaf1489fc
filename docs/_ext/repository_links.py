"""Links from Markdown to files of the repository, as on GitHub, become links within the site."""

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
# Pages that show what lies outside docs/.
SHOWN = {
    "README.md": "overview.md",
    "CHANGES.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "programs.md",
}
LINK = re.compile(r"(?<!!)\[([^][]*(?:\[[^][]*\][^][]*)*)\]\(([^()\s#]+)(#[^()\s]*)?\)")
IMAGE = re.compile(r"(!\[[^]]*\]\()([^()\s]+)\)")


def relinked(text: str, source: Path, page: Path) -> str:
    """Return Markdown of a page whose links are those of another file.

    Args:
        text: The Markdown.
        source: The file that the links are relative to.
        page: The page that shows it, a file in docs/.
    """

    def link(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        there = Path(os.path.normpath(source.parent / target))
        if ":" in target or not there.exists():
            return found[0]  # of the Web; or no link, but code
        name = there.relative_to(ROOT).as_posix()
        there = DOCS / SHOWN[name] if name in SHOWN else there
        if there.suffix == ".md" and there.is_relative_to(DOCS):
            return f"[{words}]({os.path.relpath(there, page.parent)}{anchor})"
        return words  # a folder, a module: on the disk alone

    def image(found: re.Match[str]) -> str:
        return f"{found[1]}{os.path.relpath(source.parent / found[2], page.parent)})"

    return IMAGE.sub(image, LINK.sub(link, text))


def with_others(index: str) -> str:
    """Return the index with the pages that it does not name in place of its line `OTHERS`."""
    named = {line.rpartition("<")[2].rstrip(">") for line in index.splitlines()}
    others = sorted(page.stem for page in DOCS.glob("*.md") if page.stem not in {*named, "index"})
    return index.replace("OTHERS\n", "".join(f"{name}\n" for name in others))


def _page_is_read(app: Sphinx, docname: str, content: list[str]) -> None:
    page = DOCS / f"{docname}.md"
    if page.exists():
        content[0] = relinked(content[0], page, page)
    if docname == "index":
        content[0] = with_others(content[0])


def _file_is_included(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    content[0] = relinked(content[0], DOCS / path, DOCS / f"{docname}.md")


def setup(app: Sphinx) -> dict[str, Any]:
    """Follow what Sphinx reads."""
    app.connect("source-read", _page_is_read)
    app.connect("include-read", _file_is_included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
