"""The viewer: picture, heat map, threshold and truth on linked canvases, drawn in the browser.

Python sends what a case needs once (picture, maps, truth, calibration); sliders, zoom, blink and
read-out then work without the server. Only going to the next or previous case comes back.

Maps travel without loss: the 16 bits of every float16 stand in the red and green byte of a PNG, so
a threshold separates the same pixels here and there.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from dashboard import theme

Event = Literal["next", "previous"]

HERE = Path(__file__).parent
HTML, CSS = "viewer.html", "viewer.css"
SCRIPTS = ("viewer_math.js", "viewer_draw.js", "viewer_input.js", "viewer.js")


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
        id: keeps what was set for this pane when the case changes; the label when empty.
    """

    label: str
    map_HW: npt.NDArray[np.floating[Any]]
    method: str = ""
    tail: Sequence[tuple[float, float]] = ()
    thresholds: Sequence[tuple[str, float]] = ()
    note: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerCase:
    """The case itself.

    Attributes:
        id: unique among the cases shown; the sample's key.
        picture: data URI in the picture's own aspect; None when it cannot be shown.
        width, height: of the picture in pixels (of the original, where the URI is a smaller copy).
        truth_HW: true pixels at any size; None when they are unknown.
        normal: the sample is normal, so that all of it is truly without flaw.
        caption: a line for the downloaded picture.
        previous, next: ids of the neighbours; None at the ends.
    """

    id: str
    picture: str | None
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
    """Show a case.

    Args:
        key: one a page; the same key keeps opacity, threshold, zoom and switches across cases.

    Returns:
        "next" or "previous" once, in the run of the script that the wish caused; else None.

    Raises:
        ValueError: a map or the truth is not two-dimensional, or a map is empty.
    """
    result = _component()(data=payload(case, panes), key=key, on_go_change=lambda: None)
    wish = result.go
    if wish is None or wish.get("case") != case.id:
        return None
    return "next" if wish.get("to") == "next" else "previous"


def payload(case: ViewerCase, panes: Sequence[Pane]) -> dict[str, Any]:
    """What the browser gets, as JSON can hold it."""
    return {
        "id": case.id,
        "picture": case.picture,
        "width": case.width,
        "height": case.height,
        "truth": None if case.truth_HW is None else encode_mask(case.truth_HW),
        "normal": case.normal,
        "caption": case.caption,
        "previous": case.previous is not None,
        "next": case.next is not None,
        "extra": case.extra,
        "panes": [_pane(pane) for pane in panes],
        "heat": [list(stop) for stop in theme.HEAT_STOPS],
        "colours": theme.TRUTH,
    }


def _pane(pane: Pane) -> dict[str, Any]:
    return {
        "id": pane.id or pane.label,
        "label": pane.label,
        "note": pane.note,
        "colour": theme.method_colour(pane.method) if pane.method else None,
        "map": encode_map(pane.map_HW),
        "tail": [[float(value), float(share)] for value, share in pane.tail],
        "thresholds": [[str(name), float(value)] for name, value in pane.thresholds],
    }


def encode_map(map_HW: npt.NDArray[np.floating[Any]]) -> str:
    """A map as PNG data URI: red is the high, green the low byte of each float16.

    Args:
        map_HW: [H, W]; kinds other than float16 are rounded to it.

    Raises:
        ValueError: not two-dimensional or empty.
    """
    if map_HW.ndim != 2 or map_HW.size == 0:
        raise ValueError(f"A map has two dimensions and pixels, got shape {map_HW.shape}.")
    bits_HW = np.ascontiguousarray(map_HW, dtype="<f2").view("<u2")
    rgb_HWC = np.zeros((*bits_HW.shape, 3), np.uint8)
    rgb_HWC[..., 0] = bits_HW >> 8
    rgb_HWC[..., 1] = bits_HW & 255
    return _png(Image.fromarray(rgb_HWC))


def decode_map(uri: str) -> npt.NDArray[np.float16]:
    """The map [H, W] of `encode_map`, bit for bit; what the browser does, for tests and exports."""
    rgb_HWC = np.asarray(_open(uri).convert("RGB"))
    bits_HW = rgb_HWC[..., 0].astype("<u2") << 8 | rgb_HWC[..., 1]
    decoded_HW: npt.NDArray[np.float16] = bits_HW.view("<f2").astype(np.float16)
    return decoded_HW


def encode_mask(mask_HW: npt.NDArray[np.bool_]) -> str:
    """A mask as 1-bit PNG data URI; any non-zero value is true.

    Raises:
        ValueError: not two-dimensional or empty.
    """
    if mask_HW.ndim != 2 or mask_HW.size == 0:
        raise ValueError(f"A mask has two dimensions and pixels, got shape {mask_HW.shape}.")
    return _png(Image.fromarray(np.asarray(mask_HW, bool)))


def decode_mask(uri: str) -> npt.NDArray[np.bool_]:
    """The mask [H, W] of `encode_mask`."""
    return np.asarray(_open(uri).convert("1"), bool)


def _png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _open(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


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
