"""What the registries hold, as plain data, without importing torch.

The dashboard and the queue need method cards and the schema of their settings; importing the
methods costs seconds and hundreds of megabytes, so a child process describes them once and the
answer is kept in the workspace until a source file of `core` changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.config import EXTERNAL, RunConfig
from core.errors import FlawscopeError, UnknownId, UsageError
from core.registry import nearest
from core.workspace import Workspace, write_json

HERE = Path(__file__).parent
Listing = list[dict[str, Any]]


def describe_methods() -> Listing:
    """Cards and settings of every method; imports torch."""
    from core.methods.base import METHODS, Method

    return [
        {
            "id": id,
            **asdict(kind.card),
            "trains_on": kind.trains_on,
            "learns": kind.learns,
            "backbone": kind.backbone,
            "levels": list(kind.levels),
            "blocks": list(kind.blocks),
            "epochs": kind.epochs if kind.learns == "gradient" else None,
            "batch_size": kind.batch_size,
            "rule": asdict(kind.rule),
            "settings": kind.Config.model_json_schema(),
            "paper_preset": asdict(kind.paper),
            "checks": any("check" in base.__dict__ for base in kind.__mro__ if base is not Method),
            "published": _published(id),
        }
        for id, kind in METHODS.items()
    ]


def _published(id: str) -> dict[str, Any]:
    """What ADer printed of the method: its rows, each with its source, and what they are worth."""
    from core.reference import ader

    return {
        "source": ader.CITATION,
        "no_target": ader.NO_TARGET.get(id, ""),
        "caution": ader.CAUTION.get(id, ""),
        "rows": [
            {"dataset": row.dataset, "mark": row.source, "epochs": row.epochs, "size": ader.SIZE,
             "convention": "ader", "metrics": dict(row.values)}
            for row in ader.published() if row.method == id
        ],
    }  # fmt: skip


def defaults(entry: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """The schema of a method's settings with the defaults of a preset."""
    schema: dict[str, Any] = json.loads(json.dumps(entry["settings"]))
    if preset == "paper":
        for name, value in entry["paper_preset"]["settings"].items():
            schema["properties"][name]["default"] = value
    return schema


def usual_size(entry: Mapping[str, Any], preset: str) -> int:
    """The side of images when none was asked for: the paper's in its preset, else 256."""
    usual: int = RunConfig.model_fields["size"].default
    return (entry["paper_preset"]["size"] if preset == "paper" else None) or usual


def methods(workspace: Workspace) -> Listing:
    """`describe_methods` from the workspace's copy, made anew when the sources changed."""
    kept = workspace.root / "cache" / f"methods-{version()}.json"
    if kept.exists():
        listing: Listing = json.loads(kept.read_text())
        return listing
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    child = subprocess.run(
        [sys.executable, "-m", "core", "list", "methods", "--json"],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    if child.returncode != 0:
        raise FlawscopeError(f"The methods cannot be listed: {child.stderr.strip()[-300:]}")
    listing = json.loads(child.stdout.splitlines()[-1])["methods"]
    write_json(kept, listing)
    return listing


def require_method(workspace: Workspace, id: str) -> dict[str, Any]:
    """The description of one method.

    Raises:
        UnknownId: there is none of that id; names the nearest.
    """
    if id == EXTERNAL:
        raise UnknownId(f"{id!r} is no method to train; `evaluate` scores maps made elsewhere.")
    found = {entry["id"]: entry for entry in methods(workspace)}
    if id not in found:
        raise UnknownId(nearest("method", id, found))
    return found[id]


def check_settings(workspace: Workspace, method: str, settings: dict[str, Any]) -> None:
    """Refuse settings the method does not know or cannot take, before a run is made.

    Raises:
        UnknownId, UsageError: one sentence.
    """
    entry = require_method(workspace, method)
    known = entry["settings"].get("properties", {})
    for name in settings:
        if name not in known:
            raise UsageError(
                f"method {method} has no setting {name!r}; known: {', '.join(known) or 'none'}."
            )
    if settings or entry["checks"]:
        from core.config import parse
        from core.methods.base import METHODS

        kind = METHODS.get(method)
        kind.check(parse(kind.Config, settings, f"method {method}"))


def version() -> str:
    """Changes whenever a source file of core does."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(HERE.rglob("*.py")):
        digest.update(f"{path.relative_to(HERE)}:{path.stat().st_mtime_ns};".encode())
    return digest.hexdigest()[:16]
