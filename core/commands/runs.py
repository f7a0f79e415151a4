"""Commands that make, stop and go on with runs."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from core import console
from core.commands.base import (
    AsJson,
    Backbone,
    Classes,
    Device,
    Folder,
    Pairs,
    Preset,
    RunId,
    Seed,
    Size,
    Weights,
    app,
    named,
)
from core.workspace import Workspace


@app.command()
def run(
    data: Annotated[str, typer.Option(help="a data set's name, or a folder")],
    method: Annotated[str, typer.Option(help="a method's id; `list methods` shows them")],
    classes: Classes = "",
    setting: Annotated[str, typer.Option(help="unified or separate")] = "unified",
    protocol: Annotated[str, typer.Option(help="benchmark or deployment")] = "benchmark",
    preset: Preset = "ader",
    size: Size = None,
    epochs: Annotated[int | None, typer.Option(help="default: the method's")] = None,
    batch_size: Annotated[int | None, typer.Option(help="default: the method's")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    backbone: Backbone = "auto",
    weights: Weights = None,
    pairs: Pairs = None,
    detach: Annotated[bool, typer.Option(help="queue it and return at once")] = False,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Train and evaluate one method on one data set."""
    from core.jobs import queue

    place = Workspace.locate(workspace)
    config = console.run_config(
        place,
        {
            "data": data,
            "method": method,
            "classes": named(classes),
            "setting": setting,
            "protocol": protocol,
            "preset": preset,
            "size": size,
            "epochs": epochs,
            "batch_size": batch_size,
            "seed": seed,
            "device": device,
            "backbone": backbone,
            "weights": weights,
        },
        pairs or [],
    )
    started = queue.submit(place, config)
    if detach:
        return console.answer(
            {"run_id": started.run_id, "state": "queued"}, as_json, started.run_id
        )
    return console.follow(place, [started], as_json)


@app.command()
def evaluate(
    truth: Annotated[str, typer.Option(help="a data set's name, or a folder")],
    maps: Annotated[Path, typer.Option(help="a folder of maps, or an .npy array of all")],
    scores: Annotated[
        Path | None, typer.Option(help="CSV with key,score; default: the maps' maxima")
    ] = None,
    name: Annotated[str | None, typer.Option(help="default: the name of the maps' folder")] = None,
    size: Annotated[
        int | None, typer.Option(help="side in pixels; default: the maps' if square, else 256")
    ] = None,
    classes: Classes = "",
    seed: Annotated[int, typer.Option(help="of the confidence intervals")] = 0,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Score anomaly maps made by any other tool, and store the result as a run."""
    from core.engine.external import evaluate as carry_out
    from core.engine.external_request import Request

    request = Request(
        truth=truth,
        maps=maps.expanduser(),
        scores=scores.expanduser() if scores else None,
        name=name,
        size=size,
        classes=named(classes),
        seed=seed,
    )
    place = Workspace.locate(workspace)
    with console.reporting("evaluate") as report:
        run = carry_out(place, request, report, console.note)
    return console.finished([run], as_json)


@app.command()
def demo(
    seed: Seed = 0,
    device: Device = "auto",
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Generate the demo data set, run three methods on it, print a table; needs no network."""
    from core import demo as demonstration

    place = Workspace.locate(workspace)
    return console.follow(place, demonstration.submit(place, seed, device), as_json)


@app.command()
def resume(run_id: RunId, workspace: Folder = None, as_json: AsJson = False) -> int:
    """Go on with a failed, killed or cancelled run from its last checkpoint."""
    from core.jobs import queue

    place = Workspace.locate(workspace)
    return console.follow(place, [queue.resume(place, console.full_id(place, run_id))], as_json)


@app.command()
def cancel(run_id: RunId, workspace: Folder = None, as_json: AsJson = False) -> int:
    """Stop a queued or running run; what it saved is kept."""
    from core.jobs import queue

    place = Workspace.locate(workspace)
    full = console.full_id(place, run_id)
    queue.cancel(place, full)
    return console.answer({"run_id": full, "state": "cancelling"}, as_json, f"cancelling {full}")


@app.command()
def estimate(
    data: Annotated[str, typer.Option()],
    method: Annotated[str, typer.Option()],
    classes: Classes = "",
    setting: Annotated[str, typer.Option()] = "unified",
    preset: Preset = "ader",
    size: Size = None,
    epochs: Annotated[int | None, typer.Option()] = None,
    batch_size: Annotated[int | None, typer.Option()] = None,
    device: Device = "auto",
    backbone: Backbone = "auto",
    weights: Weights = None,
    pairs: Pairs = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Say how long a run would take on this machine, from a short probe."""
    from core.engine.estimate import probe

    place = Workspace.locate(workspace)
    values = {
        "data": data, "method": method, "classes": named(classes), "setting": setting,
        "preset": preset, "size": size, "epochs": epochs, "batch_size": batch_size,
        "device": device, "backbone": backbone, "weights": weights,
    }  # fmt: skip
    found = probe(console.run_config(place, values, pairs or []), place)
    return console.answer(
        found, as_json, f"about {console.duration(found['seconds'])}: {found['basis']}"
    )


@app.command(hidden=True)
def work(run_id: str, workspace: Folder = None) -> int:
    """Carry out one queued run in this process; the supervisor calls this."""
    from core.engine.runner import execute
    from core.runs import RunDirectory

    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    place = Workspace.locate(workspace)
    state = execute(place, RunDirectory.open(place, run_id))
    return 0 if state == "succeeded" else 1
