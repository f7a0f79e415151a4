"""A grid of pictures in the browser: opening one comes back to the page, without loading it anew.

    opened = grid([Item("a/b.png", "b", ("crack", "tile"), small, "browse?key=...")], "gallery")

Pictures load when they come into view. Arrow keys go from card to card; a middle click opens the
link in another tab. Every text is put in as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.browse_pictures import Small
from dashboard.components.cards import Tone

HERE = Path(__file__)
HTML = '<div class="grid"><div class="cells" role="group"></div></div>'


@dataclass(frozen=True, slots=True)
class Item:
    """One card.

    Attributes:
        key: what a click gives back; shown on hover.
        lines: below the title, dim; the first is in the colour of flaws when `flawed`.
        small: None while it is being made; an empty photo: it cannot be read.
        href: where a middle click leads.
        out: the image is excluded.
    """

    key: str
    title: str
    lines: tuple[str, ...]
    small: Small | None
    href: str
    flawed: bool = False
    out: bool = False
    current: bool = False
    chips: tuple[tuple[str, Tone], ...] = ()


def grid(
    items: Sequence[Item], key: str, *, caption: str, outlines: bool = True, small: bool = False
) -> str | None:
    """Show the cards; the key of the one that was opened in the run this caused, else None.

    Args:
        key: unique on the page.
        caption: what the cards are, for people who hear it.
        outlines: whether the outlines of masks show.
        small: narrow cards, for strips.
    """
    data = {
        "items": [_plain(item) for item in items], "caption": caption, "outlines": outlines,
        "small": small,
    }  # fmt: skip
    result = _component()(data=data, key=key, on_open_change=lambda: None)
    return opened(result, {item.key for item in items})


def opened(result: Any, keys: set[str]) -> str | None:
    """The card a click asked for, if the grid has it: it comes from the browser."""
    wish = result.get("open") if isinstance(result, Mapping) else getattr(result, "open", None)
    key = wish.get("key") if isinstance(wish, Mapping) else None
    return key if isinstance(key, str) and key in keys else None


def _plain(item: Item) -> dict[str, Any]:
    small = item.small
    told: dict[str, Any] = {
        "key": item.key, "title": item.title, "lines": list(item.lines), "href": item.href,
        "flawed": item.flawed, "out": item.out, "current": item.current,
        "chips": [list(chip) for chip in item.chips],
    }  # fmt: skip
    if small is None:
        return told | {"waits": True, "none": "being made …"}
    if not small.photo:
        return told | {"none": "cannot be read"}
    return told | {"photo": small.photo, "outline": small.outline}


@cache
def _component() -> Any:
    read = {end: HERE.with_suffix(end).read_text(encoding="utf-8") for end in (".css", ".js")}
    return st.components.v2.component(
        "flawscope_browse_grid", html=HTML, css=read[".css"], js=read[".js"]
    )
