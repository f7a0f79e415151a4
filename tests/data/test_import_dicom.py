"""DICOM: grey levels derived by hand, segmentations, privacy, damage, import and re-import."""

from __future__ import annotations

import io
import json
import logging
import shutil
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    generate_uid,
)  # fmt: skip

from core.data import manifest
from core.data.images import read_mask
from core.data.importing.base import Item
from core.data.importing.bring import bring_again, bring_in, recognise
from core.data.importing.dicom import Dicom, DicomOptions
from core.data.importing.pseudonyms import Private, Pseudonyms
from core.data.importing.windows import Window, stretched, windowed
from core.data.layout import Findings
from core.errors import DataError, UsageError
from core.workspace import Workspace
from tests.data.trees_medical import ID, ct, dicom, item, segmentation

OPTIONS = DicomOptions()


def items(source: Path, options: DicomOptions = OPTIONS) -> tuple[list[Item], str]:
    findings = Findings()
    found = list(Dicom().items(source, options, findings))
    return found, "\n".join(one.message for one in findings.problems())


def drawn(source: Path, **options: Any) -> np.ndarray:
    (one,), _ = items(source, DicomOptions(**options))
    assert one.draw is not None
    return np.asarray(one.draw())


def well(root: Path) -> None:
    """Add a patient without anomalies, who is trained on."""
    dicom(root / "well.dcm", np.zeros((2, 2), np.uint8), patient="well")


def sick(source: Path, **options: Any) -> tuple[list[Item], str]:
    """Images of the patient of `dicom`, in the order of their numbers."""
    found, said = items(source, DicomOptions(**options))
    ours = {one.specimen for one in found if one.label}
    return [one for one in found if one.specimen in ours], said


# -- windows ---------------------------------------------------------------------------------------


def test_windows_follow_the_standard() -> None:
    # C.11.2.1.2.1: c = 2048, w = 4096 on 12 bits is the identity up to scale
    levels = windowed([0, 2047, 2048, 4095], Window(2048, 4096))
    assert levels.tolist() == [0, 127, 128, 255]  # 2047 / 4095 * 255 = 127.47; 2048: 127.53
    # its example: c = 0, w = 100: below -50 black, above 49 white; ((-1 + 0.5) / 99 + 0.5) * 255
    assert windowed([-51, -50, -1, 49, 50], Window(0, 100)).tolist() == [0, 0, 126, 255, 255]
    assert windowed([1, 0, 2], Window(1, 1)).tolist() == [255, 0, 255]  # a step at c - 0.5
    exact = Window(0, 100, "LINEAR_EXACT")
    assert windowed([-50, 0, 25, 50], exact).tolist() == [0, 128, 191, 255]
    sigmoid = windowed([-1e9, 0, 25, 1e9], Window(0, 100, "SIGMOID"))
    assert sigmoid.tolist() == [0, 128, 186, 255]  # 255 / (1 + e^-1) = 186.4
    assert windowed([0.0, 0.25, 0.5], Window(0.25, 0.5)).tolist() == [0, 128, 255]
    assert stretched([5, 10, 15, 20, np.nan], 10, 20).tolist() == [0, 0, 128, 255, 0]
    assert stretched([1, 2], 1, 1).tolist() == [0, 255]


# -- pixels ----------------------------------------------------------------------------------------


def test_twelve_bits_without_window_use_the_stored_range(tmp_path: Path) -> None:
    values = np.array([[0, 16, 2048], [1000, 1001, 4095]], np.uint16)
    dicom(tmp_path / "a.dcm", values, bits=12)
    # 16 / 4095 * 255 = 0.996, 2048: 127.53, 1000: 62.27, 1001: 62.33
    assert drawn(tmp_path).tolist() == [[0, 1, 128], [62, 62, 255]]
    dicom(tmp_path / "a.dcm", values, bits=12, PhotometricInterpretation="MONOCHROME1")
    assert drawn(tmp_path).tolist() == [[255, 254, 127], [193, 193, 0]]


