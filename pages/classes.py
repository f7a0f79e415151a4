"""By class: where a run is good and where not, by class, kind of flaw, size, contrast and seed."""

from __future__ import annotations

import streamlit as st

from dashboard import by_class, class_words, counting, queries, results, state, words
from dashboard.components import cards, class_parts, class_sizes
from dashboard.components.empty import empty

TITLE = "By class"
GROUP = "Understand"
ORDER = 22
ICON = ":material/category:"
URL = "classes"

MOST = 4
"""How many runs may stand beside the first."""
SCOPES = ("class", "all")


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "Nothing to take apart yet",
            "A finished run is shown here class by class: every metric, curves, kinds of flaw, "
            "and from which size on flaws are found.",
            "overview",
            "Run the demo",
        )
        return
    labels = by_class.labels(source)
    asked = st.query_params.get("run")
    with state.filters(TITLE):
        best = queries.leading(runs)
        first = state.pick(
            "run", list(labels), label="Run", words=labels, default=best, always=True
        )
        data = runs.loc[runs["run_id"] == first, "fingerprint"].iloc[0]
        beside = [run for run in runs.loc[runs["fingerprint"] == data, "run_id"] if run != first]
        others = state.pick_many("with", beside, label="Beside", words=labels, most=MOST)
        titles = {id: metric.title for id, metric in results.qualities().items()}
        by = state.pick("by", list(titles), label="Metric", words=titles)
        way = counting.choose()
    if asked and asked not in labels:
        cards.note(
            "That run has nothing to show",
            "It did not end well, or is not in this workspace; the leading one is shown instead.",
        )
    chosen = (first, *others)
    metrics = results.metrics(source, chosen, way)
    looks = by_class.looks(chosen, labels, runs)
    say = words.current()
    classes = sorted(results.judged(source, first)["class_name"].unique())
    values = {one.label: by_class.intervals(metrics, one.run_id, by) for one in looks}
    auroc = by_class.intervals(metrics, first, "image_auroc")
    title = counting.titled(titles[by], way)
    cards.finding(
        counting.NOTHING
        if metrics.empty
        else class_words.finding([one.label for one in looks], values, auroc, title, say)
    )
    query = {"run": first, "with": list(others), "by": by}
    weakest = by_class.weakest(values[looks[0].label], classes)
    held = [st.query_params.get(class_parts.CLASS), st.session_state.get(class_parts.CLASS)]
    current = next((name for name in held if name in classes), weakest)
    class_parts.grid(metrics, looks, classes, by, way, query, current)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bc-class"):
        st.subheader("One class", anchor=False, width="content")
        name = state.pick(class_parts.CLASS, classes, label="Class", default=weakest)
    class_parts.curves(source, looks, name, say)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bc-scope"):
        st.subheader(f"Kinds of {say.flaw}", anchor=False, width="content")
        wide = state.pick(
            "of", list(SCOPES), label="Of",
            words={"class": name.replace("_", " "), "all": "all classes"},
        ) if len(classes) > 1 else "class"  # fmt: skip
    scope = None if wide == "all" else name
    class_parts.kinds(source, looks, scope, say)
    st.subheader("By size and contrast", anchor=False)
    with st.container(border=True, key="card-bc-size"):
        class_sizes.by_size(source, looks, scope, say)
    st.subheader("Over seeds", anchor=False)
    with st.container(border=True, key="card-bc-seeds"):
        class_sizes.over_seeds(source, looks, classes, by, say)
