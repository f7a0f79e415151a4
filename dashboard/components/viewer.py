"""The viewer: picture, heat map, threshold and truth on linked canvases, drawn in the browser.

Python sends what a case needs once (picture, maps, truth, calibration); sliders, zoom, blink,
colours, read-out and the list of regions then work without the server. Only going to the next or
previous case comes back, and even that is drawn first when the case was sent ahead:

    wish = viewer.wanted("viewer")          # id of the case the person went to, or None
    viewer.viewer(case, panes, "viewer")    # the case on screen
    ...                                     # whatever stands around it
    viewer.ahead(next_case, its_panes, "viewer", slot=0)    # after everything a person looks at

A picture alone, or with one map, no thresholds and no truth, is a complete call, too:

    viewer.viewer(ViewerCase(id="x", picture=png), [Pane(label="RD", map_HW=map_HW)])

Maps travel without loss (`viewer_codec`), so a threshold separates the same pixels here and there,
and each comes once: the browser keeps the last ones and tells what it holds when it goes on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from dashboard import header, theme, words
from dashboard.components.viewer_codec import Blob, Kept, blob, message
from dashboard.components.viewer_codec import decode_map as decode_map
from dashboard.components.viewer_codec import decode_mask as decode_mask
from dashboard.components.viewer_codec import encode_map as encode_map
from dashboard.components.viewer_codec import encode_mask as encode_mask
from dashboard.components.viewer_colours import COLOUR_MAPS

Event = Literal["next", "previous"]

HERE = Path(__file__).parent
HTML, CSS = "viewer.html", "viewer.css"
SCRIPTS = (
    "viewer_math.js", "viewer_regions.js", "viewer_data.js", "viewer_draw.js", "viewer_save.js",
    "viewer_panel.js", "viewer_input.js", "viewer.js",
)  # fmt: skip
AHEAD = "viewer_ahead.js"

_maps = Kept()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """What one run says about the case.

    Attributes:
        label: how people call the run.
        map_HW: raw anomaly map; float16 as runs store it (other kinds are rounded to it).
        method: id, for its colour.
        tail: (map value, share of normal pixels that high or higher), by rising value; the
            calibration of the heat scale. Empty: the scale is that of this picture alone.
        thresholds: (name, map value), the default first; names are shared between panes.
        note: a few words beside the label ("score 34.8").
        facts: (name, value) lines above the run's list of regions.
        id: keeps what was set for this pane when the case changes; the label when empty.
        source: names the map's content ("workspace run row"), so that it is encoded once.
    """

    label: str
    map_HW: npt.NDArray[np.floating[Any]]
    method: str = ""
    tail: Sequence[tuple[float, float]] = ()
    thresholds: Sequence[tuple[str, float]] = ()
    note: str = ""
    facts: Sequence[tuple[str, str]] = ()
    id: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerCase:
    """The case itself.

    Attributes:
        id: unique among the cases shown; the sample's key.
        picture: data URI or the file's bytes (PNG, JPEG, WebP), in the picture's own aspect; None
            when it cannot be shown.
        width, height: of the picture in pixels (of the original, where a smaller copy is sent).
        truth_HW: true pixels at any size; None when they are unknown.
        normal: the sample is normal, so that all of it is truly without flaw.
        caption: a line for the downloaded picture.
        previous, next: ids of the neighbours; None at the ends.
    """

    id: str
    picture: str | bytes | None
    width: int = 0
    height: int = 0
    truth_HW: npt.NDArray[np.bool_] | None = None
    normal: bool = False
    caption: str = ""
    previous: str | None = None
    next: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Room for later uses (review marks, captions a pane); sent to the browser as it is."""


def viewer(case: ViewerCase, panes: Sequence[Pane], key: str = "viewer") -> Event | None:
    """Show a case; without panes the picture alone.

    Args:
        key: one a page; the same key keeps opacity, threshold, zoom and switches across cases.

    Returns:
        "next" or "previous" once, in the run of the script that the wish caused, when it was
        made on this very case; else None. A page that asks `wanted` first has no use for it.

    Raises:
        ValueError: a map or the truth is not two-dimensional, or a map is empty.
    """
    data, sent = _message(case, panes, key, _held(key))
    result = _component()(
        data=data, key=key, on_go_change=lambda: None, on_need_change=lambda: None
    )
    _held(key).update(dict.fromkeys(sent))
    wish = result.go
    if not wish or wish.get("case") != case.id:
        return None
    return "next" if wish.get("to") == "next" else "previous"


def wanted(key: str = "viewer") -> str | None:
    """The id of the case a person went to in the browser, in the run this caused; else None.

    Call it before `viewer`, and look the id up among the cases: it comes from the browser.
    """
    target = _said(key, "go").get("target")
    return target if isinstance(target, str) else None


