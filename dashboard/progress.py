"""How a run's state reads: phases, time left, losses; pure functions of statuses and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from core.config import RunConfig
from core.console import duration
from core.runs import Status

PHASES = {
    "waiting": "waiting",
    "starting": "starting",
    "prepare": "preparing pictures",
    "train": "training",
    "predict": "scoring test pictures",
    "evaluate": "measuring",
    "done": "done",
}
STATES = {
    "queued": "waiting",
    "running": "running",
    "succeeded": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def phase(status: Status) -> str:
    """The phase in plain words."""
    return PHASES.get(status.phase, status.phase)


def line(status: Status, place: int | None = None) -> str:
    """Phase, detail, rate and time left: what a person waits for."""
    if status.state == "queued":
        if place is None:
            return "starting"
        return "next in line" if place == 1 else f"number {place} in line"
    if status.state != "running":
        seconds = status.facts.get("seconds")
        took = f" in {duration(seconds)}" if seconds else ""
        return f"{STATES[status.state]}{took}"
    parts = [phase(status), status.message, status.rate or ""]
    if status.eta_seconds is not None:
        parts.append(f"{duration(status.eta_seconds)} left")
    return " · ".join(part for part in parts if part)


def share(status: Status) -> float:
    """Progress between 0 and 1, whatever the file says."""
    value = 1.0 if status.state == "succeeded" else status.progress
    return min(max(value, 0.0), 1.0) if value == value else 0.0


def facts(config: RunConfig) -> str:
    """What sets a run apart, on one line."""
    parts = [config.setting, config.protocol, f"{config.size} px", f"seed {config.seed}"]
    if config.epochs:
        parts.append(f"{config.epochs} epochs")
    if config.classes:
        parts.append(f"{len(config.classes)} class{'es' * (len(config.classes) != 1)}")
    return " · ".join(parts)


def ago(stamp: str | None, now: datetime | None = None) -> str:
    """ "just now", "5 min ago", "2 h ago", "3 days ago" from an ISO time; "" when unknown."""
    try:
        then = datetime.fromisoformat(stamp or "")
    except ValueError:
        return ""
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.0f} h ago"
    return f"{seconds / 86400:.0f} days ago"


def losses(events: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of (model, epoch, loss, value) from epoch events; a repeated epoch counts once."""
    rows = [
        {"model": event["model"], "epoch": event["epoch"], "loss": name, "value": value}
        for event in events
        if event.get("kind") == "epoch"
        for name, value in event.get("losses", {}).items()
    ]
    frame = pd.DataFrame(rows, columns=["model", "epoch", "loss", "value"])
    return frame.drop_duplicates(["model", "epoch", "loss"], keep="last").reset_index(drop=True)


def phases_spent(events: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """{phase in plain words: seconds}, in order of first completion."""
    spent: dict[str, float] = {}
    for event in events:
        if event.get("kind") == "phase_done":
            name = PHASES.get(event["phase"], event["phase"])
            spent[name] = spent.get(name, 0.0) + float(event["seconds"])
    return spent
