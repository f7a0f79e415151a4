"""Commands that try a run on new images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core import console
from core.commands.base import AsJson, Device, Folder, RunId, app
from core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from core.cuts import Cut
    from core.trials import Trial

NICENESS = 10


@app.command(name="try")
def try_(
    run_id: RunId,
    paths: Annotated[
        list[Path],
        typer.Argument(help="images, folders of images, ZIP archives", metavar="PATH..."),
    ],
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="which class the images show; default: the only one"),
    ] = None,
    device: Device = "auto",
    out: Annotated[
        Path | None, typer.Option(help="folder for results.csv and the heat maps (maps.npy)")
    ] = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Show a trained run new images: score and verdict of each."""
    from core.cuts import cut_of
    from core.engine import reload
    from core.engine import trial as engine
    from core.runs import RunDirectory
    from core.trials import Draft

    place = Workspace.locate(workspace)
    run = RunDirectory.open(place, run_id)
    loaded = reload.load(place, run.run_id, device)
    name = class_name or (loaded.classes[0] if len(loaded.classes) == 1 else None)
    loaded.model(name)
    draft = Draft(place, loaded.config.size)
    try:
        for path in paths:
            draft.intake.path(path.expanduser())
    except BaseException:
        draft.abandon()
        raise
    cut = cut_of(place, run, name) if name else None
    trial = draft.finish(run.run_id, name, "command line", cut=cut)
    for sentence in trial.request().left_out:
        console.note(sentence)
    with console.reporting("try") as report:
        engine.carry_out(
            loaded, trial, lambda done, total: report(done / total, f"{done} of {total} images")
        )
    results = trial.results()
    if out is not None:
        _export(trial, results, out.expanduser())
    if as_json:
        return console.answer(_record(trial, results, cut), True, "")
    print(_words(results, cut, name, engine.milliseconds(results)))
    return 0


@app.command(name="try-worker", hidden=True)
def try_worker(
    run_id: str,
    idle: Annotated[float, typer.Option(help="seconds without a request until it ends")] = 300.0,
    workspace: Folder = None,
) -> int:
    """Keep a run's model ready and answer requests on standard input; the dashboard starts it."""
    import logging
    import os
    import sys

    os.nice(NICENESS)
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    from core.engine.trial_worker import serve

    return serve(Workspace.locate(workspace), run_id, 0, answers, idle)


COLUMNS = ("name", "score", "threshold", "verdict", "class_name", "seconds", "error")


def _record(trial: Trial, results: pa.Table, cut: Cut | None) -> dict[str, Any]:
    return {
        "trial_id": trial.id,
        "run_id": trial.request().run_id,
        "state": trial.status().state,
        "threshold": cut.model_dump() if cut else None,
        "left_out": list(trial.request().left_out),
        "note": trial.status().note,
        "images": results.select(COLUMNS).to_pylist(),
    }


def _words(results: pa.Table, cut: Cut | None, name: str | None, each: float | None) -> str:
    lines = []
    for row in results.to_pylist():
        said = row["error"] or f"{row['verdict']:<11}{row['score']:>12.5g}  {row['name']}"
        lines.append(said)
    judged = [row["verdict"] for row in results.to_pylist() if row["score"] is not None]
    if cut is not None:
        high = judged.count("anomalous")
        lines.append(
            f"{high} of {len(judged)} anomalous at the {cut.name} {cut.value:.5g} of {name}"
        )
    else:
        lines.append("no threshold is known, so nothing is judged; name a class with --class")
    if each is not None:
        lines.append(f"{each:.0f} ms an image")
    return "\n".join(lines)


def _export(trial: Trial, results: pa.Table, out: Path) -> None:
    import shutil

    import pyarrow.csv as csv

    from core.errors import UsageError

    try:
        out.mkdir(parents=True, exist_ok=True)
        csv.write_csv(results.select(COLUMNS), out / "results.csv")
        shutil.copyfile(trial.path / trial.MAPS, out / trial.MAPS)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written ({error.strerror or error}).") from None
