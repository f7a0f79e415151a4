"""The command that repeats a published result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core import console
from core.commands.base import AsJson, Device, Folder, Pairs, Seed, Size, Weights, app
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.reproduction import Reproduction


@app.command()
def reproduce(
    data: Annotated[str, typer.Argument(help="a registered data set (mvtec_ad), or a folder")],
    method: Annotated[str, typer.Argument(help="a method's id; `list methods` shows them")],
    epochs: Annotated[int | None, typer.Option(help="100 or 300; default: 100")] = None,
    size: Size = None,
    seed: Seed = 0,
    device: Device = "auto",
    backbone: Annotated[str | None, typer.Option(help="default: the published one")] = None,
    weights: Weights = None,
    pairs: Pairs = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Run ADer's setting and print ours, the published value and the difference."""
    from core import console_tables, listing
    from core.jobs import queue
    from core.metrics.conventions import ADER
    from core.reproduction import reproduction
    from core.types import MEAN

    place = Workspace.locate(workspace)
    entry = listing.require_method(place, method)
    wanted = {
        "data": data, "method": method, "seed": seed, "device": device, "size": size,
        "epochs": None if entry["epochs"] is None else epochs or 100,
        "backbone": backbone or entry["backbone"], "weights": weights,
    }  # fmt: skip
    run = queue.submit(place, console.run_config(place, wanted, pairs or []))
    ended = console.follow(place, [run], False)
    if ended != 0:
        return console.answer(console.outcome(run), True, "") or ended if as_json else ended
    values = console_tables.metric_values(run, ADER).get(MEAN, {})
    found = reproduction(run.record(), entry, values)
    if as_json:
        return console.answer({"run_id": run.run_id, "method": method} | record(found), True, "")
    for line in words(found):
        console.out.print(line, highlight=False)
    return 0


def record(found: Reproduction) -> dict[str, Any]:
    """As plain data; differences in points."""
    row = found.row
    return {
        "published": None if row is None else {"dataset": row.dataset, "mark": row.source},
        "like_for_like": row is not None and not found.differs,
        "differs": list(found.differs),
        "no_target": row.no_target if row else "",
        "caution": row.caution if row else "",
        "metrics": {
            line.metric: {"ours": line.ours, "published": line.published,
                          "points": None if line.difference is None else 100 * line.difference}
            for line in found.lines
        },
    }  # fmt: skip


def words(found: Reproduction) -> list[Any]:
    """A table and what to know of it."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    row = found.row
    title = "No published row" if row is None else f"{row.title} on {row.dataset}, {row.source}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("metric, as ADer counts")
    for name in ("ours, %", "published, %", "points"):
        table.add_column(name, justify="right")
    for line in found.lines:
        cells = (line.ours, line.published)
        table.add_row(
            line.metric,
            *["-" if one is None else f"{100 * one:.1f}" for one in cells],
            "-" if line.difference is None else f"{100 * line.difference:+.1f}",
        )
    said: list[Any] = [table]
    if row and row.no_target:
        said.append(escape(f"This row cannot serve as a target: {row.no_target}."))
    elif row and row.caution:
        said.append(escape(f"Mind: {row.caution}."))
    said += [escape(f"Not as published: {sentence}") for sentence in found.differs]
    if row and not found.differs:
        said.append("The run was made as the published one was.")
    return said
