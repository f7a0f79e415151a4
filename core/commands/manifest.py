"""The command that writes any data set down as a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import console
from core.commands.base import AsJson, Folder, app
from core.workspace import Workspace


@app.command()
def manifest(
    data: Annotated[str, typer.Argument(help="a data set's name, or a folder")],
    out: Annotated[Path, typer.Option(help="the Parquet file to write")],
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Write down every image of a data set: class, split, label, masks, SHA-256 of each file."""
    from core.data import manifest as manifests
    from core.data.catalogue import hashes_of, open_dataset
    from core.errors import UsageError

    place = Workspace.locate(workspace)
    dataset = open_dataset(data, place)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise UsageError(f"--out came as {out}; expected a file in a folder that is there.")
    hashes = hashes_of(dataset, place)
    rows = [
        manifests.Row(
            sample, origin=sample.key, sha256=hashes.get(sample.key, ""),
            mask_sha256=tuple(hashes.get(mask, "") for mask in sample.masks),
        )
        for sample in dataset.samples
    ]  # fmt: skip
    manifests.write_to(out.absolute(), rows)
    found = {"name": dataset.name, "samples": len(rows), "out": str(out)}
    return console.answer(found, as_json, f"{len(rows):,} images of {dataset.name}: {out}")