def test_a_narrow_image_is_not_stretched(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", np.full((2, 2), 2048, np.uint16), bits=12)
    assert set(drawn(tmp_path).ravel()) == {128}


def test_signed_with_rescale_and_window(tmp_path: Path) -> None:
    values = np.array([[-2048, 0], [500, 2047]], np.int16)
    tags = {
        "RescaleSlope": 2,
        "RescaleIntercept": -1000,
        "WindowCenter": [0, 9],
        "WindowWidth": [2001, 9],
    }
    dicom(tmp_path / "a.dcm", values, **tags)
    # HU: -5096, -1000, 0, 3094; LINEAR: ((x + 0.5) / 2000 + 0.5) * 255: -1000 -> 0.06, 0 -> 127.56
    assert drawn(tmp_path).tolist() == [[0, 0], [128, 255]]
    # settings go before tags: centre 1000, width 4001: ((x - 999.5) / 4000 + 0.5) * 255
    assert drawn(tmp_path, window_centre=1000, window_width=4001).tolist() == [[0, 0], [64, 255]]
    # no window: -32768 * 2 - 1000 to 32767 * 2 - 1000, that is (stored + 32768) / 65535 * 255
    dicom(tmp_path / "a.dcm", values, RescaleSlope=2, RescaleIntercept=-1000)
    assert drawn(tmp_path).tolist() == [[120, 128], [129, 135]]
    # a falling slope turns it round
    dicom(tmp_path / "a.dcm", values, RescaleSlope=-1, RescaleIntercept=0)
    assert drawn(tmp_path).tolist() == [[135, 127], [126, 120]]


def test_lookup_tables_of_the_tags(tmp_path: Path) -> None:
    lut = item(LUTDescriptor=[4, 0, 8], LUTData=bytes([0, 10, 200, 255]))
    values = np.array([[0, 1], [2, 3]], np.uint8)
    dicom(tmp_path / "a.dcm", values, bits=2, VOILUTSequence=[lut])
    assert drawn(tmp_path).tolist() == [[0, 10], [200, 255]]
    dicom(tmp_path / "a.dcm", values, bits=2, ModalityLUTSequence=[lut])
    assert drawn(tmp_path).tolist() == [[0, 10], [200, 255]]
    assert drawn(tmp_path, window_centre=100.5, window_width=101).tolist() == [[0, 0], [255, 255]]


def test_colours(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    dicom(tmp_path / "a.dcm", values)
    assert (drawn(tmp_path) == values).all()
    planes = np.ascontiguousarray(values.transpose(2, 0, 1)).tobytes()
    dicom(tmp_path / "a.dcm", values, PlanarConfiguration=1, PixelData=planes)
    assert (drawn(tmp_path) == values).all()
    dicom(tmp_path / "a.dcm", (values.astype(np.uint16) * 257))
    assert (drawn(tmp_path) == values).all()
    # YBR of pure red: Y = 76, Cb = 85, Cr = 255 (C.7.6.3.1.2)
    red = np.zeros((2, 2, 3), np.uint8) + np.array([76, 85, 255], np.uint8)
    dicom(tmp_path / "a.dcm", red, PhotometricInterpretation="YBR_FULL")
    assert np.abs(drawn(tmp_path).astype(int) - [254, 0, 0]).max() <= 1
    table = np.array([0, 128, 255, 7], np.uint8).tobytes()
    tags = {f"{c}PaletteColorLookupTableDescriptor": [4, 0, 8] for c in ("Red", "Green", "Blue")}
    tags |= {f"{c}PaletteColorLookupTableData": table for c in ("Red", "Blue")}
    tags["GreenPaletteColorLookupTableData"] = bytes(4)
    index = np.array([[0, 1], [2, 3]], np.uint8)
    dicom(tmp_path / "a.dcm", index, PhotometricInterpretation="PALETTE COLOR", **tags)
    assert drawn(tmp_path).tolist() == [[[0, 0, 0], [128, 0, 128]], [[255, 0, 255], [7, 0, 7]]]


def test_frames_have_their_own_window_and_a_stride(tmp_path: Path) -> None:
    values = np.stack([np.full((3, 4), 100 * n, np.uint16) for n in range(5)])
    groups = [
        item(
            PixelValueTransformationSequence=item(RescaleSlope=1, RescaleIntercept=n),
            FrameVOILUTSequence=item(WindowCenter=100 * n + n + 0.5, WindowWidth=101),
        )
        for n in range(5)
    ]
    dicom(tmp_path / "a.dcm", values, frames=5, bits=12, PerFrameFunctionalGroupsSequence=groups)
    found, _ = items(tmp_path, DicomOptions(stride=2))
    assert [one.name.rpartition("-")[2] for one in found] == ["0001", "0003", "0005"]
    # each frame's value lies on its own window's middle
    assert [set(np.asarray(one.draw()).ravel()) for one in found] == [{128}] * 3  # type: ignore[misc]
    assert len({one.stamp for one in found}) == 3 and len({one.specimen for one in found}) == 1
    for n in range(4):  # single files of a series are counted alike, in the order of their numbers
        dicom(tmp_path / f"s{9 - n}.dcm", values[0], series=2, number=n + 1)
    found, _ = items(tmp_path, DicomOptions(stride=3))
    names = [one.name.rpartition("/")[2] for one in found if one.view == "series 2"]
    assert names == ["0001", "0004"]


# -- labels and segmentations ----------------------------------------------------------------------


def test_segmentations_make_slices_anomalous(tmp_path: Path) -> None:
    a, b, _ = (
        dicom(tmp_path / f"{n}.dcm", np.zeros((5, 7), np.uint8), number=n) for n in (1, 2, 3)
    )
    one = np.zeros((5, 7), bool)
    one[1, 2] = True
    two = np.zeros((5, 7), bool)
    two[3:5, 4:7] = True
    frames = [(one, 1, a.SOPInstanceUID), (one, 1, b.SOPInstanceUID), (two, 2, b.SOPInstanceUID)]
    segmentation(tmp_path / "seg.dcm", frames, ["cyst", "tumour"])
    well(tmp_path)
    found, said = sick(tmp_path)
    assert said == "" and [(i.label, i.anomaly_type) for i in found] == [
        (1, "cyst"), (1, "tumour"), (0, "good"),
    ]  # fmt: skip
    assert found[1].draw_mask is not None and (found[1].draw_mask() == (one | two)).all()
    assert found[2].draw_mask is None
    only, _ = sick(tmp_path, segments="Tumour, other")
    assert [i.label for i in only] == [0, 1, 0] and (only[1].draw_mask() == two).all()  # type: ignore[misc]
    many, _ = sick(tmp_path, min_pixels=2)
    assert [i.label for i in many] == [0, 1, 0]


def test_segmentations_of_frames_and_shares(tmp_path: Path) -> None:
    source = dicom(tmp_path / "a.dcm", np.zeros((3, 4, 4), np.uint8), frames=3)
    share = np.zeros((4, 4), np.uint8)
    share[0, :3] = 127, 128, 255
    segmentation(
        tmp_path / "seg.dcm", [(share, 1, source.SOPInstanceUID)], ["x"], [2], fractional=True
    )
    well(tmp_path)
    found, _ = sick(tmp_path)
    assert [i.label for i in found] == [0, 1, 0]
    assert np.argwhere(found[1].draw_mask()).tolist() == [[0, 1], [0, 2]]  # type: ignore[misc]


def test_segmentations_that_do_not_fit_are_told(tmp_path: Path) -> None:
    source = dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8))
    mask = np.ones((6, 4), bool)
    segmentation(tmp_path / "s.dcm", [(mask, 1, source.SOPInstanceUID)], ["x"])
    segmentation(tmp_path / "t.dcm", [(mask, 1, generate_uid())], ["x"])
    segmentation(tmp_path / "u.dcm", [(mask, 7, source.SOPInstanceUID)], ["x"])
    found, said = items(tmp_path)
    assert [i.label for i in found] == [0]
    for words in ("another size", "not there", "cannot be read"):
        assert words in said


