"""Headers of DICOM files: what an import needs of them, and nothing that names a person.

File format: DICOM PS3.10; attributes: PS3.3. Errors of the parser are never passed on, for they
quote values and paths.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from core.data.importing.pseudonyms import Private
from core.data.layout import Findings

SUFFIXES = (".dcm", ".dicom", ".ima")
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_DIRECTORY = "1.2.840.10008.1.3.10"
_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1")
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "PatientName", "PatientID", "OtherPatientIDs",
    "OtherPatientNames", "ReferringPhysicianName", "AccessionNumber", "StudyID",
    "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber", "NumberOfFrames",
    "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BurnedInAnnotation",
]  # fmt: skip
_PRIVATE_TAGS = (
    "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "ReferringPhysicianName",
    "AccessionNumber",
)  # fmt: skip
_FREE = (
    "convert the file to Explicit VR Little Endian (dcmdjpeg of DCMTK or gdcmconv --raw of GDCM)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is needed of one file that holds images.

    Attributes:
        key: path below the source; holds names, so it is never shown.
        called: what findings call it.
        patient, study, series, instance: ids as the file gives them; "" when it does not.
        series_number, instance_number: None when there is none.
        frames: how many images it holds.
        size: columns and rows.
        kind: SOP class.
        modality: such as "CT".
        burned: it says that text is burned into the image.
        stamp: changes with the file.
    """

    path: Path
    key: str
    called: str
    patient: str
    study: str
    series: str
    instance: str
    series_number: int | None
    instance_number: int | None
    frames: int
    size: tuple[int, int]
    kind: str
    modality: str
    burned: bool
    stamp: str


def library() -> Any:
    """pydicom."""
    import pydicom

    return pydicom


def _quiet(pydicom: Any) -> None:
    """Keep values of files out of logs and warnings, for as long as the process lives."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom(\..*)?$")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def may_be_dicom(name: str) -> bool:
    """By the suffix: DICOM's, none, or the end of a number ("IM.0001", "1.2.840.77")."""
    suffix = Path(name).suffix.lower()
    return suffix in SUFFIXES or not suffix or suffix[1:].isdigit()


