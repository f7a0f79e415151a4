"""One case of the Inspect page: verdict, viewer, the strip of cases below.

It is a fragment of its own: going to the next case runs this alone. The case on screen comes
first, then the strip; its neighbours are sent ahead when all that is there, so that the browser
draws the next case before it has asked for it.
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
from dashboard import casefile, evidence, header, navigation, results
from dashboard.components import cards, grids, viewer
from dashboard.components.review import review_panel
from dashboard.phrases import image_name
from dashboard.results import Source

KEY = "case"
VIEWER = "viewer"
FAR = (1, 2, -1)
"""Which neighbours are sent ahead, the likeliest first."""


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
    _heading(table.iloc[place.position], labels, place, source)
    shown = Shown(source, table, keys, labels)
    case, panes, notes = shown.at(place.position)
    for title, note in notes:
        cards.note(title, note)
    viewer.viewer(case, panes, key=VIEWER)
    if not header.presenting():
        with st.container(border=True, key="card-review"):
            review_panel(source, runs[0], table.iloc[place.position])
    _strip(source, table, labels, place, {"show": show, "class": class_name, "type": kind})
    for slot, far in enumerate(FAR):  # all is on screen now
        if 0 <= place.position + far < len(keys):
            near, its_panes, _ = shown.at(place.position + far)
            viewer.ahead(near, its_panes, key=VIEWER, slot=slot)


def _wanted(keys: list[str]) -> str | None:
    """The case the viewer has gone to, else that in the address bar."""
    target = viewer.wanted(VIEWER)
    return target if target in keys else st.query_params.get(KEY)


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


class Shown:
    """The cases of a list as the viewer takes them."""

    def __init__(
        self, source: Source, table: pd.DataFrame, keys: list[str], labels: Mapping[str, str]
    ) -> None:
        self._source, self._table, self._keys, self._labels = source, table, keys, labels
        self._runs = results.runs(source).set_index("run_id")

    def at(
        self, position: int
    ) -> tuple[viewer.ViewerCase, list[viewer.Pane], list[tuple[str, str]]]:
        """Case, one pane a run, and (title, sentence) of what cannot be shown."""
        case, source, labels = self._table.iloc[position], self._source, self._labels
        place = casefile.place(self._keys, self._keys[position])
        assert place is not None
        facts = _sample(source, case, labels)
        first = next(iter(labels))
        root, size = str(self._runs["data_root"][first]), int(self._runs["size"][first])
        width, height = (int(facts.get(side) or 0) for side in ("width", "height"))
        photo = evidence.photo(source, root, place.key, size, (width or 1) / (height or 1))
        notes = [("The picture is not as it was", photo.note)] if photo.note else []
        panes = []
        for run_id in labels:
            try:
                panes.append(self._pane(case, run_id))
            except RunError as error:
                notes.append(("No heat map", str(error)))
        shown = viewer.ViewerCase(
            id=place.key,
            picture=photo.picture,
            width=width or photo.width,
            height=height or photo.height,
            truth_HW=self._truth(case, facts, root, size),
            normal=bool(case["label"] == 0),
            caption=casefile.caption(case, width, height),
            previous=place.previous,
            next=place.next,
        )
        return shown, panes, notes

    def _pane(self, case: pd.Series, run_id: str) -> viewer.Pane:
        source, row = self._source, int(case[f"row:{run_id}"])
        name = str(case["class_name"])
        told = evidence.reading(source, run_id, row, name)
        return viewer.Pane(
            id=run_id,
            label=self._labels[run_id],
            method=str(self._runs.loc[run_id, "method"]),
            map_HW=told.map_HW,
            tail=told.tail,
            thresholds=[(level.name, level.value) for level in told.levels],
            note=casefile.short_score(case, run_id),
            facts=casefile.pane_facts(case, run_id, results.thresholds(source, run_id).get(name)),
            source=f"{source.root} {run_id} {row}",
        )

    @staticmethod
    def _truth(
        case: pd.Series, facts: Mapping[str, Any], root: str, size: int
    ) -> npt.NDArray[np.bool_] | None:
        if not case["has_mask"]:
            return None
        named = facts.get("masks")
        masks = tuple(map(str, named)) if isinstance(named, list | tuple | np.ndarray) else ()
        return evidence.truth(root, str(case["key"]), masks, size)


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
                title=image_name(str(case["key"])),
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
