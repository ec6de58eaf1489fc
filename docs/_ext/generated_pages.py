"""Pages of reStructuredText that are made when the documentation is built."""

import re
from pathlib import Path


def escaped(text: str) -> str:
    """Return text that reStructuredText leaves as it is."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def heading(text: str, line: str) -> list[str]:
    """Return the lines of a heading."""
    return [escaped(text), line * len(escaped(text)), ""]


def write_changed(folder: Path, pages: dict[str, str]) -> None:
    """Make a folder hold these pages of reStructuredText and no others."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
