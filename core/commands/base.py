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
