"""The parts of the Run page: facts, table by class, curves, settings, problems.

What is measured beyond the nine metrics, and kinds of flaw, are in `measure_parts`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.config import external_name
from core.console import duration
from core.metrics.conventions import HELP, TITLES, Convention
from core.types import MEAN
from dashboard import boards, casefile, charts, counting, navigation, queries, results
from dashboard.boards import Cell
from dashboard.components import cards, grids
from dashboard.components.capsule_parts import capsule_button
from dashboard.components.empty import empty
from dashboard.components.measure_help import measure_help
from dashboard.components.report_parts import take_away
from dashboard.results import Live, Source

CURVES = {
    "roc": "Image ROC", "pr": "Image precision and recall", "pixel_roc": "Pixel ROC",
    "pixel_pr": "Pixel precision and recall", "pro": "Region overlap (PRO)", "froc": "FROC",
}  # fmt: skip


def all_labels(source: Source) -> dict[str, str]:
    """{run id: label} of every run, finished ones first; others carry their state."""
    titles = queries.method_titles()
    finished = results.runs(source)
    labels = {}
    for run, label in casefile.run_labels(finished, titles).items():
        data = finished.loc[finished["run_id"] == run, "dataset"].iloc[0]
        labels[run] = f"{label} on {data}"
    for look in queries.runs():
        if look.run_id not in labels:
            title = titles.get(look.method, look.method)
            seed = look.record.config.seed
            labels[look.run_id] = f"{title}, seed {seed} on {look.data} ({look.status.state})"
    return labels


def header(live: Live) -> None:
    """One dim line of facts."""
    config, resolved, facts = live.record.config, live.record.resolved, live.status.facts
    data = resolved.get("dataset", {})
    backbone = resolved.get("backbone")
    pretrained = resolved.get("weights", {}).get("pretrained")
    weights = "NOT pretrained" if pretrained is False else "pretrained"
    parts = [
        f"{data.get('name', config.data)}: "
        f"{', '.join(data.get('classes', config.classes)) or 'all classes'}",
        f"{config.setting}, {config.protocol}",
        f"seed {config.seed}",
        f"{config.size} px",
        f"{backbone} ({weights})" if backbone and pretrained is not None else "",
        "the paper's defaults" if config.preset == "paper" else "",
        "maps made elsewhere" if external_name(config.method_key) else "",
        f"on {resolved.get('device', config.device)}",
        f"{duration(facts['seconds'])} in all" if facts.get("seconds") else "",
        f"{boards.speed(facts['images_per_second'])} images/s"
        if facts.get("images_per_second")
        else "",
        live.record.created_at[:16].replace("T", " "),
    ]
    line = " · ".join(part.replace("_", " ") for part in parts if part)
    grids.show(f'<div class="us-line">{escape(line)}</div>')
    for note in resolved.get("notes", ()):
        grids.show(f'<div class="us-line">{escape(note)}</div>')


def not_succeeded(live: Live) -> None:
    """What to say of a run that waits, works, failed or was cancelled."""
    status, run_id = live.status, live.record.run_id
    if status.state in ("failed", "cancelled"):
        kept = "Its settings and its log are kept."
        if (live.directory.path / live.directory.CHECKPOINT).exists():
            kept = "Its settings, its log and what it had trained are kept."
        what = status.error or f"The run was {status.state}."
        cards.failure(what, kept, "Open it under Jobs to read the log, or resume it there.")
    else:
        words = {"queued": "This run waits for its turn.", "running": "This run is at work."}
        empty(
            words[status.state],
            "Its results by class, its curves and its cases will be here once it has ended.",
            "jobs",
            f"Watch run {run_id[-4:]}",
        )


def class_table(
    run_id: str, metrics: pd.DataFrame, classes: Sequence[str], way: Convention
) -> None:
    """Classes down, the nine metrics across; each class links to its cases.

    Args:
        metrics: rows of the run by the convention `way`; empty in runs stored before it was kept.
    """
    qualities = results.qualities()
    by_place = boards.by_place(metrics, "class_name", "metric")
    rows: list[list[Cell | str]] = []
    for name in [*classes, *([MEAN] if len(classes) > 1 else [])]:
        query = urlencode({"run": run_id, "class": name})
        label = escape(name.replace("_", " "))
        first = f'<a href="inspect?{escape(query)}" target="_self">{label}</a>'
        cells: list[Cell | str] = [f"<b>{label} over classes</b>" if name == MEAN else first]
        for metric in qualities:
            cell = boards.metric_cell(by_place.get((name, metric)), counting.MISSING[way])
            cells.append(_heated(cell, metric))
        rows.append(cells)
    titles = [metric.title for metric in qualities.values()]
    helps = counting.helps(qualities.values(), way)
    st.subheader(f"By class, {TITLES[way]}", help=HELP)
    grids.show(f'<div class="us-tight">{grids.plain_html(["Class", *titles], rows, helps)}</div>')
    if metrics.empty:
        st.caption(f"Values as ADer counts: {counting.MISSING[way]}.")
    else:
        none = counting.missing_masks(metrics, classes)
        st.caption(f"{counting.caption(way)} A class leads to its cases. {none}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        measure_help(list(qualities), "run")
        take_away(results.source(), [run_id], "run")
        capsule_button(results.source(), run_id, "run")
    st.page_link(
        navigation.page("classes"), label="Take it apart by class, kind and size of flaw",
        icon=":material/category:", query_params={"run": run_id},
    )  # fmt: skip


def _heated(cell: Cell, metric: str) -> str:
    """A coloured value with its interval; the reason on hover."""
    value = None if cell.text == "–" else float(cell.text)
    below = f'<span class="fs-below">{escape(cell.below)}</span>' if cell.below else ""
    heat = grids.heat(value, metric, 3)
    return f'<span title="{escape(cell.help, quote=True)}">{heat}{below}</span>'


def curves(source: Source, run_id: str, classes: Sequence[str]) -> None:
    """Curves and score histogram of one class, with the thresholds."""
    st.subheader("Curves and thresholds")
    if not classes:
        return
    name = grids.pick_class(classes, key=f"class-{run_id}")
    points = {curve: results.curves(source, (run_id,), curve, name) for curve in CURVES}
    left, right = st.columns(2)
    with left.container(border=True, key="card-left"):
        _histogram(source, run_id, name)
    known = [curve for curve, frame in points.items() if len(frame)]
    with right.container(border=True, key="card-right"):
        chosen = st.segmented_control(
            "Curve", known, default=known[0] if known else None, required=bool(known),
            format_func=CURVES.__getitem__, label_visibility="collapsed", key=f"curve-{run_id}",
        )  # fmt: skip
        if chosen:
            draw = {
                "roc": charts.roc, "pixel_roc": charts.roc, "pro": charts.pro, "froc": charts.froc,
            }  # fmt: skip
            figure = draw.get(chosen, charts.pr)(points[chosen])
            st.plotly_chart(figure, key=f"plot-{run_id}", config=grids.PLOT)
        if "pixel_roc" not in known:
            st.caption("This class has no masks, so nothing can be said of its pixels.")


def _histogram(source: Source, run_id: str, name: str) -> None:
    normal = results.curves(source, (run_id,), "score_hist_normal", name)
    anomalous = results.curves(source, (run_id,), "score_hist_anomalous", name)
    metrics = results.metrics(source, (run_id,))
    mine = metrics[(metrics["class_name"] == name) & metrics["value"].notna()]
    lines = {}
    for metric, word in (
        ("image_f1max_threshold", "oracle"), ("image_threshold_heldout", "held out"),
    ):  # fmt: skip
        for _, row in mine[mine["metric"] == metric].iterrows():
            lines[word] = float(row["value"])
    if len(normal) or len(anomalous):
        figure = charts.score_histogram(normal, anomalous, lines)
        st.plotly_chart(figure, key=f"histogram-{run_id}", config=grids.PLOT)
    if "oracle" in lines:
        st.caption("The oracle threshold was chosen on these same test images: expect less in use.")
    notes = mine.loc[mine["metric"] == "image_threshold_heldout", "note"].dropna()
    if len(notes):
        st.caption(f"Held-out threshold from {notes.iloc[0]}.")


def problems(source: Source, run_id: str) -> None:
    """What was wrong with the data."""
    found = results.problems(source, run_id)
    if not found:
        return
    with st.expander(f"{len(found)} problems found in the data"):
        grids.show(
            grids.plain_html(
                ["What", "Where"], [[Cell(p["message"]), Cell(p["key"])] for p in found[:200]]
            )
        )


def settings(live: Live) -> None:
    """Every setting the run was made with, and its versions."""
    with st.expander("Settings, versions, weights"):
        config = live.record.config.model_dump(mode="json")
        resolved = live.record.resolved
        config["method_config"] = resolved.get("method_config", config["method_config"])
        st.code(json.dumps({"asked": config, "resolved": resolved}, indent=1, ensure_ascii=False),
                language="json", height=360)  # fmt: skip
