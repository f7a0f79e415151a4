"""DICOM: folders of scans, or one file, with segmentations where there are some.

Names of persons are neither stored nor shown. The patient (PatientID, else StudyInstanceUID)
becomes a pseudonym (`core.data.importing.pseudonyms`), and images are called by it, by the number
of the series and that of the image. As names of files and folders may be names of persons, findings
call a file by its place in the order of paths. `keep_ids` keeps patients' ids and paths as they
are; the name in the header is not even then.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from core.data.importing import dicom_files, dicom_pixels, dicom_seg
from core.data.importing.base import Importer, Item, Options, importer
from core.data.importing.dicom_files import SEGMENTATION, Scan
from core.data.importing.patients import part_healthy
from core.data.importing.pseudonyms import Private, Pseudonyms, is_placeholder
from core.data.importing.unnamed import listed, walk
from core.data.importing.windows import Window
from core.data.layout import NORMAL_NAMES, Findings, Tree
from core.errors import DataError, UsageError
from core.types import GOOD

_NORMAL = NORMAL_NAMES | {"normal", "healthy"}
_ANOMALY = "anomaly"
_LOOKED_AT = 200
"""Files that recognising a folder looks at."""


class DicomOptions(Options):
    """Settings of the DICOM import."""

    class_name: str = Field(
        default="scan", description="what the images show, such as chest CT; one class for all"
    )
    labels: Literal["good", "folders", "types"] = Field(
        default="good",
        description="good: every image is normal unless a segmentation marks it; folders: images "
        "below a first folder called good, ok, normal or healthy are normal, all others anomalous; "
        "types: the same, and the first folder's name is the kind of anomaly (choose it only when "
        "no folder is named after a person)",
    )
    window_centre: float | None = Field(
        default=None, allow_inf_nan=False,
        description="centre of the grey window in the scan's units (CT: Hounsfield units); empty: "
        "the window in the file, or, where there is none, all that its bits can hold",
    )  # fmt: skip
    window_width: float | None = Field(
        default=None, gt=0, allow_inf_nan=False,
        description="width of the grey window; set with its centre",
    )  # fmt: skip
    stride: int = Field(
        default=1, ge=1, description="take every n-th image of a series, frames counted singly"
    )
    segments: str = Field(
        default="",
        description="labels of the segments that are anomalies, separated by commas; empty: every "
        "segment of a segmentation (DICOM-SEG) marks an anomaly",
    )
    min_pixels: int = Field(
        default=1, ge=1,
        description="an image is anomalous when segmentations mark at least so many of its pixels",
    )  # fmt: skip
    healthy_share: float = Field(
        default=0.0, ge=0, lt=1,
        description="share of the patients with anomalies whose healthy images are trained on, "
        "their anomalous images being left out; 0: such patients are tested whole",
    )  # fmt: skip
    keep_ids: bool = Field(
        default=False,
        description="keep patients' ids and the paths of files as they are, instead of pseudonyms",
    )


@importer("dicom")
class Dicom(Importer[DicomOptions]):
    """See the module."""

    title: ClassVar[str] = "DICOM scans"
    summary: ClassVar[str] = (
        "X-rays, CT, MR and other scans as DICOM files; names of patients are never kept."
    )
    takes: ClassVar[tuple[str, ...]] = ("folder", ".dcm", ".dicom", ".ima")
    specificity: ClassVar[int] = 10
    options = DicomOptions

    def recognise(self, source: Path) -> str | None:
        """By files that bear the DICOM sign among the first that may."""
        if _first_of(source) is None:
            return None
        return "A DICOM file." if source.is_file() else "A folder with DICOM files."

    def suggest(self, source: Path) -> DicomOptions:
        """The modality as class, and labels by folders where one is called good."""
        first = _first_of(source)
        modality = ""
        if first is not None:
            for scan in dicom_files.headers(
                first.parent, [first.name], False, Private(), Findings()
            ):
                modality = scan.modality
        known = modality.isascii() and modality.isupper() and len(modality) <= 3
        by_folder = source.is_dir() and Tree(source).listing().folder(_NORMAL) is not None
        return DicomOptions(
            class_name=modality if known else "scan", labels="folders" if by_folder else "good"
        )

    def items(
        self, source: Path, options: DicomOptions, findings: Findings
    ) -> Iterator[Item]:  # fmt: skip
        """Every frame of every image; see `Importer.items`."""
        if (options.window_centre is None) != (options.window_width is None):
            raise UsageError("Set both window_centre and window_width, or neither.")
        names = Pseudonyms.of(self.workspace)
        private = Private()
        root, keys = listed(source, options.keep_ids, findings)
        scans = list(dicom_files.headers(root, keys, options.keep_ids, private, findings))
        images = [scan for scan in scans if scan.kind != SEGMENTATION]
        if not images:
            problems = findings.problems()
            why = f" First problem: {problems[0].message}" if problems else ""
            raise DataError(f"The source holds no DICOM image that can be read.{why}")
        wanted = [one.strip() for one in options.segments.split(",") if one.strip()]
        masks = dicom_seg.marks(
            (scan for scan in scans if scan.kind == SEGMENTATION), images, wanted, findings
        )
        made = _Making(options, names, private, masks, findings)
        yield from part_healthy(list(made.items(images)), options.healthy_share, findings)
        made.tell()


class _Making:
    """Scans become items."""

    def __init__(
        self, options: DicomOptions, names: Pseudonyms, private: Private,
        masks: dict[dicom_seg.Place, list[dicom_seg.Mark]], findings: Findings,
    ) -> None:  # fmt: skip
        self._options, self._names, self._private = options, names, private
        self._masks, self._findings = masks, findings
        self._kinds: dict[str, str] = {}
        self._hidden = 0
        self._burned = self._contrary = self._loose = 0
        centre, width = options.window_centre, options.window_width
        self._window = None if centre is None or width is None else Window(centre, width)

    def items(self, images: Sequence[Scan]) -> Iterator[Item]:
        """All that the stride leaves, series after series."""
        series: dict[tuple[str, str], list[Scan]] = defaultdict(list)
        for scan in images:
            series[self._patient(scan), scan.series].append(scan)
        for (patient, _), mine in sorted(series.items()):
            mine.sort(key=lambda scan: (scan.instance_number or 0, scan.instance, scan.key))
            numbers = Counter(scan.instance_number for scan in mine)
            place = 0
            for scan in mine:
                if self._options.labels != "good" and not _folder(scan):
                    self._loose += 1
                    continue
                self._burned += scan.burned
                alone = scan.instance_number is not None and numbers[scan.instance_number] == 1
                for frame in range(scan.frames):
                    if place % self._options.stride == 0:
                        yield self._item(scan, patient, frame, alone)
                    place += 1

    def tell(self) -> None:
        """Findings on all of them."""
        if self._burned:
            self._findings.add(
                "warning", "",
                f"{self._burned:,} files say that text is burned into their image "
                "(BurnedInAnnotation); it may name the patient and cannot be removed here: look at "
                "the images before you pass them on.",
            )  # fmt: skip
        if self._loose:
            self._findings.add(
                "warning", "",
                f"{self._loose:,} files lie in no folder, so it is not known whether they are "
                "normal; they were left out. Move them into a folder, or set labels to good.",
            )  # fmt: skip
        if self._contrary:
            self._findings.add(
                "warning", "",
                f"{self._contrary:,} images lie in a folder of normal ones although a segmentation "
                "marks them; they count as anomalous.",
            )  # fmt: skip
        if self._hidden:
            self._findings.add(
                "warning", "",
                f"{self._hidden} names of folders or segments hold a patient's name or id; "
                f"{_ANOMALY!r} stands for them as the kind of anomaly.",
            )  # fmt: skip

    def _item(self, scan: Scan, patient: str, frame: int, alone: bool) -> Item:
        options = self._options
        number = "x" if scan.series_number is None else str(scan.series_number)
        series = f"series-{number}-{self._names.digest('series', scan.series or scan.key, 6)}"
        image = "" if scan.instance_number is None else f"{scan.instance_number:04d}"
        if not alone:
            image += "-" + self._names.digest("instance", scan.instance or scan.key, 6)
        if scan.frames > 1:
            image += f"-frame-{frame + 1:04d}"
        marks = self._masks.get((scan.instance, frame), [])
        if marks and sum(mark.pixels for mark in marks) < options.min_pixels:
            marks = []
        return Item(
            name=f"{patient}/{series}/{image.strip('-')}", class_name=options.class_name,
            label=int(bool(marks) or not self._normal(scan)),
            anomaly_type=self._kind(scan, marks),
            specimen=self._specimen(scan, patient), view=f"series {number}",
            draw=partial(
                dicom_pixels.frame_image, scan.path, frame, self._window, scan.called
            ),
            draw_mask=partial(dicom_seg.marked, marks) if marks else None,
            origin=_origin(scan, frame) if options.keep_ids else "",
            stamp=_stamp(scan, frame, self._window, marks),
        )  # fmt: skip

    def _patient(self, scan: Scan) -> str:
        """The pseudonym; who issued an id is not looked at, for one patient who is taken for two
        could stand in training and in test."""
        if not is_placeholder(scan.patient):
            return self._names.name("patient", scan.patient)
        if scan.study:
            return self._names.name("study", scan.study)
        return self._names.name("file", scan.series or scan.key)

    def _specimen(self, scan: Scan, patient: str) -> str:
        if not self._options.keep_ids:
            return patient
        known = "" if is_placeholder(scan.patient) else scan.patient
        return known or scan.study or patient

    def _normal(self, scan: Scan) -> bool:
        """Whether the settings take an image for normal, segmentations apart."""
        return self._options.labels == "good" or _folder(scan).lower() in _NORMAL

    def _kind(self, scan: Scan, marks: Sequence[dicom_seg.Mark]) -> str:
        normal = self._normal(scan)
        if marks:
            self._contrary += normal and self._options.labels != "good"
            return self._plain(dicom_seg.main_label(marks))
        if normal:
            return GOOD
        folder = _folder(scan)
        return self._plain(folder) if folder and self._options.labels == "types" else _ANOMALY

    def _plain(self, text: str) -> str:
        """A kind of anomaly as it may be stored."""
        if text not in self._kinds:
            hidden = self._private.tells(text) and not self._options.keep_ids
            self._hidden += hidden
            clean = "".join(c if c.isprintable() else " " for c in text).strip()[:64]
            usable = clean and clean.lower() != GOOD and not hidden
            self._kinds[text] = clean if usable else _ANOMALY
        return self._kinds[text]


def _first_of(source: Path) -> Path | None:
    """The first DICOM file among the first files that may be some."""
    if source.is_file():
        return source if dicom_files.is_dicom(source) else None
    looked = 0
    for number, key in enumerate(walk(Tree(source))):
        if looked >= _LOOKED_AT or number >= 10 * _LOOKED_AT:
            return None
        if dicom_files.may_be_dicom(key) and not key.endswith("DICOMDIR"):
            looked += 1
            if dicom_files.is_dicom(source / key):
                return source / key
    return None


def _folder(scan: Scan) -> str:
    """The first folder below the source; "" for files that lie in none."""
    first, _, rest = scan.key.partition("/")
    return first if rest else ""


def _origin(scan: Scan, frame: int) -> str:
    return f"{scan.key}, frame {frame + 1}" if scan.frames > 1 else scan.key


def _stamp(
    scan: Scan, frame: int, window: Window | None, marks: Sequence[dicom_seg.Mark]
) -> str:  # fmt: skip
    drawn = [(mark.scan.stamp, mark.frame) for mark in marks]
    return hashlib.sha256(repr((1, scan.stamp, frame, window, drawn)).encode()).hexdigest()[:16]
