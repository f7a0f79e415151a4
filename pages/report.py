"""Report: one file that says what a run, or several, can do; and everything else to take away."""

from __future__ import annotations

import streamlit as st

from dashboard import casefile, queries, results, state, taking, words
from dashboard.components import cards, report_parts
from dashboard.components.empty import empty

TITLE = "Report"
GROUP = "Use"
ORDER = 20
ICON = ":material/description:"

MOST = 3
"""How many runs may stand beside the first."""
KINDS = {"csv": "Tables as CSV", "parquet": "Tables as Parquet"}


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "Nothing to report yet",
            "A finished run becomes one HTML file here, with figures, tables and its worst cases "
            "as pictures; it can be read offline and printed.",
            "overview",
            "Run the demo",
        )
        return
    labels = casefile.run_labels(runs, queries.method_titles())
    with state.filters(TITLE):
        first = state.pick(
            "run", list(labels), label="Run", words=labels, default=queries.leading(runs),
            always=True,
        )  # fmt: skip
        data = runs.loc[runs["run_id"] == first, "fingerprint"].iloc[0]
        beside = [run for run in runs.loc[runs["fingerprint"] == data, "run_id"] if run != first]
        others = state.pick_many("with", beside, label="Beside", words=labels, most=MOST)
    say = words.current()
    several = f" beside {', '.join(labels[run] for run in others)}" if others else ""
    cards.finding(
        f"**{report_parts.stands(results.judged(source, first), labels[first], say)}** "
        f"One file to hand over tells it{several}, with figures, tables, the worst cases as "
        "pictures, settings and hashes; it needs no network and prints on A4."
    )
    left, right = st.columns(2)
    with left.container(border=True, key="card-report"):
        st.subheader("Report", anchor=False)
        st.number_input(
            "Worst cases of each class and kind", 0, 50, key=state.kept("report:worst", 6),
            help="Missed and falsely flagged ones, as pictures with heat map and outlines.",
        )  # fmt: skip
        worst = int(st.session_state["report:worst"])
        name = f"{report_parts.stamp(first)}-report.html"
        arguments = ["report", first, *others, "--words", say.id, "--worst", str(worst)]
        st.button(
            "Make the report", type="primary", key="make-report", on_click=report_parts.begin,
            args=(source, arguments, name, "The report"),
        )  # fmt: skip
    with right.container(border=True, key="card-export"):
        st.subheader("Everything else", anchor=False)
        with st.container(horizontal=True, gap="small"):
            for kind, label in KINDS.items():
                st.button(
                    label, key=f"make-{kind}", on_click=report_parts.begin,
                    args=(source, ["export", first, "--tables", kind],
                          f"{report_parts.stamp(first)}-{kind}.zip", label),
                )  # fmt: skip
            st.button(
                f"All {say.items} with heat and outlines", key="make-overlays",
                on_click=report_parts.begin,
                args=(source, ["export", first, "--overlays"],
                      f"{report_parts.stamp(first)}-overlays.zip", "The pictures"),
                help="A ZIP, sorted by class and outcome, with a legend and a list.",
            )  # fmt: skip
            st.button(
                "Run capsule", key="make-capsule", on_click=report_parts.begin,
                args=(source, ["capsule", first], f"{report_parts.stamp(first)}-capsule.zip",
                      "The capsule"),
                help="Config, hashes, scores and thresholds; `python -m core verify` checks it "
                "against the data by scoring a random sample again.",
            )  # fmt: skip
    report_parts.watched(source)
    made = [one.name for one in taking.made(source.workspace) if one.kind == "report"]
    asked = st.query_params.get("file")
    chosen = asked if asked in made else None
    report_parts.listed(source, chosen)
    if chosen is not None:
        st.subheader(f"Preview of {chosen}", anchor=False)
        report_parts.preview(source, chosen)
