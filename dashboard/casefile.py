"""The Inspect page's case: which one, what is before and after it, and its facts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from dashboard import findings, words
from dashboard.casework import Threshold
from dashboard.phrases import image_name
from dashboard.ranking import number

STRIP = 12
TOLD_APART = {"setting": "{}", "protocol": "{}", "size": "{} px", "seed": "seed {}"}
"""What may tell two runs of one method apart, and how a label says it."""
USUAL = ("unified", "benchmark")


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
    parts = [image_name(str(case["key"]), 0)]
    if width and height:
        parts.append(f"{width} × {height} px")
    if case["label"] == 1:
        parts.append(str(case["anomaly_type"]).replace("_", " "))
        if not case["has_mask"]:
            parts.append("no mask: the place of the flaw is unknown")
    else:
        parts.append("good")
    return " · ".join(parts)


def pane_facts(case: pd.Series, run: str, threshold: Threshold | None) -> list[tuple[str, str]]:
    """What one run says about the whole image, as short name and value."""
    told = [("image score", f"{float(case[f'score:{run}']):.4g}")]
    if threshold is not None:
        told.append((threshold.name, f"{threshold.value:.4g}"))
        margin = number(case[f"margin:{run}"])
        if margin is not None:
            side = "above" if margin >= 0 else "below"
            told.append((f"{side} it by", f"{abs(margin):.2g} normal spreads"))
    on_flaw = case[f"peak_in_truth:{run}"]
    if pd.notna(on_flaw):
        told.append((f"hottest on the {words.current().flaw}", "yes" if on_flaw else "no"))
    return told


def run_labels(runs: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, str]:
    """{run id: label} that tells runs of one list apart: method, and what differs.

    Where setting or protocol differ, only the less usual one is named.
    """
    labels: dict[str, str] = {}
    for method, same in runs.groupby("method", sort=False):
        title = titles.get(str(method), str(method))
        several = {name for name in TOLD_APART if same[name].nunique() > 1}
        columns = [same[name] for name in ("run_id", *TOLD_APART)]
        for run_id, *values in zip(*columns, strict=True):
            told = dict(zip(TOLD_APART, values, strict=True))
            parts = [
                TOLD_APART[name].format(value)
                for name, value in told.items()
                if name in several and value not in USUAL
            ]
            labels[str(run_id)] = ", ".join([title, *parts])
    labels = {str(run_id): labels[str(run_id)] for run_id in runs["run_id"]}
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
