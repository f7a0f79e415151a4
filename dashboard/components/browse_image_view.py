"""An image of a data set, large: outline, regions, what its file says, findings, edits.

A fragment of its own: the next image runs this alone, and was sent to the browser ahead.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from core.data.doctor.base import Finding
from core.data.edits import Edit
from core.types import Sample
from dashboard import browse, browse_image, browse_pictures, browse_words, header, navigation
from dashboard.browse import Choice, Places
from dashboard.browse_data import View
from dashboard.browse_image import Look
from dashboard.components import browse_edit, cards, grids, viewer
from dashboard.components.browse_gallery import KEY, items_of
from dashboard.components.browse_grid import grid
from dashboard.phrases import image_name, many

VIEWER = "browse-viewer"
MOST_REGIONS, MOST_FELLOWS = 8, 24
STYLE = """<style>
.bi-head{font-size:14px;color:var(--fs-dim);overflow-wrap:anywhere}
.bi-head b{color:var(--fs-text);font-size:16px;font-weight:600}
.bi-find{font-size:14px;line-height:1.45;margin:0 0 8px}
.bi-find .fs-chip{margin:0 7px 0 0}
.bi-find span.fs-dim{display:block}
@media (max-width:640px){.stApp:has(.st-key-browse-viewer) :is(.st-key-browse-Previous,
 .st-key-browse-Next){display:none}}
