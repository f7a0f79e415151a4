"""Real DICOM and NIfTI files, small, written with pydicom and nibabel; no reader takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian

TREES: dict[str, Callable[[Path], Path]] = {}

CT = "1.2.840.10008.5.1.4.1.1.2"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
NAME, ID = "Mustermann^Erika", "QXYZ-4711"


def uid(*parts: int) -> str:
    """A UID of the examples' own."""
    return ".".join(map(str, ("1.2.826.0.1.3680043.9.7777", *parts)))


def dicom(
    path: Path, pixels: Any, *, series: int = 1, number: int | None = 1, patient: str = ID,
    name: str = NAME, frames: int | None = None, bits: int | None = None, study: int = 1,
    syntax: str = ExplicitVRLittleEndian, **tags: Any,
) -> Dataset:  # fmt: skip
    """Write an image; bits stored default to the type's; `tags` come last and may overwrite."""
    values = np.ascontiguousarray(pixels)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CT
    # patients have series of their own
    person = sum(patient.encode()) if patient else 0
    ds.SOPInstanceUID = uid(person, study, series, number or 0, len(path.name))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.PatientName, ds.PatientID, ds.Modality = name, patient, "CT"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(person, study), uid(person, study, series)
    ds.SeriesNumber, ds.InstanceNumber = series, number
    colour = values.ndim == 3 and frames is None
    ds.Rows, ds.Columns = values.shape[:2] if frames is None else values.shape[1:3]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    if frames is not None:
        ds.NumberOfFrames = frames
    ds.BitsAllocated = 8 * values.dtype.itemsize
    ds.BitsStored = bits or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    data = values.tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    for tag, value in tags.items():
        setattr(ds, tag, value)
    ds["PixelData"].is_undefined_length = syntax != ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return ds


def item(**tags: Any) -> Dataset:
    """An item of a sequence."""
    ds = Dataset()
    for tag, value in tags.items():
        setattr(ds, tag, Items([value]) if isinstance(value, Dataset) else value)
    return ds


def segmentation(
    path: Path, frames: Sequence[tuple[Any, int, str]], labels: Sequence[str],
    source_frames: Sequence[int | None] = (), fractional: bool = False, **tags: Any,
) -> Dataset:  # fmt: skip
    """Write a DICOM-SEG.

    Args:
        frames: mask (bool, or 0 to 255 where fractional), segment from 1, SOP instance UID of the
            image it was drawn on.
        labels: of the segments.
        source_frames: frame from 1 of that image, for images of several.
    """
    masks = np.stack([np.asarray(mask) for mask, _, _ in frames])
    ds = dicom(path, masks.astype(np.uint8), frames=len(frames), series=900, number=1)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SEG
    ds.Modality = "SEG"
    ds.SegmentSequence = Items(
        [item(SegmentNumber=n, SegmentLabel=label) for n, label in enumerate(labels, 1)]
    )
    ds.SegmentationType = "FRACTIONAL" if fractional else "BINARY"
    if fractional:
        ds.MaximumFractionalValue = 255
    else:
        ds.BitsAllocated = ds.BitsStored = 1
        ds.HighBit = 0
        ds.PixelData = pack_bits(masks.astype(np.uint8))
    groups = []
    for place, (_, segment, source) in enumerate(frames):
        image = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=source)
        number = source_frames[place] if source_frames else None
        if number is not None:
            image.ReferencedFrameNumber = number
        groups.append(
            item(
                DerivationImageSequence=item(SourceImageSequence=image),
                SegmentIdentificationSequence=item(ReferencedSegmentNumber=segment),
            )
        )
    ds.PerFrameFunctionalGroupsSequence = Items(groups)
    for tag, value in tags.items():
        setattr(ds, tag, value)
    ds.save_as(path, enforce_file_format=True)
    return ds


def nifti(
    path: Path, values: Any, affine: Any = None, slope: float | None = None, inter: float = 0.0,
    coded: bool = True,
) -> Path:  # fmt: skip
    """Write a volume [X, Y, Z(, T)]; the affine defaults to right, front, head.

    Args:
        slope: values are stored as they are and stand for values * slope + inter.
        coded: the file says how it lies.
    """
    array = np.asarray(values)
    image = nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine)
    if not coded:
        image.header.set_sform(None, 0)
        image.header.set_qform(None, 0)
        image = nibabel.Nifti1Image(array, None, image.header)
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def ct(root: Path, patients: int = 4, slices: int = 3, sick: int = 1) -> Path:
    """Patients with a series each; the first `sick` have a lesion on the second slice, by SEG.

    Names of files and folders are those of patients.
    """
    rng = np.random.default_rng(0)
    for who in range(patients):
        id, name = f"{ID}-{who}", f"{NAME}{who}"
        folder = root / f"Erika Mustermann {who}"
        sources = [
            dicom(
                folder / f"Mustermann_{number}.dcm", rng.integers(0, 4096, (12, 10), np.uint16),
                bits=12, number=number, patient=id, name=name, study=who + 1,
                RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400,
            )
            for number in range(1, slices + 1)
        ]  # fmt: skip
        if who < sick:
            mask = np.zeros((12, 10), bool)
            mask[2:6, 3:7] = True
            empty = np.zeros_like(mask)
            frames = [(mask, 1, sources[1].SOPInstanceUID), (empty, 1, sources[0].SOPInstanceUID)]
            segmentation(folder / "Mustermann_seg.dcm", frames, ["tumour"], PatientID=id)
    return root
