"""Commands that let others check a run: pack what it claims, and verify it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core import console
from core.commands.base import AsJson, Device, Folder, RunId, app
from core.workspace import Workspace


@app.command()
def capsule(
    run_id: RunId,
    out: Annotated[Path, typer.Option(help="the ZIP file to write")],
    with_model: Annotated[
        bool, typer.Option("--with-model", help="carry the checkpoint, so that it verifies alone")
    ] = False,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Pack what a run claims (config, scores, thresholds, hashes) into one file."""
    from core.capsule.archive import open_capsule
    from core.capsule.making import gone, make
    from core.runs import RunDirectory

    place = Workspace.locate(workspace)
    run = RunDirectory.open(place, run_id)
    target = out.expanduser().resolve()
    with console.reporting("capsule") as report:
        manifest = make(place, run, target, with_model, report)
    images, size = open_capsule(target).images(), target.stat().st_size
    lost = gone(images)
    found = {
        "run_id": run.run_id, "file": str(target), "bytes": size,
        "members": len(manifest.members), "images": len(images), "gone": lost,
        "with_model": with_model,
    }  # fmt: skip
    words = f"{target}: {size / 1e6:.2f} MB, hashes of {len(images)} test images"
    words += f"; {lost} images or masks are gone, so they have none" if lost else ""
    return console.answer(found, as_json, words)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="a capsule", metavar="CAPSULE")],
    data: Annotated[Path | None, typer.Option(help="where the data set lies now")] = None,
    sample: Annotated[int, typer.Option(help="test images to score again")] = 20,
    seed: Annotated[
        int | None, typer.Option(help="of the sample; default: drawn, and told at the end")
    ] = None,
    device: Device = "auto",
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Check a capsule against the data: hashes, numbers, and a random sample scored again."""
    from core.engine.verify import verify as carry_out

    place = Workspace.locate(workspace)
    root = data.expanduser().resolve() if data else None
    with console.reporting("verify") as report:
        found = carry_out(file.expanduser(), place, root, sample, seed, device, report)
    words = "\n".join(f"{check.state:<12} {check.what}: {check.said}" for check in found.checks)
    value = {
        "run_id": found.run_id, "verified": found.good, "verdict": found.verdict,
        "seed": found.seed, "images": found.images,
        "largest_difference": found.largest_difference,
        "checks": [asdict(check) for check in found.checks],
    }  # fmt: skip
    console.answer(value, as_json, f"{words}\n{found.verdict}")
    return 0 if found.good else 1
