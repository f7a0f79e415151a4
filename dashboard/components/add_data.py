"""Adding a data set in two steps: where the images are, and what they become.

The place is open while the address says `add`. What it holds goes by the id of one adding, so that
another one starts empty; work in the background goes by keys that begin with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import streamlit as st

from core.data.images import fsname
from core.data.importing.splits import Splits
from core.errors import FlawscopeError
from dashboard import actions, adding, adding_look, header, later, queries, state
from dashboard.adding import Way
from dashboard.components import add_source, cards, import_form, import_preview

Found = TypeVar("Found")

OPEN = "add"
"""Query parameter: the place is open."""
ADDED = "added"
"""Session key: the name of the data set that was added last."""
MAKING = "making"
"""Query parameter: the name of the data set that is being made."""
_SOURCE, _ID, _UPLOADED = "ad-source", "ad-id", "ad-left-out"
PATIENCE = 1.0
"""Seconds the page waits for a look before it says that it is under way."""


def is_open() -> bool:
    """Whether the place is open."""
    return OPEN in st.query_params


def is_busy() -> bool:
    """Whether a source was chosen: then the place has the page for itself."""
    return _SOURCE in st.session_state


def open_() -> None:
    """Open it."""
    st.query_params[OPEN] = "1"


def close() -> None:
    """Close it and let go of what was looked at; an upload of which nothing was made is removed."""
    again()
    if OPEN in st.query_params:
        del st.query_params[OPEN]


def again() -> None:
    """Another source."""
    source = st.session_state.pop(_SOURCE, None)
    if source is not None:
        actions.discard_upload(Path(source))
    for key in (_ID, _UPLOADED):
        st.session_state.pop(key, None)


def place() -> None:
    """The two steps."""
    st.html(Path(__file__).with_suffix(".css"))
    with st.container(border=True, key="card-add"):
        name = st.query_params.get(MAKING)
        if name is not None and _making(name):
            return
        source = st.session_state.get(_SOURCE)
        if source is None:
            _where()
        else:
            _what(Path(source))


def _step(number: int, html: str) -> None:
    st.html(f'<div class="ad-step"><b>{number}</b><span>{html}</span></div>')


def _where() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        _step(1, "<strong>Where are the images?</strong>")
        st.button("Close", key="ad-close", type="tertiary", on_click=close)
    found = add_source.ask(_id())
    if found is None:
        return
    st.session_state[_SOURCE] = str(found.source)
    st.session_state[_UPLOADED] = found.left_out
    st.rerun()


def _id() -> str:
    found: str = st.session_state.setdefault(_ID, uuid4().hex[:8])
    return found


# -- what it becomes -------------------------------------------------------------------------------


def _what(source: Path) -> None:
    """The second step, once the source is known."""
    with st.container(horizontal=True, vertical_alignment="center"):
        _step(1, f"Images from <strong>{cards.inline(_literal(add_source.named(source)))}</strong>")
        st.button("Change", key="ad-change", type="tertiary", on_click=again)
    left_out = st.session_state.get(_UPLOADED) or ()
    if left_out:
        add_source.tell_left_out(left_out)
    ways = _wait(("ways", str(source)), lambda: adding.ways(source), "Looking into the folder …")
    if ways is None:
        return
    with st.container(key="ad-two"):
        if not ways:
            cards.failure(
                f"No image was found in {fsname(source.name)}.", "",
                "Flawscope reads photographs (PNG, JPEG, TIFF and others), tables of images, "
                "annotations, DICOM and NIfTI.",
            )  # fmt: skip
            return
        _step(2, "<strong>What it becomes</strong>")
        _become(source, ways)


def _become(source: Path, ways: list[Way]) -> None:
    """What it is read as on the left, what comes of it on the right."""
    place = queries.workspace()
    left, right = st.columns([2, 3], gap="large")
    key = f"ad:{_id()}"
    with left:
        way = _way(ways, key)
        name = st.text_input(
            "Name of the data set", key=state.kept(f"{key}:name", _free_name(source)),
        )  # fmt: skip
        variant, chosen, wrong = "", dict[str, Any](), list[str]()
        if way.importer:
            form = _wait(("form", way.id), lambda: adding.form(way), "Looking at the source …")
            if form is None:
                return
            chosen, wrong = import_form.settings(way, form, f"{key}:{way.id}")
        elif way.variants and len(way.variants) > 1:
            variant = _variant(way.variants, key)
    with right:
        if wrong:
            st.warning("One setting does not fit; see on the left.")
            return
        if way.importer == "table":
            import_preview.mapping(way, chosen)
        look = _wait(
            ("look", way.id, variant, json.dumps(chosen, sort_keys=True)),
            lambda: adding_look.look(place, way, chosen, variant), "Reading the images …",
        )  # fmt: skip
    if look is None:
        return
    splits = Splits()
    if look.open_splits:
        with left:
            splits = import_form.splits(key)
    with right:
        rows = adding_look.rows(look.items, splits)
        import_preview.show(look, rows)
        bad = adding_look.unusable(rows)
        if bad:
            st.warning(bad)
        if st.button("Make the data set", key="ad-make", type="primary", disabled=bool(bad)):
            _begin(way, name, chosen, splits, variant)


def _way(ways: list[Way], key: str) -> Way:
    """How it is read; asked where there is more than one way."""
    by_id = {way.id: way for way in ways}
    if len(ways) == 1:
        st.caption(ways[0].sign)
        return ways[0]
    chosen = st.radio(
        "How it is read", list(by_id), key=state.kept(f"{key}:way", ways[0].id, by_id),
        format_func=lambda id: by_id[id].title, captions=[way.sign for way in ways],
    )  # fmt: skip
    return by_id[chosen or ways[0].id]


def _variant(variants: Mapping[str, str], key: str) -> str:
    """Which of the official splits or lists."""
    chosen = st.selectbox(
        "Variant", list(variants), key=state.kept(f"{key}:variant", next(iter(variants)), variants),
        format_func=lambda id: f"{id}: {variants[id]}",
    )  # fmt: skip
    return str(chosen)


def _free_name(source: Path) -> str:
    stem = source.stem if source.is_file() else source.name
    return adding.free_name(stem, queries.data_names())


def _wait(what: tuple[str, ...], work: Callable[[], Found], words: str) -> Found | None:
    """The outcome of a look; None while it is under way, and when it failed, which is told."""
    key = (str(queries.workspace().root), _id(), st.session_state.get(_SOURCE), *what)
    try:
        found = later.outcome(key, work, PATIENCE)
    except FlawscopeError as error:
        st.error(str(error))
        return None
    if found is None:
        cards.progress_card(words, "", 0.0)
        later.look_after([key])
    return found


# -- making ----------------------------------------------------------------------------------------


def _begin(
    way: Way, name: str, chosen: dict[str, Any], splits: Splits, variant: str
) -> None:  # fmt: skip
    try:
        wanted = actions.free_to_use(name)
    except FlawscopeError as error:
        st.error(str(error))
        return
    if later.progress(_key(wanted)) is not None:
        st.error(f"A data set {wanted!r} is being made just now; choose another name.")
        return
    place, by = queries.workspace(), header.author()
    later.begin(
        _key(wanted),
        lambda tell: adding.make(place, way, wanted, chosen, splits, variant, by, tell),
    )
    st.query_params[MAKING] = wanted  # whoever reloads the page finds it again
    st.rerun()


def _key(name: str) -> Hashable:
    return "make data", str(queries.workspace().root), name


def _making(name: str) -> bool:
    """The bar while it is made, or what came of it; False: the form is to be shown again."""
    key = _key(name)
    if later.progress(key) is not None:
        _step(2, f"<strong>Making {cards.inline(_literal(name))}</strong>")
        later.watch(key, "ad-making")
        return True
    del st.query_params[MAKING]
    try:
        said = later.found(key)
    except FlawscopeError as error:
        st.error(str(error))
        return False
    if said is None:
        if is_busy():  # else it is an old address
            st.info("Cancelled; no data set was made.")
        return False
    st.session_state[ADDED] = (name, said)
    st.session_state.pop(_SOURCE, None)  # an upload now belongs to the data set
    close()
    st.rerun()
    return True


def _literal(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|~$:<>" else c for c in text)
