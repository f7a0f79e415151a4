"""What the Try it page asks: workers, new trials, results of a trial, pictures.

Results are read from the trial's files and cached by their time. An image is judged by the
threshold that stood when it was tried; the trial keeps it.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.config import external_name
from core.cuts import Cut
from core.data import thumbnails
from core.errors import DataError, RunError
from core.trials import Draft, Origin, Request, Trial, TrialStatus, listing
from core.workspace import Workspace
from dashboard import results, trial_words, words
from dashboard.evidence import Photo
from dashboard.results import Source
from dashboard.trial_workers import Workers

LONGEST = 1024
EACH = 3
"""Normal and anomalous test images offered to those who have none at hand."""
CSV_COLUMNS = ("name", "score", "threshold", "verdict", "class_name", "seconds", "error")


@st.cache_resource(show_spinner=False)
def workers(root: str) -> Workers:
    """The workers of a workspace, one set for all sessions."""
    return Workers(Workspace(Path(root)))


def tryable(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that have a model: all but maps made elsewhere."""
    own = [external_name(str(method)) is None for method in runs["method"]]
    return runs[own].reset_index(drop=True)


def labelled(labels: Mapping[str, str], runs: pd.DataFrame) -> dict[str, str]:
    """The runs' labels with the name of their data, where there are several."""
    if runs["dataset"].nunique() <= 1:
        return dict(labels)
    data = runs.set_index("run_id")["dataset"]
    return {run: f"{label} · {data[run]}" for run, label in labels.items() if run in data.index}


def cut(source: Source, run_id: str, class_name: str) -> Cut | None:
    """The threshold of a class that holds now: a chosen one, else held-out, else the oracle."""
    found = results.thresholds(source, run_id).get(class_name)
    if found is None:
        return None
    low, high = found.band or (None, None)
    return Cut(value=found.value, name=found.name, low=low, high=high)


def start(
    source: Source, run: pd.Series, class_name: str, given: Draft, origin: Origin, author: str = ""
) -> Trial:
    """Make a trial of a filled draft; its worker is asked when the page shows it.

    Raises:
        DataError: nothing handed in can be tried.
    """
    run_id = str(run["run_id"])
    return given.finish(
        run_id, class_name, origin, author=author, cut=cut(source, run_id, class_name)
    )


def again(source: Source, trial: Trial, run: pd.Series, class_name: str, author: str) -> Trial:
    """The same images tried by another run, or as another class."""
    draft, request = Draft(source.workspace, int(run["size"])), trial.request()
    try:
        for row, image in enumerate(request.images):
            draft.intake.copy(trial.image(row), image.name)
    except BaseException:
        draft.abandon()
        raise
    return start(source, run, class_name, draft, request.origin, author)


# -- results ------------------------------------------------------------------------------------


def frame(trial: Trial) -> pd.DataFrame:
    """One row an image: the columns of results.parquet; empty when there are none."""
    path = trial.path / Trial.RESULTS
    try:
        return _frame(str(path), path.stat().st_mtime_ns)
    except OSError:
        return pd.DataFrame()


@st.cache_data(show_spinner=False, max_entries=16)
def _frame(path: str, stamp: int) -> pd.DataFrame:
    return pd.read_parquet(path)


def photo(trial: Trial, row: int) -> Photo:
    """The image as given, at most LONGEST px a side."""
    try:
        return _photo(str(trial.image(row)))
    except (DataError, IndexError) as error:
        return Photo(None, note=str(error))


@st.cache_data(show_spinner=False, max_entries=64)
def _photo(path: str) -> Photo:
    data, width, height = thumbnails.picture(Path(path), longest=LONGEST)
    return Photo(uri(data, "image/webp"), width, height)


def uri(data: bytes, kind: str = "image/webp") -> str:
    """Bytes of a picture as data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def thumbnail(data: object) -> str | None:
    """A stored thumbnail as data URI; None when there is none."""
    return uri(data) if isinstance(data, bytes) else None


def csv_of(table: pd.DataFrame) -> bytes:
    """The results as CSV, UTF-8; text that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for _, row in table.iterrows():
        writer.writerow([_plain(row[name]) for name in CSV_COLUMNS])
    return out.getvalue().encode()


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, str) and value[:1] in "=+-@\t\r":
        return f"'{value}"
    return value


def earlier(source: Source, labels: Mapping[str, str], most: int = 30) -> list[dict[str, Any]]:
    """The newest trials: id, run, class, when, images, what came out."""
    found = []
    for trial in listing(source.workspace, most=most):
        try:
            request, status = trial.request(), trial.status()
        except RunError:
            continue
        found.append(
            {
                "id": trial.id,
                "run": labels.get(request.run_id, "a run that is gone"),
                "class": request.class_name or "",
                "at": request.created_at,
                "images": len(request.images),
                "first": request.images[0].name,
                "outcome": outcome(request, status),
            }
        )
    return found


def outcome(request: Request, status: TrialStatus) -> str:
    """ "3 of 24 rejected", or why there is no such thing."""
    if not status.ended:
        return "at work" if status.state == "working" else "waiting"
    if status.read is None:
        return status.error or "nothing done"
    said = f"{status.anomalous} of {status.read} {trial_words.past(words.current())}"
    said = said if request.cut else f"{status.read} scored"
    return said if status.state == "done" else f"{said}, then {status.state}"


@st.cache_data(show_spinner=False, max_entries=32)
def known(source: Source, run_id: str, class_name: str) -> pd.DataFrame:
    """Scores and labels of a class's test images: columns score, label."""
    table = results.judged(source, run_id)
    return table.loc[table["class_name"] == class_name, ["score", "label"]].reset_index(drop=True)


def examples(source: Source, run: pd.Series, class_name: str) -> list[str]:
    """Keys of a few test images of a class, normal ones first; [] when their files are gone."""
    table = results.judged(source, str(run["run_id"]))
    mine = table[table["class_name"] == class_name]
    keys = [key for label in (0, 1) for key in mine.loc[mine["label"] == label, "key"].head(EACH)]
    root = Path(str(run["data_root"]))
    return [str(key) for key in keys if (root / str(key)).is_file()]


def map_of(trial: Trial, row: int) -> npt.NDArray[np.float16]:
    """The heat map of an image. Raises RunError when the trial has none."""
    return np.array(trial.maps()[row])
