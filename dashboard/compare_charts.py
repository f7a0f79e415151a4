"""Figures of the Compare page: differences by class, scores picture by picture; see `charts`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.metrics.verdicts import p_text
from dashboard import theme
from dashboard.chart_parts import AXIS, GUIDE, blank, rgba, safe

B_COLOUR = "#d55e00"


def difference_bars(differences: pd.DataFrame, label_a: str, label_b: str) -> go.Figure:
    """A minus B by class, sorted, with paired intervals as whiskers; faint where it is open.

    Columns class_name, a, b, difference, low, high (NaN without an interval), p_corrected,
    verdict.
    """
    frame = differences.sort_values("difference").reset_index(drop=True)
    figure = blank("", "")
    better = [theme.TOKENS["accent"][0] if d >= 0 else B_COLOUR for d in frame["difference"]]
    open_ = ~frame["verdict"].isin(["a", "b"])
    words = [_tested(row) for _, row in frame.iterrows()]
    figure.add_bar(
        y=[str(name).replace("_", " ") for name in frame["class_name"]], x=frame["difference"],
        orientation="h",
        marker={
            "color": [rgba(c, 0.35 if o else 0.9) for c, o in zip(better, open_, strict=True)]
        },
        error_x={
            "type": "data", "array": frame["high"] - frame["difference"],
            "arrayminus": frame["difference"] - frame["low"], "thickness": 1.5, "width": 4,
            "color": GUIDE,
        },
        customdata=np.stack([frame["a"], frame["b"], np.asarray(words, object)], axis=1),
        hovertemplate=f"<b>%{{y}}</b><br>{safe(label_a)} %{{customdata[0]:.3f}}<br>"
        f"{safe(label_b)} %{{customdata[1]:.3f}}<br>"
        "difference %{x:+.3f}%{customdata[2]}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": AXIS, "width": 1})
    figure.add_annotation(x=0, y=1, xref="x", yref="paper", text=f"{safe(label_b)} better  ",
                          showarrow=False, xanchor="right", yanchor="bottom")  # fmt: skip
    figure.add_annotation(x=0, y=1, xref="x", yref="paper", text=f"  {safe(label_a)} better",
                          showarrow=False, xanchor="left", yanchor="bottom")  # fmt: skip
    ends = np.abs(frame[["difference", "low", "high"]].to_numpy(float))
    reach = float(np.nanmax(ends, initial=0))
    reach = max(reach * 1.12, 0.02)
    figure.update_xaxes(range=[-reach, reach], tickformat="+.2f")
    figure.update_yaxes(showgrid=False, automargin=True)
    return figure.update_layout(
        height=max(180, 84 + 34 * len(frame)), showlegend=False, margin_t=30, bargap=0.45
    )


def _tested(row: pd.Series) -> str:
    """Interval and corrected p of a bar, for its hover text."""
    if pd.isna(row["low"]) or pd.isna(row["high"]) or pd.isna(row["p_corrected"]):
        return "<br>not tested"
    said = f"<br>95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
    said += f"<br>corrected p {safe(p_text(float(row['p_corrected'])))}"
    return said + ("<br>cannot be told apart" if row["verdict"] == "open" else "")


def scatter_cases(
    cases: pd.DataFrame,
    label_a: str,
    label_b: str,
    threshold_a: float | None = None,
    threshold_b: float | None = None,
) -> go.Figure:
    """Scores of A against scores of B, one mark a case, by truth; thresholds as lines.

    Columns key, label (0 normal, 1 anomalous), anomaly_type, score_a, score_b.
    """
    figure = blank(f"score of {safe(label_a)}", f"score of {safe(label_b)}")
    for truth, name, colour, symbol in (
        (0, "normal", theme.NORMAL, "circle-open"), (1, "anomalous", theme.ANOMALOUS, "diamond"),
    ):  # fmt: skip
        mine = cases[cases["label"] == truth]
        draw = figure.add_scattergl if len(cases) > 3000 else figure.add_scatter
        draw(
            x=mine["score_a"], y=mine["score_b"], mode="markers", name=name,
            marker={"color": rgba(colour, 0.8), "size": 7, "symbol": symbol,
                    "line": {"color": colour, "width": 1}},
            customdata=mine[["key", "anomaly_type"]].map(safe).to_numpy(),
            hovertemplate=f"<b>%{{customdata[0]}}</b><br>%{{customdata[1]}}<br>{safe(label_a)} "
            f"%{{x:.4g}}<br>{safe(label_b)} %{{y:.4g}}<extra></extra>",
        )  # fmt: skip
    if threshold_a is not None:
        figure.add_vline(x=threshold_a, line={"color": GUIDE, "width": 1.2, "dash": "dash"})
    if threshold_b is not None:
        figure.add_hline(y=threshold_b, line={"color": GUIDE, "width": 1.2, "dash": "dash"})
    return figure.update_layout(showlegend=True, height=360)
