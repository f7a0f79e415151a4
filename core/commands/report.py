"""Commands that take results away: a report, tables, pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from core import console
from core.commands.base import AsJson, Folder, RunId, app
from core.vocabulary import VOCABULARIES
from core.workspace import Workspace, write_json

Words = StrEnum("Words", {id: id for id in VOCABULARIES})  # type: ignore[misc]
"""Whose words the report uses."""

Aside: TypeAlias = Annotated[
    Path | None, typer.Option("--progress", hidden=True, help="a file that says how far it is")
]


def _noted(told: Callable[[float, str], None], aside: Path | None) -> Callable[[float, str], None]:
    """`told`, that also keeps {"share", "words"} in a file for whoever watches; twice a second."""
    last = float("-inf")

    def note(share: float, words: str) -> None:
        nonlocal last
        told(share, words)
        if aside is not None and time.monotonic() - last > 0.5:
            last = time.monotonic()
            write_json(aside, {"share": share, "words": words})

    return note


@app.command()
def report(
    run_ids: Annotated[list[str], typer.Argument(help="one to four runs", metavar="RUN...")],
    out: Annotated[Path, typer.Option(help="the HTML file to write")],
    words: Annotated[Words, typer.Option(help="whose words")] = Words("general"),
    worst: Annotated[int, typer.Option(min=0, max=50, help="worst cases a class")] = 6,
    progress: Aside = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Write one self-contained HTML report of a run, or of several on the same images."""
    from core.report.gather import gather
    from core.report.write import write

    place, target = Workspace.locate(workspace), out.expanduser().resolve()
    with console.reporting("report") as told:
        told = _noted(told, progress)
        gathered = gather(place, run_ids, worst, told)
        write(place, gathered, VOCABULARIES[words.value], target, told)
    size = target.stat().st_size
    found = {"file": str(target), "bytes": size, "runs": [p.run.run_id for p in gathered.parts]}
    return console.answer(found, as_json, f"{target}: {size / 1e6:.1f} MB")


@app.command()
def export(
    run_id: RunId,
    out: Annotated[Path, typer.Option(help="the ZIP file to write")],
    tables: Annotated[str, typer.Option(help="csv or parquet")] = "csv",
    overlays: Annotated[
        bool, typer.Option("--overlays", help="every case as a picture with heat and outlines")
    ] = False,
    class_name: Annotated[str | None, typer.Option("--class", help="only this class")] = None,
    only: Annotated[
        str, typer.Option(help="comma-separated: found, missed, false alarm, passed; empty: all")
    ] = "",
    progress: Aside = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Write the tables of a run, or its cases as pictures, into a ZIP."""
    from core import exporting
    from core.runs import RunDirectory

    place, target = Workspace.locate(workspace), out.expanduser().resolve()
    run = RunDirectory.open(place, run_id)
    wanted = tuple(part.strip().replace("-", " ") for part in only.split(",") if part.strip())
    with console.reporting("export") as told:
        if overlays:
            told = _noted(told, progress)
            count = exporting.overlays(place, run, target, class_name, wanted, told)
        else:
            count = exporting.tables(place, run, target, tables)
    found = {"run_id": run.run_id, "file": str(target), "bytes": target.stat().st_size}
    found["members"] = count
    return console.answer(found, as_json, f"{target}: {count} files")