def is_dicom(path: Path) -> bool:
    """By the four letters behind the preamble."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def headers(
    root: Path, keys: list[str], keep_ids: bool, private: Private, findings: Findings
) -> Iterator[Scan]:
    """The files that hold images or segmentations; what is wrong with others becomes a finding.

    Args:
        private: gets names and ids of persons.
    """
    pydicom = library()
    _quiet(pydicom)
    for number, key in enumerate(keys, 1):
        path = root / key
        named = Path(key).suffix.lower() in SUFFIXES
        if not may_be_dicom(key) or not (named or is_dicom(path)):
            continue
        called = f"File {number} of {len(keys)} (in the order of paths)"
        called = f"File {key}" if keep_ids else called
        try:
            stat = path.stat()
            ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
            private.add(text for tag in _PRIVATE_TAGS for text in _texts(ds, tag))
            scan = _scan(ds, path, key, called, f"{stat.st_size}.{stat.st_mtime_ns}")
            fault = _fault(ds, scan, stat.st_size)
        except Exception:  # damaged bytes raise nearly anything; its text may quote a name
            findings.add(
                "error", "",
                f"{called} is not a DICOM file that can be read; replace it by an intact copy, or "
                "take it out.", kind="damaged",
            )  # fmt: skip
            continue
        if scan.kind == _DIRECTORY:
            continue
        if fault:
            severity, sentence, kind = fault
            findings.add(severity, "", f"{called} {sentence}", kind=kind)  # type: ignore[arg-type]
        else:
            yield scan


def _scan(ds: Any, path: Path, key: str, called: str, stamp: str) -> Scan:
    return Scan(
        path=path, key=key, called=called, patient=_text(ds, "PatientID"),
        study=_text(ds, "StudyInstanceUID"), series=_text(ds, "SeriesInstanceUID"),
        instance=_text(ds, "SOPInstanceUID"), series_number=_number(ds, "SeriesNumber"),
        instance_number=_number(ds, "InstanceNumber"),
        frames=max(1, _number(ds, "NumberOfFrames") or 1),
        size=(_number(ds, "Columns") or 0, _number(ds, "Rows") or 0),
        kind=_text(ds, "SOPClassUID") or _text(ds.file_meta, "MediaStorageSOPClassUID"),
        modality=_text(ds, "Modality"),
        burned=_text(ds, "BurnedInAnnotation").upper() == "YES", stamp=stamp,
    )  # fmt: skip


def _fault(ds: Any, scan: Scan, length: int) -> tuple[str, str, str] | None:
    """Why a file cannot be used: severity, the rest of the sentence, and the kind of fault."""
    if scan.kind == LABEL_MAP:
        return (
            "warning", "is a segmentation as a label map, which is not read; save it as a binary "
            "segmentation.", "label map",
        )  # fmt: skip
    width, height = scan.size
    if not scan.kind and not width:
        raise ValueError("nothing in it says what it is")
    if not width or not height:
        return (
            "note", f"holds no image ({scan.modality or 'no modality'}, such as a report, a plan "
            "or contours) and was left out.", "no image",
        )  # fmt: skip
    if width * height > 2 * (Image.MAX_IMAGE_PIXELS or width * height):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return (
            "error", f"has more than {limit:.0f} million pixels; scale it down.", "size",
        )  # fmt: skip
    syntax = ds.file_meta.get("TransferSyntaxUID")
    problem = undecodable(syntax)
    if problem:
        return "error", problem, f"syntax {syntax}"
    if scan.frames * _least(ds, scan, syntax.is_encapsulated) > length:
        return (
            "error", "is shorter than its header says; replace it by an intact copy, or take it "
            "out.", "short",
        )  # fmt: skip
    return None


def _least(ds: Any, scan: Scan, packed: bool) -> int:
    """Bytes that a frame takes at least."""
    if packed:
        return 8  # the header of its fragment
    samples = 1 if _number(ds, "SamplesPerPixel") in (None, 1) else 2  # YBR_FULL_422: 2 a pixel
    bits = samples * (_number(ds, "BitsAllocated") or 8)
    return max(1, scan.size[0] * scan.size[1] * bits // 8)


def undecodable(syntax: Any) -> str:
    """The rest of a sentence when a transfer syntax cannot be decoded; "" when it can."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    if not syntax:
        return f"does not say its transfer syntax; {_FREE}."
    uid = UID(str(syntax))
    name = uid.name if uid.is_transfer_syntax else f"the unknown syntax {_short(uid)}"
    if uid in _DEFLATED:  # a few bytes may unpack to any size, and all at once
        return f"is packed as {name}, which is not read; {_FREE}."
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        what = "save its frames as images" if "MPEG" in name or "HEVC" in name else _FREE
        return f"is compressed as {name}, which cannot be decoded; {what}."
    if decoder.is_available:
        return ""
    needed = "python-gdcm"
    if not any("gdcm" in line for line in decoder.missing_dependencies):
        needed = "pylibjpeg pylibjpeg-openjpeg"
    return (
        f"is compressed as {name}, which needs another decoder: pip install {needed}, or {_FREE}."
    )


def _short(uid: str) -> str:
    return "".join(c for c in uid if c.isdigit() or c == ".")[:64] or "?"


def _texts(ds: Any, tag: str) -> list[str]:
    value = ds.get(tag)
    if value is None:
        return []
    many = value if isinstance(value, list) or type(value).__name__ == "MultiValue" else [value]
    return [str(one) for one in many]


def _text(ds: Any, tag: str) -> str:
    return next(iter(_texts(ds, tag)), "").strip(" \0")


def _number(ds: Any, tag: str) -> int | None:
    try:
        return int(float(_text(ds, tag)))
    except (ValueError, OverflowError):
        return None
