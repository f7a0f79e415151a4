"""A page with nothing but the viewer, on generated cases; run by test_viewer.py."""

from __future__ import annotations

import base64
import io

import numpy as np
import streamlit as st
from PIL import Image

from dashboard.components.viewer import Pane, ViewerCase, viewer

SIDE = 64
y, x = np.mgrid[:SIDE, :SIDE]


def cone(cx: float, cy: float) -> np.ndarray:
    """A map that falls by one a pixel from 40 at the centre: a threshold t gives a disc 40 - t."""
    return (40 - np.hypot(x - cx, y - cy)).astype(np.float16)


def picture() -> str:
    grey = Image.fromarray(np.full((96, 128, 3), 70, np.uint8))
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


st.set_page_config(layout="wide")
st.session_state.setdefault("at", 0)
at = st.session_state["at"]
tail = [(float(v), 10.0 ** -(v / 8)) for v in range(0, 41, 2)]
truth = np.hypot(x - 32, y - 32) <= 12
panes = [
    Pane(
        label="One",
        method="patchcore",
        map_HW=cone(32, 32),
        tail=tail,
        thresholds=[("oracle", 24.0)],
    ),
    Pane(label="Two", method="rd", map_HW=cone(20, 32), tail=tail, thresholds=[("oracle", 24.0)]),
]
event = viewer(
    ViewerCase(
        id=f"case/{at}", picture=picture(), width=128, height=96, truth_HW=truth,
        caption=f"case {at}", previous=f"{at - 1}" if at else None, next=f"{at + 1}",
    ),
    panes, key="viewer",
)  # fmt: skip
if event is not None:
    st.session_state["events"] = [*st.session_state.get("events", []), event]
    st.session_state["at"] = at + (1 if event == "next" else -1)
    st.rerun()
st.write(f"events: {','.join(st.session_state.get('events', []))};")
