"""2,000 damaged files: a finding or one clear sentence, never a crash, never half a manifest.

250 each of PNG, JPEG, TIFF, DICOM, NIfTI, JSON, CSV and ZIP. What is opened is what people would
open: images through preparation and thumbnails, scans and tables through an import, lists through
their readers, archives through the intake. 50 files to a folder, sound ones among them.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import manifest
from core.data.catalogue import open_dataset
from core.data.importing.bring import bring_in
from core.data.intake import Intake, Limits
from core.data.prepared import prepare
from core.data.thumbnails import thumbnail
from core.errors import DataError, FlawscopeError
from core.workspace import Workspace
from tests.data import trees
from tests.data.fuzzing import mutations
from tests.data.trees import noise, save

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
EACH, FOLDER = 250, 50
ROUNDS = range(EACH // FOLDER)
LONGEST = 900
"""Characters of one sentence, names of files included."""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def one_sentence(text: str) -> bool:
    """What a person may read: one line that ends, no traceback, no object of Python's."""
    odd = re.search(r"Traceback|<[\w.]+ object at|\bNoneType\b|\x00", text)
    return bool(text.strip()) and "\n" not in text and len(text) < LONGEST and not odd


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(1, 48, 40)).save(file, kind, **options)
    return file.getvalue()


PICTURES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "PNG": (".png", lambda: encoded("PNG")),
    "JPEG": (".jpg", lambda: encoded("JPEG", quality=80)),
    "TIFF": (".tif", lambda: encoded("TIFF", compression="tiff_lzw")),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_images(kind: str, place: Workspace, tmp_path: Path) -> None:
    suffix, make = PICTURES[kind]
    for turn in ROUNDS:
        root = trees.mvtec(tmp_path / f"set {turn}", ("bolt",))
        for number, data in enumerate(mutations(make(), FOLDER, seed=turn)):
            bad = number % 5 == 0  # some are masks
            folder = "ground_truth/crack" if bad else "train/good"
            (root / f"bolt/{folder}" / f"x{number:03d}{suffix}").write_bytes(data)
            if bad:
                save(root / f"bolt/test/crack/x{number:03d}.png", noise(number, 48, 40))
        dataset = open_dataset(str(root), place)
        prepared = prepare(dataset, 32, place)
        assert {"bolt/train/good/000.png"} <= {sample.key for sample in prepared.samples}
        assert all(one_sentence(problem.message) for problem in prepared.problems)
        readable = {sample.key for sample in prepared.samples}
        for sample in dataset.samples:
            try:
                assert thumbnail(root, sample.key, 32, place)[:4] == b"RIFF"
            except DataError as error:
                assert one_sentence(str(error)) and sample.key not in readable


def brought(place: Workspace, source: Path, name: str, importer: str) -> None:
    """Import; either a sentence and no manifest, or a manifest that opens and can be prepared."""
    folder = place.data / name
    try:
        dataset = bring_in(place, source, name, importer)
    except FlawscopeError as error:
        assert one_sentence(str(error)), str(error)
        assert not (folder / manifest.FILE).exists()
        return
    unclear = [p.message for p in dataset.problems if not one_sentence(p.message)]
    assert not unclear
    rows = manifest.load(folder)
    assert rows and all((folder / row.sample.key).is_file() for row in rows)
    try:
        prepare(dataset, 32, place)
    except DataError as error:
        assert one_sentence(str(error))


