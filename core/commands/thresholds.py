"""The command that lists a run's thresholds with what each of them finds and rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core import console
from core import thresholds as kept
from core.commands.base import AsJson, Folder, RunId, app
from core.errors import RunError, UsageError
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.runs import RunDirectory

TOGETHER = "all classes"


@app.command()
def thresholds(
    run_id: RunId,
    class_name: Annotated[
        str | None, typer.Option("--class", help="one class of the run; default: every class")
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="share of false alarms that held-out normals are asked to promise")
    ] = 0.05,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """List a run's thresholds (oracle, held out, chosen) with the counts at each of them."""
    from core.registry import nearest
    from core.runs import RunDirectory

    place = Workspace.locate(workspace)
    run = RunDirectory.open(place, run_id)
    if not 0 < alpha < 1:
        raise UsageError(
            f"--alpha came as {alpha}; expected a share between 0 and 1, such as 0.05."
        )
    if not run.has(RunDirectory.CASES):
        raise RunError(f"Run {run.run_id} has no scores yet; its state is {run.status().state}.")
    classes = sorted({str(row["class_name"]) for row in _rows(run, RunDirectory.CASES)})
    if class_name is not None and class_name not in classes:
        raise UsageError(nearest("class of this run", class_name, classes))
    wanted = classes if class_name is None else [class_name]
    rows = _of_classes(place, run, wanted, alpha)
    if class_name is None and len(classes) > 1:
        rows += _together(place, run, alpha)
    answer = {"run_id": run.run_id, "alpha": alpha, "thresholds": rows}
    if as_json:
        return console.answer(answer, True, "")
    console.out.print(_table(rows))
    console.out.print(
        "[dim]Oracle thresholds are chosen on these same test images: expect less in use.[/]",
        highlight=False,
    )
    return 0


def _rows(run: RunDirectory, file: str) -> list[dict[str, Any]]:
    return run.read_table(file).to_pylist() if run.has(file) else []


def _of_classes(
    place: Workspace, run: RunDirectory, classes: list[str], alpha: float
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in classes:
        found += _listed(place, run, name, [name], alpha)
    return found


def _together(place: Workspace, run: RunDirectory, alpha: float) -> list[dict[str, Any]]:
    names = sorted({str(row["class_name"]) for row in _rows(run, run.CASES)})
    return _listed(place, run, kept.ALL_CLASSES, names, alpha)


def _listed(
    place: Workspace, run: RunDirectory, name: str, classes: list[str], alpha: float
) -> list[dict[str, Any]]:
    """The thresholds of a class, or of all classes as one, each with its counts."""
    from core.metrics import conformal, operating

    mine = [row for row in _rows(run, run.CASES) if row["class_name"] in classes]
    mine = [row for row in mine if row["score"] is not None and abs(row["score"]) < float("inf")]
    scores, labels = [row["score"] for row in mine], [row["label"] for row in mine]
    held = [
        row["x"]
        for row in _rows(run, run.CURVES)
        if row["curve"] == "heldout_scores" and row["class_name"] in classes
    ]
    entries: list[dict[str, Any]] = []
    best = operating.best_f1_threshold(operating.operating_table(scores, labels))
    if best is not None:
        entries.append(_entry("oracle", best, note="best F1 on the test set"))
    promised = conformal.promise(held, alpha) if held else None
    if promised is not None:
        entries.append(
            _entry("held-out", promised.threshold, note=promised.note)
            | {"promised": promised.promised, "kept": promised.kept}
        )
    active = kept.in_use(kept.chosen(place, run.run_id), name)
    if active is not None:
        note = f"{active.name}, by {active.author}"
        note += ", an oracle threshold" if active.origin == "oracle" else ""
        entries.append(_entry("chosen", active.value, active.upper, note))
    return [
        {"class": name or TOGETHER}
        | entry
        | _counts(operating.operating_point(scores, labels, entry["value"], entry["upper"]))
        for entry in entries
    ]


def _entry(kind: str, value: float, upper: float | None = None, note: str = "") -> dict[str, Any]:
    return {"kind": kind, "value": value, "upper": upper, "note": note}


def _counts(point: Any) -> dict[str, int]:
    names = ("found", "found_again", "missed", "alarms", "alarms_again", "passed")
    return {name: getattr(point, name) for name in names}


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("class", "kind", "threshold", "found", "missed", "alarms", "passed", "note"):
        left = name in ("class", "kind", "note")
        table.add_column(
            name, justify="left" if left else "right", no_wrap=name in ("kind", "threshold"),
            overflow="fold",
        )  # fmt: skip
    said = ""
    for row in rows:
        named, said = "" if row["class"] == said else row["class"], row["class"]
        at = f"{row['value']:.5g}" + ("" if row["upper"] is None else f" to {row['upper']:.5g}")
        texts = [named, row["kind"], at]
        texts += [str(row[name]) for name in ("found", "missed", "alarms", "passed")]
        table.add_row(*map(escape, [*texts, _short(row)]))
    return table


def _short(row: dict[str, Any]) -> str:
    """What the table has room for; the JSON answer says it in full."""
    again = row["found_again"] + row["alarms_again"]
    if row["upper"] is not None:
        return f"{row['note']}; {again} looked at again"
    if row["kind"] == "held-out":
        rate = f"{100 * row['promised']:.3g} %"
        return f"promises {rate}" if row["kept"] else f"none below {rate}"
    return "" if row["kind"] == "oracle" else str(row["note"])
