"""The Browse page's distributions: kinds, sizes and places of flaws, sizes of images, brightness.

What comes from the masks is read beside the page, once, with a bar and Cancel.
"""

from __future__ import annotations

from collections.abc import Hashable
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.data.base import Dataset
from core.errors import FlawscopeError
from core.workspace import Workspace
from dashboard import browse_charts, browse_spread, later, navigation, words
from dashboard.browse import Choice
from dashboard.browse_data import View
from dashboard.browse_spread import Spread
from dashboard.casework import ALL
from dashboard.components import cards
from dashboard.queries import workspace
from dashboard.words import counted

PLOT = {"displayModeBar": False}
MOST_MAPS = 12
BEGUN = "browse-spread-begun"
STYLE = """<style>
.st-key-fs-filters .stButtonGroup{min-width:max-content}
.st-key-browse-maps > .stElementContainer, .st-key-browse-maps > [data-testid="stLayoutWrapper"]{
 flex:0 1 250px!important;width:250px!important;min-width:0}
@media (max-width:640px){.st-key-browse-maps > .stElementContainer,
 .st-key-browse-maps > [data-testid="stLayoutWrapper"]{flex:1 1 100%!important;
  width:100%!important}}
</style>"""


def spread_view(view: View, choice: Choice) -> None:
    """Of the chosen class, or of all; images in use only."""
    table = view.table[~view.table["excluded"]]
    if choice.class_name != ALL:
        table = table[table["class_name"] == choice.class_name]
    if choice.split != ALL:
        table = table[table["split"] == choice.split]
    spoken = words.current()
    bad = table[table["label"] == 1]
    st.html(STYLE)
    if table.empty:
        cards.note("Nothing here", "No image fits these filters; set one of them to “all”.")
        return
    left, right = st.columns(2, gap="small")
    with left:
        if bad.empty:
            cards.note("No kinds to count", f"None of these images has a {spoken.flaw}.")
        else:
            kinds = len(bad.groupby(["class_name", "anomaly_type"], observed=True).size())
            more = f"the {browse_charts.MOST_TYPES} most frequent of {kinds}"
            detail = more if kinds > browse_charts.MOST_TYPES else counted(
                len(bad), "image", "images"
            )  # fmt: skip
            _card(f"Kinds of {spoken.flaw}", detail, browse_charts.types(bad), "types")
    examined = {"width", "brightness"} <= {*table}
    if examined:
        with right:
            _card("Brightness", "training and tested images should look alike",
                  browse_charts.brightness(table), "brightness")  # fmt: skip
            _card("Sizes of images", "width and height", browse_charts.sizes(table), "sizes")
    else:
        with right, st.container(border=True, key="card-unexamined"):
            st.html(
                "<p><b>Sizes and brightness of the images</b></p><p class='fp-dim'>The doctor "
                "measures them when the data set is examined.</p>"
            )
            st.page_link(navigation.page("data_sets"), label="Examine it on Data sets",
                         icon=":material/stethoscope:")  # fmt: skip
    if (bad["masks"] > 0).any():
        spread = _spread(view)
        if spread is not None:
            _from_masks(view, spread, table, choice, left if examined else right)
    elif not bad.empty:
        cards.note("No masks", "Where the flaws lie and how large they are is not known.")


def _spread(view: View) -> Spread | None:
    """What the masks say: stored, or begun now; None while it is not there."""
    place, dataset = workspace(), view.dataset
    name = _digest(str(place.root), dataset.name, view.shelf.stamp, dataset)
    held = _stored(str(place.root), name)
    if held is not None:
        return held
    key: Hashable = ("browse-spread", str(place.root), name)

    def work(tell: later.Tell) -> bool:
        found = browse_spread.compute(dataset.root, dataset.samples, tell)
        browse_spread.keep(place, name, found)
        return True

    begun = st.session_state.setdefault(BEGUN, set())
    if key not in begun:
        begun.add(key)
        later.begin(key, work)
    if later.progress(key) is not None:
        with st.container(border=True, key="card-reading"):
            st.html("<p><b>Reading the masks</b>, once: sizes and places of flaws follow.</p>")
            later.watch(key, "browse-spread")
        return None
    try:
        ended = later.found(key)
    except FlawscopeError as error:
        cards.failure(str(error), "", "Read the masks again.")
        ended = None
    if ended:
        _stored.clear()
        return browse_spread.load(place, name)
    with st.container(horizontal=True, vertical_alignment="center", key="browse-again"):
        st.caption("Sizes and places of flaws are known when the masks were read.")
        if st.button("Read the masks"):
            later.begin(key, work)
            st.rerun()
    return None


@st.cache_resource(show_spinner=False, max_entries=8)
def _digest(place: str, name: str, stamp: int, _dataset: Dataset) -> str:
    return browse_spread.digest(_dataset.root, _dataset.samples)


@st.cache_resource(show_spinner=False, max_entries=4, ttl=60)
def _stored(place: str, name: str) -> Spread | None:
    return browse_spread.load(Workspace(Path(place)), name)


def _from_masks(
    view: View, spread: Spread, table: pd.DataFrame, choice: Choice, place: Any
) -> None:
    spoken = words.current()
    mine = pd.Series(spread.rows).isin(table.index).to_numpy(dtype=bool)
    rows, areas = spread.rows[mine], spread.areas[mine]
    column = "class_name" if choice.class_name == ALL else "anomaly_type"
    if len(areas):
        names = view.table[column].iloc[rows].astype(str).tolist()
        with place:
            _card(f"Areas of {spoken.flaw} regions", f"{counted(len(areas), 'region', 'regions')}, "
                  "pixels of the original image", browse_charts.areas(areas, names),
                  "areas")  # fmt: skip
    shown = [n for n, name in enumerate(spread.classes) if choice.class_name in (ALL, name)]
    if not shown:
        return
    st.html(
        f'<h2 class="fp-heading">Where {spoken.flaws} lie</h2><p class="fp-dim">The share of a '
        "class’s masks that mark each place; images stretched to a square.</p>"
    )
    with st.container(horizontal=True, gap="small", key="browse-maps"):
        for n in shown[:MOST_MAPS]:
            _card(
                spread.classes[n].replace("_", " "), counted(spread.masks[n], "mask", "masks"),
                browse_charts.positions(spread.heat_CHW[n]), f"map-{n}",
            )  # fmt: skip
    if len(shown) > MOST_MAPS:
        st.caption(f"The first {MOST_MAPS} of {len(shown)} classes; choose a class to see its own.")
    if spread.failed:
        st.caption(f"{counted(spread.failed, 'mask', 'masks')} could not be read or do not fit.")


def _card(title: str, detail: str, figure: go.Figure, key: str) -> None:
    with st.container(border=True, key=f"card-{key}"):
        st.html(
            f'<p style="margin:0"><b>{escape(title)}</b> '
            f'<span class="fp-dim">{escape(detail)}</span></p>'
        )
        st.plotly_chart(figure, config=PLOT, key=f"browse-plot-{key}")
