"""Where new images of a class are split into normal and anomalous, and in which band people look
again: what a trial is judged by."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from core.judging import points
from core.runs import RunDirectory
from core.workspace import Workspace

Verdict: TypeAlias = Literal["anomalous", "review", "normal"]


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
    at = points(workspace, run).get(class_name)
    if at is None:
        return None
    low = None if at.upper is None else at.value
    return Cut(value=at.value, name=at.name, low=low, high=at.upper)
