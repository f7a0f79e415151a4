"""The first step of adding data: a folder or file of this machine, or files that are uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from core.data import uploads
from core.data.images import fsname
from core.data.uploads import FLAWED_FOLDER, GOOD_FOLDER, LIMITS, Handed, Received
from core.errors import DataError, FlawscopeError
from dashboard import adding, later, queries, state
from dashboard.components import data_card

HERE, UPLOAD, FOLDER = "On this machine", "Upload images or a ZIP", "Upload a folder"
WAYS = (HERE, UPLOAD, FOLDER)
ZIP_MB = 2_000
"""Largest upload in one piece; it lies in the server's memory until it is kept."""
SHOWN = 6


def ask(id: str) -> Received | None:
    """The ways to say where the images are; what was found or received, once it is there.

    Args:
        id: of this adding.
    """
    key = ("receive data", str(queries.workspace().root), id)
    if later.progress(key) is not None:
        later.watch(key, "ad-receiving")
        return None
    try:
        received: Received | None = later.found(key)
    except FlawscopeError as error:
        st.error(str(error))
        received = None
    if received is not None:
        later.forget(key)
        return received
    way = st.segmented_control(
        "Where the images come from", WAYS, key=state.kept(f"ad:{id}:way", HERE),
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    if way == HERE:
        return _here(id)
    handed = _dropped(id) if way == UPLOAD else _folder(id)
    count = len(handed)
    label = "Use this file" if count == 1 else f"Use these {count:,} files"
    if handed and st.button(label, key="ad-upload", type="primary"):
        place = queries.workspace()
        later.begin(key, lambda tell: uploads.receive(place, handed, tell))
        st.rerun()
    st.caption(
        f"Drop files on a field, or choose them. At most {LIMITS.most:,} files, "
        f"{LIMITS.largest / 1e6:,.0f} MB each and {LIMITS.total / 1e9:,.0f} GB in all; a ZIP at "
        f"most {ZIP_MB / 1000:g} GB. They are kept in the workspace, on the machine this dashboard "
        "runs on."
    )
    return None


def _here(id: str) -> Received | None:
    """A path of this machine, typed or picked."""
    key = f"ad:{id}:path"
    nearby = data_card.shortcuts()
    form = st.form(f"ad-here-{id}", border=False)
    with form, st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(
            "Folder or file", key=state.kept(key, ""), placeholder="/path/to/folder",
            help="A folder of images, a table (CSV, Parquet) or annotations (JSON) on the machine "
            "this dashboard runs on. It stays where it is.",
        )  # fmt: skip
        pressed = st.form_submit_button("Look inside", type="primary", key="ad-look")
    picked = None
    if nearby:
        picked = st.pills("Found nearby", nearby, key=f"ad:{id}:near", format_func=data_card.short)
    if not pressed and picked is None:
        return None
    try:
        return Received(adding.there(typed if pressed else str(picked)), 0)
    except DataError as error:
        st.error(str(error))
        return None


def _dropped(id: str) -> list[Handed]:
    """Two places to drop images on: good ones (or a ZIP of folders), and flawed ones."""
    left, right = st.columns(2, gap="medium")
    with left:
        good = _uploader("Good images, or a ZIP", f"ad:{id}:good", True,
            "Folders in the ZIP say what images show, such as good, scratch and dent.")  # fmt: skip
    with right:
        bad = _uploader("Images with defects, if you have any", f"ad:{id}:bad", True,
            "Methods learn from good images only; these test what they learned.")  # fmt: skip
    return [
        *(Handed(file.name, file, GOOD_FOLDER) for file in good),
        *(Handed(file.name, file, FLAWED_FOLDER) for file in bad),
    ]


def _folder(id: str) -> list[Handed]:
    """A folder of the person's own machine, its folders kept."""
    given = _uploader(
        "A folder of yours", f"ad:{id}:folder", "directory",
        "Its folders say what images show, such as good, scratch and dent.",
    )  # fmt: skip
    return [Handed(file.name, file) for file in given]


def _uploader(label: str, key: str, several: Any, help: str) -> list[Any]:
    given: Any = st.file_uploader(
        label, accept_multiple_files=several, key=key, help=help, max_upload_size=ZIP_MB
    )  # fmt: skip
    return list(given or ())


def tell_left_out(sentences: Sequence[str]) -> None:
    """What of an upload was not taken."""
    with st.expander(
        f"{len(sentences)} of the upload left out"
        if len(sentences) > 1
        else "Left out of the upload"
    ):
        rows = "".join(f"<li>{escape(one)}</li>" for one in sentences[:SHOWN])
        more = len(sentences) - SHOWN
        rows += f"<li>and {more:,} more</li>" if more > 0 else ""
        st.html(f'<ul class="ad-left">{rows}</ul>')


def named(source: Path) -> str:
    """A path as people know it; an upload by its name."""
    home = uploads.home(queries.workspace())
    return f"your upload {source.name}" if source.is_relative_to(home) else fsname(source)
