"""The command that lists a run's thresholds with what each of them finds and rejects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

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
    tables = Tables(_rows(run, RunDirectory.CASES), _held_out(run))
    classes = sorted({str(row["class_name"]) for row in tables.cases})
    if class_name is not None and class_name not in classes:
        raise UsageError(nearest("class of this run", class_name, classes))
    wanted = classes if class_name is None else [class_name]
    chosen = kept.chosen(place, run.run_id)
    rows = [one for name in wanted for one in _listed(tables, chosen, name, alpha)]
    if class_name is None and len(classes) > 1:
        rows += _listed(tables, chosen, kept.ALL_CLASSES, alpha)
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


def _held_out(run: RunDirectory) -> list[dict[str, Any]]:
    return [row for row in _rows(run, run.CURVES) if row["curve"] == "heldout_scores"]


class Tables(NamedTuple):
    """Rows of a run's cases and of the scores of its held-out normal images."""

    cases: list[dict[str, Any]]
    held: list[dict[str, Any]]


def _listed(
    tables: Tables, chosen: list[kept.Chosen], name: str, alpha: float
) -> list[dict[str, Any]]:
    """The thresholds of a class, or of all classes as one, each with its counts."""
    from core.metrics import conformal, operating

    cases, held_rows = (
        [row for row in rows if name in (kept.ALL_CLASSES, row["class_name"])] for rows in tables
    )
    cases = [row for row in cases if row["score"] is not None and math.isfinite(row["score"])]
    scores, labels = [row["score"] for row in cases], [row["label"] for row in cases]
    held = [row["x"] for row in held_rows if row["x"] is not None and math.isfinite(row["x"])]
    entries: list[dict[str, Any]] = []
    best = operating.best_f1_threshold(operating.operating_table(scores, labels))
    if best is not None:
        entries.append(_entry("oracle", best, note="best F1 on the test set"))
    promised = conformal.promise(held, alpha) if held else None
    if promised is not None:
        at = operating.operating_point(scores, labels, promised.threshold).false_alarm_rate
        real = conformal.realised(promised, at.hits, at.count)
        entries.append(
            _entry("held-out", promised.threshold, note=promised.note)
            | {
                "promised": promised.promised, "kept": promised.kept,
                "promised_interval": [promised.low, promised.high], "realised": at.value,
                "realised_interval": list(at.interval),
                "expected_alarms": [real.expected_low, real.expected_high],
                "verdict": real.verdict if at.count else None,
            }
        )  # fmt: skip
    active = kept.in_use(chosen, name)
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
