"""A run's tables as CSV or Parquet, and its cases as pictures, in a ZIP that appears when whole."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
FORMULA = tuple("=+-@\t\r")
"""What a spreadsheet takes for a formula at the beginning of a text."""
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
    """A table as Parquet, or as CSV: lists as text, and an apostrophe before a text that a
    spreadsheet would take for a formula."""
    out = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, out)
        return out.getvalue()
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            text = [None if v is None else " ".join(map(str, v)) for v in table[place].to_pylist()]
            table = table.set_column(place, field.name, pa.array(text, pa.string()))
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            text = [harmless(v) for v in table[place].to_pylist()]
            table = table.set_column(place, field.name, pa.array(text, pa.string()))
    arrow_csv.write_csv(table, out)
    return out.getvalue()


def harmless(value: Any) -> Any:
    """The value, with an apostrophe before a text that a spreadsheet would run."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def overlays(
    workspace: Workspace,
    run: RunDirectory,
    out: Path,
    class_name: str | None = None,
    only: Sequence[str] = (),
    report: Report = lambda share, message: None,
) -> int:
    """Every case as <class>/<outcome>/<name>.webp, a legend and index.csv; the number of pictures.

    Pictures are written as they are drawn, a few at a time, so memory stays small.

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
            for n, (case, picture, note) in enumerate(_drawn(pictures, chosen), start=1):
                name = _name(case)
                archive.writestr(name, picture)
                rows.append([name, case.key, case.class_name, case.anomaly_type, case.score,
                             case.threshold, case.outcome, note])  # fmt: skip
                report(n / len(chosen), f"picture {n} of {len(chosen)}")
            archive.writestr("index.csv", _index(rows))

    write_atomically(out, write)
    return len(chosen)


def _drawn(pictures: Pictures, cases: Sequence[Case]) -> Iterator[tuple[Case, bytes, str]]:
    """Each case with its encoded picture and note, in order; drawn by several threads, a few ahead.

    Pillow and numpy let go of the interpreter while they work, so the threads run side by side.
    """

    def draw(case: Case) -> tuple[Case, bytes, str]:
        shown = pictures.of(case, LONGEST)
        return case, _picture(shown.overlay or shown.plain, "WEBP"), shown.note

    waiting: deque[Future[tuple[Case, bytes, str]]] = deque()
    with ThreadPoolExecutor(threads := min(8, os.cpu_count() or 1)) as pool:
        try:
            for case in cases:
                waiting.append(pool.submit(draw, case))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def _name(case: Case) -> str:
    stem = "_".join(Path(case.key).with_suffix("").parts[-2:])
    name = f"{case.row:05d}_{_below(stem)}.webp"
    return f"{_below(case.class_name)}/{case.outcome.replace(' ', '-')}/{name}"


def _below(name: str) -> str:
    """A name that stays in its folder wherever the archive is unpacked."""
    kept = "".join(c if c.isalnum() or c in " -_." else "_" for c in name)
    return kept.lstrip(".").rstrip(". ") or "_"


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
    writer.writerows([harmless(value) for value in row] for row in rows)
    return text.getvalue()
