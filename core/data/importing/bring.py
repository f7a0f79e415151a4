"""Bringing images into the workspace: items become a folder with a manifest, in place or made.

    bring_in(workspace, source, name, importer_id, options, splits) -> Dataset
    bring_again(workspace, name) -> Dataset        the same source and settings; changed rows only

The folder is <workspace>/data/<name>; see `core.data.manifest`. Files are written under their final
name only when complete, the manifest last and in one step: work that is cut off leaves the old
manifest, or none, and is taken up again where it ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config import Config, parse
from core.data import catalogue, manifest
from core.data.base import Dataset
from core.data.images import fsname
from core.data.importing import keeping, sound
from core.data.importing.base import IMPORTERS, Importer, Tell, fitting
from core.data.importing.splits import Splits, draw
from core.data.layout import SOURCE, SOURCE_FILE, Findings
from core.data.manifest import Row, Told
from core.errors import DataError, UsageError
from core.workspace import Workspace, now

AnyImporter = Importer[Any]
_OWN_SOURCE = "_source"
"""Beside an importer's options in `import.json`: the file or folder itself."""


def recognise(source: str | Path) -> list[tuple[AnyImporter, str]]:
    """Importers that take a source and by what sign, the most specific first.

    Raises:
        DataError: it is not there.
    """
    return fitting(_there(source))


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
        splits: how splits are drawn where the source gives none; None: as for the data set of that
            name until now. What was drawn stays, unless another way is asked for.
        by: who does; default the user's login name.

    Raises:
        DataError: nothing usable is there, or the disk is full.
        UsageError: a bad name, one that is taken by another source, a bad setting.
    """
    path, chosen = _there(source), catalogue.check_name(name)
    one = IMPORTERS.get(importer)()
    one.workspace = workspace
    settings = one.suggest(path) if options is None else _settings(one, options)
    home = one.link_for(path, settings)
    folder = (workspace.data / chosen).resolve()
    findings = Findings()
    earlier = _earlier(workspace, folder, chosen, path, home)
    before = _rows(folder, findings)
    rule, stay = _rule(splits, earlier if before else None, findings)
    tell(0.0, "looking through the source")
    items = sound.checked(one.items(path, settings, findings), findings, tell)
    known = {keeping.name_of(row): row.sample.split for row in before if row.split_made and stay}
    settled, drawn = draw(items, rule, known)
    if not any(item.split == "train" for item in settled):
        raise DataError(_nothing(path, len(items), findings))
    told = Told(
        source=str(home), importer=importer, options=_plain(settings, path),
        splits=rule.model_dump(mode="json"), recognised=one.recognise(path) or one.summary,
        at=now(), by=by or "",
    )  # fmt: skip
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if earlier is None or earlier.source != told.source:
            manifest.tell(folder, told)  # the link counts only with it
        keeping.link(folder, home)
        keeper = keeping.Keeper(folder, workspace, before, findings)
        rows = keeper.keep(settled, drawn, tell)
        if not any(row.sample.split == "train" for row in rows):
            raise DataError(_nothing(path, len(items), findings))
        problems = [
            (p.severity, sound.shown(_keyed(folder, p.key)), sound.shown(p.message))
            for p in findings.problems()
        ]
        manifest.tell(folder, replace(told, problems=tuple(problems)))
        manifest.write(folder, rows)
        keeper.done(rows)
    tell(1.0, "done")
    return catalogue.add_dataset(workspace, folder, chosen, by)


def bring_again(workspace: Workspace, name: str, tell: Tell = lambda share, words: None) -> Dataset:
    """Import a data set anew with the settings it was imported with.

    Raises:
        UsageError: it was not imported.
        DataError: see `bring_in`.
    """
    told = imported(workspace, name)
    options = dict(told.options)
    source = options.pop(_OWN_SOURCE, told.source)
    return bring_in(workspace, source, name, told.importer, options, by=told.by, tell=tell)


def imported(workspace: Workspace, name: str) -> Told:
    """What a data set was imported from, and how.

    Raises:
        UsageError: it was not imported.
        DataError: that is not to be read any more.
    """
    folder = workspace.data / catalogue.check_name(name)
    if not (folder / SOURCE_FILE).is_file():
        raise UsageError(f"{name!r} was not imported on this machine; only such can be renewed.")
    return manifest.told(folder)


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
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(f"The name {fsname(path)} is not UTF-8; rename it.") from None
    return path


def _settings(one: AnyImporter, options: dict[str, Any] | Config) -> Any:
    if isinstance(options, Config):
        return options
    return parse(one.options, options, f"import of {one.title}")


def _plain(settings: Any, source: Path) -> dict[str, Any]:
    try:
        plain = settings.model_dump(mode="json")
        json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise UsageError("A setting of the import holds what is no text; type it again.") from None
    return {**plain, _OWN_SOURCE: str(source)}


def _nothing(path: Path, count: int, findings: Findings) -> str:
    what = "no good image" if count else "no image"
    problems = findings.problems()
    why = f" First problem: {sound.shown(problems[0].message)}" if problems else ""
    return f"{fsname(path)} has {what} that could be trained on.{why}"


# -- what was there --------------------------------------------------------------------------------


def _earlier(
    workspace: Workspace, folder: Path, name: str, source: Path, home: Path
) -> Told | None:
    """What stands in `import.json` of an earlier import of the same source; None: nothing yet.

    Raises:
        UsageError: the name, or its folder, is something else's.
    """
    held = next((e for e in catalogue.registered(workspace) if e.name == name), None)
    if held is not None and held.path != folder:
        raise UsageError(f"The name {name!r} is taken by {fsname(held.path)}; choose another one.")
    if home == folder or any(home.is_relative_to(folder / part) for part in keeping.PARTS):
        raise UsageError(f"{fsname(home)} belongs to the data set {name!r}; choose another name.")
    if not (folder / SOURCE_FILE).exists():
        if any(os.path.lexists(folder / part) for part in (*keeping.PARTS, SOURCE)):
            raise UsageError(
                f"{fsname(folder)} holds files that were not imported; choose another name."
            )
        return None
    try:
        told = manifest.told(folder)
    except DataError:  # the import mends it
        return None
    before = told.options.get(_OWN_SOURCE, str(source)), told.source
    for was, now_ in zip(before, (source, home), strict=True):
        if was != str(now_) and manifest.is_manifest(folder):
            raise UsageError(
                f"The name {name!r} is taken by what was imported from {was}; choose another one."
            )
    return told


def _rows(folder: Path, findings: Findings) -> list[Row]:
    """Rows of the manifest as it is; none when there is none, or none that can be read."""
    if not (folder / manifest.FILE).exists():
        return []
    try:
        return manifest.load(folder)
    except DataError:
        findings.add(
            "warning", "",
            "The manifest was damaged and made anew; splits that had been drawn were drawn again.",
        )  # fmt: skip
        return []


def _rule(splits: Splits | None, earlier: Told | None, findings: Findings) -> tuple[Splits, bool]:
    """How splits are drawn, and whether those drawn before stay."""
    if earlier is None:
        return splits or Splits(), True
    before: Splits = parse(Splits, earlier.splits, "splits")
    if splits is None or splits == before:
        return before, True
    findings.add(
        "note", "",
        f"All splits were drawn anew, as asked for: test share {splits.test_share:g}, calibration "
        f"share {splits.calibration_share:g}, seed {splits.seed}.",
    )  # fmt: skip
    return splits, False


def _keyed(folder: Path, key: str) -> str:
    """The key in the data set of what an importer called by its path below the source."""
    try:
        there = bool(key) and (folder / SOURCE / key).exists()
    except (OSError, ValueError):
        there = False
    return f"{SOURCE}/{key}" if there else key


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the disk refuses becomes one sentence."""
    try:
        yield
    except OSError as error:
        keeping.refuse_full(error)
        raise DataError(
            f"{fsname(folder)} cannot be written ({error.strerror or error}); choose another name "
            "or workspace."
        ) from error


def changes(before: Sequence[Row], after: Sequence[Row]) -> tuple[int, int, int]:
    """How many images are new, changed and gone."""
    old, new = ({row.sample.key: row for row in rows} for rows in (before, after))
    changed = sum(old[key] != new[key] for key in old.keys() & new.keys())
    return len(new.keys() - old.keys()), changed, len(old.keys() - new.keys())
