"""Data sets by name or folder: the generated demo, those people registered, any path.

Registrations are append-only lines of <workspace>/people/datasets.jsonl:
{name, path, reader, variant, at, by}, or {name, removed: true, at, by}. What people excluded or
moved (`core.data.edits`) is applied to whatever is opened by its name.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.data import edits
from core.data.base import READERS, Dataset, Reader
from core.data.images import fsname
from core.data.layout import Findings, Tree
from core.data.prepare_fill import hash_all, look_up
from core.data.prepare_hashes import Hashes
from core.data.prepare_hashes import fingerprint as fingerprint_of
from core.errors import DataError, UsageError
from core.registry import nearest
from core.workspace import Workspace, append_jsonl, now, read_jsonl

DEMO = "demo"
_FILE = "datasets.jsonl"
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Registered:
    """A data set that goes by a name.

    Attributes:
        name: what people call it.
        path: its folder; need not exist any more (for the demo: not yet).
        reader: id of the reader that reads it.
        variant: which of the reader's variants; "" its first.
        at, by: when and by whom it was registered; empty for the demo.
    """

    name: str
    path: Path
    reader: str
    variant: str = ""
    at: str = ""
    by: str = ""


def registered(workspace: Workspace) -> list[Registered]:
    """The demo, then what people registered, by name. Opens nothing."""
    entries: dict[str, Registered] = {}
    for line in read_jsonl(workspace.people / _FILE):
        name = line.get("name") if isinstance(line, dict) else None
        if not isinstance(name, str) or name == DEMO:
            continue
        if line.get("removed"):
            entries.pop(name, None)
        elif isinstance(line.get("path"), str):
            facts = [str(line.get(field, "")) for field in ("reader", "variant", "at", "by")]
            entries[name] = Registered(name, Path(line["path"]), *facts)
    demo = Registered(DEMO, workspace.data / DEMO, "mvtec_folder")
    return [demo, *(entries[name] for name in sorted(entries))]


def open_dataset(
    name_or_path: str, workspace: Workspace, reader: str | None = None, *, variant: str = "",
    edited: bool = True,
) -> Dataset:  # fmt: skip
    """A data set by its registered name, else by its folder.

    Args:
        name_or_path: "demo" (generated when it is not there yet), a registered name, a folder.
        workspace: where names are looked up and the demo is kept.
        reader: id of the reader to use; default the one that recognises the folder.
        variant: of a folder, which of the reader's variants; "" its first. A name has its own.
        edited: as people left it; False: as it was brought in.

    Raises:
        DataError: no such name or folder, no reader knows the layout, nothing usable is there.
        UnknownId: no such reader.
    """
    text = str(name_or_path)
    if text == DEMO:
        return _open_demo(workspace, edited)
    entries = {entry.name: entry for entry in registered(workspace)}
    entry = entries.get(text)
    if entry is not None:
        if not entry.path.is_dir():
            raise DataError(
                f"Data set {text!r} was registered at {fsname(entry.path)}, which is not there; "
                "put it back, or remove the registration and add the new folder."
            )
        found = _read(entry.path, text, reader or entry.reader or None, entry.variant)
        return edits.apply(found, workspace) if edited else found
    path = _folder(text, list(entries))
    here = [e for e in entries.values() if e.path == path and variant in ("", e.variant)]
    known_as = here[0].name if here else None
    if known_as == DEMO:
        return _open_demo(workspace, edited)
    if known_as is not None:
        return open_dataset(known_as, workspace, reader, edited=edited)
    return _read(path, path.name or "root", reader, variant)


def recognise(path: str | Path) -> list[tuple[Reader, str]]:
    """Readers that recognise a folder and by what sign, the most specific first.

    Raises:
        DataError: there is no such folder.
    """
    return _fitting(_folder(str(path), []))


def variants(path: str | Path) -> dict[str, str]:
    """What a folder can be read as, id -> a sentence, where it is more than one thing.

    Raises:
        DataError: see `open_dataset`.
    """
    folder = _folder(str(path), [])
    fitting = _fitting(folder)
    return dict(fitting[0][0].variants(folder)) if fitting else {}


def check_name(name: str) -> str:
    """A name as a data set can bear it.

    Raises:
        UsageError: it cannot.
    """
    chosen = name.strip()
    if not chosen or not chosen.isprintable() or "/" in chosen or chosen.startswith("."):
        raise UsageError(
            f"A data set cannot be named {chosen!r}; use letters, digits, blanks, - and _."
        )
    if chosen == DEMO:
        raise UsageError(f"The name {DEMO!r} is the generated data set's; choose another one.")
    return chosen


def add_dataset(
    workspace: Workspace, path: str | Path, name: str | None = None, by: str | None = None,
    variant: str = "",
) -> Dataset:  # fmt: skip
    """Open a folder and register it under a name; doing it again changes nothing.

    Args:
        path: the folder.
        name: default the folder's name, with the variant's where one is asked for.
        by: who registers it; default the user's login name.
        variant: one of `variants`; "" the first.

    Raises:
        DataError: see `open_dataset`.
        UsageError: the name is taken by another folder, or cannot be a name; no such variant.
    """
    folder = _folder(str(path), [])
    default = f"{folder.name} {variant}".strip()
    chosen = check_name(default if name is None else name)
    held = next((entry for entry in registered(workspace) if entry.name == chosen), None)
    if held is not None and (held.path, held.variant) != (folder, variant):
        raise UsageError(
            f"The name {chosen!r} is taken by {fsname(held.path)}; choose another name, or remove "
            "that registration first."
        )
    dataset = _read(folder, chosen, None, variant)
    if held is None or held.reader != dataset.reader:
        line = {"name": chosen, "path": str(folder), "reader": dataset.reader, "variant": variant}
        append_jsonl(workspace.people / _FILE, line | {"at": now(), "by": by or login()})
    return dataset


def remove_dataset(workspace: Workspace, name: str, by: str | None = None) -> None:
    """Forget a name; the folder and the runs made from it stay.

    Raises:
        UsageError: no data set is registered under that name.
    """
    names = [entry.name for entry in registered(workspace) if entry.name != DEMO]
    if name not in names:
        raise UsageError(nearest("registered data set", name, names))
    line: dict[str, Any] = {"name": name, "removed": True, "at": now(), "by": by or login()}
    append_jsonl(workspace.people / _FILE, line)


def fingerprint(dataset: Dataset, workspace: Workspace) -> str:
    """What the data set contains, as one SHA-256; the same as `prepare(...).fingerprint`."""
    return fingerprint_of(dataset.samples, hashes_of(dataset, workspace))


def hashes_of(dataset: Dataset, workspace: Workspace) -> dict[str, str]:
    """SHA-256 by key of every image and mask that can be read.

    Hashes remembered in the workspace are used for files that have not changed.
    """
    hashes = Hashes(dataset.root, workspace)
    found = look_up(dataset.samples, hashes)
    hash_all(dataset.root, dataset.samples, hashes, found)
    hashes.save()
    return found.hashes


def _open_demo(workspace: Workspace, edited: bool) -> Dataset:
    from core.data import demo  # generates images; only when it is asked for

    dataset = _read(demo.ensure(workspace), DEMO, "mvtec_folder")
    dataset = replace(dataset, card=demo.CARD)
    return edits.apply(dataset, workspace) if edited else dataset


def login() -> str:
    """The user's name on this machine, as entries are signed by default."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


