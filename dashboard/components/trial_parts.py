"""Parts of the Try it page: progress of a trial, its results, one image, earlier trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.trials import Request, Trial, TrialStatus
from dashboard import evidence, navigation, trial_words, trials, words
from dashboard.components import cards, grids, spot_view, viewer
from dashboard.components.trial_intake import ITEM, TRIAL, ask, go_to
from dashboard.components.trial_table import trial_table
from dashboard.evidence import Level
from dashboard.results import Source

POLL_SECONDS = 0.4
FACTS = """<style>
.ti-facts{display:flex;flex-wrap:wrap;gap:8px 28px;margin:0;padding:9px 14px!important;
 border-radius:10px;background:var(--fs-card);border:1px solid var(--fs-line);
 font-variant-numeric:tabular-nums}
.ti-facts div{min-width:0}.ti-facts dt{font-size:12.5px;color:var(--fs-dim);line-height:1.4}
.ti-facts dd{margin:0;font-size:14px;line-height:1.4;color:var(--fs-text)}
</style>"""


@st.fragment(run_every=POLL_SECONDS)
@navigation.safely
def progress(source: Source, id: str, label: str, method: str) -> None:
    """How far a trial is; when it has ended the whole page is drawn anew."""
    trial = Trial.open(source.workspace, id)
    status = trial.status()
    if status.ended:
        st.rerun(scope="app")
    waits = ask(source, trial) if status.state == "queued" and status.process is None else ""
    total = max(1, status.total)
    phase = f"{status.done} of {status.total} images"
    if status.state == "queued" or status.message:
        phase = waits or "loading the model; a few seconds the first time"
    cards.progress_card(f"{label} looks at the images", phase, status.done / total, method=method)
    if st.button(
        "Stopping …" if trial.cancelled() else "Stop", key="try-stop", disabled=trial.cancelled(),
        help="What is done by then is kept.",
    ):  # fmt: skip
        trial.cancel()
        if status.process is None:
            trial.update(state="cancelled")
        st.rerun(scope="fragment")


def ended_badly(source: Source, trial: Trial, error: str) -> None:
    """A trial that failed: why, and once more."""
    cards.failure(error, "The images are kept.")
    if st.button("Try again", key="try-again", type="primary"):
        trial.again()
        go_to(source, trial)


def results_of(
    source: Source, trial: Trial, request: Request, status: TrialStatus, table: pd.DataFrame,
    label: str, method: str,
) -> None:  # fmt: skip
    """What came out: a sentence, the table of a batch, and the image looked at."""
    vocabulary, alone = words.current(), len(request.images) == 1
    cards.finding(_finding(source, request, table, alone))
    _besides(trial, request, status, table, alone)
    item = _item(table)
    if not alone:
        picked = trial_table(trial.id, table, request.cut, item, vocabulary)
        if picked is not None and picked != item:
            st.query_params[ITEM] = str(picked)
            st.rerun()
    row = table[table["row"] == item].iloc[0]
    look(source, trial, request, row, label, method, alone)


def _finding(source: Source, request: Request, table: pd.DataFrame, alone: bool) -> str:
    vocabulary, row = words.current(), table.iloc[0]
    if not alone or trial_words.text(row["error"]):
        return trial_words.summary(table, request.cut, vocabulary)
    score = float(row["score"])
    said, _ = trial_words.verdict(score, request.cut, vocabulary)
    if request.class_name is None:
        return f"**{said}.** No class was named, so there is nothing to compare the score with."
    known = trials.known(source, request.run_id, request.class_name)
    where = trial_words.stands(trial_words.ranked(score, known), vocabulary)
    by = f" ({request.cut.name})" if request.cut else ""
    return f"**{said}**{by}; {where}."


def _besides(
    trial: Trial, request: Request, status: TrialStatus, table: pd.DataFrame, alone: bool
) -> None:
    """What was left out, and what can be done with the trial."""
    told = [*request.left_out, *([status.note] if status.note else [])]
    if status.state != "done":
        done = f"{len(table)} of {len(request.images)} images"
        told.insert(0, status.error or f"Stopped: {done} were tried.")
    with st.container(horizontal=True, vertical_alignment="center", key="try-besides"):
        named = request.images[0].name if alone else f"{len(request.images)} images"
        st.html(f'<div class="fs-dim">{escape(" · ".join([named, *told[:6]]))}</div>')
        if not alone:
            st.download_button(
                "Results as CSV", trials.csv_of(table), f"{trial.id}.csv", "text/csv",
                key="try-csv", icon=":material/download:",
            )  # fmt: skip
        if st.button("New trial", key="try-new", type="tertiary"):
            _leave()
        with st.popover("Remove", type="tertiary"):
            st.caption("Deletes the copies of the images and what came out.")
            if st.button("Remove for good", key="try-remove"):
                trial.remove()
                _leave()


def _leave() -> None:
    for name in (TRIAL, ITEM):
        if name in st.query_params:
            del st.query_params[name]
    st.rerun()


def _item(table: pd.DataFrame) -> int:
    """The row in the address, else the hottest image."""
    asked = st.query_params.get(ITEM, "")
    if asked.isdigit() and int(asked) in set(table["row"]):
        return int(asked)
    ordered = table.sort_values("score", ascending=False, na_position="last", kind="stable")
    return int(ordered.iloc[0]["row"])


def look(
    source: Source, trial: Trial, request: Request, row: pd.Series, label: str, method: str,
    alone: bool,
) -> None:  # fmt: skip
    """One image: verdict, viewer, facts, and what its hottest spot was compared with."""
    vocabulary, place = words.current(), int(row["row"])
    name, file = request.class_name or "", str(row["name"])
    if trial_words.text(row["error"]):
        cards.failure(trial_words.text(row["error"]))
        return
    known = trials.known(source, request.run_id, name)
    standing = trial_words.ranked(float(row["score"]), known)
    if not alone:
        said, tone = trial_words.verdict(float(row["score"]), request.cut, vocabulary)
        grids.show(
            f'<span class="us-badge us-{tone}">{escape(said)}</span> '
            f'<span class="us-line">{escape(file)}</span>'
        )
    tail = evidence.tail(source, request.run_id, name)
    map_HW = trials.map_of(trial, place)
    unusual = trial_words.warning(standing, map_HW, tail, name, vocabulary)
    if unusual:
        cards.note("Unusual as a whole", unusual)
    hotter = trial_words.hotter(tail, float(row["peak"]))
    told = trial_words.facts(row, request.cut, standing, hotter, vocabulary)
    st.html(FACTS + facts_html(told))
    _viewer(source, trial, request, row, label, method, tail)
    spot_view.spot_view(source, trial.id, place)


def facts_html(told: Mapping[str, str]) -> str:
    """Facts in a row that wraps."""
    pairs = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in told.items()
    )
    return f'<dl class="ti-facts">{pairs}</dl>'


def _viewer(
    source: Source, trial: Trial, request: Request, row: pd.Series, label: str, method: str,
    tail: list[tuple[float, float]],
) -> None:  # fmt: skip
    place = int(row["row"])
    photo = trials.photo(trial, place)
    if photo.note:
        st.caption(photo.note)
    levels = evidence.levels(source, request.run_id, request.class_name or "")
    if not levels and request.cut is not None:
        levels = [Level(request.cut.name, request.cut.value)]
    viewer.viewer(
        viewer.ViewerCase(
            id=f"{trial.id}/{place}",
            picture=photo.uri,
            width=int(row["width"]),
            height=int(row["height"]),
            caption=str(row["name"]),
        ),
        [
            viewer.Pane(
                id=request.run_id,
                label=label,
                method=method,
                map_HW=trials.map_of(trial, place),
                tail=tail,
                thresholds=[(level.name, level.value) for level in levels],
                note=f"score {float(row['score']):.4g}",
            )
        ],
        key="try-viewer",
    )


def earlier(source: Source, labels: Mapping[str, str], present: str | None) -> None:
    """Links to the newest trials."""
    found = [one for one in trials.earlier(source, labels) if one["id"] != present]
    if not found:
        return
    with st.expander("Earlier trials", expanded=present is None):
        grids.show(earlier_html(found))


def earlier_html(found: Sequence[dict[str, Any]]) -> str:
    """The newest trials as a table; see `trials.earlier`."""
    titles = ("Images", "Run", "Class", "Outcome", "When")
    head = "".join(f'<th scope="col" class="fs-left">{title}</th>' for title in titles)
    lines = []
    for one in found:
        more = f" and {one['images'] - 1} more" if one["images"] > 1 else ""
        href = escape(f"try_it?{urlencode({TRIAL: one['id']})}", quote=True)
        cells = [
            f'<a href="{href}" target="_self">{escape(str(one["first"]) + more)}</a>',
            escape(str(one["run"])), escape(str(one["class"]).replace("_", " ")),
            escape(str(one["outcome"])), escape(str(one["at"])[:16].replace("T", " ")),
        ]  # fmt: skip
        lines.append("<tr>" + "".join(f'<td class="fs-left">{c}</td>' for c in cells) + "</tr>")
    return (
        '<div class="fs-table-wrap"><table class="fs-table" aria-label="Earlier trials">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
