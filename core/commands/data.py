"""Commands that register data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import console
from core.commands.base import AsJson, Folder, app
from core.workspace import Workspace


@app.command()
def add(
    folder: Path,
    name: Annotated[str | None, typer.Option(help="default: the folder's name")] = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Register a data set folder under a name."""
    from core.data.catalogue import add_dataset

    dataset = add_dataset(Workspace.locate(workspace), folder, name)
    found = {
        "name": dataset.name,
        "recognised": dataset.recognised,
        "classes": list(dataset.classes),
        "samples": len(dataset.samples),
        "problems": [problem.message for problem in dataset.problems],
    }
    return console.answer(found, as_json, f"{dataset.name}: {dataset.recognised}")
