"""The doctor on the Data sets page: examine a data set, read what was found, mend it, undo it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.console import duration
from core.data.doctor.base import Examination, Finding
from core.data.edits import Edit
from core.errors import FlawscopeError
from core.workspace import Workspace
from dashboard import browse, browse_data, browse_pictures, browse_words, later, navigation, state
from dashboard.components import browse_edit, cards, forecast_parts
from dashboard.queries import DataLook, workspace

DEFAULT_SIZE = 256
EXAMPLES = 8
GROUPS: dict[str, tuple[str, str, cards.Tone]] = {
    "error": ("Errors", "wrong results or a run that fails", "bad"),
    "warning": ("Warnings", "results that mislead", "accent"),
    "note": ("Notes", "good to know", "quiet"),
}
STYLE = """<style>
.dr-head{display:flex;flex-wrap:wrap;align-items:center;gap:4px 8px;font-size:14px}
.dr-head .fs-chip{margin:0}
.stHtml h4.dr-group{font-size:12.5px;font-weight:600;margin:8px 0 0;padding:0;color:var(--fs-dim)}
.dr-find{font-size:14px;line-height:1.5;border-left:3px solid var(--fs-line-strong);
 padding:0 0 0 12px}
.dr-find.error{border-color:var(--fs-bad)}.dr-find.warning{border-color:var(--fs-accent)}
.dr-find b{font-weight:600}.stHtml .dr-find p{margin:0 0 2px;overflow-wrap:anywhere}
.dr-strip{display:grid;grid-template-columns:repeat(auto-fill,76px);gap:6px;margin-top:6px}
.dr-strip a{display:block;position:relative;aspect-ratio:1;border-radius:6px;overflow:hidden;
 background:var(--fs-sunk);border:1px solid var(--fs-line)}
