"""A table that its headings sort, in the browser: values with intervals below, coloured grounds.

    from dashboard.components.sortable import Column, Entry, Row, sortable, value_entry

    columns = [Column("Class", left=True), Column("Image AUROC", help="...")]
    rows = [Row("tile", (Entry("tile"), value_entry(cell, "image_auroc")))]
    clicked = sortable(columns, rows, "by-class", caption="Classes and their metrics", picks=True)

It is a real <table>: heading cells hold buttons and say `aria-sort`, the first column and the
headings stay in view, and what is wide scrolls inside itself. Numbers sort as numbers; entries
without a value stay last; rows that are `fixed` (a mean) stay below. The table can be copied or
saved as CSV just as it stands. Every text is put in as text, never as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.boards import Cell
from dashboard.components import grids

HERE = Path(__file__)
CHANCE = "no better than chance"
MAYBE = "may be chance"
_GROUND = re.compile(r"background:([^;\"]+)")


@dataclass(frozen=True, slots=True)
class Column:
    """A heading.

    Attributes:
        help: shown on hover.
        left: texts, set to the left; they sort from A to Z at the first click.
        rising: numbers that sort from low to high at the first click (ranks, error rates).
        over: a dim line above the title that says whose column it is; part of its name.
        colour: "#rrggbb" of the square before `over`.
        apart: a hairline to its left: here another group of columns begins.
        below: what the smaller lines of its entries are called in the CSV.
    """

    title: str
    help: str = ""
    left: bool = False
    rising: bool = False
    over: str = ""
    colour: str = ""
    apart: bool = False
    below: str = "95 % interval"


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell.

    Attributes:
        text: what is shown.
        sort: what it sorts by, and what the CSV holds when it is a number; None: after all others.
        below: smaller and dimmer, under the text.
        help: shown on hover.
        ground: CSS colour behind the text; see `ground`. The text says the same.
        mark: a few words below everything, in the colour of warnings.
        href: relative address the cell leads to.
        colour: "#rrggbb" of a square before the text.
        chips: small labels after the text.
        bar: (share of the width, CSS colour) pieces of a bar under the text; the text says it, too.
    """

    text: str
    sort: float | str | None = None
    below: str = ""
    help: str = ""
    ground: str = ""
    mark: str = ""
    href: str = ""
    colour: str = ""
    chips: tuple[str, ...] = ()
    bar: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    Attributes:
        id: unique in the table; what a click gives back.
        entries: one a column; the first one names the row.
        href: relative address the row leads to (also for a middle click, when rows are picked).
        fixed: stays below the sorted ones, in the order given.
        quiet: dim, for rows that are not this workspace's own (published).
    """

    id: str
    entries: tuple[Entry, ...]
    href: str = ""
    fixed: bool = False
    quiet: bool = False


def sortable(
    columns: Sequence[Column],
    rows: Sequence[Row],
    key: str,
    *,
    caption: str,
    sort: int | None = None,
    down: bool | None = None,
    current: str | None = None,
    picks: bool = False,
    on_pick: Callable[[str], None] | None = None,
    csv: str = "table.csv",
    most: str = "72vh",
) -> str | None:
    """Show a table; the id of the row that was clicked in the run this caused, else None.

    Args:
        key: unique on the page; the order a person chose is kept as long as the columns stay.
        caption: what the table holds, for people who hear it.
        sort: number of the column it is sorted by at first; None: the order of `rows`.
        down: highest first; default as a first click on that heading would sort.
        current: id of the row that is marked.
        picks: rows can be chosen: a click gives the row back instead of following its link.
        on_pick: called with the id before the script runs again; only ids of `rows` get here.
        csv: name of the file people may save; "" offers none.
        most: CSS height above which the table scrolls inside itself.

    Raises:
        ValueError: a row has another number of entries than there are columns, or an id is twice.
    """
    ids = {row.id for row in rows}

    def picked() -> None:
        found = _wish(st.session_state.get(key), ids)
        if found is not None and on_pick is not None:
            on_pick(found)

    data = payload(columns, rows, caption=caption, sort=sort, down=down, current=current,
                   picks=picks or on_pick is not None, csv=csv, most=most)  # fmt: skip
    result = _component()(data=data, key=key, on_pick_change=picked)
    return _wish(result, ids)


def payload(
    columns: Sequence[Column], rows: Sequence[Row], *, caption: str, sort: int | None = None,
    down: bool | None = None, current: str | None = None, picks: bool = False,
    csv: str = "table.csv", most: str = "72vh",
) -> dict[str, Any]:  # fmt: skip
    """What the browser gets; entries without what is empty. Arguments: see `sortable`."""
    for row in rows:
        if len(row.entries) != len(columns):
            raise ValueError(
                f"Row {row.id!r} has {len(row.entries)} entries for {len(columns)} columns."
            )
    if len({row.id for row in rows}) != len(rows):
        raise ValueError("Two rows of a table have one id; give every row its own.")
    if sort is not None and down is None:
        down = not (columns[sort].left or columns[sort].rising)
    return {
        "columns": [
            _lean(title=one.title, help=one.help, left=one.left, rising=one.rising or one.left,
                  over=one.over, colour=one.colour, apart=one.apart) | {"below": one.below}
            for one in columns
        ],
        "rows": [
            {"id": row.id, "cells": [_cell(entry) for entry in row.entries]}
            | _lean(href=row.href, fixed=row.fixed, quiet=row.quiet)
            for row in rows
        ],
        "caption": caption, "sort": sort, "down": bool(down), "start": f"{sort} {down}",
        "current": current, "picks": picks, "csv": csv, "most": most,
    }  # fmt: skip


def ground(value: float | None, metric: str) -> str:
    """The CSS colour behind a value, by the rule of the class grids (`grids.heat`); "" of none."""
    found = _GROUND.search(grids.heat(value, metric))
    return found.group(1) if found else ""


def value_entry(
    cell: Cell, metric: str, value: float | None = None, low: float | None = None, href: str = ""
) -> Entry:
    """A metric's value with its interval, on a coloured ground.

    Args:
        cell: of `boards.metric_cell`.
        value: unrounded; default what the cell says.
        low: lower end of the interval; a metric with a chance level is marked when it reaches it.
    """
    if cell.text == "–":
        return Entry(cell.text, None, cell.below, cell.help, href=href)
    exact = float(cell.text.split()[0].replace(",", "")) if value is None else value
    level, mark = grids.CHANCE.get(metric), ""
    if level is not None and (exact if low is None else low) <= level:
        mark = CHANCE if exact <= level else MAYBE
    return Entry(cell.text, exact, cell.below, cell.help, ground(exact, metric),
                 mark, href)  # fmt: skip


def _cell(entry: Entry) -> dict[str, Any]:
    return {"text": entry.text} | _lean(
        sort=entry.text if entry.sort is None and entry.text != "–" else entry.sort,
        below=entry.below, help=entry.help, ground=entry.ground, mark=entry.mark, href=entry.href,
        colour=entry.colour, chips=list(entry.chips), bar=[list(piece) for piece in entry.bar],
    )  # fmt: skip


def _lean(**given: Any) -> dict[str, Any]:
    """What is not empty; a zero is kept."""
    return {
        name: value
        for name, value in given.items()
        if value is not None and value is not False and value not in ("", [])
    }


def _wish(state: Any, ids: set[str]) -> str | None:
    """The row a click asked for, if the table has it: it comes from the browser."""
    wish = state.get("pick") if isinstance(state, Mapping) else getattr(state, "pick", None)
    row = wish.get("row") if isinstance(wish, Mapping) else None
    return row if isinstance(row, str) and row in ids else None


@cache
def _component() -> Any:
    read = {
        end: HERE.with_suffix(end).read_text(encoding="utf-8") for end in (".html", ".css", ".js")
    }
    return st.components.v2.component(
        "flawscope_sortable", html=read[".html"], css=read[".css"], js=read[".js"]
    )
