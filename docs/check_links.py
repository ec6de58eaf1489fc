"""Check the links within a site: every one must lead to a file, and to an anchor if it names one.

    python check_links.py FOLDER

Prints what leads nowhere, and what a page would fetch from elsewhere; the exit status is 1 if there is any.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

# Attributes that make a browser fetch something at once.
FETCHED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}


class Page(HTMLParser):
    """The anchors of a page, and what it links to.

    Attributes:
        anchors: Names that links to this page may end with.
        links: Tags and targets, as they are written.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors = {"", "top"}
        self.links: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the anchor and the links of a tag."""
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value or "")
            elif name in ("href", "src"):
                self.links.append((tag, name, value or ""))


def faults(folder: Path) -> list[str]:
    """Return a sentence for each link of the pages in a folder that leads nowhere or is fetched from elsewhere."""
    pages = {path.resolve(): Page(path.read_text()) for path in folder.rglob("*.html")}
    found = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        for tag, attribute, target in dict.fromkeys(page.links):
            url, anchor = urldefrag(target)
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                if (tag, attribute) in FETCHED and parts.scheme != "data":
                    found.append(f"{name} must fetch nothing from elsewhere, got {target}")
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not there.exists():
                found.append(f"{name} must link to files that exist, got {target}")
            elif there in pages and unquote(anchor) not in pages[there].anchors:
                found.append(f"{name} must link to anchors that exist, got {target}")
    return found


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]))
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(bool(wrong))
