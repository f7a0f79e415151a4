"""Tables of the Understand pages as HTML: the board, the class grid, facts, case links.

Every value is escaped. Colours are the theme's variables or translucent, so that one style sheet
serves light and dark; only tables scroll sideways, inside themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
import streamlit as st

from core.types import MEAN
from dashboard import theme
from dashboard.boards import Cell

PLOT = {"displayModeBar": False}
GOOD, BAD = "14,124,147", "213,94,0"
CHANCE = {"image_auroc": 0.5, "pixel_auroc": 0.5}

STYLE = """<style>
.us-bare .fs-table-wrap{border:0;background:none;border-radius:0;max-height:none}
.us-bare .fs-table th{background:none;padding-left:6px;padding-right:6px}
.us-bare .fs-table td{padding:6px}
.us-tight .fs-table th,.us-tight .fs-table td{padding:8px 9px}
.us-tight .fs-chips{margin:3px 0 0 19px}
.us-small .fs-table,.us-small .fs-table th{font-size:12.5px}
.us-small .fs-table th,.us-small .fs-table td{padding:4px 2px}
.us-facts{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:4px 10px;font-size:14px;
 margin:6px 0 0}
.us-facts span{color:var(--fs-dim)}
.us-facts b{font-weight:400;text-align:right;font-variant-numeric:tabular-nums}
.us-told{color:var(--fs-accent);font-weight:600}
.us-legend{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:14px;margin-bottom:4px}
.us-line{font-size:14px;color:var(--fs-dim)}
.us-badge{display:inline-block;padding:5px 12px;border-radius:8px;font-size:14px;font-weight:600;
 margin-right:10px;border:1px solid var(--fs-line-strong)}
.us-bad{background:var(--fs-bad-soft);color:var(--fs-bad);border-color:transparent}
.us-good{background:var(--fs-good-soft);color:var(--fs-good);border-color:transparent}
.us-strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(205px,1fr));gap:10px}
.us-case{display:flex;gap:10px;padding:8px;border-radius:10px;color:var(--fs-text)!important;
 text-decoration:none!important;font-size:12.5px;line-height:1.45;min-width:0;
 background:var(--fs-card);border:1px solid var(--fs-line)}
.us-case:hover,.us-case:focus-visible{border-color:var(--fs-accent)}
.us-case img,.us-none{width:72px;height:72px;object-fit:cover;border-radius:6px;flex:none}
.us-none{background:var(--fs-sunk)}
.us-case div{min-width:0}.us-case b,.us-case span{display:block;overflow:hidden;
 text-overflow:ellipsis;white-space:nowrap}
