"""Markup: HTML elements in which all text is text, whatever it holds."""

from collections.abc import Iterable
from html import escape as html_escape

from dhmpi.support.printing import escape

_VOID = ("br", "col", "input", "meta")


class Markup(str):
    """Text that is HTML already."""


def text(value: str) -> Markup:
    """Return a text as HTML that shows it, with control characters written out."""
    return Markup(html_escape(escape(value)))


def element(name: str, *children: str, **attributes: str | bool | None) -> Markup:
    """Return an element.

    Args:
        name: Its name.
        children: Elements, and texts.
        attributes: By name, `_` for `-` and at the end for Python's sake; True for those without value, None for none.
    """
    words = [name, *(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))]
    opening = f"<{' '.join(words)}>"
    return Markup(opening if name in _VOID else f"{opening}{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Markup:
    """Return elements and texts, one after the other."""
    return Markup("".join(each if isinstance(each, Markup) else text(each) for each in children))


def _attribute(key: str, value: str | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    return name if value is True else f'{name}="{text(str(value))}"'


def table(caption: str, titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Markup:
    """Return a table whose rows begin with what they are about, in a frame of its own that scrolls."""
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    body = (
        element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
        for first, *rest in rows
    )
    whole = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scrolls", role="region", tabindex="0", aria_label=caption)
