"""Commands that leave images out of a data set, move them, and take that back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from core import console
from core.commands.base import AsJson, Folder, app
from core.errors import UsageError
from core.workspace import Workspace

Name = Annotated[str, typer.Argument(help="a registered data set")]
Keys = Annotated[list[str], typer.Argument(help="keys of images, or @FILE with one key a line")]
Reason = Annotated[str, typer.Option(help="why, for whoever looks later")]


@app.command()
def exclude(
    name: Name, keys: Keys, reason: Reason = "", workspace: Folder = None, as_json: AsJson = False
) -> int:
    """Leave images out of a data set; files stay as they are."""
    return _edit(Workspace.locate(workspace), name, keys, reason, None, as_json)


@app.command()
def move(
    name: Name,
    keys: Keys,
    to: Annotated[str, typer.Option(help="train, test or calibration")],
    reason: Reason = "",
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Move images of a data set to another split; files stay as they are."""
    return _edit(Workspace.locate(workspace), name, keys, reason, to, as_json)


@app.command()
def undo(
    name: Name,
    group: Annotated[str, typer.Argument(help="id of an edit, as `edits` lists it")],
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Take back what `exclude` or `move` did."""
    from core.data import edits
    from core.data.catalogue import login

    place = Workspace.locate(workspace)
    _require_name(place, name)
    mine = next((e for e in edits.of_dataset(place, name) if e.group == group), None)
    if mine is None:
        raise UsageError(f"{name} has no edit {group!r}, or it was taken back already.")
    edits.undo(place, login(), group)
    found = {"dataset": name, "group": group, "images": len(mine.keys)}
    return console.answer(
        found, as_json, f"Taken back: {_said(mine.action, mine.split, mine.keys)}"
    )


@app.command("edits")
def list_edits(name: Name, workspace: Folder = None, as_json: AsJson = False) -> int:
    """List which images were excluded or moved, by whom and why."""
    from core.data import edits

    place = Workspace.locate(workspace)
    _require_name(place, name)
    made = edits.of_dataset(place, name)
    lines = [
        f"{e.group}  {e.at[:16]}  {e.author}: {_said(e.action, e.split, e.keys)}"
        f"{' (' + e.reason + ')' if e.reason else ''}"
        for e in made
    ]
    found = [
        {"group": e.group, "action": e.action, "split": e.split, "keys": list(e.keys),
         "reason": e.reason, "at": e.at, "author": e.author}
        for e in made
    ]  # fmt: skip
    words = "\n".join(lines) or f"Nothing of {name} was excluded or moved."
    return console.answer({"dataset": name, "edits": found}, as_json, words)


def _edit(
    workspace: Workspace, name: str, keys: Sequence[str], reason: str, to: str | None, as_json: bool
) -> int:
    """Exclude images, or move them; refuses keys that name none."""
    from typing import cast, get_args

    from core.data import edits
    from core.data.catalogue import login, open_dataset
    from core.registry import nearest
    from core.types import Split

    if to is not None and to not in get_args(Split):
        raise UsageError(f"--to came as {to!r}; expected one of {', '.join(get_args(Split))}.")
    _require_name(workspace, name)
    wanted = _keys(keys)
    samples = {sample.key: sample for sample in open_dataset(name, workspace).samples}
    unknown = [key for key in wanted if key not in samples]
    if unknown:
        near = nearest(f"image of {name}", unknown[0], list(samples)).split(" Known:")[0]
        raise UsageError(f"{near} Keys are written like {next(iter(samples))}.")
    if to not in (None, "test"):
        bad = next((key for key in wanted if samples[key].label), None)
        if bad is not None:
            raise UsageError(f"{bad} is anomalous; only good images are moved to {to}.")
    action: edits.Action = "exclude" if to is None else "move"
    split = cast("Split | None", to)
    group = edits.make(workspace, login(), name, wanted, action, split=split, reason=reason)
    after = open_dataset(name, workspace)
    found = {"dataset": name, "group": group, "images": len(wanted), "samples": len(after.samples)}
    words = f"{_said(action, split, wanted)}; `undo {name} {group}` takes it back."
    return console.answer(found, as_json, words)


def _keys(given: Sequence[str]) -> list[str]:
    found: list[str] = []
    for text in given:
        if not text.startswith("@"):
            found.append(text)
            continue
        try:
            lines = Path(text[1:]).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError):
            raise UsageError(f"{text[1:]} cannot be read as a list of keys; check it.") from None
        found += [line.strip() for line in lines if line.strip()]
    return list(dict.fromkeys(found))


def _require_name(workspace: Workspace, name: str) -> None:
    from core.data.catalogue import registered
    from core.registry import nearest

    names = [entry.name for entry in registered(workspace)]
    if name not in names:
        raise UsageError(nearest("registered data set", name, names))


def _said(action: str, split: str | None, keys: Sequence[str]) -> str:
    count = "1 image" if len(keys) == 1 else f"{len(keys):,} images"
    return f"{count} excluded" if action == "exclude" else f"{count} moved to {split}"
