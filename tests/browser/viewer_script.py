"""A page with nothing but the viewer, on generated cases; run by test_viewer.py.

The address says what is shown: panes=0..2, truth=0 for none, ahead=0 to send nothing ahead, and
slow=SECONDS to let the server think before it answers a wish.
"""

from __future__ import annotations

import io
import time

import numpy as np
import streamlit as st
from PIL import Image

from dashboard.components import viewer
from dashboard.components.viewer import Pane, ViewerCase

SIDE, CASES = 64, 6
y, x = np.mgrid[:SIDE, :SIDE]
tail = [(float(v), 10.0 ** -(v / 8)) for v in range(0, 41, 2)]


def asked(name: str, default: float) -> float:
    return float(st.query_params.get(name, default))


def cone(cx: float, cy: float, top: float = 40) -> np.ndarray:
    """A map that falls by one a pixel from 40 at the centre: a threshold t gives a disc 40 - t."""
    return (top - np.hypot(x - cx, y - cy)).astype(np.float16)


def picture(shade: int) -> bytes:
    grey = Image.fromarray(np.full((96, 128, 3), shade, np.uint8))
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    return buffer.getvalue()


def case(at: int) -> tuple[ViewerCase, list[Pane]]:
    """One true disc where the cone of run One is, and one of 2 x 2 pixels that is missed.

    Run One has a second, lower cone at (54, 54), which reaches 30 and covers nothing true.
    """
    truth = np.hypot(x - 32, y - 32) <= 12
    truth[4:6, 4:6] = True
    both = np.maximum(cone(32, 32), cone(54, 54, top=30))
    common = {"tail": tail, "thresholds": [("oracle", 24.0), ("chosen by Ada", 28.0)]}
    panes = [
        Pane(label="One", method="patchcore", map_HW=both, facts=[("image score", "40")], **common),
        Pane(label="Two", method="rd", map_HW=cone(20, 32), **common),
    ]
    shown = ViewerCase(
        id=f"case/{at}", picture=picture(60 + 20 * at), width=128, height=96,
        truth_HW=truth if asked("truth", 1) else None, caption=f"case {at}",
        previous=f"case/{at - 1}" if at else None,
        next=f"case/{at + 1}" if at + 1 < CASES else None,
    )  # fmt: skip
    return shown, panes[: int(asked("panes", 2))]


st.set_page_config(layout="wide")
wish = viewer.wanted()
if wish is not None:
    time.sleep(asked("slow", 0))
    st.session_state["events"] = [*st.session_state.get("events", []), wish]
    st.session_state["at"] = int(wish.rsplit("/", 1)[1])
at = st.session_state.setdefault("at", 0)
viewer.viewer(*case(at))
st.write(f"server at {at}; events: {','.join(st.session_state.get('events', []))};")
if asked("ahead", 1):
    for slot, near in enumerate((at + 1, at + 2, at - 1)):
        if 0 <= near < CASES:
            viewer.ahead(*case(near), slot=slot)