.us-case span{color:var(--fs-dim);white-space:normal}
@media (max-width:640px){.us-pairs .fs-table th,.us-pairs .fs-table td{padding:6px 3px}}
.us-now{border-color:var(--fs-accent);box-shadow:inset 0 0 0 1px var(--fs-accent)}
</style>"""


def _cell(cell: Cell) -> str:
    below = f'<span class="fs-below">{escape(cell.below)}</span>' if cell.below else ""
    return f"{escape(cell.text)}{below}"


def _title(text: str) -> str:
    return f' title="{escape(text, quote=True)}"' if text else ""


def _left(column: int) -> str:
    return ' class="fs-left"' if column == 0 else ""


def heat(value: float | None, metric: str, digits: int = 2) -> str:
    """A value on a coloured ground.

    AUROC has a chance level: teal above 0.5, vermilion at it and below. The others have none that
    is the same for every class: deeper teal is higher.
    """
    if value is None or value != value:
        return '<span class="fs-heat" style="opacity:.5">–</span>'
    if metric in CHANCE:
        excess = (value - CHANCE[metric]) / (1 - CHANCE[metric])
        near = excess < 0.1
        colour, alpha = (BAD, 0.16 + 0.2 * min(1.0, max(0.0, -excess))) if near else (GOOD, excess)
    else:
        near, colour, alpha = False, GOOD, max(0.0, value)
    alpha = alpha if near else 0.04 + 0.32 * alpha
    ground = f"background:rgba({colour},{alpha:.2f})"
    return f'<span class="fs-heat" style="{ground}">{value:.{digits}f}</span>'


def grid_html(table: pd.DataFrame, corner: str, metric: str, methods: Sequence[str] = ()) -> str:
    """A heat-coloured grid: index down, columns across; squares where methods are given."""
    names = [str(name).replace("_", " ") for name in table.columns]
    head = "".join(f"<th{_left(i)}>{escape(n)}</th>" for i, n in enumerate((corner, *names)))
    rows = []
    for i, (label, row) in enumerate(table.iterrows()):
        mark = theme.dot(methods[i]) if methods else ""
        cells = "".join(f"<td>{heat(float(value), metric)}</td>" for value in row)
        rows.append(f"<tr><td{_left(0)}>{mark}{escape(str(label))}</td>{cells}</tr>")
    return (
        f'<div class="fs-table-wrap"><table class="fs-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def plain_html(
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    helps: Mapping[str, str] | None = None,
) -> str:
    """A table of cells; the first column is left-aligned. A str is HTML made here (heat).

    Args:
        helps: {heading: hover text}.
    """
    head = "".join(
        f"<th{_left(i)}{_title((helps or {}).get(name, ''))}>{escape(name)}</th>"
        for i, name in enumerate(headings)
    )
    body = "".join(
        f"<tr>{''.join(_place(i, cell) for i, cell in enumerate(row))}</tr>" for row in rows
    )
    return (
        f'<div class="fs-table-wrap"><table class="fs-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _place(column: int, cell: Cell | str) -> str:
    if isinstance(cell, Cell):
        return f"<td{_left(column)}{_title(cell.help)}>{_cell(cell)}</td>"
    return f"<td{_left(column)}>{cell}</td>"


def bare(table: str) -> str:
    """A table without a card of its own, for use inside one."""
    return f'<div class="us-bare">{table}</div>'


def facts_html(facts: Mapping[str, str]) -> str:
    """Label left, value right."""
    rows = "".join(f"<span>{escape(k)}</span><b>{escape(v)}</b>" for k, v in facts.items())
    return f'<div class="us-facts">{rows}</div>'


@dataclass(frozen=True, slots=True)
class CaseLink:
    """One card of a strip; `href` is relative to the page."""

    href: str
    title: str
    lines: tuple[str, ...]
    image: str | None
    current: bool = False


def strip_html(cases: Sequence[CaseLink]) -> str:
    """Cards with a small picture; pictures load when they come into view."""
    return f'<div class="us-strip">{"".join(map(_case, cases))}</div>'


def _case(case: CaseLink) -> str:
    alt = escape(case.title, quote=True)
    picture = '<i class="us-none"></i>'
    if case.image:
        picture = f'<img loading="lazy" src="{escape(case.image, quote=True)}" alt="{alt}">'
    words = "".join(f"<span>{escape(line)}</span>" for line in case.lines)
    now = " us-now" if case.current else ""
    return (
        f'<a class="us-case{now}" href="{escape(case.href, quote=True)}" target="_self" '
        f'title="{alt}">{picture}<div><b>{escape(case.title)}</b>{words}</div></a>'
    )


MOST_BUTTONS = 6


def pick_class(names: Sequence[str], key: str) -> str:
    """One of some classes (`MEAN` among them, if given), the first at first: buttons for a few,
    a picker for many."""

    def said(name: str) -> str:
        return "mean over classes" if name == MEAN else name.replace("_", " ")

    if len(names) > MOST_BUTTONS:
        return st.selectbox(
            "Class", names, format_func=said, label_visibility="collapsed", key=key, width=280
        )
    chosen: str = st.segmented_control(
        "Class", names, default=names[0], required=True, label_visibility="collapsed",
        format_func=said, key=key,
    )  # fmt: skip
    return chosen


def show(*parts: str) -> None:
    """Write HTML parts in one element, with the stylesheet."""
    st.html(STYLE + "".join(parts))
