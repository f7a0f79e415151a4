"""Images that became a folder by upload: <workspace>/uploads/<name>/, folders as they were packed.

Everything goes through `core.data.intake`; a folder appears under its name when it is complete, or
not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.data.intake import ZIP_SUFFIX, Intake, Limits, shown
from core.data.intake_names import harmless, suffix_of
from core.data.layout import IMAGE_SUFFIXES
from core.errors import DataError
from core.workspace import Workspace

LIMITS = Limits(most=20_000, largest=200_000_000, total=8_000_000_000, scanned=60_000)
"""What is taken at once to become a data set."""
LISTS = frozenset((".csv", ".json", ".jsonl", ".parquet", ".tsv", ".txt", ".xml", ".yaml", ".yml"))
SCANS = frozenset((".dcm", ".dicom", ".ima", ".nii", ".nii.gz"))
TAKEN = IMAGE_SUFFIXES | LISTS | SCANS
"""Files that a data set may be made of: images, scans, and what says what they show."""
GOOD_FOLDER, FLAWED_FOLDER = "good", "defect"
"""Where images lie that came without a folder."""


@dataclass(frozen=True, slots=True)
class Handed:
    """One file as it came: its name, its content, and the folder for it if it is an image."""

    name: str
    file: IO[bytes]
    under: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """What was kept.

    Attributes:
        source: the folder (or the one file that says what it shows) to make a data set of.
        files: how many.
        left_out: a sentence for everything that was not taken.
    """

    source: Path
    files: int
    left_out: tuple[str, ...] = ()


def home(workspace: Workspace) -> Path:
    """Where uploads lie."""
    return workspace.root / "uploads"


def receive(
    workspace: Workspace, handed: Sequence[Handed],
    tell: Callable[[float, str], None] = lambda share, words: None, limits: Limits = LIMITS,
) -> Received:  # fmt: skip
    """Keep what was handed in as a folder of its own.

    Args:
        handed: images, ZIP archives, lists.
        tell: told how far it is, 0 to 1; what it raises ends the work and nothing is kept.

    Raises:
        DataError: nothing usable was among it, or the disk is full.
    """
    place = home(workspace)
    place.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".incoming-", dir=place))
    others: list[str] = []
    try:
        at = 0

        def inside(share: float, words: str) -> None:
            tell((at + share) / len(handed), words)

        intake = Intake(aside, limits, tree=True, suffixes=TAKEN, tell=inside)
        for at, one in enumerate(handed):
            tell(at / len(handed), f"{len(intake.images):,} files kept")
            if suffix_of(one.name) in TAKEN | {ZIP_SUFFIX}:
                _take(intake, one)
            else:
                others.append(shown(one.name))
        left_out = [*intake.left_out, *_others(others)]
        if not intake.images:
            raise DataError(" ".join(["Nothing that was uploaded can be used.", *left_out]))
        tell(1.0, "done")
        folder = _free(place, _name(handed))
        aside.replace(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    folder.chmod(0o755)
    return Received(_inner(folder), len(intake.images), tuple(left_out))


def discard(workspace: Workspace, source: Path) -> None:
    """Remove the upload that a source belongs to; does nothing to any other folder."""
    place = home(workspace)
    try:
        part = source.relative_to(place).parts[:1]
    except ValueError:
        return
    if part and part[0] not in (".", ".."):
        shutil.rmtree(place / part[0], ignore_errors=True)


def _take(intake: Intake, one: Handed) -> None:
    under = one.under if suffix_of(one.name) in IMAGE_SUFFIXES else ""
    try:
        intake.file(one.name, one.file, under)
    except OSError as error:
        raise DataError(
            f"Uploads cannot be kept ({error.strerror or error}); free some space in the workspace."
        ) from error


def _others(names: Sequence[str]) -> list[str]:
    """A sentence on files that are nothing a data set is made of."""
    if not names:
        return []
    if len(names) == 1:
        return [f"{names[0]} is no image, list or scan by its name and left out."]
    return [f"{len(names):,} files, such as {names[0]}, are no images, lists or scans by their "
            "names and left out."]  # fmt: skip


def _name(handed: Sequence[Handed]) -> str:
    """What the upload is called: as its archive, else as its first folder, else "images"."""
    archive = next((one.name for one in handed if suffix_of(one.name) == ZIP_SUFFIX), None)
    if archive is not None:
        return harmless(PurePosixPath(archive).stem)
    parts = handed[0].name.replace("\\", "/").split("/")
    return harmless(parts[0]) if len(parts) > 1 else "images"


def _free(place: Path, name: str) -> Path:
    number, path = 2, place / name
    while path.exists():
        path, number = place / f"{name} {number}", number + 1
    return path


def _inner(folder: Path) -> Path:
    """The folder that means something: archives often hold one folder with everything in it."""
    while True:
        entries = list(folder.iterdir())
        if len(entries) != 1:
            return folder
        (only,) = entries
        if not only.is_dir():
            return only if suffix_of(only.name) in (LISTS | SCANS) else folder
        if not any(child.is_dir() for child in only.iterdir()):
            return folder
        folder = only
