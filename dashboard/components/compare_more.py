"""Compare, beyond two runs by one metric: what a blend could reach, and all pairs of runs."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.metrics.changes import Union
from core.metrics.ensemble import QUALITIES, Gain
from core.metrics.verdicts import p_text
from dashboard import (
    compare_charts,
    compare_words,
    comparing,
    queries,
    ranking,
    results,
    theme,
)
from dashboard.boards import Cell
from dashboard.comparing import Pending
from dashboard.components import cards, compare_view, grids
from dashboard.components.compare_view import Scene
from dashboard.findings import many

PAIRS_HELP = (
    "Every pair of runs on the same images, drawn together 1,000 times; p is corrected for the "
    "number of pairs (Holm), which is stricter than comparing two runs alone. A click opens the "
    "pair as A against B."
)
BLEND_HELP = (
    "Each class of each run is brought to one scale, (score - median of the normal test images) / "
    "their robust spread; a blend is a weighted mean of the two. Both the scale and the best "
    "weight come from the test images: what the best weight reaches is a ceiling, not a promise. "
    "The corrected gain chooses the weight anew in each of 500 draws of images and takes off what "
    "that choice adds. Ranks averaged: the mean of the two ranks within a class; nothing is chosen."
)


def together(scene: Scene) -> None:
    """What a blend of the two could reach, and what an alarm of either gives."""
    metric = scene.metric if scene.metric in QUALITIES else "image_auroc"
    title = results.qualities()[metric].title
    found = comparing.ceiling(scene.source, scene.a, scene.b, metric, scene.pending)
    table = results.joined(scene.source, (scene.a, scene.b))
    either = comparing.united(comparing.called(table, scene.a, scene.b))
    if found is None:
        compare_view.waiting(f"{title} of 51 blends on 500 draws of the same images")
        return
    if found == "none":
        cards.finding(
            f"**No class has both {scene.say.good} and {scene.say.bad} {scene.say.items}**, so no "
            "blend can be judged."
        )
        return
    said = compare_words.together(scene.label_a, scene.label_b, found, either, title, scene.say)
    cards.finding(said)
    notes = [f"Judged by {title}; blends are of image scores, and pixel metrics would need blended "
             "maps."] if metric != scene.metric else []  # fmt: skip
    if found.skipped:
        named = ", ".join(name.replace("_", " ") for name in found.skipped)
        notes.append(f"Left out for lack of either label: {named}.")
    left, right = st.columns([4, 3])
    methods = results.runs(scene.source).set_index("run_id")["method"]
    with left.container(border=True, key="card-blend"):
        st.subheader(f"{title} over the share of A", help=BLEND_HELP)
        curves = {"mean over classes" if len(found.classes) > 1 else title: found.values_W}
        if 1 < len(found.classes) <= 8:
            curves |= {name.replace("_", " "): one[0] for name, one in found.classes.items()}
        figure = compare_charts.blend_lines(
            list(found.weights_W), {name: list(its) for name, its in curves.items()},
            (scene.label_a, str(methods[scene.a])), (scene.label_b, str(methods[scene.b])),
            (found.best.weight or 0.0, found.best.value) if found.best.gain > 0 else None,
            found.ranks.value, title,
        )  # fmt: skip
        st.plotly_chart(figure, key="blend", config=grids.PLOT, alt=said.replace("*", ""))
        for note in notes:
            st.caption(note)
    with right.container(border=True, key="card-either"):
        _either(scene, either)
    if len(found.classes) > 1:
        with st.container(border=True, key="card-blend-classes"):
            st.subheader(f"{title}, class by class", help=BLEND_HELP)
            rows = [_blend_row(name, best, ranks) for name, (_, best, ranks) in
                    sorted(found.classes.items(), key=lambda item: -item[1][1].gain)]  # fmt: skip
            head = ["Class", "A", "B", "best blend (oracle)", "share of A", "its gain, corrected",
                    "ranks averaged", "their gain"]  # fmt: skip
            compare_view.show(
                grids.STYLE, '<div class="us-small">', grids.bare(grids.plain_html(head, rows)),
                "</div>",
            )  # fmt: skip
            st.caption("Here every class has a weight of its own: a higher ceiling still.")


def _blend_row(name: str, best: Gain, ranks: Gain) -> list[Cell | str]:
    return [
        Cell(name.replace("_", " ")), Cell(f"{best.a:.3f}"), Cell(f"{best.b:.3f}"),
        Cell(f"{best.value:.3f}"), Cell("–" if best.weight is None else f"{best.weight:.0%}"),
        _gain_cell(best), Cell(f"{ranks.value:.3f}"), _gain_cell(ranks),
    ]  # fmt: skip


def _gain_cell(one: Gain) -> Cell:
    at = one.gain if one.corrected is None else one.corrected
    if one.low is None or one.high is None:
        return Cell(f"{at:+z.3f}", "", "too few images for an interval")
    return Cell(f"{at:+z.3f}", f"{one.low:+z.3f} to {one.high:+z.3f}", f"observed {one.gain:+z.3f}")


def _either(scene: Scene, either: Union) -> None:
    """Found and false alarms when one alarm, or both, are asked for."""
    say = scene.say
    st.subheader("When an alarm of either counts")
    if either.anomalous + either.normal == 0:
        st.caption("No class has a threshold in both runs.")
        return
    names = (f"A: {scene.label_a}", f"B: {scene.label_b}", "either", "both agree")
    rows: list[list[Cell | str]] = [
        [
            Cell(name),
            Cell(f"{either.found[i]} of {either.anomalous}"),
            Cell(f"{either.anomalous - either.found[i]}"),
            Cell(f"{either.alarms[i]} of {either.normal}"),
        ]
        for i, name in enumerate(names)
    ]
    head = ["Alarm of", "found", say.misses, say.alarms]
    compare_view.show(grids.STYLE, grids.bare(grids.plain_html(head, rows)))
    st.caption(f"At each run's own thresholds.{compare_words.oracle_note(scene.oracle())}")


def matrix(source: results.Source, runs: pd.DataFrame, metric: str, title: str) -> Pending:
    """All pairs of the runs of one data set, by the mean of a metric."""
    pending = Pending()
    means = queries.means(tuple(str(run) for run in runs["run_id"]), metric)
    order, left_out = comparing.entrants(runs, means)
    if len(order) < 2:
        cards.finding(f"**Fewer than two runs on this data have {title}**; choose another metric.")
        return pending
    labels = comparing.labels(source)
    small = len(results.judged(source, order[0])) * len(order) <= 4 * comparing.SMALL
    rows = comparing.matrix(source, order, metric, pending, small)
    if rows is None:
        compare_view.waiting(f"{title} of {len(order)} runs on the same draws of images")
        return pending
    cards.finding(compare_words.all_pairs(labels, rows, order, title))
    with st.container(border=True, key="card-matrix"):
        st.subheader(f"{title}, row minus column", help=PAIRS_HELP)
        _matrix_table(source, order, labels, means, rows, metric)
        st.caption(
            "better, worse: the row's run, for certain; =: cannot be told apart. Every cell opens "
            "its pair."
            + (f" The {len(order)} best runs; {many(left_out, 'more run')} on this data left out."
               if left_out else "")
        )  # fmt: skip
    return pending


def _matrix_table(
    source: results.Source, order: list[str], labels: Mapping[str, str],
    means: Mapping[str, tuple[float, str]], rows: Mapping[tuple[str, str], pd.Series], metric: str,
) -> None:  # fmt: skip
    methods = results.runs(source).set_index("run_id")["method"]
    head = "".join(
        f'<th title="{escape(labels[run], quote=True)}">{i}</th>'
        for i, run in enumerate(order, start=1)
    )
    body = []
    for i, run in enumerate(order, start=1):
        cells = "".join(_pair_cell(run, other, labels, rows, metric) for other in order)
        value, interval = means[run]
        body.append(
            f'<tr><td class="fs-left">{i}. {theme.dot(str(methods[run]))}{escape(labels[run])}</td>'
            f'<td title="{escape(interval, quote=True)}">{value:.3f}</td>{cells}</tr>'
        )
    compare_view.show(
        grids.STYLE,
        '<div class="us-bare us-small cmp-grid"><div class="fs-table-wrap"><table class="fs-table">'
        f'<thead><tr><th class="fs-left">Run</th><th>mean</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div></div>",
    )


def _pair_cell(
    run: str, other: str, labels: Mapping[str, str], rows: Mapping[tuple[str, str], pd.Series],
    metric: str,
) -> str:  # fmt: skip
    if run == other:
        return "<td></td>"
    row = rows.get((run, other))
    if row is None:
        return '<td title="nothing that could be compared">–</td>'
    told = f"{labels[run]} minus {labels[other]}: {compare_words.signed(row)}; p "
    told += p_text(ranking.number(row["p_corrected"]))
    href = "compare?" + urlencode({"a": run, "b": other, "by": metric})
    mark = compare_view.verdict_mark(str(row["verdict"]), names=("better", "worse"))
    return (
        f'<td title="{escape(told, quote=True)}"><a href="{escape(href, quote=True)}" '
        f'target="_self">{row["difference"]:+z.3f}</a><br>{mark}</td>'
    )
