"""The two ways of counting, in the words of the pages; every table says which one it follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from core.metrics.ader import ADER_NOTES
from core.metrics.base import Metric
from core.metrics.conventions import ADER, EXACT, TITLES, Convention
from dashboard import ranking
from dashboard.findings import listed, plain
from dashboard.state import pick

MISSING = {
    EXACT: "not computed",
    ADER: "stored before this counting was kept; run it again",
}
"""Why a run has no row of a metric."""

RANK_HELP = {
    EXACT: ranking.RANK_HELP,
    ADER: "Ranks come from intervals, and this counting has none.",
}

NOTHING = (
    "**None of these runs has values as ADer counts**: they were stored before this counting was "
    "kept. Count exactly, or run them again."
)

_CAPTIONS = {
    EXACT: "Counted exactly, at every possible threshold.",
    ADER: "As ADer counts, to stand beside its published rows; it has no intervals.",
}


def choose() -> Convention:
    """The picker of the filters row, kept in the URL as `counting`."""
    words = {str(way): title for way, title in TITLES.items()}
    return ADER if pick("counting", list(words), label="Counting", words=words) == ADER else EXACT


def caption(convention: Convention) -> str:
    """One line that says how a table counts; `conventions.HELP` belongs beside it."""
    return _CAPTIONS[convention]


def missing_masks(metrics: pd.DataFrame, classes: Sequence[str]) -> str:
    """Why pixel and region metrics are missing, in a sentence; "" where none is for want of masks.

    Args:
        metrics: rows of runs, with their notes.
        classes: those that are shown.
    """
    none = metrics[(metrics["metric"] == "pixel_auroc") & metrics["value"].isna()]
    without = none[none["note"].fillna("").str.contains("mask")]
    names = [name for name in classes if name in set(without["class_name"])]
    if not names:
        return ""
    of = "" if len(names) == len(classes) else f" of {listed([plain(name) for name in names])}"
    return (
        f"No anomalous image{of} has a mask, so whole images are judged and not pixels: pixel and "
        "region metrics are left empty."
    )


def titled(title: str, convention: Convention) -> str:
    """ "Image AUROC", or "Image AUROC as ADer counts"."""
    return title if convention == EXACT else f"{title} {TITLES[convention]}"


def helps(metrics: Collection[Metric], convention: Convention) -> dict[str, str]:
    """{title: what the metric says, and by ADer's counting how far it can be off}."""
    notes = ADER_NOTES if convention == ADER else {}
    return {
        metric.title: " ".join(filter(None, (metric.summary, notes.get(metric.id))))
        for metric in metrics
    }


def without(labels: Sequence[str]) -> str:
    """What to say of entries that have no value by the chosen counting; "" when all have."""
    if not labels:
        return ""
    verb, it = ("was", "it") if len(labels) == 1 else ("were", "them")
    names = listed([plain(label) for label in labels])
    return f"{names} {verb} stored before values as ADer counts were kept; run {it} again for them."