.st-key-browse-side h3{font-size:14px;font-weight:600;margin:0 0 2px;padding:0}
</style>"""


@st.fragment
@navigation.safely
def image_view(view: View, choice: Choice, key: str) -> None:
    """The image in the address, or that which the viewer has gone to.

    Args:
        choice: the list whose neighbours follow and precede it.
    """
    wish = viewer.wanted(VIEWER)
    asked = str(wish if wish in view.shelf.places else st.query_params.get(KEY, key))
    if asked not in view.shelf.places:
        cards.note("This image is not here", "The data set has no image of that name any more.")
        st.button("Back to the gallery", on_click=_close)
        return
    key = asked
    if st.query_params.get(KEY) != key:
        st.query_params[KEY] = key
    places = browse.select(view.table, choice, view.findings.get(choice.finding))
    sample, row = view.sample(key), view.shelf.places[key]
    at = np.flatnonzero(places == row)
    position = int(at[0]) if len(at) else None
    looked = browse_image.look(view.dataset.root, sample)
    st.html(STYLE)
    _heading(view, key, places, position)
    browse_edit.told(view.dataset.name)
    for sentence in looked.trouble:
        cards.note("Something cannot be shown", browse_words.harmless(sentence))
    left, right = st.columns([5, 3], gap="medium")
    with left:
        if looked.picture is not None:
            viewer.viewer(_case(view, places, position, sample, looked), [], key=VIEWER)
    with right, st.container(key="browse-side"):
        _side(view, sample, view.table.iloc[row].to_dict(), looked)
    _fellows(view, choice, sample)
    if position is not None:
        _ahead(view, places, position)


def _close() -> None:
    if KEY in st.query_params:
        del st.query_params[KEY]


def _go(key: str | None) -> None:
    if key is not None:
        st.query_params[KEY] = key


def _near(view: View, places: Places, position: int | None, far: int) -> str | None:
    if position is None or not 0 <= position + far < len(places):
        return None
    near: int = places[position + far]
    return view.dataset.samples[near].key


def _heading(view: View, key: str, places: Places, position: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="browse-heading"):
        if st.button("Gallery", icon=":material/grid_view:", help="Back to the gallery"):
            _close()
            st.rerun()
        st.html(f'<div class="bi-head" title="{escape(key, quote=True)}">'
                f"<b>{escape(image_name(key))}</b></div>")  # fmt: skip
        said = "not in this list" if position is None else f"{position + 1:,} of {len(places):,}"
        st.html(f'<span class="us-line fs-dim">{said}</span>', width="content")
        for label, far, word in (("←", -1, "Previous"), ("→", 1, "Next")):
            near = _near(view, places, position, far)
            st.button(
                label, key=f"browse-{word}", on_click=_go, args=(near,), disabled=near is None,
                help=f"{word} image",
            )  # fmt: skip


def _case(
    view: View, places: Places, position: int | None, sample: Sample, looked: Look
) -> viewer.ViewerCase:
    return viewer.ViewerCase(
        id=sample.key, picture=looked.picture, width=looked.width, height=looked.height,
        truth_HW=looked.mask_HW, normal=sample.label == 0, caption=sample.key,
        previous=_near(view, places, position, -1), next=_near(view, places, position, 1),
        extra={"outlined": True},
    )  # fmt: skip


def _ahead(view: View, places: Places, position: int) -> None:
    for slot, far in enumerate((1, -1)):
        near = _near(view, places, position, far)
        if near is None:
            continue
        sample = view.sample(near)
        looked = browse_image.look(view.dataset.root, sample)
        if looked.picture is not None:
            case = _case(view, places, position + far, sample, looked)
            viewer.ahead(case, [], key=VIEWER, slot=slot)


def _side(view: View, sample: Sample, row: Mapping[Hashable, Any], looked: Look) -> None:
    """Facts, regions, findings, and what can be done."""
    parts = [f"<h3>Image</h3>{grids.facts_html(facts(sample, row, looked))}"]
    if sample.label:
        parts.append(f"<h3>Marked by the mask</h3>{regions_html(sample, looked)}")
    grids.show(*(f'<div class="fs-card" style="margin-bottom:10px">{part}</div>' for part in parts))
    found = [(id, one) for id, one in view.findings.items() if _about(one, sample.key)]
    if view.examination is not None:
        said = "".join(_finding_html(one) for _, one in found)
        said = said or '<p class="fs-dim">The doctor found nothing about this image.</p>'
        st.html(f'<div class="fs-card"><h3>Findings</h3>{said}</div>')
    if not header.presenting():
        _actions(view, sample, row)


def facts(sample: Sample, row: Mapping[Hashable, Any], looked: Look) -> dict[str, str]:
    """What is known of the image: label, value."""
    split = str(row["split"])
    found = {
        "class": sample.class_name.replace("_", " "),
        "type": sample.anomaly_type.replace("_", " "),
        "split": split if split == row["given"] else f"{split} (was {row['given']})",
    }
    if looked.width:
        found["size"] = f"{looked.width:,} × {looked.height:,} px"
        found["file"] = f"{looked.format} {looked.mode}, {_bytes(looked.bytes)}".strip()
    if sample.specimen:
        found["specimen"] = sample.specimen
    if sample.view:
        found["view"] = sample.view
    bright, sharp = row.get("brightness"), row.get("sharpness")
    if isinstance(bright, float) and bright == bright:
        found["brightness"] = f"{100 * bright:.0f} %"
    if isinstance(sharp, float) and sharp == sharp:
        found["sharpness"] = f"{sharp:,.0f}"
    return found


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def regions_html(sample: Sample, looked: Look) -> str:
    """A table of regions: pixels, share of the image, box."""
    if not sample.masks:
        return '<p class="fs-dim">No mask: this image counts for image metrics only.</p>'
    if not looked.regions:
        return '<p class="fs-dim">The mask marks nothing that can be shown.</p>'
    total = sum(one.area for one in looked.regions)
    share = sum(one.share for one in looked.regions)
    head = f"{many(len(looked.regions), 'region')}, {total:,} px, {browse_words.share_words(share)}"
    rows = "".join(
        f"<tr><td class='fs-left'>{n}</td><td>{one.area:,} px</td>"
        f"<td>{browse_words.share_words(one.share)}</td><td>{one.width} × {one.height}</td></tr>"
        for n, one in enumerate(looked.regions[:MOST_REGIONS], 1)
    )
    more = len(looked.regions) - MOST_REGIONS
    rest = f'<p class="fs-dim">and {more:,} smaller</p>' if more > 0 else ""
    table = (
        '<div class="us-bare us-small"><div class="fs-table-wrap"><table class="fs-table"><thead>'
        "<tr><th class='fs-left'>region</th><th>area</th><th>of the image</th><th>box, px</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div></div>"
    )
    return f'<p class="fs-dim">{head}</p>{table}{rest}'


def _about(finding: Finding, key: str) -> bool:
    return key in finding.keys or any(key in group for group in finding.groups)


TONES: dict[str, cards.Tone] = {"error": "bad", "warning": "accent", "note": "quiet"}


def _finding_html(one: Finding) -> str:
    return (
        f'<p class="bi-find">{cards.chip(one.severity, TONES[one.severity])}{escape(one.title)}'
        f'<span class="fs-dim">{escape(one.remedy)}</span></p>'
    )


def _actions(view: View, sample: Sample, row: Mapping[Hashable, Any]) -> None:
    name = view.dataset.name
    mine = [edit for edit in view.edits if sample.key in edit.keys]
    if mine:
        last: Edit = mine[-1]
        with st.container(border=True, key="card-browse-edit"):
            st.html(browse_edit.edit_html(last))
            every = len(last.keys)
            label = "Undo" if every == 1 else f"Undo for all {every:,} images"
            browse_edit.undo(name, last, "browse-undo", label)
        return
    with st.container(horizontal=True, key="browse-actions"):
        browse_edit.offer(name, [sample.key], "exclude", None, reason="", label="Exclude",
                          key=f"browse-exclude-{sample.key}")  # fmt: skip
        allowed = ("test",) if sample.label else browse.SPLITS
        others = [split for split in allowed if split != row["split"]]
        if others:
            browse_edit.offer(
                name, [sample.key], "move", others[0], reason="", label="Move", splits=others,
                key=f"browse-move-{sample.key}",
            )  # fmt: skip


def _fellows(view: View, choice: Choice, sample: Sample) -> None:
    """Other images of the specimen, and those the doctor calls alike."""
    alike = [
        key for one in view.findings.values() for group in one.groups if sample.key in group
        for key in group if key != sample.key and key in view.shelf.places
    ]  # fmt: skip
    _strip(view, choice, "Other images of this specimen",
           [one.key for one in view.shelf.fellows(sample)], "fellows")  # fmt: skip
    _strip(view, choice, "Alike, says the doctor", list(dict.fromkeys(alike)), "alike")


def _strip(view: View, choice: Choice, title: str, keys: Sequence[str], name: str) -> None:
    if not keys:
        return
    more = f" (the first {MOST_FELLOWS} of {len(keys):,})" if len(keys) > MOST_FELLOWS else ""
    st.html(f'<h2 style="font-size:16px;font-weight:600;margin:6px 0 0">{title}{more}</h2>')
    rows = np.array([view.shelf.places[key] for key in keys[:MOST_FELLOWS]], dtype=np.intp)
    asked = browse_pictures.ask(
        view.dataset.root, [view.dataset.samples[place] for place in rows]
    )  # fmt: skip
    items = items_of(view, rows, browse_pictures.ready(asked, 1.0), choice)
    opened = grid(items, f"browse-{name}", caption=title, small=True)
    if opened is not None:
        st.query_params[KEY] = opened
        st.rerun(scope="fragment")
