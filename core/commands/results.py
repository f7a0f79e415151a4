"""Commands that say what is stored."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from core import console, console_lists
from core.commands.base import AsJson, Folder, RunId, app
from core.workspace import Workspace


class Kind(StrEnum):
    """What `list` lists."""

    datasets = "datasets"
    methods = "methods"
    metrics = "metrics"
    backbones = "backbones"


@app.command(name="list")
def list_(kind: Kind, workspace: Folder = None, as_json: AsJson = False) -> int:
    """List data sets, methods, metrics or backbones."""
    return console_lists.listing(Workspace.locate(workspace), kind.value, as_json)


@app.command()
def runs(workspace: Folder = None, as_json: AsJson = False) -> int:
    """List the stored and queued runs."""
    return console.runs(Workspace.locate(workspace), as_json)


@app.command()
def show(
    run_id: RunId,
    everything: Annotated[
        bool, typer.Option("--all", help="every metric, with intervals and notes")
    ] = False,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Show one run: state, settings, metrics by class, exact and as ADer counts."""
    return console.show(Workspace.locate(workspace), run_id, as_json, everything)


@app.command()
def compare(first: RunId, second: RunId, workspace: Folder = None, as_json: AsJson = False) -> int:
    """Compare two runs on the same images: first minus second, with intervals and p-values."""
    return console.compare(Workspace.locate(workspace), first, second, as_json)


@app.command()
def index(workspace: Folder = None, as_json: AsJson = False) -> int:
    """Rebuild the store from the run directories."""
    from core.store import ingest

    count = ingest.index(Workspace.locate(workspace))
    return console.answer({"runs": count}, as_json, f"{count} runs indexed")