def _folder(text: str, names: list[str]) -> Path:
    """The real folder a text means.

    Raises:
        DataError: there is none.
    """
    shown = fsname(text)
    try:
        path = Path(text).expanduser().resolve()
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError, RuntimeError):
        is_folder = is_there = False
    if is_folder:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise DataError(f"The folder's name {shown} is not UTF-8; rename it.") from None
        return path
    if is_there:
        raise DataError(f"{shown} is a file; give the folder that holds the data set.")
    known = nearest("data set", text, names) if names and "/" not in text else ""
    raise DataError(known or f"There is no folder {shown}; check the path.")


def _read(root: Path, name: str, reader: str | None, variant: str = "") -> Dataset:
    if reader is not None:
        kind = READERS.get(reader)
        if kind().recognise(root) is None:
            raise DataError(
                f"{fsname(root)} is no longer, or never was, what {reader} reads "
                f"({kind.card.layout}); open it without naming a reader."
            )
        return _read_as(kind(), root, name, variant)
    fitting = _fitting(root)
    if not fitting:
        raise DataError(_unknown_layout(root))
    (first, sign), *others = fitting
    dataset = _read_as(first, root, name, variant)
    if others:
        also = "; ".join(f"{other.id} ({said.rstrip('.')})" for other, said in others)
        sign = f"{sign} It was read as {first.id}, which says more than what also fits: {also}."
    return replace(dataset, recognised=sign)


def _fitting(root: Path) -> list[tuple[Reader, str]]:
    """Readers that recognise a folder and by what sign, the most specific first."""
    signs = [(kind(), kind().recognise(root)) for _, kind in READERS.items()]
    fitting = [(reader, sign) for reader, sign in signs if sign is not None]
    return sorted(fitting, key=lambda pair: (-pair[0].specificity, pair[0].id))


def _read_as(reader: Reader, root: Path, name: str, variant: str) -> Dataset:
    if variant:
        known = reader.variants(root)
        if variant not in known:
            raise UsageError(nearest(f"variant of {name}", variant, known))
    return reader.read(root, name, variant)


def _unknown_layout(root: Path) -> str:
    """Why no reader takes the folder: what is known, what is there, where a data set may be."""
    generic = {id: kind for id, kind in READERS.items() if kind.specificity <= 10}
    layouts = "; ".join(f"{id}: {kind.card.layout}" for id, kind in generic.items())
    layouts += f"; and {len(READERS.ids()) - len(generic)} published data sets as they are unpacked"
    listing = Tree(root, Findings()).listing()
    entries = [f"{name}/" for name in listing.folders] + list(listing.files)
    there = ", ".join(entries[:_SHOWN]) + (" …" if len(entries) > _SHOWN else "")
    sentence = (
        f"The layout of {fsname(root)} is not known (known: {layouts}); found there: "
        f"{there or 'nothing'}"
    )
    for name in listing.folders[:50]:
        if any(kind().recognise(root / name) for _, kind in READERS.items()):
            return f"{sentence}; its folder {name} holds a data set, open that one."
    return f"{sentence}; import it as your own images, or arrange it in one of these layouts."
