"""A run's cases as pictures: the photograph, and the same with heat and outlines on it.

The photograph comes from the data set; when its file is gone, the copy the run worked on takes its
place, stretched back to the photograph's aspect, and `note` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core import overlays
from core.data import prepared, thumbnails
from core.data.images import decode
from core.data.layout import inside
from core.errors import FlawscopeError
from core.judging import Case
from core.overlays import Mask, Tail
from core.runs import RunDirectory
from core.types import MEAN
from core.workspace import Workspace

LIKELY_ALARM = 1e-3
"""Share of normal pixels at which a map is outlined where no threshold is known."""
BLANK = (44, 50, 58)


@dataclass(frozen=True, slots=True)
class Level:
    """A map value at which pixels are outlined, and where it comes from."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Pictured:
    """One case to look at.

    Attributes:
        plain, overlay: of one size, RGB; overlay None when the run has no maps.
        note: what is missing, one sentence; "" when nothing is.
    """

    plain: Image.Image
    overlay: Image.Image | None
    note: str


class Pictures:
    """The pictures of one run; tables and maps are opened once.

    Args:
        run: one that ended well.
    """

    def __init__(self, workspace: Workspace, run: RunDirectory) -> None:
        record = run.record()
        self._workspace, self._size = workspace, record.config.size
        self.root = Path(str((record.resolved.get("dataset") or {}).get("root", "")))
        self._samples = _samples(run)
        self._maps: Any = run.maps() if run.has(RunDirectory.MAPS) else None
        self._tails, self._levels = _tails(run), _levels(run)

    def level(self, class_name: str) -> Level | None:
        """Where the maps of a class are outlined."""
        known = self._levels.get(class_name)
        if known is not None:
            return Level("the best pixel F1 (oracle threshold)", known)
        reached = [value for value, share in self.tail(class_name) if share <= LIKELY_ALARM]
        return Level("1 in 1,000 normal pixels", min(reached)) if reached else None

    def tail(self, class_name: str) -> Tail:
        """Calibration of a class; that of all classes when it has none of its own."""
        return self._tails.get(class_name) or self._tails.get(MEAN) or []

    def photo(self, case: Case, longest: int) -> tuple[Image.Image, str]:
        """The photograph, its longest side `longest` px, and what is to be said of it."""
        sample = self._samples.get(case.key, {})
        aspect = (sample.get("width") or 1) / (sample.get("height") or 1)
        try:
            image = decode(inside(self.root, case.key), case.key).image.convert("RGB")
            return image.resize(_fitted(*image.size, longest), Image.Resampling.LANCZOS), ""
        except FlawscopeError:
            pass
        size = _fitted(round(1000 * aspect), 1000, longest)
        held = prepared.recall(self.root, case.key, self._size, self._workspace)
        if held is None:
            return Image.new("RGB", size, BLANK), "The photograph is gone; the heat map is kept."
        image = Image.fromarray(np.moveaxis(held, 0, -1))
        note = f"The photograph is gone; this is the {self._size} px copy the run worked on."
        return image.resize(size, Image.Resampling.BICUBIC), note

    def truth(self, case: Case, size: tuple[int, int]) -> Mask | None:
        """True pixels [height, width]; all False for a normal case, None where unknown."""
        if case.label == 0:
            return np.zeros((size[1], size[0]), bool)
        masks = self._samples.get(case.key, {}).get("masks") or ()
        if not masks or not case.has_mask:
            return None
        try:
            paths = [inside(self.root, str(mask)) for mask in masks]
            image = inside(self.root, case.key)
            return thumbnails.mask_picture(paths, size, image if image.exists() else None)
        except (FlawscopeError, OSError):
            return None

    def of(self, case: Case, longest: int = 512) -> Pictured:
        """The case to look at, its longest side `longest` px."""
        plain, note = self.photo(case, longest)
        if self._maps is None or case.row >= len(self._maps):
            return Pictured(plain, None, note or "The run keeps no heat maps.")
        truth = self.truth(case, plain.size)
        if truth is None and case.has_mask and not note:
            note = "The mask is gone; lines show what is above the threshold."
        if not self.tail(case.class_name):
            note = note or "The run keeps no calibration, so no heat is drawn."
        level = self.level(case.class_name)
        drawn = overlays.overlay(
            plain, self._maps[case.row], truth, level.value if level else None,
            self.tail(case.class_name),
        )  # fmt: skip
        return Pictured(plain, drawn, note)


def _fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    scale = longest / max(width, height, 1)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _samples(run: RunDirectory) -> dict[str, dict[str, Any]]:
    if not run.has(RunDirectory.SAMPLES):
        return {}
    return {row["key"]: row for row in run.read_table(RunDirectory.SAMPLES).to_pylist()}


def _tails(run: RunDirectory) -> dict[str, list[tuple[float, float]]]:
    """{class or "mean": [(map value, share of normal pixels that high or higher)]}."""
    found: dict[str, list[tuple[float, float]]] = {}
    if run.has(RunDirectory.CURVES):
        for row in run.read_table(RunDirectory.CURVES).to_pylist():
            if row["curve"] == "normal_tail":
                found.setdefault(row["class_name"], []).append((row["x"], row["y"]))
    return {name: sorted(points) for name, points in found.items()}


def _levels(run: RunDirectory) -> dict[str, float]:
    return {
        row["class_name"]: float(row["value"])
        for row in run.read_table(RunDirectory.METRICS).to_pylist()
        if row["metric"] == "pixel_f1max_threshold" and row["value"] is not None
    }
