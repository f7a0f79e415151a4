"""NIfTI: volumes become slices along one axis of the body, with masks where there are some.

A slice is anomalous when its mask marks at least `min_pixels` of it; every other slice is normal.
Names of files, which may be names of persons, are neither stored nor shown: a volume is called by a
pseudonym (`core.data.importing.pseudonyms`), and findings call a file by its place in the order of
paths, unless `keep_ids` is set. Each volume is read twice, once to choose slices and once to draw
them; few are held in memory (`core.data.importing.nifti_volume.Cache`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from core.data.images import Mask
from core.data.importing import nifti_files
from core.data.importing.base import Importer, Item, importer
from core.data.importing.nifti_files import Pair
from core.data.importing.nifti_measure import Measures, measured
from core.data.importing.nifti_options import NiftiOptions, wanted_values
from core.data.importing.nifti_volume import Cache, Volume, is_nifti, open_volume
from core.data.importing.patients import part_healthy
from core.data.importing.pseudonyms import Pseudonyms
from core.data.importing.unnamed import listed, walk
from core.data.importing.windows import stretched
from core.data.layout import Findings, Tree
from core.errors import DataError, FlawscopeError
from core.types import GOOD

_LOOKED_AT = 2000
"""Files that recognising a folder looks at."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A volume with its mask, opened."""

    volume: Volume
    mask: Volume | None
    called: str
    mask_called: str
    stamp: str


@importer("nifti")
class Nifti(Importer[NiftiOptions]):
    """See the module."""

    title: ClassVar[str] = "NIfTI volumes"
    summary: ClassVar[str] = (
        "CT or MRI volumes as .nii or .nii.gz, cut into slices; names of files are never kept."
    )
    takes: ClassVar[tuple[str, ...]] = ("folder", ".nii", ".gz")
    specificity: ClassVar[int] = 10
    options = NiftiOptions

    def recognise(self, source: Path) -> str | None:
        """By the suffix of the first files."""
        if source.is_file():
            return "A NIfTI volume." if is_nifti(source.name) else None
        for number, key in enumerate(walk(Tree(source))):
            if is_nifti(key):
                return "A folder with NIfTI volumes."
            if number >= _LOOKED_AT:
                break
        return None

    def items(
        self, source: Path, options: NiftiOptions, findings: Findings
    ) -> Iterator[Item]:  # fmt: skip
        """Every slice that the settings take; see `Importer.items`."""
        wanted = wanted_values(options)
        root, keys = listed(source, options.keep_ids, findings)
        if source.is_file():  # its mask may lie beside it
            keys = sorted({source.name, *_beside(source)})
        found, orphans = nifti_files.pairs(keys, options.patient == "folder")
        if source.is_file():
            found = [pair for pair in found if pair.volume == source.name] or [
                Pair(source.name, None, nifti_files.base(source.name))
            ]
            orphans, keys = [], [source.name]
        made = _Making(root, keys, options, wanted, Pseudonyms.of(self.workspace), findings)
        yield from part_healthy(list(made.items(found)), options.healthy_share, findings)
        _tell(found, orphans, findings)


