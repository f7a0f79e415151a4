"""Where new images of a class are split into normal and anomalous, and in which band people look
again: what a trial is judged by."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from core import thresholds
from core.runs import RunDirectory
from core.workspace import Workspace

Verdict: TypeAlias = Literal["anomalous", "review", "normal"]
CUTS = {
    "image_threshold_heldout": "held-out threshold",
    "image_f1max_threshold": "oracle threshold",
}
"""A run's own thresholds, the better kind first; see `core.metrics.thresholds`."""


class Cut(BaseModel):
    """Where images were split when the trial was made; see `core.metrics.thresholds`.

    Attributes:
        value: an image is called anomalous when its score is >= this.
        name: where it comes from ("held-out threshold"; an oracle one says so).
        low, high: scores between which people look again; None: no such band.
    """

    model_config = ConfigDict(frozen=True)

    value: float
    name: str
    low: float | None = None
    high: float | None = None

    def verdict(self, score: float) -> Verdict:
        """What a score is called."""
        if self.near(score):
            return "review"
        return "anomalous" if score >= self.value else "normal"

    def near(self, score: float) -> bool:
        """Whether the score lies in the band in which people look again."""
        return self.low is not None and self.high is not None and self.low <= score < self.high


def cut_of(workspace: Workspace, run: RunDirectory, class_name: str) -> Cut | None:
    """The threshold a class is judged by: one that people chose, else from held-out normals, else
    the oracle one; None: there is none.

    Raises:
        RunError: the run has no metrics (yet).
    """
    chosen = thresholds.in_use(thresholds.chosen(workspace, run.run_id), class_name)
    if chosen is not None:
        oracle = " (oracle)" if chosen.origin == "oracle" else ""
        name = f"chosen threshold “{chosen.name}”{oracle}"
        low = None if chosen.upper is None else chosen.value
        return Cut(value=chosen.value, name=name, low=low, high=chosen.upper)
    found: dict[str, float] = {}
    for row in run.read_table(RunDirectory.METRICS).to_pylist():
        whole = row["class_name"] == class_name and not row.get("anomaly_type")
        if whole and row["value"] is not None:
            found[row["metric"]] = float(row["value"])
    for metric, name in CUTS.items():
        if metric in found:
            return Cut(value=found[metric], name=name)
    return None
