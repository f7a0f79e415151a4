"""What the Browse page and the doctor's view read: a data set's table, edits and examination.

A data set is opened once, as it was brought in; edits are laid over its table, so that an image
that was just excluded shows so at once, at 100,000 images, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import streamlit as st

from core.data import catalogue, edits
from core.data.base import Dataset
from core.data.doctor.base import Examination, Finding
from core.data.edits import Edit
from core.types import Sample
from core.workspace import Workspace
from dashboard import browse
from dashboard.data_stamps import edits_stamp, folder_stamp
from dashboard.queries import DEMO, workspace

SIZES = (128, 224, 256, 320, 384, 448, 512, 768, 1024)
"""Sides in pixels a data set can be examined for, those runs use."""
Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Shelf:
    """A data set as it was brought in."""

    dataset: Dataset
    stamp: int

    @cached_property
    def table(self) -> pd.DataFrame:
        """See `dashboard.browse`; before edits."""
        return browse.table_of(self.dataset)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """{key: row}."""
        return {sample.key: place for place, sample in enumerate(self.dataset.samples)}

    @cached_property
    def specimens(self) -> Mapping[str, list[int]]:
        """{specimen: rows}."""
        found: dict[str, list[int]] = {}
        for place, sample in enumerate(self.dataset.samples):
            if sample.specimen:
                found.setdefault(f"{sample.class_name}\0{sample.specimen}", []).append(place)
        return found

    def fellows(self, sample: Sample) -> list[Sample]:
        """The other images of the sample's specimen, within its class."""
        rows = self.specimens.get(f"{sample.class_name}\0{sample.specimen}", [])
        return [self.dataset.samples[row] for row in rows if self.dataset.samples[row] != sample]


@dataclass(frozen=True, slots=True)
class View:
    """A data set as people left it, with what the doctor knows of it."""

    shelf: Shelf
    table: pd.DataFrame
    edits: tuple[Edit, ...]
    examination: Examination | None
    findings: Mapping[str, Finding]

    @property
    def dataset(self) -> Dataset:
        return self.shelf.dataset

    def sample(self, key: str) -> Sample:
        """The sample as it was brought in."""
        return self.dataset.samples[self.shelf.places[key]]


def names() -> list[str]:
    """Data sets whose folder is there; the demo last."""
    found = [one.name for one in catalogue.registered(workspace()) if one.path.is_dir()]
    return sorted(found, key=lambda name: name == DEMO)


def shelf(name: str) -> Shelf:
    """A registered data set as it was brought in.

    Raises:
        DataError: it cannot be opened.
    """
    return _shelf(str(workspace().root), name, _stamp(name))


def view(name: str) -> View:
    """See `View`.

    Raises:
        DataError: it cannot be opened.
    """
    root = str(workspace().root)
    return _view(root, name, _stamp(name), edit_stamp(name), examination_stamp())


def edits_of(name: str) -> list[Edit]:
    """The edits in force, oldest first."""
    return _edits(str(workspace().root), name, edit_stamp(name))


def examination(name: str) -> Examination | None:
    """The newest examination of a data set, without its facts; None when there is none."""
    return _summary(str(workspace().root), name, examination_stamp())


def edit_stamp(name: str) -> int:
    """Changes with every edit of this data set."""
    return edits_stamp(workspace(), name)


def examination_stamp() -> Stamp:
    """Changes with every examination, of whatever data set."""
    try:
        folder = workspace().root / "cache" / "doctor" / "last"
        return tuple(sorted(path.stat().st_mtime_ns for path in folder.iterdir()))
    except OSError:
        return ()


def _stamp(name: str) -> int:
    """Changes with what is registered under the name, and with the files there."""
    for entry in catalogue.registered(workspace()):
        if entry.name == name:
            try:
                held = folder_stamp(entry.path)
            except OSError:
                held = 0
            return hash((entry.path, entry.reader, entry.variant, held))
    return 0


@st.cache_resource(show_spinner="Opening the data set …", max_entries=3)
def _shelf(root: str, name: str, stamp: int) -> Shelf:
    return Shelf(catalogue.open_dataset(name, Workspace(Path(root)), edited=False), stamp)


@st.cache_resource(show_spinner=False, max_entries=3)
def _view(root: str, name: str, stamp: int, edited: int, examined: Stamp) -> View:
    held = _shelf(root, name, stamp)
    made = tuple(edits.of_dataset(Workspace(Path(root)), name))
    newest = _newest(Workspace(Path(root)), name)
    table = browse.with_facts(browse.edited(held.table, made), newest)
    known = None if newest is None else replace(newest, facts=pd.DataFrame())
    return View(held, table, made, known, browse.finding_ids(known))


@st.cache_resource(show_spinner=False, max_entries=64)
def _edits(root: str, name: str, edited: int) -> list[Edit]:
    return edits.of_dataset(Workspace(Path(root)), name)


@st.cache_resource(show_spinner=False, max_entries=64)
def _summary(root: str, name: str, examined: Stamp) -> Examination | None:
    newest = _newest(Workspace(Path(root)), name)
    return None if newest is None else replace(newest, facts=pd.DataFrame())


def _newest(place: Workspace, name: str) -> Examination | None:
    from core.data.doctor import examine

    found = [one for size in SIZES if (one := examine.last(place, name, size)) is not None]
    return max(found, key=lambda one: one.at, default=None)
