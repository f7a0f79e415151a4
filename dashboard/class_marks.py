"""Operating thresholds of a class: what they are called, and where they lie on its curves."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from core.metrics.cases import Recall, recall
from dashboard import results
from dashboard.casework import Threshold
from dashboard.results import Source

CURVES = {"roc": "ROC", "pr": "PR", "pro": "PRO", "froc": "FROC"}
LEVEL = {"roc": "image", "pr": "image", "pro": "pixel", "froc": "pixel"}


NEEDS = {"roc": "image_auroc", "pr": "image_ap", "pro": "pixel_aupro", "froc": "pixel_aupro"}
"""A class without a value of this metric cannot have the curve."""


def known(metrics: pd.DataFrame, name: str) -> list[str]:
    """The kinds of curve that some run can have of a class.

    Args:
        metrics: exact rows.
    """
    mine = metrics[(metrics["class_name"] == name) & metrics["value"].notna()]
    stored = set(mine["metric"])
    return [kind for kind, metric in NEEDS.items() if metric in stored]


class Mark(NamedTuple):
    """A threshold on a curve: where it lies, what it is called."""

    run_id: str
    x: float
    y: float
    threshold: float
    name: str


def thresholds(metrics: pd.DataFrame, run_id: str, name: str, level: str) -> dict[str, float]:
    """{what it is called: threshold} of a class, the held-out one first.

    Args:
        metrics: exact rows.
        level: "image" or "pixel".
    """
    mine = metrics[(metrics["run_id"] == run_id) & (metrics["class_name"] == name)]
    mine = mine[mine["value"].notna()]
    found = {}
    for metric, word in (
        (f"{level}_threshold_heldout", "held-out threshold"),
        (f"{level}_f1max_threshold", "oracle threshold"),
    ):
        for value in mine.loc[mine["metric"] == metric, "value"]:
            found[word] = float(value)
    return found


def chosen_threshold(source: Source, run_id: str, name: str) -> dict[str, float]:
    """{what it is called: image threshold} that people chose for a class and use; {} of none."""
    one = results.thresholds(source, run_id).get(name)
    return {one.name: one.value} if one is not None and one.chosen else {}


def used(source: Source, run_id: str, name: str | None) -> str:
    """ "oracle", "held-out", "chosen": what a run's images are judged by.

    Args:
        name: of which class; None: of all, which may be several kinds.
    """
    at = results.thresholds(source, run_id)
    kinds = {kind for each in at if name in (None, each) for kind in _kinds(at[each])}
    return ", ".join(sorted(kinds)) or "no threshold"


def _kinds(one: Threshold) -> set[str]:
    return {one.kind} | ({"oracle"} if one.oracle else set())


def mark_on(curve: pd.DataFrame, run_id: str, threshold: float, name: str) -> Mark | None:
    """Where a threshold lies on a curve: its last kept point at or above it; None without one.

    Args:
        curve: points of one line, x, y, position, threshold; a point holds when values >= its
            threshold are called anomalous.
    """
    at = curve[curve["threshold"] >= threshold].sort_values("position")
    if at.empty:
        return None
    last = at.iloc[-1]
    return Mark(run_id, float(last["x"]), float(last["y"]), threshold, name)


def image_mark(judged: pd.DataFrame, kind: str, run_id: str, threshold: float, name: str) -> Mark:
    """The same for images, counted: on ROC (false alarms, found) or PR (found, right alarms).

    Args:
        judged: cases of one class, with both labels.
        kind: "roc" or "pr".
    """
    high, bad = judged["score"] >= threshold, judged["label"] == 1
    hits, alarms = int((high & bad).sum()), int((high & ~bad).sum())
    found = hits / max(1, int(bad.sum()))
    if kind == "roc":
        return Mark(run_id, alarms / max(1, int((~bad).sum())), found, threshold, name)
    right = hits / (hits + alarms) if hits + alarms else 1.0
    return Mark(run_id, found, right, threshold, name)


def at_threshold(judged: pd.DataFrame, threshold: float) -> tuple[Recall | None, Recall | None]:
    """Anomalous images found and normal ones flagged, each with Wilson's interval; None of none."""
    high, bad = judged["score"] >= threshold, judged["label"] == 1
    counted = []
    for of in (bad, ~bad):
        counted.append(recall(int((high & of).sum()), int(of.sum())) if of.any() else None)
    return counted[0], counted[1]
