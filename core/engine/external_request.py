"""What `evaluate` is asked, checked, and the run config it becomes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.config import EXTERNAL, SIZES, RunConfig, parse
from core.data.base import Dataset
from core.data.catalogue import open_dataset, registered
from core.data.images import fsname
from core.errors import DataError, UsageError
from core.workspace import Workspace

DEFAULT_SIZE = 256
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to evaluate.

    Attributes:
        truth: name of a registered data set, or a folder.
        maps: a folder of map files, or an .npy array of all; see `core.data.external_maps`.
        scores: CSV of image scores with the columns key and score; None: the maps' maxima.
        name: what pages call the run; None: the name of the maps' folder.
        size: side of truth and maps in pixels; None: see `common_size`.
        classes: those chosen; empty: all.
        seed: of the confidence intervals.
    """

    truth: str
    maps: Path
    scores: Path | None = None
    name: str | None = None
    size: int | None = None
    classes: tuple[str, ...] = ()
    seed: int = 0


def open_truth(request: Request, workspace: Workspace) -> Dataset:
    """The data set with all its classes; one that cannot be opened is a wrong argument.

    Raises:
        UsageError: there is no such data set, or a class it does not have was asked for.
    """
    try:
        dataset = open_dataset(request.truth, workspace)
    except DataError as error:
        raise UsageError(str(error)) from error
    dataset.require_classes(request.classes)
    return dataset


def run_config(request: Request, workspace: Workspace, dataset: Dataset, size: int) -> RunConfig:
    """The config of the run; folders become absolute, since runs outlive the present folder.

    Raises:
        UsageError: names the argument, what was expected and what came.
    """
    by_name = any(entry.name == request.truth for entry in registered(workspace))
    about = {"name": run_name(request), "maps": _absolute(request.maps)}
    if request.scores is not None:
        about["scores"] = _absolute(request.scores)
    values = {
        "data": request.truth if by_name else str(dataset.root),
        "method": EXTERNAL,
        "classes": request.classes,
        "size": size,
        "seed": request.seed,
        "device": "cpu",
        "method_config": about,
    }
    config: RunConfig = parse(RunConfig, values, "evaluate")
    return config


def run_name(request: Request) -> str:
    """The name that was given, else that of the folder with the maps.

    Raises:
        UsageError: it cannot be shown on one line.
    """
    path = request.maps.expanduser().resolve()
    folder = path.parent if path.suffix.lower() == ".npy" else path
    name = fsname(folder.name)[:LONGEST_NAME] if request.name is None else request.name.strip()
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise UsageError(
            f"--name came as {name!r}; expected up to {LONGEST_NAME} printable characters."
        )
    return name


def common_size(shapes: Iterable[tuple[int, int]]) -> int:
    """The side of the maps when all are squares of one size that a run can have, else 256."""
    sides = {side for shape in shapes for side in shape}
    side = sides.pop() if len(sides) == 1 else DEFAULT_SIZE
    return side if SIZES[0] <= side <= SIZES[1] else DEFAULT_SIZE


def _absolute(path: Path) -> str:
    return fsname(path.expanduser().resolve())
