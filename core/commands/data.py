"""Commands that register data sets and import images as such."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core import console
from core.commands.base import AsJson, Folder, app
from core.errors import UsageError
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.base import Dataset
    from core.data.importing.splits import Splits

Name = Annotated[str, typer.Argument(help="a registered data set")]
_SHOWN = 5


@app.command()
def add(
    folder: Path,
    name: Annotated[str | None, typer.Option(help="default: the folder's name")] = None,
    variant: Annotated[
        str, typer.Option(help="which official split or list, where there are several")
    ] = "",
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Register a data set folder under a name."""
    from core.data.catalogue import add_dataset

    dataset = add_dataset(Workspace.locate(workspace), folder, name, variant=variant)
    return _told(dataset, as_json, {})


@app.command("import")
def bring(
    source: Annotated[Path, typer.Argument(help="a folder or file of this machine")],
    name: Annotated[str, typer.Option("--as", help="what the data set will be called")],
    kind: Annotated[
        str | None, typer.Option(help="of the source; default: the one that recognises it")
    ] = None,
    pairs: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, of the kind of source")
    ] = None,
    test_share: Annotated[
        float | None, typer.Option(help="part of the good images that is tested; default 0.3")
    ] = None,
    calibration_share: Annotated[
        float | None, typer.Option(help="part that thresholds are taken from; default 0")
    ] = None,
    split_seed: Annotated[
        int | None, typer.Option(help="another number, another draw; default 0")
    ] = None,
    workspace: Folder = None,
    as_json: AsJson = False,
) -> int:
    """Make a data set of your own images; what is there already is only brought up to date."""
    from core.data.importing import bring as bringing

    place = Workspace.locate(workspace)
    importer = kind or _recognised(source)
    rule = _rule(test_share, calibration_share, split_seed)
    before = _rows(place, name)
    with console.reporting("importing") as tell:
        dataset = bringing.bring_in(
            place, source, name, importer, _options(source, importer, pairs or []), rule, tell=tell
        )
    return _told(dataset, as_json, _changes(place, dataset.name, before))


@app.command()
def reimport(name: Name, workspace: Folder = None, as_json: AsJson = False) -> int:
    """Bring an imported data set up to date with its source; only what changed is made anew."""
    from core.data.importing import bring as bringing

    place = Workspace.locate(workspace)
    before = _rows(place, name)
    with console.reporting("importing") as tell:
        dataset = bringing.bring_again(place, name, tell)
    return _told(dataset, as_json, _changes(place, dataset.name, before))


# -- what they share -------------------------------------------------------------------------------


def _told(dataset: Dataset, as_json: bool, more: dict[str, Any]) -> int:
    """Print what was registered."""
    counts: dict[str, int] = {}
    for sample in dataset.samples:
        counts[sample.split] = counts.get(sample.split, 0) + 1
    found = {
        "name": dataset.name,
        "recognised": dataset.recognised,
        "classes": list(dataset.classes),
        "samples": len(dataset.samples),
        "splits": counts,
        "variant": dataset.variant,
        "problems": [problem.message for problem in dataset.problems],
    }
    lines = [f"{dataset.name}: {dataset.recognised}"]
    lines.append(", ".join(f"{count:,} {split}" for split, count in sorted(counts.items())))
    if more:
        lines.append("{new:,} new, {changed:,} changed, {gone:,} gone".format(**more))
    lines += [problem.message for problem in dataset.problems[:_SHOWN]]
    if len(dataset.problems) > _SHOWN:
        lines.append(f"And {len(dataset.problems) - _SHOWN} more remarks; --json lists all.")
    return console.answer(found | more, as_json, "\n".join(lines))


def _recognised(source: Path) -> str:
    from core.data.importing import bring as bringing
    from core.data.importing.base import IMPORTERS

    fitting = bringing.recognise(source)
    if not fitting:
        kinds = ", ".join(IMPORTERS.ids())
        raise UsageError(f"{source} is no kind of source that is known; --kind is one of {kinds}.")
    (first, sign), *others = fitting
    also = f" Also possible: --kind {', '.join(one.id for one, _ in others)}." if others else ""
    console.note(f"Read as {first.id}: {sign}{also}")
    return first.id


def _options(source: Path, importer: str, pairs: Sequence[str]) -> dict[str, Any] | None:
    """What the importer suggests, with the settings people gave; None: as it suggests."""
    from core.data.importing.base import IMPORTERS

    kind = IMPORTERS.get(importer)
    if not pairs:
        return None
    given: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--set came as {pair!r}; expected key=value.")
        field = kind.options.model_fields.get(key)
        several = field is not None and str(field.annotation).startswith("tuple")
        given[key] = _list(value) if several else value
    path = source.expanduser().resolve()
    suggested = kind().suggest(path).model_dump(mode="json") if path.exists() else {}
    return suggested | given


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _rule(test: float | None, calibration: float | None, seed: int | None) -> Splits | None:
    """How splits are drawn; None when nothing was said of it."""
    from core.config import parse
    from core.data.importing.splits import Splits

    given = {"test_share": test, "calibration_share": calibration, "seed": seed}
    said = {key: value for key, value in given.items() if value is not None}
    rule: Splits | None = parse(Splits, said, "splits") if said else None
    return rule


def _rows(workspace: Workspace, name: str) -> list[Any]:
    """Rows of the manifest as it was."""
    from core.data import catalogue, manifest
    from core.errors import DataError

    try:
        return list(manifest.load(workspace.data / catalogue.check_name(name)))
    except DataError:
        return []


def _changes(workspace: Workspace, name: str, before: list[Any]) -> dict[str, int]:
    from core.data.importing.bring import changes

    new, changed, gone = changes(before, _rows(workspace, name))
    return {"new": new, "changed": changed, "gone": gone}