.dr-strip a:hover,.dr-strip a:focus-visible{border-color:var(--fs-accent)}
.dr-strip img{position:absolute;inset:0;width:100%;height:100%;object-fit:contain}
[class*="st-key-doctor-do-"]{padding-left:15px;margin-top:-6px}
[class*="st-key-doctor-do-"] .stPopover button{min-height:30px;padding:2px 12px}
@media (max-width:640px){.dr-strip{grid-template-columns:repeat(4,minmax(0,1fr))}}
</style>"""


@st.fragment
@navigation.safely
def section(look: DataLook) -> None:
    """The doctor's part of one data set's card; nothing while its images are not there.

    A fragment: what is clicked here draws this card alone, but for edits, which change the counts.
    """
    if not look.made:
        return
    name = look.name
    examined = browse_data.examination(name)
    running = _key(name)
    if later.progress(running) is None and st.session_state.pop(f"doctor-ends-{name}", False):
        st.session_state[_toggle(name)] = True  # what it found shows when it has ended
    st.html(STYLE)
    with st.container(horizontal=True, vertical_alignment="center", key=f"doctor-row-{name}"):
        st.html(head_html(examined, browse_data.edits_of(name)))
        shown = False
        if examined is not None:
            shown = st.toggle("Show", key=_toggle(name))
        if later.progress(running) is None:
            _examine(name, examined)
    browse_edit.told(name)
    if later.progress(running) is not None:
        later.watch(running, f"doctor-watch-{name}")
    else:
        try:
            later.found(running)
        except FlawscopeError as error:
            cards.failure(str(error), "Earlier findings are kept.", "Examine it again.")
    if shown and examined is not None:
        _findings(name, examined)
    forecast_parts.box(name, examined.size if examined else DEFAULT_SIZE)
    if browse_data.edits_of(name):
        title = f"Changes made to this data set ({len(browse_data.edits_of(name))})"
        with st.expander(title, icon=":material/history:", key=f"doctor-edits-{name}"):
            browse_edit.undo_list(name, f"doctor-{name}")


def head_html(examined: Examination | None, made: Sequence[Edit]) -> str:
    """ "Doctor", what was found by severity, for which size and when."""
    if examined is None:
        return (
            '<div class="dr-head"><b>Doctor</b><span class="fs-dim">not examined yet: unreadable '
            "files, masks that do not fit, duplicates, images of one specimen in two splits"
            "</span></div>"
        )
    chips = "".join(
        cards.chip(said, GROUPS[said.split()[1].rstrip("s")][2])
        for said in browse_words.severities(examined)
    ) or cards.chip("no fault found", "good")  # fmt: skip
    at = browse_edit.when(examined.at)
    took = f", took {duration(examined.seconds)}" if examined.seconds else ""
    since = "; changed since then" if any(edit.at > examined.at for edit in made) else ""
    return (
        f'<div class="dr-head"><b>Doctor</b>{chips}<span class="fs-dim">examined for '
        f"{examined.size} px, {escape(at)}{took}{since}</span></div>"
    )


def _key(name: str) -> Hashable:
    return ("doctor", str(workspace().root), name)


def _toggle(name: str) -> str:
    return state.kept(f"doctor-show-{name}", False)


def _examine(name: str, examined: Examination | None) -> None:
    """The size to examine for, and the button that begins."""
    label = "Examine" if examined is None else "Examine again"
    with st.popover(label, icon=":material/stethoscope:", key=f"doctor-open-{name}"):
        sizes = browse_data.SIZES
        size = st.selectbox(
            "For runs at", sizes, key=f"doctor-size-{name}", format_func=lambda side: f"{side} px",
            index=sizes.index(examined.size if examined and examined.size in sizes
                              else DEFAULT_SIZE),
            help="Side of the square input. Small flaws may vanish when images are made smaller.",
        )  # fmt: skip
        st.caption("Reads every image and mask once; what has not changed is quick the next time.")
        if st.button("Begin", type="primary", key=f"doctor-begin-{name}"):
            begin(name, size)
            st.session_state[f"doctor-ends-{name}"] = True
            st.rerun()


def begin(name: str, size: int) -> None:
    """Examine a data set beside the page."""
    place: Workspace = workspace()

    def work(tell: later.Tell) -> bool:
        from core.data import catalogue
        from core.data.doctor import examine

        tell(0.0, "opening the data set")
        examine.examine(catalogue.open_dataset(name, place), place, size, tell)
        return True

    later.begin(_key(name), work)


def _findings(name: str, examined: Examination) -> None:
    """Every finding, by severity, with examples and what mends it."""
    for sentence in examined.differences:
        st.html(f'<p class="fp-dim">{escape(sentence)}</p>')
    if not examined.findings:
        return
    view = browse_data.view(name)
    for severity, (title, meaning, _) in GROUPS.items():
        mine = {id: one for id, one in view.findings.items() if one.severity == severity}
        if not mine:
            continue
        st.html(f'<h4 class="dr-group">{title} <span style="font-weight:400">{meaning}</span></h4>')
        for id, one in mine.items():
            st.html(finding_html(one, _strip(view, id, one)))
            _mend(view, id, one)


def finding_html(one: Finding, strip: str = "") -> str:
    """Title, detail and remedy."""
    detail = f'<p class="fs-dim">{escape(one.detail)}</p>' if one.detail else ""
    remedy = f"<p>{escape(one.remedy)}</p>" if one.remedy else ""
    return (
        f'<div class="dr-find {one.severity}"><p><b>{escape(one.title)}</b></p>{detail}{remedy}'
        f"{strip}</div>"
    )


def _strip(view: browse_data.View, id: str, one: Finding) -> str:
    """The worst examples, each leading to the image among those of the finding."""
    keys = [key for key in browse.finding_order(one) if key in view.shelf.places][:EXAMPLES]
    if not keys:
        return ""
    samples = [view.sample(key) for key in keys]
    asked = browse_pictures.ask(view.dataset.root, samples)
    cells = []
    for key, small in zip(keys, browse_pictures.ready(asked, 2.0), strict=True):
        layers = "".join(
            f'<img loading="lazy" src="{source}" alt="">'
            for source in ((small.photo, small.outline) if small else ()) if source
        )  # fmt: skip
        label = escape(key, quote=True)
        link = escape(browse_link(view.dataset.name, id, key), quote=True)
        cells.append(
            f'<a href="{link}" target="_self" title="{label}" aria-label="{label}">{layers}</a>'
        )
    return f'<div class="dr-strip">{"".join(cells)}</div>'


def browse_link(name: str, id: str = "", key: str = "") -> str:
    """The address of Browse at a data set, a finding, an image."""
    query = {"data": name} | ({"finding": id} if id else {}) | ({"key": key} if key else {})
    return f"{navigation.href('browse')}?{urlencode(query)}"


def _mend(view: browse_data.View, id: str, one: Finding) -> None:
    """What would mend it, and the way to all of its images."""
    name = view.dataset.name
    left = browse.open_keys(view.table, one)
    if not one.keys and not left:
        return
    with st.container(horizontal=True, vertical_alignment="center",
                      key=f"doctor-do-{name}-{id}"):  # fmt: skip
        if one.keys:
            st.page_link(
                navigation.page("browse"), label=_all(one), icon=":material/grid_view:",
                query_params={"data": name, "finding": id},
            )  # fmt: skip
        if one.action and left:
            browse_edit.offer(
                name, left, one.action, one.split, reason=one.title, key=f"doctor-fix-{name}-{id}",
                label=_label(one, left),
            )  # fmt: skip
        elif one.action and one.fix_keys:
            done = "excluded" if one.action == "exclude" else f"moved to {one.split}"
            st.html(cards.chip(f"{done} already", "good"))


def _label(one: Finding, left: Sequence[str]) -> str:
    number = "this one" if len(left) == 1 else f"these {len(left):,}"
    return f"Exclude {number}" if one.action == "exclude" else f"Move {number} to {one.split}"


def _all(one: Finding) -> str:
    return "See the image" if one.count == 1 else f"See all {one.count:,} images"


def links(look: DataLook) -> None:
    """ "Browse" on a data set's card."""
    if look.made:
        st.page_link(
            navigation.page("browse"), label="Browse", icon=":material/grid_view:",
            query_params={"data": look.name},
        )  # fmt: skip