def test_labels_by_folder(tmp_path: Path) -> None:
    for n, folder in enumerate(("Good", "fracture/deep", f"{ID}", "Erika", "")):
        dicom(
            tmp_path / folder / f"{n}.dcm", np.zeros((2, 2), np.uint8), patient=f"{ID}{n}", number=n
        )
    assert Dicom().suggest(tmp_path).labels == "folders"
    assert Dicom().suggest(tmp_path).class_name == "CT"
    found, said = items(tmp_path, DicomOptions(labels="folders"))
    assert sorted(i.anomaly_type for i in found) == ["anomaly"] * 3 + ["good"]
    assert "1 files lie in no folder" in said
    found, said = items(tmp_path, DicomOptions(labels="types"))
    assert sorted(i.anomaly_type for i in found) == ["anomaly"] * 2 + ["fracture", "good"]
    assert "hold a patient's name or id" in said and "Erika" not in said


def test_patients_who_are_all_sick(tmp_path: Path) -> None:
    ct(tmp_path, patients=4, sick=4)
    with pytest.raises(UsageError, match=r"healthy_share to 0\.5"):
        items(tmp_path)
    found, said = items(tmp_path, DicomOptions(healthy_share=0.5))
    trained = {i.specimen for i in found if i.split == "train"}
    tested = {i.specimen for i in found if i.split is None}
    assert trained and tested and not trained & tested and len(trained | tested) == 4
    assert sum(i.label for i in found) == len(tested)
    assert all(not i.label for i in found if i.split == "train")
    assert f"{len(trained)} anomalous images were left out" in said


