"""The Inspect page's case: which one, what is before and after it, and its facts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from dashboard import findings
from dashboard.evidence import CaseLook, share_text
from dashboard.ranking import number

STRIP = 12
PEAK_TOLERANCE = 1e-3
"""Relative difference below which the map's peak is the score itself."""


class Place(NamedTuple):
    """Where a case stands in the sorted list; previous and next are None at the ends."""

    position: int
    total: int
    key: str
    previous: str | None
    next: str | None


def place(keys: Sequence[str], wanted: str | None) -> Place | None:
    """The place of `wanted`, or of the first case when it is not in the list."""
    if not keys:
        return None
    position = keys.index(wanted) if wanted in keys else 0
    return Place(
        position=position,
        total=len(keys),
        key=keys[position],
        previous=keys[position - 1] if position > 0 else None,
        next=keys[position + 1] if position + 1 < len(keys) else None,
    )


def page_of(position: int, count: int, size: int = STRIP) -> range:
    """The positions shown in the strip around a case: the page that holds it."""
    start = position // size * size
    return range(start, min(count, start + size))


def outcomes(case: pd.Series, labels: Mapping[str, str]) -> dict[str, str]:
    """{label of the run: its outcome} for one joined case."""
    return {label: str(case[f"outcome:{run}"]) for run, label in labels.items()}


def caption(case: pd.Series, width: int, height: int) -> str:
    """ "test/blowhole/004 · 353 × 247 px · blowhole"."""
    name = str(case["key"]).rsplit(".", 1)[0]
    parts = [name]
    if width and height:
        parts.append(f"{width} × {height} px")
    if case["label"] == 1:
        parts.append(str(case["anomaly_type"]).replace("_", " "))
        if not case["has_mask"]:
            parts.append("no mask: the place of the flaw is unknown")
    else:
        parts.append("good")
    return " · ".join(parts)


def facts(case: pd.Series, run: str, look: CaseLook, threshold: float | None) -> dict[str, str]:
    """What one run says about the case, as short label and value."""
    score = float(case[f"score:{run}"])
    told = {"score": f"{score:.4g}"}
    if threshold is not None:
        told["threshold"] = f"{threshold:.4g}"
    if abs(look.overlap.peak - score) > PEAK_TOLERANCE * abs(score):  # stored maps are float16
        told["peak"] = f"{look.overlap.peak:.4g}"
    told["that hot"] = share_text(look.share_hotter)
    if look.overlap.peak_on_defect is not None:
        told["peak on flaw"] = "yes" if look.overlap.peak_on_defect else "no"
    if look.overlap.iou is not None and look.levels:
        told["IoU"] = f"{look.overlap.iou:.2f}"
    return told


def region_rows(look: CaseLook, limit: int = 6) -> list[tuple[str, str, str]]:
    """(area, peak, covered) of the largest true regions, in words."""
    rows = []
    for region in look.overlap.regions[:limit]:
        covered = "–" if region.covered is None else f"{region.covered:.0%}"
        rows.append((f"{region.area_px} px", f"{region.peak:.4g}", covered))
    return rows


def run_labels(runs: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, str]:
    """{run id: label} that tells runs of one list apart: method, and what differs."""
    labels: dict[str, str] = {}
    for _, row in runs.iterrows():
        same = runs[runs["method"] == row["method"]]
        parts = [titles.get(str(row["method"]), str(row["method"]))]
        for name in ("setting", "protocol"):
            if same[name].nunique() > 1:
                parts.append(str(row[name]))
        if same["size"].nunique() > 1:
            parts.append(f"{row['size']} px")
        if same["seed"].nunique() > 1:
            parts.append(f"seed {row['seed']}")
        labels[str(row["run_id"])] = ", ".join(parts)
    said = list(labels.values())
    for run, label in list(labels.items()):
        if said.count(label) > 1:
            labels[run] = f"{label}, {run[:8]} {run[9:11]}:{run[11:13]} {run[-4:]}"
    return labels


def badge(outcome: Mapping[str, str]) -> tuple[str, str]:
    """The verdict in words, and its tone: "bad" when any run is wrong, "good", or "quiet"."""
    said = findings.verdict(outcome)
    if any(one in ("missed", "false alarm") for one in outcome.values()):
        return said, "bad"
    return said, "good" if "found" in outcome.values() else "quiet"


def short_score(case: pd.Series, run: str) -> str:
    """The image score in the strip."""
    score = number(case[f"score:{run}"])
    return "" if score is None else f"score {score:.4g}"