def ahead(case: ViewerCase, panes: Sequence[Pane], key: str = "viewer", slot: int = 0) -> None:
    """Send a neighbour of the present case, so that going there is drawn at once.

    Args:
        key: of the viewer.
        slot: one for each neighbour sent in the same run, from 0.

    Raises:
        ValueError: as `viewer`.
    """
    data, sent = _message(case, panes, key, _held(key))
    with st.container(key=f"{key}-ahead-{slot}", height=1, border=False):
        _empty()(data=data, key=f"{key}-ahead-{slot}-part", height=1)
    _held(key).update(dict.fromkeys(sent))


def payload(case: ViewerCase, panes: Sequence[Pane]) -> dict[str, Any]:
    """What the browser gets, as JSON can hold it; pictures, maps and masks by name."""
    return _payload(case, panes)[0]


def _payload(case: ViewerCase, panes: Sequence[Pane]) -> tuple[dict[str, Any], dict[str, Blob]]:
    picture = None if case.picture is None else blob("picture", _bytes(case.picture))
    truth = None if case.truth_HW is None else blob("mask", encode_mask(case.truth_HW))
    maps = list(_threads().map(_encoded, panes))  # zlib lets go of the interpreter
    told = words.current()
    data = {
        "id": case.id,
        "picture": picture and picture.name,
        "width": case.width,
        "height": case.height,
        "truth": truth and truth.name,
        "normal": case.normal,
        "caption": case.caption,
        "previous": case.previous is not None,
        "next": case.next is not None,
        "goes": {"previous": case.previous, "next": case.next},
        "extra": case.extra,
        "panes": [_pane(pane, one) for pane, one in zip(panes, maps, strict=True)],
        "heat": COLOUR_MAPS,
        "colours": theme.TRUTH,
        "words": {
            "found": "found", "alarm": told.alarm, "alarms": told.alarms, "missed": told.missed,
        },
        "present": header.presenting(),
    }  # fmt: skip
    return data, {one.name: one for one in (picture, *maps, truth) if one is not None}


def _encoded(pane: Pane) -> Blob:
    return _maps.get(pane.source, lambda: blob("map", encode_map(pane.map_HW)))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="viewer")


def _pane(pane: Pane, encoded: Blob) -> dict[str, Any]:
    return {
        "id": pane.id or pane.label,
        "label": pane.label,
        "note": pane.note,
        "colour": theme.method_colour(pane.method) if pane.method else None,
        "facts": [[str(name), str(value)] for name, value in pane.facts],
        "map": encoded.name,
        "tail": [[float(value), float(share)] for value, share in pane.tail],
        "thresholds": [[str(name), float(value)] for name, value in pane.thresholds],
    }


def _message(
    case: ViewerCase, panes: Sequence[Pane], key: str, held: Iterable[str]
) -> tuple[bytes, list[str]]:
    """The message, and the names of the blobs in it: those that the browser does not hold."""
    data, blobs = _payload(case, panes)
    data["key"] = key
    data["digest"] = blake2b(json.dumps(data).encode(), digest_size=9).hexdigest()
    new = {name: one for name, one in blobs.items() if name not in held}
    return message(data, new, json.dumps), list(new)


def _held(key: str) -> dict[str, None]:
    """Names of what the browser holds: what it said with its last wish, and what was sent since.

    It is told everything anew when it asks (`need`): a message can be dropped on its way.
    """
    wish, need = _said(key, "go"), _said(key, "need")
    book: dict[str, Any] = st.session_state.setdefault(f"{key}-held", {"names": {}, "seen": None})
    told = wish.get("at"), need.get("at")
    if any(told) and book["seen"] != told:
        book["seen"] = told
        book["names"] = {} if need else dict.fromkeys(map(str, wish.get("held") or ()))
    names: dict[str, None] = book["names"]
    return names


def _said(key: str, event: str) -> Mapping[str, Any]:
    """What the browser sent in the present run under this name; {} when nothing."""
    state = st.session_state.get(key)
    told = state.get(event) if isinstance(state, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def _bytes(picture: str | bytes) -> bytes:
    return picture if isinstance(picture, bytes) else base64.b64decode(picture.split(",", 1)[1])


@cache
def _component() -> Any:
    """The component; its script is joined from its files, numbers and drawing first."""
    read = {name: (HERE / name).read_text(encoding="utf-8") for name in (*SCRIPTS, HTML, CSS)}
    return st.components.v2.component(
        "flawscope_viewer",
        html=read[HTML],
        css=read[CSS],
        js="\n".join(read[name] for name in SCRIPTS),
    )


@cache
def _empty() -> Any:
    return st.components.v2.component(
        "flawscope_ahead", js=(HERE / AHEAD).read_text(encoding="utf-8")
    )
