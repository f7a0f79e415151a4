"""Compare, picture by picture: the scatter plot of case scores, and the cases that change sides."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.metrics.changes import Change
from core.metrics.verdicts import ALPHA, p_text
from dashboard import (
    compare_charts,
    compare_words,
    comparing,
    evidence,
    navigation,
    results,
    state,
    words,
)
from dashboard.boards import Cell
from dashboard.casework import ALL
from dashboard.compare_charts import Corner
from dashboard.components import cards, compare_view, grids
from dashboard.components.compare_view import Scene
from dashboard.findings import many
from dashboard.phrases import image_name

A_PAGE = 18
CHOSEN = 6
AXES = {"distance": "distance from the threshold", "score": "score"}
AXES_HELP = (
    "**distance from the threshold**: in standard deviations of the normal images of the class, so "
    "that classes and methods share a scale; both ends are compressed. **score**: the method's own "
    "unit; thresholds differ from class to class, so they are drawn for one class at a time."
)
MCNEMAR_HELP = (
    "McNemar's test (1947), exact: only the cases on which the runs differ count; if neither run "
    "were better, each would be as likely to win one. p is corrected for the number of rows "
    "(Holm). Thresholds are taken as given."
)


@st.fragment
@navigation.safely
def scatter(scene: Scene) -> None:
    """Scores of A against scores of B; a click on a mark shows the case and leads to it."""
    a, b = scene.a, scene.b
    table = results.joined(scene.source, (a, b))
    classes = sorted(map(str, table["class_name"].unique()))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"{scene.say.item.capitalize()} by {scene.say.item}", width="content")
        name = classes[0]
        if len(classes) > 1:
            name = state.pick("class", [ALL, *classes], label="Class")
        axes = state.pick("axes", list(AXES), label="Axes", words=AXES, help=AXES_HELP)
    cases = comparing.called(table, a, b, name)
    if cases.empty:
        st.caption("No class here has a threshold in both runs, so nothing can be judged.")
        return
    counts = comparing.quadrants(cases)
    drawn, left_out = comparing.thinned(cases)
    drawn = drawn.reset_index(drop=True)
    column = "margin" if axes == "distance" else "score"
    frame = drawn.assign(score_a=drawn[f"{column}:{a}"], score_b=drawn[f"{column}:{b}"])
    figure = compare_charts.scatter_cases(
        frame[["key", "label", "anomaly_type", "score_a", "score_b"]], scene.label_a,
        scene.label_b, *_lines(scene, axes, name, len(classes)), unit=AXES[axes],
        bent=axes == "distance", names=(scene.say.good, scene.say.bad),
        corners=_corners(counts, scene) if axes == "distance" or name != ALL else (),
    )  # fmt: skip
    left, right = st.columns([3, 2])
    with left:
        event: Any = st.plotly_chart(
            figure, key="cmp-scatter", config=grids.PLOT, on_select="rerun",
            selection_mode=("points", "box"),
            alt=f"Scores of {scene.label_a} against scores of {scene.label_b}, one mark a case",
        )  # fmt: skip
        if left_out:
            st.caption(
                f"Of the cases on which both agree {left_out:,} are left out, evenly; those that "
                "change sides are all drawn."
            )
    with right:
        _tiles(counts, scene, name)
        picked = [int(point["customdata"][4]) for point in event["selection"]["points"]]
        _picked(scene, drawn.iloc[picked])


def _lines(scene: Scene, axes: str, name: str, classes: int) -> tuple[float | None, float | None]:
    """Where the thresholds lie on both axes; none where they differ from class to class."""
    if axes == "distance":
        return 0.0, 0.0
    if name == ALL and classes > 1:
        return None, None
    of_a, of_b = (results.thresholds(scene.source, run).get(name) for run in (scene.a, scene.b))
    return (None if of_a is None else of_a.value), (None if of_b is None else of_b.value)


def _corners(counts: dict[int, dict[str, int]], scene: Scene) -> list[Corner]:
    places = {
        "both": (True, True, "both alarm"), "only_a": (True, False, "only A alarms"),
        "only_b": (False, True, "only B alarms"), "neither": (False, False, "neither alarms"),
    }  # fmt: skip
    return [
        Corner(
            right, top,
            f"{said}\n{counts[1][part]} {scene.say.bad}, {counts[0][part]} {scene.say.good}",
        )
        for part, (right, top, said) in places.items()
    ]  # fmt: skip


def _tiles(counts: dict[int, dict[str, int]], scene: Scene, name: str) -> None:
    """The four parts in words, with the normal cases below; those that differ lead to the cases."""
    say = scene.say
    titles = {
        "both": "Found by both", "only_a": f"Found by {scene.label_a}, missed by {scene.label_b}",
        "only_b": f"Found by {scene.label_b}, missed by {scene.label_a}",
        "neither": "Missed by both",
    }  # fmt: skip
    below = {
        "both": compare_words.alarms(counts[0]["both"], say) + " of both",
        "only_a": compare_words.alarms(counts[0]["only_a"], say) + " of A alone",
        "only_b": compare_words.alarms(counts[0]["only_b"], say) + " of B alone",
        "neither": f"{compare_words.good(counts[0]['neither'], say)} passed by both",
    }
    parts = []
    for part, title in titles.items():
        inside = f"<b>{counts[1][part]}</b>{escape(title)}<small>{escape(below[part])}</small>"
        if part in ("only_a", "only_b") and counts[1][part]:
            query = {"view": "changes", "side": part} | ({} if name == ALL else {"class": name})
            href = escape(scene.href(**query), quote=True)
            parts.append(f'<a class="cmp-part" href="{href}" target="_self">{inside}</a>')
        else:
            parts.append(f'<div class="cmp-part">{inside}</div>')
    compare_view.show(f'<div class="cmp-four">{"".join(parts)}</div>')


def _picked(scene: Scene, cases: pd.DataFrame) -> None:
    """The cases that were clicked, as links to Inspect."""
    if cases.empty:
        st.caption("Click a mark, or drag a box, to see the pictures.")
        return
    grids.show(grids.strip_html(links(scene, cases.head(CHOSEN))))
    if len(cases) > CHOSEN:
        st.caption(f"{CHOSEN} of {len(cases)}; drag a smaller box for the others.")


def links(scene: Scene, cases: pd.DataFrame) -> list[grids.CaseLink]:
    """Cards of joined cases that open in Inspect, with what either run says."""
    runs = results.runs(scene.source).set_index("run_id")
    root = str(runs.loc[scene.a, "data_root"])
    found = []
    for _, case in cases.iterrows():
        query = {"run": scene.a, "with": scene.b, "class": case["class_name"], "case": case["key"]}
        pairs = zip("AB", scene.labels, strict=True)
        said = [f"{letter}: {case[f'outcome:{run}']}" for letter, run in pairs]
        kind = str(case["anomaly_type"]).replace("_", " ") if case["label"] == 1 else scene.say.good
        found.append(
            grids.CaseLink(
                href=f"inspect?{urlencode(query)}",
                title=image_name(str(case["key"])),
                lines=(f"{str(case['class_name']).replace('_', ' ')}, {kind}", ", ".join(said)),
                image=evidence.thumbnail(scene.source, root, str(case["key"])),
            )
        )
    return found


def changes(scene: Scene) -> None:
    """Cases that change sides: the sentence, the tests, and one direction as pictures."""
    a, b = scene.a, scene.b
    name = scene.class_name
    cases = comparing.called(results.joined(scene.source, (a, b)), a, b, name)
    parts = comparing.sides(cases, a, b)
    by = "class_name" if name == ALL else "anomaly_type"
    bad, good = comparing.changed(cases, 1, by), comparing.changed(cases, 0)
    counts = {side: len(part) for side, part in parts.items()}
    said = compare_words.changing(scene.label_a, scene.label_b, counts, bad, scene.say)
    cards.finding(said + compare_words.oracle_note(scene.oracle()))
    _gallery(scene, parts)
    with st.container(border=True, key="card-changes"):
        say = scene.say
        what = "class" if by == "class_name" else f"kind of {say.flaw}"
        st.subheader(f"Is it more than chance? By {what}", help=MCNEMAR_HELP)
        _tests(bad, what, (f"only A finds ({say.bad})", f"only B finds ({say.bad})"))
        st.caption(f"And on {say.good} {say.items}:")
        _tests(good, "class", ("only A alarms", "only B alarms"), fewer=True)


def _gallery(scene: Scene, parts: dict[str, pd.DataFrame]) -> None:
    """One of four directions, a page of pictures at a time."""
    say, a, b = scene.say, scene.label_a, scene.label_b
    titles = {
        "only_a": f"A finds, B misses: {len(parts['only_a'])}",
        "only_b": f"B finds, A misses: {len(parts['only_b'])}",
        "alarm_a": f"A alarms on {say.good}, B passes: {len(parts['alarm_a'])}",
        "alarm_b": f"B alarms on {say.good}, A passes: {len(parts['alarm_b'])}",
    }
    with st.container(border=True, key="card-sides"):
        st.html(f'<div class="us-line">A: {escape(a)} &nbsp;·&nbsp; B: {escape(b)}</div>')
        full = [side for side in comparing.SIDES if len(parts[side])]
        first = full[0] if full else "only_a"
        side = state.pick("side", comparing.SIDES, label="Show", words=titles, default=first)
        shown = parts[side]
        if shown.empty:
            st.caption("No case changes sides in this direction.")
            return
        pages = -(-len(shown) // A_PAGE)
        at = st.pagination(pages, key=f"cmp-page-{side}") if pages > 1 else 1
        grids.show(grids.strip_html(links(scene, shown.iloc[(at - 1) * A_PAGE : at * A_PAGE])))
        if pages > 1:
            st.caption(f"{many(len(shown), 'case')}, the clearest first, {A_PAGE} a page.")


def _tests(rows: Sequence[Change], what: str, heads: tuple[str, str], fewer: bool = False) -> None:
    """Counts and McNemar's p of each group; `fewer`: fewer are better."""
    if not rows:
        st.caption("There is none that both runs judge.")
        return
    body: list[list[Cell | str]] = []
    for one in rows:
        verdict = "a" if (one.only_a > one.only_b) != fewer else "b"
        sure = one.p_corrected is not None and one.p_corrected < ALPHA
        told = "more than chance" if sure else "could be chance"
        if one.only_a + one.only_b == 0:
            told = "no change"
        elif one.p is None:
            told = "not tested"
        body.append([
            Cell(one.group.replace("_", " ")), Cell(f"{one.images:,}"), Cell(f"{one.only_a:,}"),
            Cell(f"{one.only_b:,}"),
            Cell(p_text(one.p_corrected), "", one.note or f"alone {p_text(one.p)}"),
            f"{compare_view.verdict_mark(verdict if sure else 'open')} {told}",
        ])  # fmt: skip
    head = [what.capitalize(), words.current().items, *heads, "p", "so"]
    compare_view.show(
        grids.STYLE, '<div class="us-small">', grids.bare(grids.plain_html(head, body)), "</div>"
    )