# -- privacy ---------------------------------------------------------------------------------------


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return [str(value)]


def test_no_name_or_id_is_stored_or_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    source = ct(tmp_path / "scans", patients=4)
    home = source / "Erika Mustermann 0"
    (home / "Mustermann broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + ID.encode())
    whole = (home / "Mustermann_1.dcm").read_bytes()
    (home / "Mustermann cut.dcm").write_bytes(whole[:-40])
    (home / "Mustermann copy.dcm").write_bytes(whole)
    dicom(
        home / "Mustermann odd.dcm", np.zeros((2, 2), np.uint8), number=77, StudyDate="Mustermann"
    )
    dicom(
        home / "Mustermann j.dcm", np.zeros((2, 2), np.uint8), syntax=JPEGLosslessSV1,
        PixelData=encapsulate([b"nothing"]),
    )  # fmt: skip
    dicom(
        home / "Mustermann rle.dcm", np.zeros((2, 2), np.uint8), number=78,
        PhotometricInterpretation="Mustermann",
    )  # fmt: skip
    (home / "Mustermann link.dcm").symlink_to(tmp_path / "Mustermann nowhere")
    (home / "Mustermann out.dcm").symlink_to("/etc/hostname")
    place = Workspace(tmp_path / "w")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        told: list[str] = []
        dataset = bring_in(
            place, source, "lungs", "dicom", {"labels": "good"},
            tell=lambda share, words: told.append(words),
        )  # fmt: skip
    folder = place.data / "lungs"
    # the source's own path is the user's choice and holds no name here
    texts = _texts(pq.read_table(folder / manifest.FILE).to_pylist())
    texts += _texts(json.loads((folder / "import.json").read_text()))
    texts += [str(path.relative_to(place.root)) for path in place.root.rglob("*")]
    texts += told + [str(one.message) for one in warned] + [caplog.text, *capfd.readouterr()]
    texts += [f"{p.key} {p.message}" for p in dataset.problems]
    texts += [repr(sample) for sample in dataset.samples]
    for path in place.root.rglob("*"):
        if path.is_file() and not path.is_relative_to(folder / "source"):
            texts.append(path.read_bytes().decode("latin-1"))
    for words in ("mustermann", "erika", "qxyz-4"):
        assert not [text for text in texts if words in text.lower()], words
    said = "\n".join(problem.message for problem in dataset.problems)
    for words in (
        "not a DICOM file that can be read", "cannot be decoded", "comes twice",
        "JPEG Lossless", "pip install python-gdcm", "2 files or",
    ):  # fmt: skip
        assert words in said, said
    specimens = {sample.specimen for sample in dataset.samples}
    assert all(one is not None and one.startswith("patient-") for one in specimens)


def test_burned_in_text_is_warned_of_and_ids_are_kept_on_demand(tmp_path: Path) -> None:
    dicom(tmp_path / "us" / "a.dcm", np.zeros((2, 2), np.uint8), BurnedInAnnotation="YES")
    found, said = items(tmp_path)
    assert "burned into" in said and found[0].origin == "" and found[0].specimen != ID
    kept, _ = items(tmp_path, DicomOptions(keep_ids=True))
    assert (kept[0].specimen, kept[0].origin) == (ID, "us/a.dcm")
    assert "Mustermann" not in repr(kept[0])


def test_pseudonyms_are_salted_private_and_lasting(tmp_path: Path) -> None:
    one, other = Workspace(tmp_path / "1"), Workspace(tmp_path / "2")
    first = Pseudonyms.of(one).name("patient", ID)
    assert first == Pseudonyms.of(one).name("patient", f" {ID} ")
    assert first != Pseudonyms.of(other).name("patient", ID) and len(first) == len("patient-") + 10
    assert Pseudonyms.of(None).name("patient", ID) != Pseudonyms.of(None).name("patient", ID)
    key = one.root / "private/pseudonyms.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    # RFC 2104 written out: H(K ^ opad, H(K ^ ipad, text))
    import hashlib

    padded = key.read_bytes().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded) + b"patient\0" + ID.encode()).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in padded) + inner).hexdigest()
    assert first == f"patient-{outer[:10]}"
    key.write_bytes(b"short")
    with pytest.raises(DataError, match="damaged"):
        Pseudonyms.of(one)
    private = Private()
    private.add(["Doe^Jo^^", "anonymous", "77123"])
    assert private.tells("lesion of DOE") and private.tells("x77123y") and private.tells("jo-1")
    assert not private.tells("anonymous joint doennut")


