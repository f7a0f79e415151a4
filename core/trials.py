"""Trials: images that people handed to a trained run, and what it said; one folder each.

<workspace>/trials/<trial_id>/
  request.json      which run, which class, which threshold, which images; never changed
  images/           the images as given, numbered
  status.json       queued|working|done|cancelled|failed, images done; replaced atomically
  results.parquet   one row an image, in order (columns: `core.engine.trial.SCHEMA`)
  maps.npy          float16 [images, s, s], row i = image i; zeros where an image failed
  spots/<row>.json  what the hottest spot of an image was compared with
  cancel            there once a person asked to stop

A trial appears under its name with all its images or not at all. Nothing here imports torch.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from core import liveness
from core.cuts import Cut
from core.data.intake import Intake, Limits
from core.errors import DataError, RunError, UsageError
from core.workspace import Workspace, now, write_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

TrialState: TypeAlias = Literal["queued", "working", "done", "cancelled", "failed"]
Origin: TypeAlias = Literal["upload", "folder", "camera", "test images", "command line"]
ENDED: tuple[TrialState, ...] = ("done", "cancelled", "failed")
MAP_BYTES = 512 << 20
"""Maps of one trial on disk; large maps lower the number of images."""
GONE = "The process that tried these images ended without a word; try them again."
STARTING_SECONDS = 120.0
"""How long a trial may wait for its worker before nobody is thought to come."""
_ID = re.compile(r"\d{8}-\d{9}-[0-9a-f]{4}")


class ImageFile(BaseModel):
    """One image of a trial: the file in images/, and the name it came by."""

    model_config = ConfigDict(frozen=True)

    file: str
    name: str


class Request(BaseModel):
    """`request.json`. `left_out`: sentences on what was handed in and not taken."""

    model_config = ConfigDict(frozen=True)

    created_at: str
    run_id: str
    class_name: str | None = None
    origin: Origin = "upload"
    author: str = ""
    cut: Cut | None = None
    images: tuple[ImageFile, ...]
    left_out: tuple[str, ...] = ()


class TrialStatus(BaseModel):
    """`status.json`: how far a trial is. `process` is the worker's; `note` is worth knowing.

    read, anomalous: images that got a score, and those of them called anomalous; once it ended.
    """

    state: TrialState = "queued"
    done: int = 0
    total: int = 0
    message: str = ""
    error: str | None = None
    note: str = ""
    read: int | None = None
    anomalous: int | None = None
    process: dict[str, Any] | None = None
    updated_at: float = Field(default_factory=time.time)

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Trial:
    """Reads and writes the files of one trial."""

    REQUEST, STATUS, RESULTS, MAPS = "request.json", "status.json", "results.parquet", "maps.npy"
    IMAGES, SPOTS, CANCEL = "images", "spots", "cancel"

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        return self.path.name

    @classmethod
    def open(cls, workspace: Workspace, id: str) -> Trial:
        """Raises UsageError when there is no such trial."""
        path = folder(workspace) / id
        if not _ID.fullmatch(id) or not (path / cls.REQUEST).exists():
            raise UsageError(f"There is no trial {id!r} in {workspace.root}; it may be removed.")
        return cls(path)

    def request(self) -> Request:
        """Raises RunError when it cannot be read."""
        try:
            return Request.model_validate_json((self.path / self.REQUEST).read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"Trial {self.id} has no readable {self.REQUEST}: {error}.") from error

    def image(self, row: int) -> Path:
        """The file of an image, by its row."""
        return self.path / self.IMAGES / self.request().images[row].file

    def status(self) -> TrialStatus:
        """The status; one whose worker is gone is reported as failed."""
        stored = self._stored()
        if stored.ended or self._carried(stored):
            return stored
        stored = self._stored()  # it may have ended between the two looks
        if stored.ended or self._carried(stored):
            return stored
        return stored.model_copy(update={"state": "failed", "error": GONE})

    def _carried(self, status: TrialStatus) -> bool:
        if status.process is None:
            return time.time() - status.updated_at < STARTING_SECONDS
        return liveness.alive(status.process)

    def _stored(self) -> TrialStatus:
        try:
            return TrialStatus.model_validate_json((self.path / self.STATUS).read_bytes())
        except (OSError, ValueError):
            return TrialStatus(updated_at=0.0)

    def update(self, **changes: Any) -> TrialStatus:
        """Change some fields of the status.

        Raises:
            RunError: the trial was removed meanwhile.
        """
        if not (self.path / self.REQUEST).exists():
            raise RunError(f"Trial {self.id} was removed.")
        status = TrialStatus.model_validate(
            self._stored().model_dump() | {"updated_at": time.time()} | changes
        )
        write_json(self.path / self.STATUS, status.model_dump())
        return status

    def cancel(self) -> None:
        """Ask the worker to stop; what is done is kept."""
        (self.path / self.CANCEL).touch()

    def cancelled(self) -> bool:
        return (self.path / self.CANCEL).exists()

    def again(self) -> None:
        """Make ready to be tried once more."""
        (self.path / self.CANCEL).unlink(missing_ok=True)
        total = len(self.request().images)
        write_json(self.path / self.STATUS, TrialStatus(total=total).model_dump())

    def results(self) -> pa.Table:
        """One row an image. Raises RunError when there are none (yet)."""
        import pyarrow.parquet as pq

        path = self.path / self.RESULTS
        if not path.exists():
            raise RunError(f"Trial {self.id} has no results yet.")
        return pq.read_table(path)

    def maps(self) -> npt.NDArray[np.float16]:
        """Memory-mapped float16 maps [images, s, s]. Raises RunError when there are none."""
        import numpy as np

        path = self.path / self.MAPS
        if not path.exists():
            raise RunError(f"Trial {self.id} has no heat maps; try the images again.")
        maps: npt.NDArray[np.float16] = np.load(path, mmap_mode="r")
        return maps

    def spot_file(self, row: int) -> Path:
        """Where the comparison of an image's hottest spot stands, or will."""
        return self.path / self.SPOTS / f"{row}.json"

    def spot(self, row: int) -> dict[str, Any] | None:
        """What `core.engine.neighbour_patches` found, or how far it is; None: never asked.

        A comparison whose worker is gone says {"state": "failed", "error": a sentence}.
        """
        try:
            found: dict[str, Any] = json.loads(self.spot_file(row).read_bytes())
        except (OSError, ValueError):
            return None
        if found.get("state") == "working" and not liveness.alive(found.get("process") or {}):
            return {"state": "failed", "error": GONE}
        return found

    def remove(self) -> None:
        """Delete the trial and its images."""
        self.cancel()
        aside = self.path.with_name(f".{self.id}.removed")
        os.replace(self.path, aside)
        shutil.rmtree(aside, ignore_errors=True)


