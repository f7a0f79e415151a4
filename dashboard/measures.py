"""What the Run page says beyond the nine metrics: further measures by level, and kinds of flaw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.metrics.base import AT_ORACLE, Metric
from core.types import MEAN
from dashboard import boards
from dashboard.boards import Cell

LEVELS = {
    "image": "Images", "pixel": "Pixels", "region": "Regions", "object": "Objects",
    "summary": "Summaries",
}  # fmt: skip
OF_KIND = ("image_auroc", "pixel_aupro")
"""What is shown of each kind of flaw beside how many of it are found."""
NO_THRESHOLD = "no threshold to judge by"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure as people read it.

    Attributes:
        summary: what it says, in a sentence.
        definition: how it is computed, for a hover text.
        oracle: whether it looks at a threshold that was chosen on the test set.
        remark: what else holds for this value alone, or why it is missing.
        cell: value with unit, interval below.
    """

    title: str
    summary: str
    definition: str
    oracle: bool
    remark: str
    lower_is_better: bool
    cell: Cell


def measures(rows: pd.DataFrame, class_name: str, metrics: Sequence[Metric]) -> list[Measure]:
    """The measures a class (or the mean) has a row of, in the order of `metrics`.

    Args:
        rows: exact metric rows of one run.
    """
    mine = boards.by_place(rows[rows["class_name"] == class_name], "metric")
    found = []
    for metric in metrics:
        row = mine.get((metric.id,))
        if row is None:
            continue
        notes = _parts(row["note"])
        if class_name == MEAN:
            notes += shared_notes(rows, metric.id)
        found.append(
            Measure(
                title=metric.title,
                summary=metric.summary,
                definition=f"{metric.definition} {metric.source}.",
                oracle=AT_ORACLE in notes,
                remark="; ".join(note for note in notes if note != AT_ORACLE),
                lower_is_better=metric.higher_is_better is False,
                cell=value_cell(row, metric.unit),
            )
        )
    return found


def value_cell(row: pd.Series, unit: str) -> Cell:
    """Value and interval with their unit; the bound, if any, on hover.

    Args:
        row: of `boards.by_place`; its note is left out, it stands beside the measure.
    """
    pixels = unit == "pixels"
    row = row.copy()
    row["note"] = ""
    cell = boards.metric_cell(row, digits=0 if pixels else 3)
    if not pixels or cell.text == "–":
        return cell
    return Cell(f"{cell.text} px", f"{cell.below} px" if cell.below else "", cell.help)


def shared_notes(rows: pd.DataFrame, metric: str) -> list[str]:
    """What the notes of all classes with a value say alike: it holds for their mean, too."""
    mine = rows[(rows["metric"] == metric) & (rows["class_name"] != MEAN) & rows["value"].notna()]
    notes = [_parts(note) for note in mine["note"]]
    return [part for part in notes[0] if all(part in one for one in notes)] if notes else []


def _parts(note: object) -> list[str]:
    return [part for part in note.split("; ") if part] if isinstance(note, str) else []


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of flaw of a class: found and missed, then a cell for each of `OF_KIND`."""

    class_name: str
    anomaly_type: str
    found: Cell
    share: Cell
    cells: tuple[Cell, ...]


def kinds(found: pd.DataFrame, rows: pd.DataFrame) -> list[Kind]:
    """Kinds of flaw, the least found first.

    Args:
        found: of `casework.by_type`; kinds without a threshold are not in it.
        rows: exact metric rows of single anomaly types; may be empty.
    """
    keys = ["class_name", "anomaly_type"]
    both = pd.concat([found[keys], rows[keys]]).drop_duplicates()
    table = both.merge(found, on=keys, how="left").sort_values(
        ["share", "cases", *keys], ascending=[True, False, True, True], kind="stable"
    )
    by_place = boards.by_place(rows, *keys, "metric")
    listed = []
    for _, row in table.iterrows():
        name, kind = str(row["class_name"]), str(row["anomaly_type"])
        cells = [boards.metric_cell(by_place.get((name, kind, metric))) for metric in OF_KIND]
        if pd.isna(row["cases"]):
            listed.append(Kind(name, kind, Cell("–"), Cell("–", "", NO_THRESHOLD), tuple(cells)))
            continue
        count = Cell(f"{row['found']:.0f} of {row['cases']:.0f}")
        share = Cell(f"{row['share']:.0%}", f"{row['low']:.0%} to {row['high']:.0%}")
        listed.append(Kind(name, kind, count, share, tuple(cells)))
    return listed
