"""What a measure says, in plain words, with its formula behind a click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.metrics.base import METRICS, Metric

LEVELS = {
    "image": "Counted over images.", "pixel": "Counted over pixels.",
    "region": "Counted over flawed regions.", "object": "Counted over marked spots.",
    "summary": "A mean of other measures.", "threshold": "A score, not a quality.",
}  # fmt: skip
SYMBOLS = (
    "v: image score or map value; y = 1: anomalous; t: threshold; m: map; C: true regions, K of "
    "them; TP, FP, FN, TN: images or pixels found, false alarms, missed, rightly passed; P, R: "
    "precision and recall at each distinct value; t*: where pixel F1 is highest."
)


def measure_help(ids: Sequence[str], key: str) -> None:
    """A small button that explains some measures, one at a time.

    Args:
        ids: metric ids, the first shown first.
        key: unique on the page.
    """
    metrics: Mapping[str, Metric] = {id: METRICS.get(id) for id in ids}
    with st.popover("What do these numbers say?", icon=":material/help:", key=f"help-{key}"):
        chosen = st.selectbox(
            "Measure", list(metrics), format_func=lambda id: metrics[id].title,
            key=f"help-of-{key}", label_visibility="collapsed",
        )  # fmt: skip
        one = metrics[chosen]
        st.markdown(f"**{one.summary}**")
        st.caption(f"{LEVELS[one.level]} {better(one)}")
        with st.expander("Formula"):
            st.latex(one.formula)
            st.caption(SYMBOLS)
            st.caption(f"{one.definition} Source: {one.source}.")


def better(metric: Metric) -> str:
    """Which way is good, and what no better than chance is."""
    if metric.higher_is_better is None:
        return ""
    way = "Higher is better." if metric.higher_is_better else "Lower is better."
    if metric.id.endswith("auroc"):
        return f"{way} 0.5 is no better than chance, 1 is perfect."
    if metric.unit == "share" and metric.higher_is_better:
        return f"{way} 1 is perfect."
    return way
