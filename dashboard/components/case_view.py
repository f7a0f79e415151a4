"""One case of the Inspect page: verdict, viewer, facts beside it, the strip of cases below.

It is a fragment of its own: going to the next case runs this alone, and everything the next case
needs is made ready after the present one is on screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.errors import RunError
from dashboard import casefile, evidence, navigation, results
from dashboard.boards import Cell
from dashboard.components import cards, grids, viewer
from dashboard.evidence import CaseLook, Photo
from dashboard.results import Source

KEY = "case"
VIEWER = "viewer"


@st.fragment
@navigation.safely
def case_view(
    source: Source, labels: Mapping[str, str], show: str, class_name: str, kind: str
) -> None:
    """The case in the address bar, or the first of the list when the filters have changed."""
    runs = tuple(labels)
    table = results.selected(source, runs, show, class_name, kind)
    keys = list(table["key"])
    filters = (runs, show, class_name, kind)
    changed = st.session_state.setdefault("case-filters", filters) != filters
    st.session_state["case-filters"] = filters
    place = casefile.place(keys, None if changed else _wanted(keys))
    if place is None:
        cards.note("No case here", f"No picture fits these filters ({show}).")
        return
    _go(place.key)
    case = table.iloc[place.position]
    _heading(case, labels, place, source)
    photo, truth_HW, looks = _assemble(source, case, labels)
    pictures, beside = st.columns([7, 2], gap="small")
    with pictures:
        if photo.note:
            st.caption(photo.note)
        _viewer(source, case, labels, place, photo, truth_HW, looks)
        _strip(source, table, labels, place, {"show": show, "class": class_name, "type": kind})
    with beside:
        _facts(source, case, labels, looks)
    if place.next is not None:  # on screen now; make the next one ready
        _assemble(source, table.iloc[place.position + 1], labels)


def _wanted(keys: list[str]) -> str | None:
    """The case in the address bar, or the neighbour of it that the viewer asks for."""
    asked = st.query_params.get(KEY)
    held = st.session_state.get(VIEWER) or {}
    wish = held.get("go") if hasattr(held, "get") else None
    if not wish or wish.get("case") != asked:
        return asked
    place = casefile.place(keys, asked)
    if place is None:
        return asked
    return (place.next if wish.get("to") == "next" else place.previous) or asked


def _go(key: str | None) -> None:
    if key is not None and st.query_params.get(KEY) != key:
        st.query_params[KEY] = key


def _heading(
    case: pd.Series, labels: Mapping[str, str], place: casefile.Place, source: Source
) -> None:
    """Verdict and caption left; position and buttons right."""
    said, tone = casefile.badge(casefile.outcomes(case, labels))
    facts = _sample(source, case, labels)
    sides = (int(facts.get(side) or 0) for side in ("width", "height"))
    caption = casefile.caption(case, *sides)
    with st.container(horizontal=True, vertical_alignment="center", key="case-heading"):
        grids.show(
            f'<span class="us-badge us-{tone}">{escape(said)}</span> '
            f'<span class="us-line">{escape(caption)}</span>'
        )
        st.html(
            f'<span class="us-line">case {place.position + 1} of {place.total}</span>',
            width="content",
        )
        for label, key, word in (("←", place.previous, "Previous"), ("→", place.next, "Next")):
            st.button(
                label, key=f"go-{word}", on_click=_go, args=(key,), disabled=key is None,
                help=f"{word} case",
            )  # fmt: skip


def _sample(source: Source, case: pd.Series, labels: Mapping[str, str]) -> dict[str, Any]:
    runs = results.runs(source).set_index("run_id")
    mark = str(runs.loc[next(iter(labels)), "fingerprint"])
    return results.sample_facts(source, mark).get(str(case["key"]), {})


def _assemble(
    source: Source, case: pd.Series, labels: Mapping[str, str]
) -> tuple[Photo, npt.NDArray[np.bool_] | None, list[CaseLook]]:
    """Photograph, truth and what every run says; a run without maps is left out."""
    runs = results.runs(source).set_index("run_id")
    sizes = {run: int(runs["size"][run]) for run in labels}
    first = next(iter(labels))
    root, size = str(runs["data_root"][first]), sizes[first]
    facts = _sample(source, case, labels)
    width, height = (float(facts.get(side) or 1) for side in ("width", "height"))
    photo = evidence.photo(source, root, str(case["key"]), size, width / height)
    named = facts.get("masks")
    masks = tuple(map(str, named)) if isinstance(named, list | tuple | np.ndarray) else ()
    looks = []
    truth_HW: npt.NDArray[np.bool_] | None = None
    for run_id in labels:
        mine = (
            evidence.truth(root, str(case["key"]), masks, sizes[run_id])
            if case["has_mask"]
            else None
        )
        truth_HW = mine if truth_HW is None else truth_HW
        try:
            row = int(case[f"row:{run_id}"])
            looks.append(evidence.look(source, run_id, row, str(case["class_name"]), mine))
        except RunError as error:
            cards.note("No heat map", str(error))
    return photo, truth_HW, looks


def _viewer(
    source: Source, case: pd.Series, labels: Mapping[str, str], place: casefile.Place,
    photo: Photo, truth_HW: npt.NDArray[np.bool_] | None, looks: list[CaseLook],
) -> None:  # fmt: skip
    """The picture with one pane a run; its wish to go on is read by `_wanted`."""
    runs = results.runs(source).set_index("run_id")
    facts = _sample(source, case, labels)
    width, height = (int(facts.get(side) or 0) for side in ("width", "height"))
    viewer.viewer(
        viewer.ViewerCase(
            id=place.key,
            picture=photo.uri,
            width=width or photo.width,
            height=height or photo.height,
            truth_HW=truth_HW,
            normal=bool(case["label"] == 0),
            caption=casefile.caption(case, width, height),
            previous=place.previous,
            next=place.next,
        ),
        [
            viewer.Pane(
                id=look.run_id,
                label=labels[look.run_id],
                method=str(runs.loc[look.run_id, "method"]),
                map_HW=look.map_HW,
                tail=look.tail,
                thresholds=[(level.name, level.value) for level in look.levels],
                note=casefile.short_score(case, look.run_id),
            )
            for look in looks
        ],
        key=VIEWER,
    )


def _facts(
    source: Source, case: pd.Series, labels: Mapping[str, str], looks: list[CaseLook]
) -> None:
    """What each run says, and the true regions."""
    for look in looks:
        threshold = results.thresholds(source, look.run_id).get(str(case["class_name"]))
        told = casefile.facts(case, look.run_id, look, threshold.value if threshold else None)
        with st.container(border=True, key=f"facts-{look.run_id}"):
            grids.show(
                f"<b>{escape(labels[look.run_id])}</b>", grids.facts_html(told),
                f'<span class="us-line">{escape(threshold.name)}</span>' if threshold else "",
            )  # fmt: skip
            rows = casefile.region_rows(look)
            if rows:
                cells = [[Cell(text) for text in row] for row in rows]
                table = grids.plain_html(["Region", "Peak", "Covered"], cells)
                grids.show(f'<div class="us-small us-bare">{table}</div>')


def _strip(
    source: Source, table: pd.DataFrame, labels: Mapping[str, str], place: casefile.Place,
    filters: Mapping[str, str],
) -> None:  # fmt: skip
    """The page of the list that holds the case, as links that reopen it."""
    first = next(iter(labels))
    root = str(results.runs(source).set_index("run_id").loc[first, "data_root"])
    shown = casefile.page_of(place.position, place.total)
    links = []
    for position in shown:
        case = table.iloc[position]
        query = [("run", first), *[("with", run) for run in labels if run != first]]
        query += [*filters.items(), (KEY, str(case["key"]))]
        links.append(
            grids.CaseLink(
                href=f"inspect?{urlencode(query)}",
                title="/".join(str(case["key"]).rsplit(".", 1)[0].split("/")[-2:]),
                lines=(
                    casefile.badge(casefile.outcomes(case, labels))[0],
                    casefile.short_score(case, first),
                ),
                image=evidence.thumbnail(source, root, str(case["key"])),
                current=position == place.position,
            )
        )
    grids.show(grids.strip_html(links))
    if place.total > len(shown):
        with st.container(horizontal=True, vertical_alignment="center", key="strip-pages"):
            before, after = shown.start - casefile.STRIP, shown.stop
            keys = list(table["key"])
            st.button("Earlier cases", key="earlier", disabled=before < 0, on_click=_go,
                      args=(keys[max(before, 0)],))  # fmt: skip
            st.button("Later cases", key="later", disabled=after >= place.total, on_click=_go,
                      args=(keys[min(after, place.total - 1)],))  # fmt: skip
            st.caption(f"{shown.start + 1} to {shown.stop} of {place.total}")
