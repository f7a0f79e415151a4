"""The button that makes a run's capsule: at once where that is quick, else in the background."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import streamlit as st

from core.capsule.making import make
from core.errors import FlawscopeError
from core.runs import RunDirectory
from dashboard import navigation, taking
from dashboard.components import cards
from dashboard.results import Source

QUICK = 2_000
"""Test images whose hashes are taken while a person waits: about a second."""
MIME = "application/zip"
SAYS = (
    "What this run claims, in one file that others can check: settings, scores, thresholds and "
    "hashes of data and model. `python -m core verify FILE` scores a random sample again."
)


def capsule_button(source: Source, run_id: str, key: str) -> None:
    """A button that opens the run's capsule to take away, on any page that shows a run.

    Args:
        key: unique on the page.
    """
    with st.popover("Run capsule", icon=":material/verified:", key=f"capsule-{key}"):
        st.markdown(SAYS)
        try:
            run = RunDirectory.open(source.workspace, run_id)
            state, record = run.status().state, run.record()
        except FlawscopeError as error:
            st.caption(str(error))
            return
        if state != "succeeded":
            st.caption("This run did not end well, so there is nothing to vouch for.")
            return
        size = model_bytes(run)
        carried = size > 0 and st.toggle(
            f"With the model ({megabytes(size)})", key=f"capsule-model-{key}",
            help="Then it can be verified where the run is not, with the data alone.",
        )  # fmt: skip
        counts = (record.resolved.get("dataset") or {}).get("counts") or {}
        if not carried and int(counts.get("test", 0)) <= QUICK:
            st.download_button(
                "Download", partial(made_now, source, run_id), file_name(run_id, False), MIME,
                key=f"capsule-get-{key}", on_click="ignore", type="primary",
            )  # fmt: skip
        else:
            _in_background(source, run_id, carried, key)


def file_name(run_id: str, with_model: bool) -> str:
    """The same for the same choice, so that a page finds what was made before."""
    return f"{run_id}-capsule{'-with-model' if with_model else ''}.zip"


def model_bytes(run: RunDirectory) -> int:
    """Bytes of the run's checkpoint; 0 when it keeps none."""
    folder = run.path / RunDirectory.CHECKPOINT
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def megabytes(size: int) -> str:
    """Bytes as people say them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.1f} MB"


def made_now(source: Source, run_id: str) -> bytes:
    """The capsule without the model, made in this process.

    Raises:
        FlawscopeError: see `core.capsule.making.make`.
    """
    run = RunDirectory.open(source.workspace, run_id)
    with tempfile.TemporaryDirectory(prefix="flawscope-capsule-") as folder:
        out = Path(folder) / "capsule.zip"
        make(source.workspace, run, out)
        return out.read_bytes()


def _in_background(source: Source, run_id: str, with_model: bool, key: str) -> None:
    name = file_name(run_id, with_model)
    job = _job(source, name)
    if job is not None and not job.error:
        st.fragment(navigation.safely(_watch), run_every=1.0)(source, name)
        return
    ready = (taking.folder(source.workspace) / name).exists()
    if job is not None:
        cards.failure("The capsule could not be made.", "", job.error)
    elif ready:
        st.download_button(
            "Download", partial(taking.content, source.workspace, name), name, MIME,
            key=f"capsule-fetch-{key}", on_click="ignore", type="primary",
        )  # fmt: skip
    st.button(
        "Make it again" if ready or job else "Make the capsule", key=f"capsule-make-{key}",
        type="tertiary" if ready else "primary", on_click=_begin,
        args=(source, run_id, with_model, name),
    )  # fmt: skip


def _begin(source: Source, run_id: str, with_model: bool, name: str) -> None:
    taking.remove(source.workspace, name)
    arguments = ["capsule", run_id, *(["--with-model"] if with_model else [])]
    taking.start(source.workspace, arguments, name, "The capsule")


def _job(source: Source, name: str) -> taking.Job | None:
    return next((job for job in taking.jobs(source.workspace) if job.name == name), None)


def _watch(source: Source, name: str) -> None:
    """Ticks while the capsule is made."""
    job = _job(source, name)
    if job is None or job.error:
        st.rerun(scope="app")  # the ticking stops
    st.markdown(f"Being made, {time.time() - job.began:.0f} s so far.")
    st.button(
        "Stop", key=f"capsule-stop-{name}", on_click=taking.stop, args=(source.workspace, name)
    )
