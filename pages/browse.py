"""Browse: the images of a data set, by class, split, type, size of flaw and finding."""

from __future__ import annotations

import streamlit as st

from dashboard import browse_data, browse_words, state, words
from dashboard.components import browse_edit, browse_filters, cards, pieces
from dashboard.components.browse_gallery import KEY, gallery
from dashboard.components.browse_image_view import image_view
from dashboard.components.browse_spread_view import spread_view
from dashboard.components.empty import empty

TITLE = "Browse"
GROUP = "Prepare"
ORDER = 25
ICON = ":material/grid_view:"

GALLERY, SPREAD = "gallery", "distributions"


def render() -> None:
    pieces.styles()
    names = browse_data.names()
    if not names:
        cards.title(TITLE)
        empty(
            "No images to look through yet",
            "The images of every data set appear here, with the outlines of their masks; add a "
            "folder of your own, or make the demo data.",
            "data_sets",
            "Add a data set",
        )
        return
    with state.filters(TITLE):
        name = state.pick("data", names, label="Data", words={n: n for n in names}, always=True)
        view = browse_data.view(name)
        choice = browse_filters.first_row(view)
        key = st.query_params.get(KEY)
        shown = browse_filters.switch((GALLERY, SPREAD)) if key is None else GALLERY
    if key is not None:
        image_view(view, browse_filters.held(view, choice), key)
        return
    cards.finding(browse_words.sentence(view.table, view.examination, words.current()))
    browse_edit.told(name)
    if shown == SPREAD:
        spread_view(view, choice)
    else:
        gallery(view, choice)
