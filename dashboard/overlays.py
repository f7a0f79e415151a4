"""Small heat maps to lay over thumbnails, coloured on the server by the scale of `core.heat`.

A float16 map has 65,536 possible values, so the scale of a run and class is one table of colours by
bit pattern; colouring a map is looking its pixels up. Without calibration (`evidence.tail` empty)
there is no picture: a scale of its own for every picture would make normal ones glow.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from core.errors import RunError
from core.heat import colours
from core.metrics.tail import shares_hotter
from dashboard import evidence, results
from dashboard.results import Source

Bytes = npt.NDArray[np.uint8]
LONGEST = 160
"""Pixels of the longer side, as the thumbnails below have."""


def colour_table(tail: Sequence[tuple[float, float]]) -> Bytes | None:
    """RGBA [65536, 4] by the bit pattern of a float16 map value; None without calibration.

    Args:
        tail: (map value, share of normal pixels that high or higher).
    """
    values = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float64)
    known = ~np.isnan(values)
    shares = shares_hotter([x for x, _ in tail], [y for _, y in tail], values[known])
    if shares is None:
        return None
    table = np.zeros((65536, 4), np.uint8)
    table[known] = colours(shares)
    return table


@st.cache_data(show_spinner=False, max_entries=64)
def _table(source: Source, run_id: str, class_name: str) -> Bytes | None:
    return colour_table(evidence.tail(source, run_id, class_name))


def painted(map_HW: npt.NDArray[np.float16], table: Bytes, width: int, height: int) -> bytes:
    """A WebP [height, width] with transparency of a map in its colours.

    Made smaller with colours weighted by their opacity, so that no dark rim appears.
    """
    bits_HW = np.ascontiguousarray(map_HW, dtype=np.float16).view(np.uint16)
    picture = Image.fromarray(table[bits_HW]).convert("RGBa")
    small = picture.resize((width, height), Image.Resampling.BOX).convert("RGBA")
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=60, method=1)
    return buffer.getvalue()


def overlay(
    source: Source, run_id: str, row: int, class_name: str, aspect: float = 1.0
) -> str | None:
    """The heat of a case as data URI in the picture's aspect (width / height).

    None when the run has no maps or no calibration.
    """
    return _overlay(source.root, run_id, row, class_name, round(aspect, 3), source)


@st.cache_data(show_spinner=False, max_entries=4000)
def _overlay(
    root: str, run_id: str, row: int, class_name: str, aspect: float, _source: Source
) -> str | None:
    table = _table(_source, run_id, class_name)
    if table is None:
        return None
    try:
        map_HW = results.map_of(_source, run_id, row)
    except (RunError, IndexError, ValueError, OSError):
        return None
    width, height = fitted(aspect)
    data = painted(map_HW, table, width, height)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def fitted(aspect: float) -> tuple[int, int]:
    """Width and height in pixels, the longer side LONGEST."""
    if aspect >= 1:
        return LONGEST, max(1, round(LONGEST / aspect))
    return max(1, round(LONGEST * aspect)), LONGEST