def dicom(path: Path) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    scan = Dataset()
    scan.file_meta = meta
    scan.SOPClassUID, scan.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    scan.PatientID, scan.PatientName, scan.Modality = "4711", "Doe^Jane", "CT"
    scan.StudyInstanceUID, scan.SeriesInstanceUID = generate_uid(), generate_uid()
    scan.InstanceNumber, scan.Rows, scan.Columns = 1, 20, 24
    scan.SamplesPerPixel, scan.PhotometricInterpretation = 1, "MONOCHROME2"
    scan.BitsAllocated, scan.BitsStored, scan.HighBit, scan.PixelRepresentation = 16, 12, 11, 0
    scan.WindowCenter, scan.WindowWidth = 2048, 4096
    scan.PixelData = (noise(1, channels=1).astype(np.uint16) * 16).tobytes()
    scan.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def nifti(path: Path) -> bytes:
    import nibabel

    values = np.random.default_rng(0).integers(0, 900, (12, 10, 6)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    return path.read_bytes()


SCANS = {"dicom": (".dcm", dicom), "nifti": (".nii", nifti)}


@pytest.mark.parametrize("kind", SCANS)
def test_scans(kind: str, place: Workspace, tmp_path: Path) -> None:
    suffix, make = SCANS[kind]
    whole = make(tmp_path / f"whole{suffix}")
    for turn in ROUNDS:
        source = tmp_path / f"scans {turn}"
        source.mkdir()
        (source / f"sound{suffix}").write_bytes(whole)
        for number, data in enumerate(mutations(whole, FOLDER, seed=turn)):
            (source / f"{number:03d}{suffix}").write_bytes(data)
        brought(place, source, f"scans {turn}", kind)


def lists(root: Path) -> dict[str, tuple[Path, str]]:
    """JSON files that list images, and what reads each: "" is a reader, else an importer."""
    trees.ader(root / "ader")
    for number in range(3):
        save(root / f"coco/{number}.png", noise(number))
    marks = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 24, "height": 20} for n in range(3)
        ],
        "categories": [{"id": 7, "name": "dent"}],
        "annotations": [
            {"id": 1, "image_id": 2, "category_id": 7, "bbox": [2, 3, 8, 9], "area": 72,
             "iscrowd": 0, "segmentation": [[2, 3, 10, 3, 10, 12, 2, 12]]}
        ],
    }  # fmt: skip
    (root / "coco/annotations.json").write_text(json.dumps(marks))
    return {
        "ader": (root / "ader/meta.json", ""),
        "coco": (root / "coco/annotations.json", "coco"),
    }


@pytest.mark.parametrize("kind", ("ader", "coco"))
def test_lists(kind: str, place: Workspace, tmp_path: Path) -> None:
    path, importer = lists(tmp_path / "lists")[kind]
    whole = path.read_bytes()
    for number, data in enumerate(mutations(whole, EACH // 2, seed=3)):
        path.write_bytes(data)
        if importer:
            brought(place, path, f"list {number}", importer)
            continue
        try:
            dataset = open_dataset(str(path.parent), place)
            assert all(one_sentence(problem.message) for problem in dataset.problems)
        except FlawscopeError as error:
            assert one_sentence(str(error)), str(error)


def test_tables(place: Workspace, tmp_path: Path) -> None:
    lines = ["image,label,class,specimen"]
    for number in range(6):
        save(tmp_path / f"t/{number}.png", noise(number))
        lines.append(f'{number}.png,{"bad" if number > 3 else "good"},"pin, long",s{number}')
    path = tmp_path / "t/table.csv"
    for number, data in enumerate(mutations("\r\n".join(lines).encode(), EACH, seed=4)):
        path.write_bytes(data)
        brought(place, path, f"table {number}", "table")


def test_archives(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"good/{number}.png", encoded("PNG"))
    before = set(tmp_path.rglob("*"))
    for number, data in enumerate(mutations(file.getvalue(), EACH, seed=5)):
        folder = tmp_path / "taken" / str(number)
        intake = Intake(folder, Limits(most=10, largest=100_000, total=300_000))
        intake.data("photos.zip", data)
        assert all(one_sentence(told) for told in intake.left_out)
        kept = [path for path in folder.rglob("*") if path.is_file()]
        assert len(kept) == len(intake.images) <= 10
        assert sum(path.stat().st_size for path in kept) <= 300_000
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "taken")}
    assert outside == before