class _Making:
    """Volumes become items, one volume at a time."""

    def __init__(
        self, root: Path, keys: list[str], options: NiftiOptions, wanted: tuple[int, ...],
        names: Pseudonyms, findings: Findings,
    ) -> None:  # fmt: skip
        self._root, self._options, self._wanted = root, options, wanted
        self._numbers = {key: number for number, key in enumerate(keys, 1)}
        self._names, self._findings, self._cache = names, findings, Cache()

    def items(self, found: list[Pair]) -> Iterator[Item]:
        """Slices of all volumes; one that cannot be used is left out whole."""
        for pair in found:
            try:
                case = self._open(pair)
                measures = measured(
                    self._cache.read(case.volume, case.called), case.volume, self._options.axis,
                    self._options.foreground_above,
                    (self._options.low_percentile, self._options.high_percentile),
                )  # fmt: skip
                marked = self._marked(case)
            except FlawscopeError as error:
                # its labels are not known, so its slices may not be taken for normal
                self._findings.add("error", "", f"{error} It was left out.", kind="volume")
                continue
            if not case.volume.oriented:
                self._findings.add(
                    "note", "",
                    f"{case.called} does not say how the patient lay; NIfTI's default was taken, "
                    "so left and right, or the axes, may be wrong.", kind="orientation",
                )  # fmt: skip
            yield from self._slices(pair, case, measures, marked)

    def _open(self, pair: Pair) -> _Case:
        called = self._called(pair.volume)
        volume = open_volume(self._root / pair.volume, called, self._options.volume)
        stamp = _stamp(volume.path)
        if pair.mask is None:
            return _Case(volume, None, called, "", stamp)
        mask_called = f"The mask of {called[0].lower()}{called[1:]}"
        mask = open_volume(self._root / pair.mask, mask_called)
        if not (mask.oriented and volume.oriented):  # one of them lost it: voxel by voxel
            fits, mask = mask.shape == volume.shape, replace(mask, turns=volume.turns)
        else:
            fits = mask.lies_on(volume)
        if not fits:
            raise DataError(
                f"{mask_called} lies on another grid than its volume; resample it onto that."
            )
        return _Case(volume, mask, called, mask_called, f"{stamp}.{_stamp(mask.path)}")

    def _marked(self, case: _Case) -> list[int]:
        """Marked pixels of each slice; empty without a mask."""
        mask, axis = case.mask, self._options.axis
        if mask is None:
            return []
        voxels = self._cache.read(mask, case.mask_called)
        return [
            int(_marks(mask, mask.slice(voxels, axis, k), self._wanted).sum())
            for k in range(mask.depth(axis))
        ]

    def _slices(
        self, pair: Pair, case: _Case, measures: Measures, marked: list[int]
    ) -> Iterator[Item]:  # fmt: skip
        options = self._options
        low, high = measures.low, measures.high
        if options.window_low is not None and options.window_high is not None:
            low, high = options.window_low, options.window_high
        name = self._names.name("volume", pair.volume)
        who = pair.case if options.keep_ids else self._names.name("patient", pair.case)
        for k in range(0, case.volume.depth(options.axis), options.stride):
            if measures.shares[k] < options.min_foreground:
                continue
            bad = bool(marked) and marked[k] >= options.min_pixels
            drawn = (2, case.stamp, options.axis, options.volume, k, low, high, self._wanted, bad)
            yield Item(
                name=f"{name}/{options.axis}-{k:04d}", class_name=options.class_name,
                label=int(bad), anomaly_type=options.anomaly_type if bad else GOOD,
                specimen=who, view=f"{options.axis} {k}",
                draw=partial(self._image, case, k, low, high),
                draw_mask=partial(self._mask, case, k) if bad else None,
                origin=f"{pair.volume}, {options.axis} {k}" if options.keep_ids else "",
                stamp=hashlib.sha256(repr(drawn).encode()).hexdigest()[:16],
            )  # fmt: skip

    def _image(self, case: _Case, number: int, low: float, high: float) -> Image.Image:
        voxels = self._cache.read(case.volume, case.called)
        flat = case.volume.slice(voxels, self._options.axis, number)
        return Image.fromarray(stretched(case.volume.values(flat), low, high))

    def _mask(self, case: _Case, number: int) -> Mask:
        assert case.mask is not None
        voxels = self._cache.read(case.mask, case.mask_called)
        return _marks(case.mask, case.mask.slice(voxels, self._options.axis, number), self._wanted)

    def _called(self, key: str) -> str:
        if self._options.keep_ids:
            return f"File {key}"
        return f"File {self._numbers[key]} of {len(self._numbers)} (in the order of paths)"


def _marks(mask: Volume, flat: np.ndarray, wanted: tuple[int, ...]) -> Mask:
    values = np.nan_to_num(mask.values(flat))
    found: Mask = np.isin(np.rint(values), wanted) if wanted else values != 0
    return found


def _beside(source: Path) -> list[str]:
    """Masks in the folder of a single volume."""
    names = Tree(source.parent).listing().files
    return [name for name in names if is_nifti(name) and nifti_files.is_mask(name)]


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size}.{stat.st_mtime_ns}"


def _tell(found: list[Pair], orphans: list[str], findings: Findings) -> None:
    """What is known of masks as a whole."""
    bare = sum(pair.mask is None for pair in found)
    if orphans:
        findings.add(
            "warning", "",
            f"{len(orphans)} masks belong to no volume and were not used; a mask has its volume's "
            "name, with _seg, _mask or _label at its end or in a folder called masks or labels.",
        )  # fmt: skip
    if bare == len(found):
        findings.add("note", "", "No masks were found; every slice counts as normal.")
    elif bare:
        findings.add(
            "warning", "",
            f"{bare} of {len(found)} volumes have no mask; their slices count as normal.",
        )  # fmt: skip
