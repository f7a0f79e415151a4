"""`list datasets | methods | metrics | backbones`."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from core import listing as registry_listing
from core.console import answer, out
from core.data.catalogue import registered
from core.data.known import known
from core.workspace import Workspace


def listing(workspace: Workspace, kind: str, as_json: bool) -> int:
    """`list <kind>`."""
    rows = _LISTS[kind](workspace)
    cards = known() if kind == "datasets" else []
    if as_json:
        return answer({kind: rows} | ({"known": cards} if cards else {}), True, "")
    _show(kind, rows)
    if cards:
        _show("published data sets that are recognised", [one for one in cards if one["published"]])
    return 0


def _show(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    names = [
        name
        for name in (
            "id", "name", "title", "level", "unit", "venue", "year", "family", "summary", "here",
        )
        if rows and name in rows[0]
    ]  # fmt: skip
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*[str(row[name]) for name in names])
    out.print(table)


def _datasets(workspace: Workspace) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "path": str(entry.path),
            "reader": entry.reader,
            "summary": str(entry.path),
        }
        for entry in registered(workspace)
    ]


def _methods(workspace: Workspace) -> list[dict[str, Any]]:
    return registry_listing.describe_methods()


def _metrics(workspace: Workspace) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from core.metrics.base import ordered

    return [asdict(metric) for metric in ordered()]


def _backbones(workspace: Workspace) -> list[dict[str, Any]]:
    from core.backbones.weights import NO_BACKBONE, PACKAGED, whereabouts

    tags = {PACKAGED, *(entry["backbone"] for entry in registry_listing.methods(workspace))}
    tags.discard(NO_BACKBONE)
    return [
        {"id": tag, "here": whereabouts(tag, workspace) or "no: fetched from the hub when used"}
        for tag in sorted(tags)
    ]


_LISTS = {"datasets": _datasets, "methods": _methods, "metrics": _metrics, "backbones": _backbones}
