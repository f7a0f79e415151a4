"""Excluding images, moving them to another split, and taking that back."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from core.data import edits
from core.data.edits import Action, Edit
from core.errors import FlawscopeError
from core.types import Split
from dashboard import browse_data, header
from dashboard.components import cards
from dashboard.queries import workspace
from dashboard.words import counted

TOLD = "browse-told"
"""Session key of what the last click did: (data set, sentence)."""
MOST = 50


def offer(
    name: str, keys: Sequence[str], action: Action, split: Split | None, *, reason: str, key: str,
    label: str = "", splits: Sequence[Split] = (),
) -> None:  # fmt: skip
    """A button that opens a confirmation: what will be done, why, and the button that does it.

    Args:
        name: the data set.
        reason: stands in the field at first.
        key: unique on the page.
        splits: lets a person choose where to; else `split` it is.
    """
    count = counted(len(keys), "image", "images")
    shown = label or (f"Exclude these {len(keys):,}" if action == "exclude"
                      else f"Move these {len(keys):,} to {split}")  # fmt: skip
    icon = ":material/block:" if action == "exclude" else ":material/drive_file_move:"
    with st.popover(shown, icon=icon, key=f"{key}-open"):
        if action == "exclude":
            st.html(
                f"<p><b>Exclude {count}.</b> They stay where they are, but no run uses them "
                "from now on; this can be undone.</p>"
            )
        else:
            if splits:
                split = st.selectbox("Move to", splits, key=f"{key}-split")
            st.html(
                f"<p><b>Move {count} to {escape(str(split))}.</b> Their files stay where they "
                "are; this can be undone.</p>"
            )
        why = st.text_input("Reason", value=reason[:200], max_chars=200, key=f"{key}-why")
        who = header.author()
        if not who:
            who = st.text_input("Your name", max_chars=80, key=f"{key}-who",
                                help="Filed with the change.")  # fmt: skip
        barred = "" if not keys else bar(name, keys, action, split)
        if barred:
            st.caption(barred)
        if st.button(
            f"Exclude {count}" if action == "exclude" else f"Move {count}", key=f"{key}-do",
            type="primary", disabled=bool(barred) or not keys,
        ):  # fmt: skip
            _make(name, keys, action, split, why, who)


def _make(
    name: str, keys: Sequence[str], action: Action, split: Split | None, why: str, who: str
) -> None:
    try:
        edits.make(workspace(), who, name, keys, action, split=split, reason=why.strip())
    except (FlawscopeError, OSError) as error:
        st.error(str(error))
        return
    count = counted(len(keys), "image", "images")
    done = f"Excluded {count}." if action == "exclude" else f"Moved {count} to {split}."
    st.session_state[TOLD] = (name, done)
    st.rerun()


def bar(name: str, keys: Sequence[str], action: Action, split: Split | None) -> str:
    """Why this cannot be done: a class would have no training image left; "" when it can."""
    table = browse_data.view(name).table
    return lost(table, keys, action, split)


def lost(table: pd.DataFrame, keys: Sequence[str], action: Action, split: Split | None) -> str:
    """See `bar`."""
    if action == "move" and split == "train":
        return ""
    training = ((table["split"] == "train") & ~table["excluded"]).to_numpy(dtype=bool)
    concerned = table["key"].isin(set(keys)).to_numpy(dtype=bool)
    names = table["class_name"].to_numpy(dtype=object)
    kept = set(np.unique(names[training & ~concerned].astype(str)))
    gone = sorted(set(names[training & concerned].astype(str)) - kept)
    if not gone:
        return ""
    return f"Class {gone[0].replace('_', ' ')} would have no training image left; take fewer."


def told(name: str) -> None:
    """What the last click on this data set did, once."""
    held = st.session_state.get(TOLD)
    if held and held[0] == name:
        del st.session_state[TOLD]
        st.success(held[1])


def undo_list(name: str, key: str) -> None:
    """The edits in force, the newest first, each with a button that takes it back."""
    made = browse_data.edits_of(name)[::-1]
    for place, edit in enumerate(made[:MOST]):
        with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-edit-{place}"):
            st.html(edit_html(edit))
            undo(name, edit, f"{key}-undo-{place}")
    if len(made) > MOST:
        st.caption(f"The newest {MOST} of {len(made):,} changes.")


def edit_html(edit: Edit) -> str:
    """ "12 images excluded by Ann, 2026-11-25 13:40 UTC: the same bytes"."""
    count = counted(len(edit.keys), "image", "images")
    done = "excluded" if edit.action == "exclude" else f"moved to {edit.split}"
    reason = f": {edit.reason}" if edit.reason else ""
    chip = cards.chip(done, "bad" if edit.action == "exclude" else "accent")
    return (
        f'<span style="font-size:14px">{count}{chip}</span> <span class="fs-dim">by '
        f"{escape(edit.author)}, {escape(when(edit.at))}{escape(reason)}</span>"
    )


def undo(name: str, edit: Edit, key: str, label: str = "Undo") -> None:
    """The button that takes an edit back."""
    if not st.button(label, key=key, icon=":material/undo:"):
        return
    try:
        edits.undo(workspace(), header.author(), edit.group)
    except (FlawscopeError, OSError) as error:
        st.error(str(error))
        return
    st.session_state[TOLD] = (name, "Undone.")
    st.rerun()


def when(at: str) -> str:
    """ "2026-11-25 04:41 UTC"."""
    return f"{at[:16].replace('T', ' ')} UTC"
