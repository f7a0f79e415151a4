"""Commands that examine a data set before anything is trained on it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from core import console
from core.commands.base import AsJson, Folder, app, named
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.base import Dataset
    from core.data.doctor.base import Examination, Finding
    from core.forecast import Preparation, Training

SHOWN = 3
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


@app.command()
def doctor(
    data: Annotated[str, typer.Argument(help="a data set's name, or a folder")],
    size: Annotated[int, typer.Option(help="side a run would use, pixels")] = 256,
    methods: Annotated[
        str, typer.Option(help="comma-separated; also predict their time and memory")
    ] = "",
    exclude: Annotated[
        str, typer.Option(help="comma-separated checks: exclude the images they propose to")
    ] = "",
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Say what is wrong or doubtful in a data set, and what it would cost to train on it."""
    from core import forecast
    from core.config import SIZES
    from core.data.catalogue import open_dataset
    from core.data.doctor.examine import examine
    from core.errors import UsageError

    if not SIZES[0] <= size <= SIZES[1]:
        raise UsageError(f"--size came as {size}; expected {SIZES[0]} to {SIZES[1]}.")
    place = Workspace.locate(workspace)
    dataset = open_dataset(data, place)
    with console.reporting("doctor") as report:
        examination = examine(dataset, place, size, report)
    cost = forecast.preparation(dataset, size, place)
    trainings: tuple[Training, ...] = ()
    if wanted := named(methods):
        with console.reporting("probes") as report:
            trainings = forecast.training(dataset, wanted, place, size=size, tell=report)
    excluded = _exclude(place, dataset, examination, named(exclude)) if exclude else {}
    if as_json:
        return console.answer(_plain(dataset, examination, cost, trainings, excluded), True, "")
    _print(dataset, examination, cost, trainings)
    for check, number in excluded.items():
        console.note(f"{number} images excluded for {check}; Data sets can undo it.")
    return 0


@app.command(hidden=True)
def probe(config: str, workspace: Folder = None) -> int:
    """Time two batches of a run in this process and print one JSON object; `forecast` calls it."""
    from core.config import RunConfig, parse
    from core.engine.estimate import probe as measure

    place = Workspace.locate(workspace)
    asked: RunConfig = parse(RunConfig, json.loads(config), "run")
    return console.answer(measure(asked, place, prepare_all=False), True, "")


def _exclude(
    place: Workspace, dataset: Dataset, examination: Examination, checks: tuple[str, ...]
) -> dict[str, int]:
    """Exclude what findings of these checks propose; how many images for each.

    Raises:
        UsageError: no such check, or the data set has no name to keep edits under.
    """
    from core.data import edits
    from core.data.catalogue import registered
    from core.data.doctor.base import CHECKS
    from core.errors import UsageError

    for check in checks:
        CHECKS.get(check)
    if dataset.name not in [one.name for one in registered(place) if one.path == dataset.root]:
        raise UsageError(
            f"{dataset.name} is not registered, so exclusions cannot be kept; register the folder "
            "with `python -m core add` first."
        )
    done: dict[str, int] = dict.fromkeys(checks, 0)
    for found in examination.findings:
        if found.check in done and found.action == "exclude":
            edits.make(
                place, "", dataset.name, found.fix_keys, "exclude", reason=f"doctor: {found.title}"
            )
            done[found.check] += len(found.fix_keys)
    return done


def _print(
    dataset: Dataset, examination: Examination, cost: Preparation, trainings: tuple[Training, ...]
) -> None:
    out = console.out
    out.print(f"[bold]{escape(dataset.name)}[/]: {escape(dataset.recognised)}", highlight=False)
    for problem in dataset.problems:
        out.print(f"[{STYLES[problem.severity]}]reading[/]  {escape(problem.message)}")
    for sentence in examination.differences:
        out.print(f"[yellow]counts[/]  {escape(sentence)}", highlight=False)
    if examination.findings:
        out.print(_table(examination.findings))
    else:
        out.print("Nothing found: every check passed.")
    images = len(dataset.samples)
    took = console.duration(examination.seconds)
    out.print(f"[dim]{images:,} images examined for {examination.size} px in {took}.[/]")
    out.print(f"Preparing them: {cost.words()}", highlight=False)
    for one in trainings:
        out.print(f"Training {one.method}: {one.words()}", highlight=False)


def _table(findings: tuple[Finding, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("severity", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("found", ratio=3, overflow="fold")
    table.add_column("what to do", ratio=2, overflow="fold")
    for found in findings:
        words = [found.title + "."]
        if found.keys:
            more = f" and {found.count - SHOWN:,} more" if found.count > SHOWN else ""
            words.append(f"Such as {', '.join(found.keys[:SHOWN])}{more}.")
        words.append(found.detail)
        severity = f"[{STYLES[found.severity]}]{found.severity}[/]"
        table.add_row(severity, found.check, escape("\n".join(words)), escape(found.remedy))
    return table


def _plain(
    dataset: Dataset,
    examination: Examination,
    cost: Preparation,
    trainings: tuple[Training, ...],
    excluded: dict[str, int],
) -> dict[str, Any]:
    """Everything, as JSON can hold it."""
    return {
        "dataset": dataset.name,
        "recognised": dataset.recognised,
        "images": len(dataset.samples),
        "size": examination.size,
        "seconds": examination.seconds,
        "fingerprint": examination.fingerprint,
        "findings": [asdict(found) | {"count": found.count} for found in examination.findings],
        "differences": list(examination.differences),
        "problems": [asdict(problem) for problem in dataset.problems],
        "preparation": asdict(cost),
        "training": [asdict(one) for one in trainings],
        "excluded": excluded,
    }
