"""Colours, type and surfaces: the one place they are written down.

`.streamlit/config.toml` repeats those that streamlit itself needs (a test compares them). HTML
gets them as CSS variables (`--fs-accent`, ...) whose values hold for the light and the dark theme
at once through `light-dark()`, which follows the `color-scheme` streamlit sets on the page.
Colours of truth and of methods are those of Okabe and Ito ("Color Universal Design", 2008), told
apart by colour-blind people; the extension keeps its lightness steps.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

import streamlit as st

from core.heat import HEAT_STOPS as HEAT_STOPS
from core.heat import TRUTH as TRUTH
from core.palette import ANOMALOUS as ANOMALOUS
from core.palette import METHODS as METHODS
from core.palette import NORMAL as NORMAL
from core.palette import PUBLISHED as PUBLISHED
from core.palette import SPARE as SPARE
from core.palette import method_colour as method_colour

FONT: Final = "Inter, system-ui, -apple-system, 'Segoe UI', sans-serif"

TOKENS: Final[dict[str, tuple[str, str]]] = {
    "accent": ("#0e7c93", "#4fb3c8"),
    "accent-soft": ("#e3f0f3", "#1a2a32"),
    "page": ("#f6f7f9", "#0f1216"),
    "card": ("#ffffff", "#161b21"),
    "sunk": ("#eef1f4", "#0b0e11"),
    "line": ("#e2e6ea", "#262d36"),
    "line-strong": ("#c9d0d7", "#3a444f"),
    "text": ("#1a2129", "#e6eaee"),
    "dim": ("#5b6673", "#98a3b0"),
    "good": ("#00724f", "#35c79a"),
    "good-soft": ("#e1f4ee", "#10291f"),
    "bad": ("#a8420b", "#f0956a"),
    "bad-soft": ("#fbe9e0", "#33190d"),
    "found": ("#009e73", "#009e73"),
    "alarm": ("#e69f00", "#e69f00"),
    "missed": ("#0072b2", "#56b4e9"),
}
"""name: (light, dark)."""


def dot(method: str) -> str:
    """A small square in the method's colour, as HTML."""
    colour = method_colour(method)
    return f'<span class="fs-dot" style="background:{escape(colour)}" aria-hidden="true"></span>'


def variables() -> str:
    """The tokens as CSS custom properties."""
    pairs = (f"--fs-{name}:light-dark({light},{dark});" for name, (light, dark) in TOKENS.items())
    return ":root,.stApp{" + "".join(pairs) + f"--fs-font:{FONT};" + "}"


def stylesheet() -> str:
    """Everything a page needs, as one <style> element."""
    rules = (Path(__file__).parent / "theme.css").read_text(encoding="utf-8")
    return f"<style>{variables()}\n{rules}</style>"


def apply() -> None:
    """Put the style sheet into the page; once a run of the script."""
    st.html(stylesheet())
