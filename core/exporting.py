"""A run's tables as CSV or Parquet, and its cases as pictures, in a ZIP that appears when whole."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, get_args

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from PIL import Image

from core import overlays as drawn
from core.errors import UsageError
from core.judging import Case, Outcome, judged, points
from core.pictures import Pictures
from core.runs import RunDirectory
from core.workspace import Workspace, write_atomically

TABLES = (
    RunDirectory.METRICS, RunDirectory.CURVES, RunDirectory.REGIONS, RunDirectory.SUMMARIES,
    RunDirectory.SAMPLES,
)  # fmt: skip
FORMATS = ("csv", "parquet")
LONGEST = 1024
Report = Callable[[float, str], None]


def tables(workspace: Workspace, run: RunDirectory, out: Path, kind: str = "csv") -> int:
    """Every table of a run, cases with outcome and threshold; the number of files.

    Raises:
        UsageError: `kind` is not one of FORMATS.
        RunError: the run has no results (yet).
    """
    if kind not in FORMATS:
        raise UsageError(f"--tables came as {kind!r}; choose one of {', '.join(FORMATS)}.")
    found = {"cases": cases_table(workspace, run)}
    for name in TABLES:
        if run.has(name):
            found[Path(name).stem] = run.read_table(name)

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, table in found.items():
                archive.writestr(f"{name}.{kind}", encoded(table, kind))
            archive.write(run.path / RunDirectory.CONFIG, RunDirectory.CONFIG)

    write_atomically(out, write)
    return len(found) + 1


def cases_table(workspace: Workspace, run: RunDirectory) -> pa.Table:
    """cases.parquet with the threshold of each case's class and what it makes of it."""
    table = run.read_table(RunDirectory.CASES)
    judgements = judged(run, points(workspace, run))
    table = table.append_column("threshold", pa.array([c.threshold for c in judgements]))
    return table.append_column("outcome", pa.array([c.outcome for c in judgements]))


def encoded(table: pa.Table, kind: str) -> bytes:
    """A table as CSV (lists as text) or Parquet."""
    out = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, out)
        return out.getvalue()
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            text = [None if v is None else " ".join(map(str, v)) for v in table[place].to_pylist()]
            table = table.set_column(place, field.name, pa.array(text, pa.string()))
    arrow_csv.write_csv(table, out)
    return out.getvalue()


def overlays(
    workspace: Workspace,
    run: RunDirectory,
    out: Path,
    class_name: str | None = None,
    only: Sequence[str] = (),
    report: Report = lambda share, message: None,
) -> int:
    """Every case as <class>/<outcome>/<name>.webp, a legend and index.csv; the number of pictures.

    Pictures are drawn and written one after another, so memory stays small.

    Args:
        only: outcomes; () for all.

    Raises:
        UsageError: no such class or outcome.
        RunError: the run has no results (yet).
    """
    outcomes = get_args(Outcome)
    if odd := sorted(set(only) - set(outcomes)):
        raise UsageError(f"--only came as {odd[0]!r}; choose from {', '.join(outcomes)}.")
    cases = judged(run, points(workspace, run))
    classes = sorted({case.class_name for case in cases})
    if class_name is not None and class_name not in classes:
        raise UsageError(f"--class came as {class_name!r}; choose from {', '.join(classes)}.")
    chosen = [
        case
        for case in cases
        if class_name in (None, case.class_name) and (not only or case.outcome in only)
    ]
    pictures = Pictures(workspace, run)

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("legend.png", _picture(drawn.legend(), "PNG"))
            rows = []
            for n, case in enumerate(chosen):
                shown = pictures.of(case, LONGEST)
                name = _name(case)
                archive.writestr(name, _picture(shown.overlay or shown.plain, "WEBP"))
                rows.append([name, case.key, case.class_name, case.anomaly_type, case.score,
                             case.threshold, case.outcome, shown.note])  # fmt: skip
                report((n + 1) / len(chosen), f"picture {n + 1} of {len(chosen)}")
            archive.writestr("index.csv", _index(rows))

    write_atomically(out, write)
    return len(chosen)


def _name(case: Case) -> str:
    stem = "_".join(Path(case.key).with_suffix("").parts[-2:])
    return f"{case.class_name}/{case.outcome.replace(' ', '-')}/{case.row:05d}_{stem}.webp"


def _picture(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 85, "method": 2} if kind == "WEBP" else {}))
    return buffer.getvalue()


def _index(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ["file", "key", "class_name", "anomaly_type", "score", "threshold", "outcome", "note"]
    )
    writer.writerows(rows)
    return text.getvalue()
