"""`python -m core <command>`: every command with --help; --json prints one object, last line.

Exit status 0 done, 1 failed, 2 wrong arguments. Errors are one sentence on standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from core import console, console_lists
from core.errors import FlawscopeError
from core.workspace import Workspace

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, evaluate and compare visual anomaly-detection methods.",
)

Folder = Annotated[
    Path | None,
    typer.Option("--workspace", help="default: $FLAWSCOPE_WORKSPACE, else ./workspace"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object as the last line")]
RunId = Annotated[str, typer.Argument(help="a run id, or the beginning of one")]


WrongArguments: Any = typer.BadParameter.__base__
"""What typer raises for any wrong argument; it has no public name of its own."""


class Kind(StrEnum):
    """What `list` lists."""

    datasets = "datasets"
    methods = "methods"
    metrics = "metrics"
    backbones = "backbones"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        result = app(args=given, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except WrongArguments as error:
        return _fail(error.format_message(), 2, given)
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _fail("Interrupted.", 1, given)
    except FlawscopeError as error:
        return _fail(str(error), error.exit_status, given)


def _fail(sentence: str, status: int, given: list[str]) -> int:
    if "--json" in given:
        print(json.dumps({"error": sentence}))
    print(sentence, file=sys.stderr)
    return status


@app.command()
def run(
    data: Annotated[str, typer.Option(help="a data set's name, or a folder")],
    method: Annotated[str, typer.Option(help="a method's id; `list methods` shows them")],
    classes: Annotated[str, typer.Option(help="comma-separated; empty: all")] = "",
    setting: Annotated[str, typer.Option(help="unified or separate")] = "unified",
    protocol: Annotated[str, typer.Option(help="benchmark or deployment")] = "benchmark",
    size: Annotated[int, typer.Option(help="side of the input, pixels")] = 256,
    epochs: Annotated[int | None, typer.Option(help="default: the method's")] = None,
    batch_size: Annotated[int | None, typer.Option(help="default: the method's")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<index>")] = "auto",
    backbone: Annotated[
        str, typer.Option(help="a timm id; auto: the paper's, else packaged")
    ] = "auto",
    weights: Annotated[str | None, typer.Option(help="a weight file of the backbone")] = None,
    set: Annotated[
        list[str] | None, typer.Option(help="key=value, a setting of the method")
    ] = None,
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
            "classes": tuple(name.strip() for name in classes.split(",") if name.strip()),
            "setting": setting,
            "protocol": protocol,
            "size": size,
            "epochs": epochs,
            "batch_size": batch_size,
            "seed": seed,
            "device": device,
            "backbone": backbone,
            "weights": weights,
        },
        set or [],
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
    classes: Annotated[str, typer.Option(help="comma-separated; empty: all")] = "",
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
        classes=tuple(part.strip() for part in classes.split(",") if part.strip()),
        seed=seed,
    )
    place = Workspace.locate(workspace)
    with console.reporting("evaluate") as report:
        run = carry_out(place, request, report, console.note)
    return console.finished([run], as_json)


@app.command()
def demo(
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option()] = "auto",
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Generate the demo data set, run three methods on it, print a table; needs no network."""
    from core import demo as demonstration

    place = Workspace.locate(workspace)
    return console.follow(place, demonstration.submit(place, seed, device), as_json)


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


@app.command()
def estimate(
    data: Annotated[str, typer.Option()],
    method: Annotated[str, typer.Option()],
    classes: Annotated[str, typer.Option(help="comma-separated; empty: all")] = "",
    setting: Annotated[str, typer.Option()] = "unified",
    size: Annotated[int, typer.Option()] = 256,
    epochs: Annotated[int | None, typer.Option()] = None,
    batch_size: Annotated[int | None, typer.Option()] = None,
    device: Annotated[str, typer.Option()] = "auto",
    set: Annotated[
        list[str] | None, typer.Option(help="key=value, a setting of the method")
    ] = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Say how long a run would take on this machine, from a short probe."""
    from core.engine.estimate import probe

    place = Workspace.locate(workspace)
    values = {"data": data, "method": method, "setting": setting, "size": size}
    values["classes"] = tuple(name.strip() for name in classes.split(",") if name.strip())
    values |= {"epochs": epochs, "batch_size": batch_size, "device": device}
    found = probe(console.run_config(place, values, set or []), place)
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