def test_placeholders_fall_back_to_the_study(tmp_path: Path) -> None:
    for n in range(3):
        dicom(tmp_path / f"{n}.dcm", np.zeros((2, 2), np.uint8), patient="ANON", study=n // 2)
    found, _ = items(tmp_path)
    assert len({i.specimen for i in found}) == 2
    assert all(i.specimen.startswith("study-") for i in found if i.specimen)


# -- damage ----------------------------------------------------------------------------------------


def test_damaged_files_never_crash(tmp_path: Path) -> None:
    source = ct(tmp_path / "scans", patients=2)
    whole = sorted(p for p in source.rglob("*.dcm"))
    rng = np.random.default_rng(1)
    for n in range(120):
        data = bytearray(whole[n % len(whole)].read_bytes())
        for place in rng.integers(132, len(data), 6):
            data[place] = rng.integers(256)
        if n % 3 == 0:
            data = data[: rng.integers(100, len(data))]
        (source / f"fuzz{n}.dcm").write_bytes(bytes(data))
    found, _ = items(source)
    refused = 0
    for one in found:
        assert one.draw is not None
        try:
            image = one.draw()
            assert image.mode in ("L", "RGB")
            if one.draw_mask is not None:
                one.draw_mask()
        except DataError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).startswith("File ")
    assert len(found) - refused >= 6


