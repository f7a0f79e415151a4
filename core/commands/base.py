"""What every command shares: the application they register with, and its common options.

A module of this package registers its commands with `@app.command()` and imports what is heavy
inside them; a new file is found without being named anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Seed = Annotated[int, typer.Option(help="of everything random")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<index>")]
Preset = Annotated[
    str, typer.Option(help="ader: for many classes; paper: as in the method's own paper")
]
Size = Annotated[int | None, typer.Option(help="side of the input, pixels; default: the preset's")]
Backbone = Annotated[str, typer.Option(help="a timm id; auto: the paper's, else packaged")]
Weights = Annotated[str | None, typer.Option(help="a weight file of the backbone")]
Pairs = Annotated[list[str] | None, typer.Option("--set", help="key=value, of the method")]
Classes = Annotated[str, typer.Option(help="comma-separated; empty: all")]


def named(classes: str) -> tuple[str, ...]:
    """The classes of `--classes`."""
    return tuple(name.strip() for name in classes.split(",") if name.strip())
