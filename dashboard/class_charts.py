"""Figures of the By class page: curves with thresholds, recall against size, seeds by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from core.metrics.curves import MOST_MARKS
from core.metrics.seeds import SeedSpread
from core.metrics.size_curve import Bin, SizeCurve
from dashboard import class_words
from dashboard.by_class import Look
from dashboard.chart_parts import GUIDE, blank, rgba, safe
from dashboard.class_marks import Mark
from dashboard.words import Vocabulary

PRO_LIMIT = 0.3
SYMBOLS = {"held-out": "diamond", "oracle": "star", "chosen": "triangle-up"}
SEED_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "x")
RUN_STEP = 0.22


def curves(
    kind: str, points: pd.DataFrame, runs: Sequence[Look], marks: Sequence[Mark], say: Vocabulary
) -> go.Figure:
    """One kind of curve of one class, a line a run, thresholds as marks on the lines.

    Args:
        kind: roc, pr, pro or froc.
        points: run_id, position, x, y, threshold.
    """
    figure = blank(*_axes(kind, say))
    for run in runs:
        mine = points[points["run_id"] == run.run_id].sort_values("position")
        if mine.empty:
            continue
        told = [
            _told(kind, x, y, at, say)
            for x, y, at in zip(mine["x"], mine["y"], mine["threshold"], strict=True)
        ]
        figure.add_scatter(
            x=mine["x"], y=mine["y"], mode="lines", name=safe(run.label), customdata=told,
            line={"color": run.colour, "width": 2.2, "dash": run.dash},
            hovertemplate=f"<b>{safe(run.label)}</b><br>%{{customdata}}<extra></extra>",
        )  # fmt: skip
    by_run = {run.run_id: run for run in runs}
    for mark in marks:
        run = by_run[mark.run_id]
        symbol = next((s for word, s in SYMBOLS.items() if mark.name.startswith(word)), "circle")
        figure.add_scatter(
            x=[mark.x], y=[mark.y], mode="markers", showlegend=False,
            marker={"symbol": symbol, "size": 12, "color": run.colour,
                    "line": {"color": "rgba(255,255,255,.85)", "width": 1.4}},
            hovertemplate=f"<b>{safe(run.label)}, {safe(mark.name)}</b><br>"
            f"{_told(kind, mark.x, mark.y, mark.threshold, say)}<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    if kind == "froc":
        figure.update_xaxes(range=[0, MOST_MARKS], tickformat="g", dtick=1)
    else:
        limit = PRO_LIMIT if kind == "pro" else 1.0
        figure.update_xaxes(
            range=[0 if kind == "pr" else -0.01 * limit, limit * 1.02], tickformat=".0%"
        )
    if kind == "roc":
        figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, layer="below",
                         line={"color": GUIDE, "dash": "dot", "width": 1})  # fmt: skip
        figure.add_annotation(x=0.62, y=0.56, text="chance", showarrow=False, opacity=0.7)
    return figure.update_layout(showlegend=len(runs) > 1, height=380)


def _axes(kind: str, say: Vocabulary) -> tuple[str, str]:
    good, bad = f"{say.good} {say.items}", f"{say.bad} {say.items}"
    return {
        "roc": (f"share of {good} flagged", f"share of {bad} found"),
        "pr": (f"share of {bad} found (recall)", "share of flags that are right (precision)"),
        "pro": ("share of normal pixels flagged", f"share of each {say.flaw} covered, on average"),
        "froc": (f"false marks on one of the {good}, on average", f"share of {say.flaws} found"),
    }[kind]


def _told(kind: str, x: float, y: float, threshold: float, say: Vocabulary) -> str:
    """ "at threshold 34.8: 5.0 % of normal images flagged, 91.0 % of anomalous ones found"."""
    at = "" if threshold != threshold else f"at threshold {threshold:.4g}:<br>"
    good, bad = f"{say.good} {say.items}", f"{say.bad} {say.items}"
    return (
        at
        + {
            "roc": f"{x:.1%} of {good} flagged,<br>{y:.1%} of {bad} found",
            "pr": f"{x:.1%} of {bad} found,<br>{y:.1%} of all flags are right",
            "pro": f"{x:.2%} of normal pixels flagged,<br>{y:.1%} of each {say.flaw} covered",
            "froc": f"{x:.2f} false marks on one of the {good},<br>{y:.1%} of {say.flaws} found",
        }[kind]
    )


def by_size(
    runs: Sequence[Look], fits: Mapping[str, SizeCurve], counted: Mapping[str, Sequence[Bin]],
    unit: str, title: str, say: Vocabulary,
) -> go.Figure:  # fmt: skip
    """Share of flaws found against their size or contrast: counted dots, fitted curves, 90 %.

    Args:
        fits, counted: by run id.
        title: of the axis.
    """
    figure = blank(title, f"share of {say.flaws} found")
    for run in runs:
        fit = fits[run.run_id]
        dots = counted[run.run_id]
        if len(fit.size_G):
            figure.add_scatter(
                x=[*fit.size_G, *fit.size_G[::-1]], y=[*fit.high_G, *fit.low_G[::-1]],
                fill="toself", fillcolor=rgba(run.colour, 0.12), line={"width": 0},
                hoverinfo="skip", showlegend=False, legendgroup=run.run_id,
            )  # fmt: skip
            figure.add_scatter(
                x=fit.size_G, y=fit.share_G, mode="lines", name=safe(run.label),
                legendgroup=run.run_id, line={"color": run.colour, "width": 2.2, "dash": run.dash},
                customdata=[
                    f"{class_words.amount(x, unit)}: {y:.0%} found, {low:.0%} to {high:.0%}"
                    for x, y, low, high in zip(
                        fit.size_G, fit.share_G, fit.low_G, fit.high_G, strict=True
                    )
                ],
                hovertemplate=f"<b>{safe(run.label)}, fitted</b><br>%{{customdata}}<extra></extra>",
            )  # fmt: skip
        figure.add_scatter(
            x=[one.middle for one in dots], y=[one.hits.share for one in dots], mode="markers",
            name=safe(run.label), showlegend=not len(fit.size_G), legendgroup=run.run_id,
            marker={"color": run.colour, "size": 8, "symbol": "circle"},
            error_y={
                "type": "data", "array": [one.hits.high - one.hits.share for one in dots],
                "arrayminus": [one.hits.share - one.hits.low for one in dots], "thickness": 1.1,
                "width": 3, "color": rgba(run.colour, 0.6),
            },
            customdata=[
                f"{class_words.amount(one.low, unit)} to {class_words.amount(one.high, unit)}: "
                f"{one.hits.found} of {one.hits.cases} found"
                for one in dots
            ],
            hovertemplate=f"<b>{safe(run.label)}, counted</b><br>%{{customdata}}<extra></extra>",
        )  # fmt: skip
        if fit.reach is not None:
            figure.add_scatter(
                x=[fit.reach, fit.reach], y=[0, fit.share], mode="lines", showlegend=False,
                line={"color": run.colour, "width": 1.3, "dash": "dot"}, hoverinfo="skip",
                legendgroup=run.run_id,
            )  # fmt: skip
            figure.add_scatter(
                x=[fit.reach], y=[fit.share], mode="markers", showlegend=False,
                marker={"symbol": "diamond", "size": 13, "color": run.colour,
                        "line": {"color": "rgba(255,255,255,.85)", "width": 1.4}},
                hovertemplate=f"<b>{safe(run.label)}</b><br>nine in ten from "
                f"{class_words.amount(fit.reach, unit)} on<extra></extra>",
                legendgroup=run.run_id,
            )  # fmt: skip
    figure.add_hline(y=0.9, line={"color": GUIDE, "width": 1.1, "dash": "dash"}, layer="below")
    figure.add_annotation(x=0.005, xref="paper", xanchor="left", y=0.9, yshift=9, opacity=0.75,
                          text="nine in ten", showarrow=False)  # fmt: skip
    figure.update_yaxes(range=[-0.02, 1.04], tickformat=".0%")
    if unit != "contrast":
        figure.update_xaxes(type="log", dtick=1 if _decades(fits) > 2 else "D2", tickformat=",~g")
    return figure.update_layout(showlegend=len(runs) > 1, height=400)


def _decades(fits: Mapping[str, SizeCurve]) -> float:
    """Powers of ten between the smallest and the largest flaw."""
    ends = [(one.smallest, one.largest) for one in fits.values() if one.regions]
    low, high = min((a for a, _ in ends), default=1.0), max((b for _, b in ends), default=1.0)
    return len(f"{high / low:.0f}") if low > 0 else 1


def over_seeds(
    runs: Sequence[Look], values: Mapping[str, pd.DataFrame],
    spreads: Mapping[str, Sequence[SeedSpread | None]], title: str,
) -> go.Figure:  # fmt: skip
    """A row a class, a dot a seed, a line from the lowest to the highest, a bar at the mean.

    Args:
        values: by run id, classes down and seeds across, the same classes in all.
        spreads: by run id, one a class.
    """
    figure = blank(title, "")
    classes = [str(name) for name in next(iter(values.values())).index]
    for i, run in enumerate(runs):
        table = values[run.run_id]
        shift = (i - (len(runs) - 1) / 2) * RUN_STEP
        rows = [place + shift for place in range(len(classes))]
        told = [(row, one) for row, one in zip(rows, spreads[run.run_id], strict=True) if one]
        figure.add_scatter(
            x=[end for _, one in told for end in (one.low, one.high, None)],
            y=[end for row, _ in told for end in (row, row, None)], mode="lines",
            line={"color": rgba(run.colour, 0.45), "width": 4}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=[one.mean for _, one in told], y=[row for row, _ in told], mode="markers",
            marker={"symbol": "line-ns", "size": 15, "line": {"color": run.colour, "width": 3}},
            customdata=[class_words.seed_help(one) for _, one in told], showlegend=False,
            hovertemplate=f"<b>{safe(run.label)}</b><br>%{{customdata}}<extra></extra>",
        )  # fmt: skip
        for j, seed in enumerate(table.columns):
            figure.add_scatter(
                x=table[seed], y=rows, mode="markers", name=safe(f"{run.label}, seed {seed}"),
                marker={"color": run.colour, "size": 8,
                        "symbol": SEED_SYMBOLS[j % len(SEED_SYMBOLS)] + "-open"},
                hovertemplate=f"<b>{safe(run.label)}, seed {seed}</b><br>%{{x:.3f}}<extra></extra>",
            )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(classes))), range=[len(classes) - 0.4, -0.6], showgrid=False,
        ticktext=[safe(name.replace("_", " ")) for name in classes],
    )  # fmt: skip
    return figure.update_layout(height=max(200, 110 + 34 * len(classes)), showlegend=True)