def test_files_without_suffix_and_what_is_no_image(tmp_path: Path) -> None:
    dicom(tmp_path / "IM0001", np.zeros((2, 2), np.uint8), number=1)
    dicom(tmp_path / "1.2.840.77", np.zeros((2, 2), np.uint8), number=2)
    (tmp_path / "README").write_text("nothing")
    report = dicom(tmp_path / "r.dcm", np.zeros((2, 2), np.uint8), number=3)
    for tag in ("PixelData", "Rows", "Columns"):
        delattr(report, tag)
    report.save_as(tmp_path / "r.dcm", enforce_file_format=True)
    found, said = items(tmp_path)
    assert len(found) == 2 and "holds no image" in said
    assert "no more" not in said and Dicom().recognise(tmp_path) == "A folder with DICOM files."
    assert Dicom().recognise(tmp_path / "r.dcm") and not Dicom().recognise(tmp_path / "README")
    empty = tmp_path / "none"
    empty.mkdir()
    assert Dicom().recognise(empty) is None
    with pytest.raises(DataError, match="no DICOM image"):
        items(empty)
    with pytest.raises(UsageError, match="both"):
        items(tmp_path, DicomOptions(window_centre=3))


def test_promised_pixels_are_not_believed(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", np.zeros((2, 2), np.uint8), NumberOfFrames=2_000_000_000)
    dicom(tmp_path / "b.dcm", np.zeros((2, 2), np.uint8), Rows=65535, Columns=65535)
    with pytest.raises(DataError, match="no DICOM image"):
        items(tmp_path)


# -- the whole way ---------------------------------------------------------------------------------


def test_import_and_import_again(tmp_path: Path) -> None:
    source = ct(tmp_path / "scans", patients=6)
    place = Workspace(tmp_path / "w")
    assert next(one.id for one, _ in recognise(source)) == "dicom"
    first = bring_in(place, source, "lungs", "dicom", {"class_name": "lung"})
    assert len(first.samples) == 18 and first.classes == ("lung",)
    by_patient: dict[str | None, set[str]] = {}
    for sample in first.samples:
        by_patient.setdefault(sample.specimen, set()).add(sample.split)
    assert len(by_patient) == 6 and all(len(splits) == 1 for splits in by_patient.values())
    (bad,) = [sample for sample in first.samples if sample.label]
    assert bad.anomaly_type == "tumour" and bad.split == "test" and bad.view == "series 1"
    expected = np.zeros((12, 10), bool)
    expected[2:6, 3:7] = True
    assert (read_mask(first.root / bad.masks[0]) == expected).all()
    with Image.open(first.root / bad.key) as image:
        assert image.size == (10, 12) and image.mode == "L"
    made = {path: path.stat().st_mtime_ns for path in (first.root / "images").rglob("*.png")}
    second = bring_again(place, "lungs")
    assert second.samples == first.samples
    assert made == {
        path: path.stat().st_mtime_ns for path in (first.root / "images").rglob("*.png")
    }
    shutil.rmtree(source / "Erika Mustermann 5")
    third = bring_again(place, "lungs")
    assert len(third.samples) == 15 and set(third.samples) < set(first.samples)


def test_compressed_files_that_are_decoded_here(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (16, 16), np.uint16)
    ds = dicom(tmp_path / "a.dcm", values, bits=12)
    plain = drawn(tmp_path)
    ds.compress(RLELossless)
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert (drawn(tmp_path) == plain).all()
    # as ultrasound comes: JPEG, its colours YBR
    red = Image.new("RGB", (16, 16), (200, 30, 60))
    file = io.BytesIO()
    red.save(file, "JPEG", quality=95)
    dicom(
        tmp_path / "a.dcm", np.asarray(red), syntax=JPEGBaseline8Bit,
        PhotometricInterpretation="YBR_FULL_422", PixelData=encapsulate([file.getvalue()]),
    )  # fmt: skip
    assert np.abs(drawn(tmp_path).astype(int) - [200, 30, 60]).max() <= 3
    # JPEG 2000 with 8 bits of grey
    grey = Image.fromarray((values >> 4).astype(np.uint8))
    file = io.BytesIO()
    grey.save(file, "JPEG2000", no_jp2=True)
    dicom(
        tmp_path / "a.dcm", np.asarray(grey), syntax=JPEG2000Lossless,
        PixelData=encapsulate([file.getvalue()]),
    )  # fmt: skip
    assert (drawn(tmp_path) == np.asarray(grey)).all()
