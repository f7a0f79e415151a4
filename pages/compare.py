"""Compare: two runs on the same data, the settings of a method, all pairs, and what was saved."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import (
    boards,
    casework,
    compare_words,
    comparing,
    findings,
    later,
    results,
    state,
)  # fmt: skip
from dashboard.comparing import Pending
from dashboard.components import (
    cards,
    compare_cases,
    compare_more,
    compare_parts,
    compare_setting,
    compare_view,
    save_box,
)
from dashboard.components.compare_view import Scene
from dashboard.components.empty import empty
from dashboard.results import Source

TITLE = "Compare"
GROUP = "Understand"
ORDER = 40
ICON = ":material/compare_arrows:"


def render() -> None:
    source = results.source()
    runs = comparing.comparable(results.runs(source))
    if runs.empty:
        cards.title(TITLE)
        empty(
            "Nothing to compare yet",
            "Two runs on the same data stand here side by side: difference by class, and the "
            "cases that one finds and the other misses.",
            "new_run",
            "Start another run",
        )
        return
    head = st.container()
    view = compare_view.pick_view()
    metrics = {id: metric.title for id, metric in results.qualities().items()}
    if view == "saved":
        with head:
            cards.title(TITLE)
        save_box.everything(source)
        return
    if view in ("setting", "matrix"):
        pending = _whole(source, runs, view, metrics, head)
    else:
        with head, state.filters(TITLE):
            scene = compare_view.pick_two(source, runs, metrics)
            if view == "changes":
                scene = compare_view.pick_class(scene)
            save_box.save_box(source, "compare", f"{scene.label_a} against {scene.label_b}")
        VIEWS[view](scene)
        pending = scene.pending
    if pending.keys:
        later.look_after(tuple(pending.keys))


def _pair(scene: Scene) -> None:
    """Who is better, and every case as a mark."""
    cases = casework.split_by_two(
        results.joined(scene.source, (scene.a, scene.b)), scene.a, scene.b
    )
    sizes = {name: len(part) for name, part in cases.items()}
    paired = scene.paired(scene.metric)
    labels = scene.label_a, scene.label_b
    if paired is None:
        said = compare_words.counted(*labels, sizes, scene.title, scene.say)
    else:
        mean = comparing.of_metric(paired, scene.metric)[1]
        said = findings.compare(*labels, sizes, scene.title, mean, scene.say)
    cards.finding(said)
    with st.container(border=True, key="card-scatter"):
        compare_cases.scatter(scene)
    compare_parts.pair_tables(scene)


VIEWS = {
    "pair": _pair,
    "changes": compare_cases.changes,
    "classes": compare_parts.by_class,
    "together": compare_more.together,
}


def _whole(
    source: Source, runs: pd.DataFrame, view: str, metrics: dict[str, str], head: DeltaGenerator
) -> Pending:
    """Views of all runs on one data set."""
    options = boards.data_options(runs)
    with head, state.filters(TITLE):
        data = state.pick("data", list(options), label="Data", words=options, always=True)
        metric = compare_view.pick_metric(metrics)
        save_box.save_box(source, "compare", compare_view.LONG[view])
    mine = runs[boards.board_key(runs) == data]
    if view == "matrix":
        return compare_more.matrix(source, mine, metric, metrics[metric])
    return compare_setting.settings(source, mine, metric, metrics[metric])
