"""Handing images in on the Try it page: dropped files, a folder of the machine, the camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.data.intake import ZIP_SUFFIX, Limits
from core.data.layout import IMAGE_SUFFIXES, inside
from core.errors import DataError, FlawscopeError, RunError
from core.trials import Draft, Origin, Trial
from dashboard import header, trials
from dashboard.results import Source
from dashboard.trial_workers import Busy
from dashboard.trials import workers

TRIAL, ITEM = "trial", "item"
"""Query parameters: the trial shown, and the row of the image looked at."""
WAYS = ("Upload", "Folder", "Camera")
TYPES = sorted(suffix.lstrip(".") for suffix in (*IMAGE_SUFFIXES, ZIP_SUFFIX))
LARGEST_MB = 200
"""Of one file dropped here; a large ZIP is for the Data sets page."""
_ROUND = "try-round"


def hand_in(source: Source, run: pd.Series, class_name: str) -> None:
    """Three ways to hand images in; a new trial opens at once."""
    turn = st.session_state.setdefault(_ROUND, 0)  # a new key empties the widget
    with st.container(key="try-in", border=True):
        way = st.segmented_control(
            "Where the images come from", WAYS, default=WAYS[0], key="try-way", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        if way == "Folder":
            _from_folder(source, run, class_name)
            return
        if way == "Camera":
            taken = st.camera_input("Take a picture", key=f"try-camera-{turn}", width=520,
                resolution="1080p",
            )  # fmt: skip
            given: Sequence[Any] = [taken] if taken is not None else []
        else:
            given = st.file_uploader(
                "Drop images or a ZIP of them", type=TYPES, accept_multiple_files=True,
                key=f"try-files-{turn}", help=_limits(), max_upload_size=LARGEST_MB,
            )  # fmt: skip
            samples = trials.examples(source, run, class_name)
            if samples and st.button(
                f"No picture at hand? Try {len(samples)} of the run's test images", key="try-some",
                type="tertiary",
            ):  # fmt: skip
                _copies(source, run, class_name, samples)
    if given:
        draft = Draft(source.workspace, int(run["size"]))
        with st.spinner("Keeping the images …"):
            for file in given:
                draft.intake.data(file.name, file.getvalue())
        st.session_state[_ROUND] = turn + 1
        _open(source, run, class_name, draft, "camera" if way == "Camera" else "upload")


def _copies(source: Source, run: pd.Series, class_name: str, keys: Sequence[str]) -> None:
    """Try images of the run's own test set."""
    draft = Draft(source.workspace, int(run["size"]))
    try:
        for key in keys:
            draft.intake.copy(inside(Path(str(run["data_root"])), key), key)
    except DataError as error:
        draft.abandon()
        st.warning(str(error))
        return
    _open(source, run, class_name, draft, "test images")


def _limits() -> str:
    held = Limits()
    return (
        f"At most {held.most} images and {held.total / 1e6:,.0f} MB at once, "
        f"{held.largest / 1e6:.0f} MB a file. They are kept in the workspace until you remove the "
        "trial."
    )


def _from_folder(source: Source, run: pd.Series, class_name: str) -> None:
    form = st.form("try-folder", border=False)
    with form, st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.text_input(
            "Folder on the machine that runs Flawscope", placeholder="/data/new-parts",
            help="Subfolders are read, too. " + _limits(),
        )  # fmt: skip
        pressed = st.form_submit_button("Try it", type="primary")
    if not pressed:
        return
    if not path.strip():
        st.warning("Name a folder of images.")
        return
    draft = Draft(source.workspace, int(run["size"]))
    try:
        with st.spinner("Reading the folder …"):
            draft.intake.path(Path(path.strip()).expanduser())
    except DataError as error:
        draft.abandon()
        st.warning(str(error))
        return
    _open(source, run, class_name, draft, "folder")


def _open(source: Source, run: pd.Series, class_name: str, draft: Draft, origin: Origin) -> None:
    try:
        trial = trials.start(source, run, class_name, draft, origin, header.author())
    except FlawscopeError as error:
        draft.abandon()
        st.warning(str(error))
        return
    go_to(source, trial)


def go_to(source: Source, trial: Trial) -> None:
    """Start a new trial and show it."""
    ask(source, trial)
    st.query_params[TRIAL] = trial.id
    if ITEM in st.query_params:
        del st.query_params[ITEM]
    st.rerun(scope="app")


def ask(source: Source, trial: Trial) -> str:
    """Hand a trial to its worker; why it has to wait, or ""."""
    try:
        workers(source.root).try_(trial)
    except Busy as error:
        trial.update(state="queued", process=None)
        return str(error)
    except RunError as error:
        trial.update(state="failed", error=str(error))
    return ""
