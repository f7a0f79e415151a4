"""What would come of a source, shown before anything is made: counts, pictures, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from core.data.importing import table
from core.errors import FlawscopeError
from dashboard import adding
from dashboard.adding import Way
from dashboard.adding_look import Look, Row
from dashboard.components import cards, data_card, import_form, pieces
from dashboard.phrases import many, plain

CLASSES = 12
TABLE_ROWS = 4


def show(look: Look, rows: Sequence[Row]) -> None:
    """The sentence, the pictures, the classes, and what was found wrong."""
    cards.finding(sentence(look, rows))
    with st.container(key="ad-pictures"):
        pieces.pictures(look.pictures)
    if len(rows) > 1 or any(row.types for row in rows):
        st.html(classes(rows))
    if any(row.anomalous and row.with_mask < row.anomalous for row in rows):
        st.caption(_masks(rows))
    if look.notice:
        st.caption(look.notice)
    data_card.problem_list(look.problems)


def sentence(look: Look, rows: Sequence[Row]) -> str:
    """What comes of it, in one sentence."""
    train, good, bad = (
        sum(getattr(r, part) for r in rows) for part in ("train", "good", "anomalous")
    )
    held = sum(row.calibration for row in rows)
    total = train + good + bad + held
    of = f"of {plain(rows[0].name)}" if len(rows) == 1 else f"in {len(rows)} classes"
    first = f"The first {total:,} images, {of}" if look.capped else f"{many_of(total)} {of}"
    parts = [f"{train:,} good to learn from"]
    parts += [f"{held:,} to set thresholds by"] if held else []
    tested = " and ".join(
        f"{count:,} {what}" for count, what in ((good, "good"), (bad, "anomalous")) if count
    )
    parts += [f"{tested} to test"] if tested else ["none to test"]
    more = " More follow when the data set is made." if look.capped else ""
    return f"**{first}:** {', '.join(parts)}.{more}"


def many_of(count: int) -> str:
    """ "1 image", "1,200 images"."""
    return "1 image" if count == 1 else f"{count:,} images"


def classes(rows: Sequence[Row]) -> str:
    """A table of the classes, as HTML."""
    body = []
    for row in rows[:CLASSES]:
        kinds = ", ".join(
            f"{escape(name.replace('_', ' '))} {count:,}" for name, count in row.types.items()
        )
        figures = (row.train + row.calibration, row.good, row.anomalous)
        body.append(
            f"<tr><td>{escape(row.name.replace('_', ' '))}<small>{kinds}</small></td>"
            + "".join(f'<td class="fp-num">{figure:,}</td>' for figure in figures)
            + "</tr>"
        )
    rest = len(rows) - CLASSES
    if rest > 0:
        body.append(f'<tr><td class="fp-dim" colspan="4">and {many(rest, "class", "classes")} more')
    return (
        '<div class="fp-scroll"><table class="fp-table ad-classes"><thead><tr><th>Class</th>'
        '<th class="fp-num">to learn from</th><th class="fp-num">good, test</th>'
        '<th class="fp-num">anomalous</th></tr></thead><tbody>'
        f"{''.join(body)}</tbody></table></div>"
    )


def _masks(rows: Sequence[Row]) -> str:
    bad, marked = sum(row.anomalous for row in rows), sum(row.with_mask for row in rows)
    if not marked:
        return "No anomalous image has a mask: methods are judged on whole images, not on pixels."
    return f"{marked:,} of {bad:,} anomalous images have a mask; pixels are judged on those alone."


def mapping(way: Way, chosen: Mapping[str, Any]) -> None:
    """The first rows of a table as they stand, columns marked by their part, and as they are read.

    Draws a sentence where the columns chosen do not fit.
    """
    try:
        raw, lines = table.preview(way.source, adding.options(way, chosen), TABLE_ROWS)
    except FlawscopeError as error:
        st.warning(str(error))
        return
    parts: dict[str, str] = {}
    for name in import_form.COLUMNS:
        if chosen.get(name):
            parts[str(chosen[name])] = name.removesuffix("_column").replace("_", " ")
    names = list(raw[0]) if raw else []
    head = "".join(
        f"<th>{escape(name)}<br>{cards.chip(parts[name], 'accent') if name in parts else '&nbsp;'}"
        for name in names
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(row[name][:60])}</td>" for name in names) + "</tr>"
        for row in raw
    )
    read = "".join(
        f"<tr><td>{escape(line.image)}</td>"
        + (
            f'<td colspan="4" class="ad-fault">{escape(line.fault)}</td></tr>'
            if line.fault
            else "".join(
                f"<td>{escape(text)}</td>"
                for text in (
                    line.class_name, line.anomaly_type.replace("_", " "), line.split,
                    str(line.masks or ""),
                )
            )
            + "</tr>"
        )
        for line in lines
    )  # fmt: skip
    with st.expander("Rows of the table, and how they are read", expanded=True):
        st.html(
            f'<div class="fp-scroll"><table class="fp-table ad-raw"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
            '<div class="fp-scroll"><table class="fp-table ad-raw"><thead><tr><th>Image</th>'
            "<th>Class</th><th>Shows</th><th>Split</th><th>Masks</th></tr></thead>"
            f"<tbody>{read}</tbody></table></div>"
        )
