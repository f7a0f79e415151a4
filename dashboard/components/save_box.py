"""Keep the present view under a name, and the list of those that are kept.

`save_box(source, "compare")` fits into any page's row of filters; `links(source)` is the plain
list, for an overview; `listed(source)` can rename and take back, too.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from core import saved
from core.errors import FlawscopeError
from core.saved import LONGEST_NAME, LONGEST_NOTE, SavedView
from dashboard import header
from dashboard import saved as views
from dashboard.components import cards
from dashboard.components.empty import empty
from dashboard.findings import many
from dashboard.results import Source

A_PAGE = 20
STYLE = """<style>
.sv-list{list-style:none;margin:0;padding:0}
.stHtml .sv-list li{margin:0;padding:9px 0;border-top:1px solid var(--fs-line);font-size:14px}
.stHtml .sv-list li:first-child{border-top:0}
.sv-one a{color:var(--fs-accent);text-decoration:none;font-weight:600;overflow-wrap:anywhere}
.sv-one a:hover,.sv-one a:focus-visible{text-decoration:underline}
.sv-one small{display:block;color:var(--fs-dim);font-size:12.5px;line-height:1.45}
.sv-one p{margin:1px 0 0!important;font-size:14px;overflow-wrap:anywhere}
[class*="st-key-sv-row-"]{border-top:1px solid var(--fs-line);padding-top:10px}
</style>"""


def save_box(source: Source, page: str, suggestion: str = "") -> None:
    """A button that keeps what the address says under a name.

    Args:
        page: address name of the page it stands on.
        suggestion: a name to start from.
    """
    done = f"sv-done-{page}"
    with st.popover("Save view", icon=":material/bookmark_add:", key=f"sv-pop-{page}"):
        with st.form(f"sv-form-{page}", border=False, clear_on_submit=True):
            name = st.text_input(
                "Name", max_chars=LONGEST_NAME, placeholder=suggestion or "What it shows",
                key=f"sv-name-{page}",
            )  # fmt: skip
            note = st.text_area(
                "Note", max_chars=LONGEST_NOTE, height=80, key=f"sv-note-{page}",
                placeholder="What to look at, for those who open the link",
            )  # fmt: skip
            st.caption(f"Filed under {header.author() or 'unnamed'}; everyone here can open it.")
            if st.form_submit_button("Save", key=f"sv-save-{page}"):
                st.session_state[done] = _keep(source, page, name or suggestion, note)
        if said := st.session_state.pop(done, None):
            st.html(STYLE + said)


def _keep(source: Source, page: str, name: str, note: str) -> str:
    try:
        view = views.save_view(source, page, views.here(), name, note)
    except FlawscopeError as error:
        return f'<p role="alert">{escape(str(error))}</p>'
    href = escape(views.link(view), quote=True)
    return (
        f'<div class="sv-one" role="status">Saved: <a href="{href}" target="_self">'
        f"{escape(view.name)}</a><small>The link opens this very view.</small></div>"
    )


def links(source: Source, page: str | None = None, most: int = 6) -> int:
    """The latest saved views as links; returns how many there are in all, and draws nothing for
    none."""
    found = views.saved_views(source, page)
    if found:
        rows = "".join(f"<li>{_one(view)}</li>" for view in found[:most])
        st.html(f'{STYLE}<ul class="sv-list">{rows}</ul>')
    return len(found)


def everything(source: Source) -> None:
    """What people kept of every page: how many, and the list; what to do while there is none."""
    count = len(views.saved_views(source))
    if count == 0:
        empty(
            "Nothing is saved yet",
            "Press **Save view** beside the pickers of a view: it keeps the two runs, the metric "
            "and all else the address says, under a name and with a note.",
        )
        return
    cards.finding(f"**{many(count, 'view is', 'views are')} saved**; a link opens it as it was.")
    with st.container(border=True, key="card-saved"):
        listed(source)


def listed(source: Source, page: str | None = None) -> None:
    """All saved views, each with a way to rename it or take it back; A_PAGE at a time."""
    found = views.saved_views(source, page)
    st.html(STYLE)
    pages = -(-len(found) // A_PAGE)
    at = st.pagination(pages, key="sv-page") if pages > 1 else 1
    for view in found[(at - 1) * A_PAGE : at * A_PAGE]:
        row = st.container(
            horizontal=True, vertical_alignment="center", key=f"sv-row-{view.id}", gap="small"
        )
        row.html(_one(view), width="stretch")
        with row.popover("Change", key=f"sv-change-{view.id}"):
            _change(source, view)


def _one(view: SavedView) -> str:
    note = f"<p>{escape(view.note)}</p>" if view.note else ""
    again = f", version {view.versions}" if view.versions > 1 else ""
    return (
        f'<div class="sv-one"><a href="{escape(views.link(view), quote=True)}" target="_self">'
        f"{escape(view.name)}</a>{note}<small>{escape(view.page.replace('_', ' '))} · "
        f"{escape(view.author)} · {escape(views.when(view))}{again}</small></div>"
    )


def _change(source: Source, view: SavedView) -> None:
    """Rename, or take back."""
    with st.form(f"sv-edit-{view.id}", border=False):
        name = st.text_input("Name", view.name, max_chars=LONGEST_NAME, key=f"sv-n-{view.id}")
        note = st.text_area(
            "Note", view.note, max_chars=LONGEST_NOTE, height=80, key=f"sv-t-{view.id}"
        )
        kept = st.form_submit_button("Save as a new version", key=f"sv-rename-{view.id}")
    gone = st.button("Take it back", key=f"sv-remove-{view.id}", help="It stays in the record.")
    try:
        if kept:
            saved.rename(source.workspace, header.author(), view.id, name, note)
        if gone:
            saved.take_back(source.workspace, header.author(), view.id)
    except FlawscopeError as error:
        st.html(f'<p role="alert">{escape(str(error))}</p>')
        return
    if kept or gone:
        st.rerun()
