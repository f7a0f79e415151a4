"""Bootstrap replicates of a run's metrics, computed once and kept, so that many runs can be paired.

The draws of a class depend on its name, its images and the seed alone, not on the run: replicates
of two runs on the same images are resample by resample what `metrics.compare` pairs. They are kept
under <workspace>/cache/replicates/, one file a run and scope, found again by the state of the run's
tables; deleting the folder loses nothing. A file holds every metric of its scope, and one metric is
read without the others.

Shapes: C classes, R resamples.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.comparison import IMAGE_METRICS, Scope, cases_of
from core.metrics.base import METRICS, NINE
from core.metrics.compare import RESAMPLES, ClassCases, _resampled, _unvaried
from core.metrics.ranking import FloatArray
from core.metrics.resampling import draw
from core.metrics.summary import with_parts
from core.metrics.threads import in_threads
from core.runs import RunDirectory
from core.seeding import derive
from core.workspace import Workspace, write_atomically

_FORM = "1"
"""Changes when kept files would be read or computed differently."""


@dataclass(frozen=True, slots=True)
class Replicates:
    """One metric of one run, resampled.

    Attributes:
        truth: equal for runs that were judged on the same images, labels and specimens.
        classes: those for which the metric has a value.
        values_C: the stored values.
        draws_CR: the value in every draw; NaN throughout where no draw can differ.
    """

    run_id: str
    metric: str
    truth: str
    classes: tuple[str, ...]
    values_C: FloatArray
    draws_CR: FloatArray

    @property
    def varies(self) -> bool:
        """Whether the mean over classes can be resampled: every class can, and there is one."""
        return len(self.classes) > 0 and bool(np.isfinite(self.draws_CR).any(axis=1).all())

    def mean(self) -> tuple[float, FloatArray]:
        """The mean over classes, and in every draw. [R]"""
        return float(self.values_C.mean()), np.asarray(self.draws_CR.mean(axis=0))


def scope_of(metric: str) -> Scope:
    """Which file holds a metric: that of images alone, which is quick to make, or that of all."""
    return "images" if metric in IMAGE_METRICS else "all"


def stored_replicates(
    workspace: Workspace, run: RunDirectory, metric: str, resamples: int = RESAMPLES, seed: int = 0
) -> Replicates | None:
    """What `kept_replicates` would give, if it was computed before; else None."""
    scopes: tuple[Scope, ...] = ("images", "all") if scope_of(metric) == "images" else ("all",)
    for scope in scopes:
        found = _read(_place(workspace, run, scope, resamples, seed), run.run_id, metric)
        if found is not None:
            return found
    return None


def are_stored(
    workspace: Workspace, run: RunDirectory, metric: str, resamples: int = RESAMPLES, seed: int = 0
) -> bool:
    """Whether `stored_replicates` would find a file; it is not opened."""
    scopes: tuple[Scope, ...] = ("images", "all") if scope_of(metric) == "images" else ("all",)
    return any(_place(workspace, run, one, resamples, seed).exists() for one in scopes)


def kept_replicates(
    workspace: Workspace, run: RunDirectory, metric: str, resamples: int = RESAMPLES, seed: int = 0
) -> Replicates:
    """One metric of a run in every draw; computed once, with the other metrics of its scope.

    Without classes where the run has no value of it, or was stored before summaries were kept.

    Raises:
        RunError: the run has no cases or metrics yet.
        UsageError: a class whose cases are not what a test set holds.
    """
    held = stored_replicates(workspace, run, metric, resamples, seed)
    if held is not None:
        return held
    scope = scope_of(metric)
    metrics = IMAGE_METRICS if scope == "images" else NINE
    place = _place(workspace, run, scope, resamples, seed)
    _keep(place, _computed(cases_of(run, scope), metrics, resamples, seed))
    found = _read(place, run.run_id, metric)
    assert found is not None
    return found


@dataclass(frozen=True, slots=True)
class _Class:
    """Values and draws of one class by metric."""

    name: str
    values: dict[str, float]
    draws: dict[str, FloatArray]


def _computed(
    cases: Mapping[str, ClassCases], metrics: Sequence[str], resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """The arrays of a file."""
    names = sorted(cases)
    ordered = {name: _ordered(cases[name]) for name in names}
    found = in_threads(lambda n: _resample(n, ordered[n], metrics, resamples, seed), names)
    arrays: dict[str, np.ndarray] = {"truth": np.array(_truth(ordered))}
    for id in metrics:
        mine = [one for one in found if id in one.values]
        arrays[f"classes {id}"] = np.array([one.name for one in mine], dtype=np.str_)
        arrays[f"values {id}"] = np.array([one.values[id] for one in mine], np.float64)
        stacked = [one.draws[id] for one in mine]
        arrays[f"draws {id}"] = np.array(stacked, np.float64).reshape(len(mine), resamples)
    return arrays


def _ordered(run: ClassCases) -> ClassCases:
    """The images by label, then key: the order in which `metrics.compare` draws them."""
    rows = sorted(range(len(run.keys_N)), key=lambda row: (int(run.labels_N[row]), run.keys_N[row]))
    return run.take(np.array(rows, np.intp))


def _resample(
    name: str, run: ClassCases, metrics: Sequence[str], resamples: int, seed: int
) -> _Class:
    chosen = [METRICS.get(id) for id in with_parts(metrics)]
    seeded = derive(seed, "paired", name)
    weights_RN = draw(run.labels_N, resamples, seeded, run.specimens_N)
    values, draws = _resampled(run, chosen, weights_RN, whole=True)
    still = np.full(resamples, np.nan)
    return _Class(name, values, {id: still if _unvaried(run, id) else draws[id] for id in values})


def _truth(cases: Mapping[str, ClassCases]) -> str:
    """What the test set is: names, images, labels and specimens."""
    told = hashlib.sha256()
    for name, run in cases.items():
        told.update(f"{name}\x1e".encode())
        for key, label, specimen in zip(run.keys_N, run.labels_N, run.specimens_N, strict=True):
            told.update(f"{key}\x1f{int(label)}\x1f{specimen}\x1e".encode())
    return told.hexdigest()[:16]


def _place(
    workspace: Workspace, run: RunDirectory, scope: Scope, resamples: int, seed: int
) -> Path:
    """The file of a run and scope, named by what it was computed from."""
    told = [_FORM, scope, str(resamples), str(seed)]
    for name in (RunDirectory.CASES, RunDirectory.METRICS, RunDirectory.SUMMARIES):
        try:
            at = (run.path / name).stat()
            told.append(f"{at.st_size}:{at.st_mtime_ns}")
        except OSError:
            told.append("")
    mark = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    return workspace.root / "cache" / "replicates" / f"{run.run_id}-{scope}-{mark}.npz"


def _keep(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays; older files of the same run and scope go."""
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **dict(arrays)))
    for old in path.parent.glob(f"{path.name.rsplit('-', 1)[0]}-*.npz"):
        if old != path:
            old.unlink(missing_ok=True)


def _read(path: Path, run_id: str, metric: str) -> Replicates | None:
    """One metric of a kept file; None where there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as held:
            return Replicates(
                run_id=run_id,
                metric=metric,
                truth=str(held["truth"]),
                classes=tuple(str(name) for name in held[f"classes {metric}"]),
                values_C=held[f"values {metric}"],
                draws_CR=held[f"draws {metric}"],
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
