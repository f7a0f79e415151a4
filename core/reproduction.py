"""A run beside the published row it repeats: same setting, same counting, value by value.

Only what ADer counted can be compared: its convention, images of 256 px, 100 or 300 epochs, one
model for all classes, the paper's backbone with its weights. Anything else is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.reference import ader
from core.reference.ader import Published
from core.runs import Record


@dataclass(frozen=True, slots=True)
class Line:
    """One metric, as shares of 1; None where it is unknown or nothing is published."""

    metric: str
    ours: float | None
    published: float | None

    @property
    def difference(self) -> float | None:
        """Ours minus published."""
        if self.ours is None or self.published is None:
            return None
        return self.ours - self.published


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A run and its published row.

    Attributes:
        row: the published row; None when ADer has none.
        lines: the nine metrics.
        differs: what of the run is not as published, a sentence each; () when it is like for like.
    """

    row: Published | None
    lines: tuple[Line, ...]
    differs: tuple[str, ...]


def reproduction(
    record: Record, entry: Mapping[str, Any], values: Mapping[str, float | None]
) -> Reproduction:
    """Put a finished run beside the row it repeats.

    Args:
        entry: the method's description, as `core.listing` gives it.
        values: metric id -> the run's mean over classes, as ADer counts.
    """
    config, resolved = record.config, record.resolved
    data = resolved.get("dataset", {})
    names = [str(data.get("name", config.data)), Path(str(data.get("root", ""))).name]
    found = ader.match(names, [str(one) for one in data.get("classes", ())])
    epochs = resolved.get("epochs")
    row = published_row(found.dataset, config.method, epochs)
    differs = [] if found.dataset else [f"Nothing is published: {found.reason}."]
    if found.dataset and row is None:
        differs.append(f"ADer published no row of this method on {found.dataset}.")
    differs += deviations(record, entry)
    published = row.values if row else {}
    lines = (Line(id, values.get(id), published.get(id)) for id in ader.COLUMNS.values())
    return Reproduction(row, tuple(lines), tuple(differs))


def published_row(dataset: str, method: str, epochs: int | None) -> Published | None:
    """The row of those epochs, else the nearest there is; that of 100 for a memory bank."""
    rows = [row for row in ader.published() if (row.dataset, row.method) == (dataset, method)]
    return min(rows, key=lambda row: abs(row.epochs - (epochs or 100)), default=None)


def deviations(record: Record, entry: Mapping[str, Any]) -> list[str]:
    """What of a run's own settings is not as ADer's runs were."""
    config, resolved = record.config, record.resolved
    epochs, weights = resolved.get("epochs"), resolved.get("weights", {})
    usual = {name: field.get("default") for name, field in
             entry["settings"].get("properties", {}).items()}  # fmt: skip
    changed = [
        f"{name} {value}"
        for name, value in resolved.get("method_config", {}).items()
        if value != usual.get(name, value)
    ]
    checks = (
        (config.setting != "unified", "One model a class was trained, not one for all."),
        (config.protocol != "benchmark", "Part of the normal images was held out."),
        (config.size != ader.SIZE, f"Images had {config.size} px, published are {ader.SIZE}."),
        (
            epochs is not None and epochs not in (100, 300),
            f"Trained for {epochs} epochs; published are 100 and 300.",
        ),
        (
            resolved.get("batch_size") != entry["batch_size"],
            f"Batches held {resolved.get('batch_size')} images, ADer's {entry['batch_size']}.",
        ),
        (
            resolved.get("backbone") != entry["backbone"],
            f"The backbone is {resolved.get('backbone')}, ADer's {entry['backbone']}.",
        ),
        (weights.get("pretrained") is False, "The backbone is not pretrained."),
        (bool(changed), f"Settings were changed: {', '.join(changed)}."),
    )
    return [sentence for wrong, sentence in checks if wrong]
