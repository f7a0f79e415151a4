"""The command that lists and exports review marks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import console
from core import marks as reviewed
from core.commands.base import AsJson, Folder, app
from core.errors import UsageError
from core.workspace import Workspace, write_atomically


@app.command()
def marks(
    data: Annotated[
        str | None, typer.Option(help="a data set's name, or its fingerprint; default: all")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="a .csv or .json file to write every version to")
    ] = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """List review marks, and what they dispute; --out exports every version of them."""
    place = Workspace.locate(workspace)
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"--out came as {str(out)!r}; expected a file ending in .csv or .json.")
    wanted = None if data is None else _fingerprints(place, data)
    every = [m for m in reviewed.versions(place) if wanted is None or m.fingerprint in wanted]
    last = reviewed.standing(every)
    by_data: dict[str, list[reviewed.Mark]] = {}
    for mark in last:
        by_data.setdefault(mark.fingerprint, []).append(mark)
    found = [reviewed.disputes(some) for some in by_data.values()]
    answer = {
        "marks": reviewed.records(last),
        "versions": len(every),
        "disputed_labels": sum(len(one.labels) for one in found),
        "disputed_masks": sum(len(one.masks) for one in found),
        "contested": sum(len(one.contested) for one in found),
        "out": None if out is None else str(out),
    }
    if out is not None:
        make = reviewed.as_csv if out.suffix.lower() == ".csv" else reviewed.as_json
        text = make(every).encode()
        try:
            write_atomically(out.expanduser().absolute(), lambda file: file.write(text))
        except OSError as error:
            raise UsageError(
                f"--out: {out} cannot be written ({error.strerror or error}); choose another place."
            ) from error
    lines = [f"{mark.at[:16]}  {mark.author}: {mark.said}  {_about(mark)}" for mark in last]
    lines.append(
        f"{len(last)} marks; {answer['disputed_labels']} labels and {answer['disputed_masks']} "
        f"masks are disputed"
    )
    return console.answer(answer, as_json, "\n".join(lines))


def _about(mark: reviewed.Mark) -> str:
    should = f" (should be {mark.label_should_be})" if mark.label_should_be else ""
    note = " ".join(mark.note.split())
    return f"{mark.key}{should}{': ' + note if note else ''}"


def _fingerprints(workspace: Workspace, data: str) -> set[str]:
    """Fingerprints that runs gave a data set of that name.

    Raises:
        UsageError: no run and no mark knows it; names the nearest.
    """
    from core.registry import nearest
    from core.store import ingest, read

    ingest.refresh(workspace)
    known = read.runs(workspace).dropna(subset="fingerprint")
    found = set(known.loc[known["dataset"] == data, "fingerprint"])
    prints = set(known["fingerprint"]) | {m.fingerprint for m in reviewed.versions(workspace)}
    found |= {mark for mark in prints if mark == data}
    if not found:
        raise UsageError(nearest("data set with runs", data, sorted(set(known["dataset"]))))
    return found
