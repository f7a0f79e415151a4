"""The parts of the Report page, and the button that lets people take results away elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core import exporting
from core.runs import RunDirectory
from core.vocabulary import Vocabulary
from dashboard import navigation, taking, words
from dashboard.components import cards
from dashboard.progress import ago
from dashboard.results import Source

PREVIEW = 760
MOST = 20
"""Finished files that are listed."""
MIMES = {"report": "text/html", "archive": "application/zip"}


def begin(source: Source, arguments: Sequence[str], name: str, what: str) -> None:
    """Start making a file; the callback of a button."""
    taking.start(source.workspace, list(arguments), name, what)
    if name.endswith(".html"):  # shown as soon as it is there
        st.query_params["file"] = name


def stamp(run_id: str) -> str:
    """A file name's beginning that sorts by time and tells the run."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{run_id[19:43].strip('-')}"


def watched(source: Source) -> None:
    """What is being made, with time and a way to stop it; ends by itself when all is done."""
    jobs = taking.jobs(source.workspace)
    if any(not job.error for job in jobs):
        st.fragment(navigation.safely(_watch), run_every=1.0)(source)
    else:
        _cards(source, jobs)


def _watch(source: Source) -> None:
    jobs = taking.jobs(source.workspace)
    _cards(source, jobs)
    if not any(not job.error for job in jobs):
        st.rerun(scope="app")  # the ticking stops


def _cards(source: Source, jobs: Sequence[taking.Job]) -> None:
    for job in jobs:
        with st.container(border=True, key=f"card-job-{job.name}", horizontal=True,
                          vertical_alignment="center"):  # fmt: skip
            if job.error:
                cards.failure(f"{job.what} could not be made.", "", job.error)
            else:
                _working(job)
            st.button(
                "Dismiss" if job.error else "Stop", key=f"stop-{job.name}",
                on_click=taking.stop, args=(source.workspace, job.name),
            )  # fmt: skip


def _working(job: taking.Job) -> None:
    """How far a job is, and how long it will still take."""
    at = time.time()
    left = job.left(at)
    rest = "" if left is None else f", about {left:.0f} s left"
    st.progress(
        job.share or 0.0,
        f"**{job.what}**: {job.words or 'being made'}, {at - job.began:.0f} s so far{rest}",
    )


def listed(source: Source, chosen: str | None) -> None:
    """Finished files, the latest first: look, download, remove."""
    made = taking.made(source.workspace)
    if not made:
        return
    st.subheader("Made so far", anchor=False)
    with st.container(border=True, key="card-made"):
        for one in made[:MOST]:
            with st.container(horizontal=True, vertical_alignment="center", key=f"row-{one.name}"):
                size = f"{one.size / 1e6:.1f} MB" if one.size >= 1e5 else f"{one.size / 1e3:.0f} kB"
                when = ago(time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(one.at)))
                st.markdown(f"{one.name}  \n:small[{one.kind}, {size}, {when}]")
                if one.kind == "report":
                    st.button("Look", key=f"look-{one.name}", disabled=one.name == chosen,
                              on_click=_show, args=(one.name,))  # fmt: skip
                st.download_button(
                    "Download", partial(taking.content, source.workspace, one.name), one.name,
                    MIMES[one.kind], key=f"get-{one.name}", on_click="ignore",
                )  # fmt: skip
                st.button("Remove", key=f"drop-{one.name}", type="tertiary",
                          on_click=taking.remove, args=(source.workspace, one.name))  # fmt: skip

        if len(made) > MOST:
            st.caption(
                f"{len(made) - MOST} older ones lie in the workspace's `reports` folder; remove "
                "some here to see them."
            )


def _show(name: str) -> None:
    st.query_params["file"] = name


def preview(source: Source, name: str) -> None:
    """A finished report inside the page."""
    path = taking.folder(source.workspace) / name
    st.iframe(path.read_text(encoding="utf-8"), height=PREVIEW)


def take_away(source: Source, run_ids: Sequence[str], key: str) -> None:
    """A button with the run's tables and the way to a report; for any page that shows runs.

    Args:
        run_ids: the run, then those beside it.
        key: unique on the page.
    """
    say = words.current()
    first = run_ids[0]
    with st.popover("Take away", icon=":material/download:", key=f"take-{key}"):
        for label, kind, mime in (("CSV", "csv", "text/csv"), ("Parquet", "parquet", "")):
            for name, make in (("Cases", _cases), ("Metrics", _metrics)):
                st.download_button(
                    f"{name}, {label}", partial(make, source, first, kind),
                    f"{first}-{name.lower()}.{kind}", mime or "application/octet-stream",
                    key=f"take-{key}-{name}-{kind}", on_click="ignore",
                )  # fmt: skip
        query = urlencode([("run", first), *[("with", run) for run in run_ids[1:]]])
        st.markdown(f"[Report with the worst {say.misses} as pictures](report?{query})")


Maker = Callable[[Source, str, str], bytes]


def _cases(source: Source, run_id: str, kind: str) -> bytes:
    run = RunDirectory.open(source.workspace, run_id)
    return exporting.encoded(exporting.cases_table(source.workspace, run), kind)


def _metrics(source: Source, run_id: str, kind: str) -> bytes:
    run = RunDirectory.open(source.workspace, run_id)
    return exporting.encoded(run.read_table(RunDirectory.METRICS), kind)


def stands(cases: pd.DataFrame, label: str, say: Vocabulary) -> str:
    """What a run does at its thresholds, in a sentence.

    Args:
        cases: judged, see `casework.judge`.
    """
    outcome = cases["outcome"]
    if (outcome == "not judged").all():
        return f"{label} has no threshold, so its {say.items} are scored but not judged."
    missed = words.counted(int((outcome == "missed").sum()), say.miss, say.misses)
    alarms = words.counted(int((outcome == "false alarm").sum()), say.alarm, say.alarms)
    oracle = cases.loc[outcome != "not judged", "oracle"]
    at = "oracle thresholds" if oracle.all() else "its thresholds"
    some = " (some of them oracle)" if oracle.any() and not oracle.all() else ""
    return f"{label}: {missed} and {alarms} at {at}{some}."
