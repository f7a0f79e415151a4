"""The page that viewer.py measures: nothing but the viewer, on generated cases of 1024 x 1024.

The address says how many heat maps (panes=2) and whether neighbours are sent ahead (ahead=1). A
map is what methods produce: coarse features of normal texture and of a flaw, enlarged and
smoothed; no two are the same, and none is encoded before it is wanted.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# `dashboard` is the package, not dashboard.py beside this file
sys.path[:] = [str(ROOT), *(one for one in sys.path if one != str(ROOT / "benchmarks"))]

import numpy as np  # noqa: E402
import streamlit as st  # noqa: E402
from PIL import Image, ImageFilter  # noqa: E402

from dashboard.components import viewer  # noqa: E402
from dashboard.components.viewer import Pane, ViewerCase  # noqa: E402

SIDE, CASES = 1024, 16
METHODS = ("patchcore", "simplenet", "rd")


def smooth(grid_HW: np.ndarray, sigma: float) -> np.ndarray:
    """Enlarged to SIDE x SIDE, bilinear, then blurred."""
    large = Image.fromarray(grid_HW.astype(np.float32)).resize(
        (SIDE, SIDE), Image.Resampling.BILINEAR
    )
    low, high = grid_HW.min(), grid_HW.max()
    eight = Image.fromarray(((np.asarray(large) - low) / (high - low) * 255).astype(np.uint8))
    soft = np.asarray(eight.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / 255
    return 0.5 * np.asarray(large) + 0.5 * (soft * (high - low) + low)


@st.cache_resource(show_spinner=False)
def made() -> list[tuple[bytes, np.ndarray, list[np.ndarray]]]:
    """(picture as PNG, truth, a map a method) of every case."""
    y, x = np.mgrid[:SIDE, :SIDE]
    found = []
    for number in range(CASES):
        draw = np.random.default_rng(number)
        texture = smooth(draw.normal(110, 30, (128, 128)), 1.5) + draw.normal(0, 4, (SIDE, SIDE))
        cx, cy = draw.uniform(250, 770, 2)
        truth = np.hypot((x - cx) / 1.6, y - cy) < 70
        truth |= np.hypot(x - cy, y - cx) < 14
        grey = np.clip(texture - 45 * truth, 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(np.repeat(grey[..., None], 3, 2)).save(buffer, "PNG", compress_level=3)
        flaw = 26 * np.exp(-(((x - cx) / 1.6) ** 2 + (y - cy) ** 2) / 2 / 60**2)
        maps = [
            (smooth(draw.gamma(5, 1.6, (64, 64)), 6) + flaw * draw.uniform(0.7, 1.1)).astype(
                np.float16
            )
            for _ in METHODS
        ]
        found.append((buffer.getvalue(), truth, maps))
    return found


@st.cache_resource(show_spinner=False)
def tails() -> list[list[tuple[float, float]]]:
    """Share of normal pixels at or above 200 values, of every method."""
    found = []
    for method in range(len(METHODS)):
        draw = np.random.default_rng(900 + method)
        normal = np.sort(smooth(draw.gamma(5, 1.6, (64, 64)), 6).ravel())
        shares = np.geomspace(1, 1 / len(normal), 200)
        at = np.minimum(len(normal) - 1, ((1 - shares) * len(normal)).astype(int))
        values = np.maximum.accumulate(normal[at] + 1e-5 * np.arange(200))
        found.append([(float(v), float(s)) for v, s in zip(values, shares, strict=True)])
    return found


def case(number: int, panes: int) -> tuple[ViewerCase, list[Pane]]:
    picture, truth, maps = made()[number]
    shown = ViewerCase(
        id=f"case/{number}", picture=picture, width=SIDE, height=SIDE, truth_HW=truth,
        caption=f"case {number}", previous=f"case/{number - 1}" if number else None,
        next=f"case/{number + 1}" if number + 1 < CASES else None,
    )  # fmt: skip
    beside = [
        Pane(label=name, method=name, map_HW=map_HW, tail=tail,
             thresholds=[("1 in 1,000 normal pixels", next(v for v, s in tail if s <= 1e-3))])
        for name, map_HW, tail in zip(METHODS, maps, tails(), strict=True)
    ]  # fmt: skip
    return shown, beside[:panes]


st.set_page_config(layout="wide")
_ = made(), tails()  # not on the clock
panes = int(st.query_params.get("panes", 2))
wish = viewer.wanted()
if wish is not None:
    st.session_state["at"] = int(wish.rsplit("/", 1)[1])
at = st.session_state.setdefault("at", 0)
began = time.perf_counter()
shown, beside = case(at, panes)
viewer.viewer(shown, beside)
st.write(f"server at {at}, encoded in {1000 * (time.perf_counter() - began):.0f} ms;")
if st.query_params.get("ahead") == "1":
    for slot, near in enumerate((at + 1, at + 2, at - 1)):
        if 0 <= near < CASES:
            viewer.ahead(*case(near, panes), slot=slot)
st.write(f"all sent at {at};")
