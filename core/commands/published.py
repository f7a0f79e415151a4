"""The command that lists published results."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core import console
from core.commands.base import AsJson, app
from core.errors import UsageError


@app.command()
def published(
    data: Annotated[
        str | None, typer.Option(help='a data set as printed ("MVTec AD"); default: all')
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List the results ADer published, checked row by row; they follow its own counting."""
    from rich.markup import escape

    from core.reference import ader

    rows = ader.published()
    if data is not None:
        rows = tuple(row for row in rows if row.dataset == _named(data))
    odd = sum(not row.consistent for row in rows)
    if as_json:
        answer = {"source": {"citation": ader.CITATION, "home": ader.HOME, "convention": "ader"},
                  "rows": [_record(row) for row in rows], "inconsistent": odd}  # fmt: skip
        return console.answer(answer, True, "")
    for name, epochs in dict.fromkeys((row.dataset, row.epochs) for row in rows):
        mine = [row for row in rows if (row.dataset, row.epochs) == (name, epochs)]
        console.out.print(_table(f"{name}, {epochs} epochs, published by ADer", mine))
    notes = {f"{row.title}: {row.no_target}" for row in rows if row.no_target}
    if notes:
        console.out.print("* cannot serve as a target:")
        for note in sorted(notes):
            console.out.print(f"  {escape(note)}", highlight=False)
    words = f"{len(rows)} published rows; in {odd} mAD is not the mean of its parts (marked !)"
    console.out.print(words, highlight=False)
    console.out.print(f"[dim]{escape(ader.CITATION)}. Percent, as ADer counts.[/]", highlight=False)
    return 0


def _named(data: str) -> str:
    """The printed name of a data set.

    Raises:
        UsageError: there is none; names all.
    """
    from core.reference import ader

    wanted = "".join(filter(str.isalnum, data.lower()))
    for one in ader.BENCHMARKS:
        if wanted in one.names or wanted == "".join(filter(str.isalnum, one.title.lower())):
            return one.title
    raise UsageError(
        f"--data came as {data!r}; there are published rows for {', '.join(ader.datasets())}."
    )


def _record(row: Any) -> dict[str, Any]:
    return {
        "dataset": row.dataset, "epochs": row.epochs, "method": row.method, "title": row.title,
        "venue": row.venue, "metrics": dict(row.values),
        "mean_of_parts": round(row.mean_of_parts, 6), "consistent": row.consistent,
        "target": not row.no_target, "reason": row.no_target, "caution": row.caution,
    }  # fmt: skip


def _table(title: str, rows: list[Any]) -> Any:
    """Methods down, the nine metrics across; fits 80 columns."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("method", no_wrap=True)
    for metric in rows[0].values:
        level, _, short = metric.rpartition("_")
        table.add_column(f"{level}\n{short}", justify="right", no_wrap=True)
    for row in rows:
        values = [f"{100 * value:.1f}" for value in row.values.values()]
        values[-1] += "" if row.consistent else "!"
        table.add_row(row.title + (" *" if row.no_target else ""), *values)
    return table
