"""Bringing images into the workspace: items become a folder with a manifest, in place or made.

    bring_in(workspace, source, name, importer_id, options, splits) -> Dataset
    bring_again(workspace, name) -> Dataset        the same source and settings; changed rows only

The folder is <workspace>/data/<name>; see `core.data.manifest`. Files are written under their final
name only when complete, the manifest last and in one step: work that is cut off leaves the old
manifest, or none, and is taken up again where it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config import Config, parse
from core.data import catalogue, manifest
from core.data.base import Dataset
from core.data.images import fsname
from core.data.importing import keeping
from core.data.importing.base import IMPORTERS, Importer, Item, Tell, fitting
from core.data.importing.splits import Splits, draw
from core.data.layout import Findings
from core.data.manifest import Row, Told
from core.errors import DataError, UsageError
from core.types import MEAN
from core.workspace import Workspace, now

AnyImporter = Importer[Any]


def recognise(source: str | Path) -> list[tuple[AnyImporter, str]]:
    """Importers that take a source and by what sign, the most specific first.

    Raises:
        DataError: it is not there.
    """
    path = _there(source)
    return fitting(path)


def bring_in(
    workspace: Workspace, source: str | Path, name: str, importer: str,
    options: dict[str, Any] | Config | None = None, splits: Splits | None = None, *,
    by: str | None = None, tell: Tell = lambda share, words: None,
) -> Dataset:  # fmt: skip
    """Make a data set of a source and register it; doing it again updates what changed.

    Args:
        source: a folder or file of this machine.
        name: what it will be called.
        importer: id of the importer.
        options: its settings; None: as it suggests for this source.
        splits: how splits are drawn where the source gives none.
        by: who does; default the user's login name.

    Raises:
        DataError: nothing usable is there, or the disk is full.
        UsageError: a bad name, one that is taken by another source, a bad setting.
    """
    path, chosen = _there(source), catalogue.check_name(name)
    one = IMPORTERS.get(importer)()
    settings = one.suggest(path) if options is None else _settings(one, options)
    folder = workspace.data / chosen
    before = _before(workspace, folder, chosen, path)
    rule = splits or Splits()
    findings = Findings()
    tell(0.0, "looking through the source")
    items = _checked(one.items(path, settings, findings), findings, tell)
    if not any(item.label == 0 for item in items):
        raise DataError(_nothing(path, items, findings))
    known = {keeping.name_of(row): row.sample.split for row in before if row.split_made}
    settled, drawn = draw(items, rule, known)
    told = Told(
        source=str(one.link(path)), importer=importer, options=_plain(settings, path),
        splits=rule.model_dump(mode="json"), recognised=one.recognise(path) or one.summary,
        at=now(), by=by or "",
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    keeping.link(folder, one.link(path))
    manifest.tell(folder, told)  # the link counts only with it
    keeper = keeping.Keeper(folder, workspace, before, findings)
    rows = keeper.keep(settled, drawn, tell)
    if not any(row.sample.label == 0 for row in rows):
        raise DataError(_nothing(path, settled, findings))
    problems = tuple((p.severity, p.key, p.message) for p in findings.problems())
    manifest.tell(folder, replace(told, problems=problems))
    manifest.write(folder, rows)
    keeping.sweep(folder, rows)
    tell(1.0, "done")
    return catalogue.add_dataset(workspace, folder, chosen, by)


def bring_again(workspace: Workspace, name: str, tell: Tell = lambda share, words: None) -> Dataset:
    """Import a data set anew with the settings it was imported with.

    Raises:
        UsageError: it was not imported.
        DataError: see `bring_in`.
    """
    folder = workspace.data / name
    if not manifest.is_manifest(folder):
        raise UsageError(f"{name!r} was not imported on this machine; only such can be renewed.")
    told = manifest.told(folder)
    options = dict(told.options)
    source = options.pop("_source", told.source)
    return bring_in(
        workspace, source, name, told.importer, options, parse(Splits, told.splits, "splits"),
        by=told.by, tell=tell,
    )  # fmt: skip


# -- what came -------------------------------------------------------------------------------------


def _there(source: str | Path) -> Path:
    path = Path(source).expanduser()
    try:
        path = path.resolve()
        there = path.exists()
    except (OSError, ValueError, RuntimeError):
        there = False
    if not there:
        raise DataError(f"There is no {fsname(str(source))}; check the path.")
    return path


def _settings(one: AnyImporter, options: dict[str, Any] | Config) -> Any:
    if isinstance(options, Config):
        return options
    return parse(one.options, options, f"import of {one.title}")


def _plain(settings: Any, source: Path) -> dict[str, Any]:
    return {**settings.model_dump(mode="json"), "_source": str(source)}


def _before(workspace: Workspace, folder: Path, name: str, source: Path) -> list[Row]:
    """Rows of an earlier import of the same source."""
    held = next((e for e in catalogue.registered(workspace) if e.name == name), None)
    if held is not None and held.path != folder:
        raise UsageError(f"The name {name!r} is taken by {fsname(held.path)}; choose another one.")
    if not manifest.is_manifest(folder):
        return []
    told = manifest.told(folder)
    if told.options.get("_source") not in (None, str(source)):
        raise UsageError(
            f"The name {name!r} is taken by what was imported from {told.options['_source']}; "
            "choose another one."
        )
    return manifest.load(folder)


def _checked(items: Iterator[Item], findings: Findings, tell: Tell) -> list[Item]:
    """All items, less those a run could not file."""
    kept: dict[str, Item] = {}
    for number, item in enumerate(items):
        if number % 500 == 0:
            tell(0.0, f"{number:,} images found" if number else "looking through the source")
        name = item.class_name
        bad = not name or name.startswith(".") or not name.isprintable() or set(name) & set("/\\")
        if bad or name == MEAN:
            findings.add(
                "error", item.name,
                f"{item.name} has the class name {name!r}, which cannot be used; rename the class.",
                kind="class name",
            )  # fmt: skip
        elif item.name in kept:
            findings.add(
                "error", item.name,
                f"{item.name} comes twice; only the first counts, remove the other.", kind="twice",
            )  # fmt: skip
        else:
            kept[item.name] = item
    return list(kept.values())


def _nothing(path: Path, items: Sequence[Item], findings: Findings) -> str:
    what = "no good image" if items else "no image"
    problems = findings.problems()
    why = f" First problem: {problems[0].message}" if problems else ""
    return f"{fsname(path)} has {what} that could be trained on.{why}"