class Draft:
    """A trial that is being filled; it exists for others once `finish` returns.

    Args:
        size: side of the run's maps in pixels, which bounds the number of images.
    """

    def __init__(self, workspace: Workspace, size: int, limits: Limits | None = None) -> None:
        at = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(at)) + f"{int(at % 1 * 1000):03d}"
        self._final = folder(workspace) / f"{stamp}-{os.urandom(2).hex()}"
        self._aside = self._final.with_name(f".{self._final.name}.part")
        limits = limits or Limits()
        most = max(1, min(limits.most, MAP_BYTES // (2 * size * size)))
        limits = Limits(most, limits.largest, limits.total)
        self.intake = Intake(self._aside / Trial.IMAGES, limits)

    def finish(
        self, run_id: str, class_name: str | None, origin: Origin, *, author: str = "",
        cut: Cut | None = None,
    ) -> Trial:  # fmt: skip
        """Make the trial.

        Raises:
            DataError: nothing that was handed in can be tried; says why.
        """
        images = tuple(ImageFile(file=one.file, name=one.name) for one in self.intake.images)
        left_out = tuple(self.intake.left_out)
        if not images:
            self.abandon()
            raise DataError(left_out[0] if left_out else "There is no image to try; choose one.")
        request = Request(
            created_at=now(), run_id=run_id, class_name=class_name, origin=origin, author=author,
            cut=cut, images=images, left_out=left_out,
        )  # fmt: skip
        write_json(self._aside / Trial.REQUEST, request.model_dump(mode="json"))
        write_json(self._aside / Trial.STATUS, TrialStatus(total=len(images)).model_dump())
        os.replace(self._aside, self._final)
        return Trial(self._final)

    def abandon(self) -> None:
        """Delete what was filled in."""
        shutil.rmtree(self._aside, ignore_errors=True)


def folder(workspace: Workspace) -> Path:
    """Where the trials of a workspace lie."""
    path = workspace.root / "trials"
    path.mkdir(parents=True, exist_ok=True)
    return path


def listing(workspace: Workspace, runs: Sequence[str] | None = None, most: int = 50) -> list[Trial]:
    """The newest trials, of these runs alone when some are named."""
    found: list[Trial] = []
    for path in sorted(folder(workspace).iterdir(), reverse=True):
        if len(found) >= most:
            break
        if not _ID.fullmatch(path.name) or not (path / Trial.REQUEST).exists():
            continue
        trial = Trial(path)
        if runs is not None:
            try:
                if trial.request().run_id not in runs:
                    continue
            except RunError:
                continue
        found.append(trial)
    return found
