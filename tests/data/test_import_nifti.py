"""NIfTI: orientation and grey levels derived by hand, masks, privacy, damage, import again."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest

from core.data import manifest
from core.data.images import read_mask
from core.data.importing.base import Item
from core.data.importing.bring import bring_again, bring_in, recognise
from core.data.importing.nifti import Nifti
from core.data.importing.nifti_files import Pair, pairs
from core.data.importing.nifti_measure import measured
from core.data.importing.nifti_options import NiftiOptions
from core.data.importing.nifti_volume import open_volume, read
from core.data.layout import Findings
from core.errors import DataError, UsageError
from core.workspace import Workspace
from tests.data.test_import_dicom import _texts
from tests.data.trees_medical import nifti

ALL = {"min_foreground": 0.0, "window_low": 0.0, "window_high": 255.0}
"""Every slice, values as they are."""


def items(source: Path, **options: Any) -> tuple[list[Item], str]:
    findings = Findings()
    found = list(Nifti().items(source, NiftiOptions(**options), findings))
    return found, "\n".join(one.message for one in findings.problems())


def image(item: Item) -> np.ndarray:
    assert item.draw is not None
    return np.asarray(item.draw())


def body() -> np.ndarray:
    """Right-front-head, uint8 [3, 4, 5]; voxel (x, y, z) is x + 3 y + 12 z."""
    x, y, z = np.meshgrid(range(3), range(4), range(5), indexing="ij")
    return (x + 3 * y + 12 * z).astype(np.uint8)


# -- slices ----------------------------------------------------------------------------------------

AXIAL_2 = [[35, 34, 33], [32, 31, 30], [29, 28, 27], [26, 25, 24]]
"""z = 2: rows from the front (y = 3), columns from the right (x = 2): x + 3 y + 24."""
CORONAL_1 = [[53, 52, 51], [41, 40, 39], [29, 28, 27], [17, 16, 15], [5, 4, 3]]
"""y = 1: rows from the head (z = 4), columns from the right: x + 3 + 12 z."""
SAGITTAL_0 = [[57, 54, 51, 48], [45, 42, 39, 36], [33, 30, 27, 24], [21, 18, 15, 12], [9, 6, 3, 0]]
"""x = 0: rows from the head, columns from the front: 3 y + 12 z."""


def stored_ways() -> list[tuple[np.ndarray, np.ndarray]]:
    """The same body, stored in several ways."""
    values, plain = body(), np.eye(4)
    to_left = values[::-1]  # the first axis runs to the left, as in most scans
    left = np.diag([-1.0, 1, 1, 1])
    left[0, 3] = 2
    turned = values.transpose(2, 0, 1)  # head, right, front
    axes = np.zeros((4, 4))
    axes[2, 0] = axes[0, 1] = axes[1, 2] = axes[3, 3] = 1
    angle = np.deg2rad(20)
    oblique = np.eye(4)
    oblique[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    feet = turned[::-1]
    down = axes.copy()
    down[2, 0], down[2, 3] = -1, 4
    return [(values, plain), (to_left, left), (turned, axes), (values, oblique), (feet, down)]


@pytest.mark.parametrize("way", range(5))
def test_slices_lie_in_the_body_however_it_is_stored(tmp_path: Path, way: int) -> None:
    values, affine = stored_ways()[way]
    source = nifti(tmp_path / "v.nii.gz", values, affine)
    for axis, number, count, expected in (
        ("axial", 2, 5, AXIAL_2), ("coronal", 1, 4, CORONAL_1), ("sagittal", 0, 3, SAGITTAL_0),
    ):  # fmt: skip
        found, _ = items(source, axis=axis, **ALL)
        assert len(found) == count and found[number].view == f"{axis} {number}"
        assert image(found[number]).tolist() == expected


def test_a_slice_is_a_view_for_a_copy_of_the_volume_takes_seconds(tmp_path: Path) -> None:
    for n, (values, affine) in enumerate(stored_ways()):
        volume = open_volume(nifti(tmp_path / f"{n}.nii.gz", values, affine), "File")
        voxels = read(volume, "File")
        assert np.shares_memory(volume.slice(voxels, "coronal", 1), voxels)


def test_stored_ways_agree_with_nibabel(tmp_path: Path) -> None:
    for values, affine in stored_ways():
        closest = nibabel.as_closest_canonical(nibabel.Nifti1Image(values, affine))
        assert (np.asarray(closest.dataobj) == body()).all()


def test_values_are_scaled_and_windows_stated(tmp_path: Path) -> None:
    values = np.array([[[0], [10], [20]], [[30], [40], [1000]]], np.int16)
    source = nifti(tmp_path / "v.nii", values, slope=2.0, inter=-10.0)
    # they stand for -10, 10, 30, 50, 70, 1990; above 0: five of six
    found, _ = items(source, low_percentile=0, high_percentile=75, min_foreground=5 / 6)
    # the 75th percentile of 10, 30, 50, 70, 1990 is 70: (v - 10) / 60 * 255
    # columns from the right: x = 1 first; rows from the front: y = 2 first
    assert image(found[0]).tolist() == [[255, 85], [255, 0], [170, 0]]
    assert items(source, min_foreground=0.84)[0] == []
    found, _ = items(source, window_low=-10, window_high=245)
    assert image(found[0]).tolist() == [[255, 40], [80, 20], [60, 0]]


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("slope", [0.5, -2.0])
def test_percentiles_are_numpys(tmp_path: Path, kind: Any, slope: float) -> None:
    values = np.random.default_rng(3).integers(0, 100, (6, 7, 8)).astype(kind)
    if kind is np.float32:
        values[0, 0, :2] = np.nan, np.inf
    source = nifti(tmp_path / "v.nii.gz", values, slope=slope, inter=20.0)
    volume = open_volume(source, "File")
    found = measured(read(volume, "File"), volume, "axial", -30.0, (2.5, 93.0))
    meant = values.astype(float) * slope + 20
    inside = np.isfinite(meant) & (meant > -30)
    low, high = np.percentile(meant[inside], [2.5, 93.0])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
    assert found.shares == pytest.approx(tuple(inside.mean(axis=(0, 1))))


def test_stride_foreground_and_four_dimensions(tmp_path: Path) -> None:
    values = np.zeros((4, 4, 6, 3), np.int16)
    for t in range(3):
        values[:, :, 2:, t] = 50 * (t + 1)
    source = nifti(tmp_path / "v.nii.gz", values)
    found, _ = items(source, stride=2, volume=1, window_low=0, window_high=255)
    assert [one.view for one in found] == ["axial 2", "axial 4"]
    assert [set(image(one).ravel()) for one in found] == [{100}] * 2
    found, said = items(tmp_path, volume=3)
    assert not found and "holds 3 volumes" in said
    other = nifti(tmp_path / "w.nii", values[..., :1])  # a fourth axis of one
    assert len(items(other)[0]) == 4


def test_an_empty_volume_and_settings_that_contradict(tmp_path: Path) -> None:
    source = nifti(tmp_path / "v.nii.gz", np.zeros((3, 3, 3), np.int16))
    assert items(source)[0] == []
    found, _ = items(source, min_foreground=0)
    assert len(found) == 3 and not image(found[0]).any()
    for options in (
        {"window_low": 1.0}, {"window_low": 2.0, "window_high": 1.0}, {"mask_values": "one"},
        {"low_percentile": 50.0, "high_percentile": 50.0},
    ):  # fmt: skip
        with pytest.raises(UsageError):
            items(source, **options)


# -- masks -----------------------------------------------------------------------------------------


def test_masks_are_paired_by_stem() -> None:
    keys = [
        "a.nii.gz", "a_seg.nii.gz", "b.nii", "b_mask.nii.gz", "c.nii", "masks/c.nii.gz",
        "x/imagesTr/d_0000.nii.gz", "x/imagesTr/d_0001.nii.gz", "x/labelsTr/d.nii.gz",
        "p1/p1_t1.nii.gz", "p1/p1_t2.nii.gz", "p1/p1_seg.nii.gz", "q_label.nii", "readme.txt",
        "p10.nii", "p1_roi.nii", "sub-07/anat/sub-07_T1w.nii.gz", "mask_study.nii",
    ]  # fmt: skip
    found, orphans = pairs(keys, by_folder=False)
    assert {pair.volume: (pair.mask, pair.case) for pair in found} == {
        "a.nii.gz": ("a_seg.nii.gz", "a"), "b.nii": ("b_mask.nii.gz", "b"),
        "c.nii": ("masks/c.nii.gz", "c"), "p10.nii": (None, "p10"),
        "x/imagesTr/d_0000.nii.gz": ("x/labelsTr/d.nii.gz", "x/d"),
        "x/imagesTr/d_0001.nii.gz": ("x/labelsTr/d.nii.gz", "x/d"),
        "p1/p1_t1.nii.gz": ("p1/p1_seg.nii.gz", "p1/p1"),
        "p1/p1_t2.nii.gz": ("p1/p1_seg.nii.gz", "p1/p1"),
        "sub-07/anat/sub-07_T1w.nii.gz": (None, "sub-07"), "mask_study.nii": (None, "mask_study"),
    }  # fmt: skip
    assert sorted(orphans) == ["p1_roi.nii", "q_label.nii"]
    assert pairs(["u/t1.nii", "u/t2.nii"], by_folder=True)[0] == [
        Pair("u/t1.nii", None, "u"), Pair("u/t2.nii", None, "u"),
    ]  # fmt: skip


def lesions(root: Path) -> Path:
    """A healthy volume, and one whose mask, stored to the left, marks 1 on two slices and 2."""
    nifti(root / "well.nii.gz", body() + 1)
    nifti(root / "ill.nii.gz", body() + 2)
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[0, 1, 1] = 1  # left, behind
    mask[0:2, 3, 3] = 2
    left = np.diag([-1.0, 1, 1, 1])
    left[0, 3] = 2
    nifti(root / "ill_seg.nii.gz", mask[::-1], left)
    return root


def test_slices_with_a_mark_are_anomalous(tmp_path: Path) -> None:
    root = lesions(tmp_path)
    found, said = items(root, **ALL)
    bad = [one for one in found if one.label]
    assert [(one.view, one.anomaly_type) for one in bad] == [
        ("axial 1", "lesion"),
        ("axial 3", "lesion"),
    ]
    assert len({one.specimen for one in bad}) == 1 and len(found) == 10
    masks = [one.draw_mask() for one in bad if one.draw_mask]
    # columns from the right, rows from the front: x = 0 is the last column, y = 1 the third row
    assert np.argwhere(masks[0]).tolist() == [[2, 2]]
    assert np.argwhere(masks[1]).tolist() == [[0, 1], [0, 2]]
    assert masks[0].shape == image(bad[0]).shape and masks[0].dtype == bool
    assert "1 of 2 volumes have no mask" in said
    found, _ = items(root, mask_values="2", anomaly_type="tumour", **ALL)
    assert [one.view for one in found if one.label] == ["axial 3"]
    found, _ = items(root, min_pixels=2, **ALL)
    assert [one.view for one in found if one.label] == ["axial 3"]
    single, _ = items(root / "well.nii.gz", **ALL)
    assert len(single) == 5
    with pytest.raises(UsageError, match="add patients without anomalies"):
        items(root / "ill.nii.gz", **ALL)  # its mask lies beside it


def test_a_mask_that_cannot_be_used_leaves_its_volume_out(tmp_path: Path) -> None:
    values = body()
    moved = np.eye(4)
    moved[0, 3] = 0.6
    near = np.eye(4)
    near[0, 3] = 0.4
    for name, mask, affine in (
        ("a", values[:2], np.eye(4)), ("b", values, moved), ("c", values, near),
    ):  # fmt: skip
        nifti(tmp_path / f"{name}.nii", values)
        nifti(tmp_path / f"{name}_mask.nii", np.zeros_like(mask), affine)
    nifti(tmp_path / "d.nii", values)
    (tmp_path / "d_mask.nii").write_bytes(b"nonsense")
    nifti(tmp_path / "e.nii", values)
    nifti(tmp_path / "e_mask.nii", np.zeros_like(values), coded=False)
    found, said = items(tmp_path, keep_ids=True, **ALL)
    assert {one.specimen for one in found} == {"c", "e"}
    assert said.count("another grid") == 2 and said.count("not a NIfTI file") == 1


def test_patients_who_are_all_ill(tmp_path: Path) -> None:
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[1, 1, 1] = 1
    for n in range(6):
        nifti(tmp_path / f"v{n}.nii", body())
        nifti(tmp_path / f"v{n}_seg.nii", mask)
    with pytest.raises(UsageError, match="healthy_share"):
        items(tmp_path, **ALL)
    found, _ = items(tmp_path, healthy_share=0.5, **ALL)
    trained = {one.specimen for one in found if one.split == "train"}
    tested = {one.specimen for one in found if one.split is None}
    assert trained and tested and not trained & tested and len(trained | tested) == 6
    assert sum(one.label for one in found) == len(tested)


# -- damage ----------------------------------------------------------------------------------------


def test_damaged_files_are_findings(tmp_path: Path) -> None:
    whole = nifti(tmp_path / "Mustermann good.nii.gz", body()).read_bytes()
    plain = nifti(tmp_path / "Mustermann plain.nii", body()).read_bytes()
    (tmp_path / "Mustermann cut.nii.gz").write_bytes(whole[:-30])
    (tmp_path / "Mustermann short.nii").write_bytes(plain[:-30])
    (tmp_path / "Mustermann empty.nii").write_bytes(b"")
    bomb = bytearray(plain)
    bomb[40:48] = np.array([3, 30000, 30000, 30000], np.int16).tobytes()
    (tmp_path / "Mustermann bomb.nii").write_bytes(bytes(bomb))
    nifti(tmp_path / "Mustermann complex.nii", np.zeros((2, 2, 2), np.complex64))
    nifti(tmp_path / "Mustermann flat.nii", np.zeros((2, 2), np.uint8))
    nifti(tmp_path / "Mustermann uncoded.nii", body(), coded=False)
    rng = np.random.default_rng(2)
    for n in range(60):
        data = bytearray(plain)
        for place in rng.integers(0, 348, 4):
            data[place] = rng.integers(256)
        (tmp_path / f"Mustermann fuzz{n}.nii").write_bytes(bytes(data))
    found, said = items(tmp_path, **ALL)
    assert len(found) >= 15 and "Mustermann" not in said and str(tmp_path) not in said
    for words in (
        "damaged or truncated",
        "not a NIfTI",
        "larger than",
        "complex",
        "does not say how",
    ):
        assert words in said, words
    for one in found:
        assert image(one).dtype == np.uint8


# -- the whole way ---------------------------------------------------------------------------------


def test_import_keeps_names_out_and_splits_on_import_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    source = tmp_path / "scans"
    for n in range(5):
        nifti(source / f"Erika Mustermann/QXYZ-4711-{n}.nii.gz", body() + n)
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[2, 3, 4] = 1
    nifti(source / "Erika Mustermann/QXYZ-4711-0_seg.nii.gz", mask)
    (source / "Mustermann.nii").write_bytes(b"broken")
    place = Workspace(tmp_path / "w")
    assert next(one.id for one, _ in recognise(source)) == "nifti"
    first = bring_in(place, source, "heads", "nifti", {"min_foreground": 0.0})
    folder = first.root
    texts = _texts(pq.read_table(folder / manifest.FILE).to_pylist())
    texts += _texts(json.loads((folder / "import.json").read_text()))
    texts += [str(path.relative_to(place.root)) for path in place.root.rglob("*")]
    texts += [caplog.text, *capfd.readouterr(), *(p.message for p in first.problems)]
    for path in place.root.rglob("*"):
        if path.is_file() and not path.is_relative_to(folder / "source"):
            texts.append(path.read_bytes().decode("latin-1"))
    for words in ("mustermann", "erika", "qxyz-4"):
        assert not [text for text in texts if words in text.lower()], words
    assert len(first.samples) == 25
    (bad,) = [sample for sample in first.samples if sample.label]
    assert bad.split == "test" and np.argwhere(read_mask(folder / bad.masks[0])).tolist() == [
        [0, 0]
    ]
    splits: dict[str | None, set[str]] = {}
    for sample in first.samples:
        splits.setdefault(sample.specimen, set()).add(sample.split)
    assert len(splits) == 5 and all(len(one) == 1 for one in splits.values())
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    nifti(source / "Erika Mustermann/QXYZ-4711-9.nii.gz", body())
    second = bring_again(place, "heads")
    assert set(first.samples) < set(second.samples) and len(second.samples) == 30
    assert made.items() <= {p: p.stat().st_mtime_ns for p in folder.rglob("*.png")}.items()


def test_a_volume_that_goes_between_looking_and_drawing_is_one_sentence(tmp_path: Path) -> None:
    for n in range(5):  # more than are held
        nifti(tmp_path / f"v{n}.nii", body())
    found, _ = items(tmp_path, **ALL)
    (tmp_path / "v0.nii").unlink()
    with pytest.raises(DataError, match=r"^File 1 of 5") as caught:
        image(found[0])
    assert str(tmp_path) not in str(caught.value)


def test_recognised_by_suffix(tmp_path: Path) -> None:
    assert Nifti().recognise(tmp_path) is None
    (tmp_path / "a.tar.gz").write_bytes(b"")
    assert Nifti().recognise(tmp_path / "a.tar.gz") is None and Nifti().recognise(tmp_path) is None
    nifti(tmp_path / "deep/v.nii.gz", body())
    assert Nifti().recognise(tmp_path) and Nifti().recognise(tmp_path / "deep/v.nii.gz")
