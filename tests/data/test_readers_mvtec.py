"""What the readers of MVTec's data sets, and of those in its layout, must not get wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.data.base import READERS, Dataset
from core.data.catalogue import open_dataset
from core.data.images import join_masks, read_mask
from core.types import Sample
from core.workspace import Workspace
from tests.data.trees import TREES, block, mvtec, noise, save


def read(id: str, root: Path) -> Dataset:
    return READERS.get(id)().read(root, "mini")


def of(dataset: Dataset, key: str) -> Sample:
    return next(sample for sample in dataset.samples if sample.key == key)


def counts(dataset: Dataset, class_name: str) -> Counter[tuple[str, str]]:
    return Counter((s.split, s.anomaly_type) for s in dataset.samples if s.class_name == class_name)


def marked(dataset: Dataset, key: str) -> int:
    masks = [(name, read_mask(dataset.root / name)) for name in of(dataset, key).masks]
    return int(join_masks(masks).sum())


def fitting(root: Path) -> set[str]:
    return {id for id, kind in READERS.items() if kind().recognise(root)}


def test_mvtec_ad_every_sample(tmp_path: Path) -> None:
    dataset = read("mvtec_ad", TREES["mvtec_ad"](tmp_path / "data"))
    assert dataset.classes == ("bottle", "grid") and not dataset.problems
    assert [
        (s.key, s.split, s.label, s.anomaly_type, s.masks)
        for s in dataset.samples
        if s.class_name == "grid"
    ] == [
        ("grid/test/bent/000.png", "test", 1, "bent", ("grid/ground_truth/bent/000_mask.png",)),
        ("grid/test/bent/001.png", "test", 1, "bent", ("grid/ground_truth/bent/001_mask.png",)),
        ("grid/test/good/000.png", "test", 0, "good", ()),
        ("grid/test/good/001.png", "test", 0, "good", ()),
        ("grid/test/thread/000.png", "test", 1, "thread",
         ("grid/ground_truth/thread/000_mask.png",)),
        ("grid/test/thread/001.png", "test", 1, "thread",
         ("grid/ground_truth/thread/001_mask.png",)),
        ("grid/train/good/000.png", "train", 0, "good", ()),
        ("grid/train/good/001.png", "train", 0, "good", ()),
        ("grid/train/good/002.png", "train", 0, "good", ()),
    ]  # fmt: skip


def test_mvtec_3d_reads_photographs_and_any_mask_value(tmp_path: Path) -> None:
    dataset = read("mvtec_3d", TREES["mvtec_3d"](tmp_path / "data"))
    assert counts(dataset, "tire") == {
        ("train", "good"): 4, ("test", "good"): 2, ("test", "contamination"): 1,
        ("test", "cut"): 1, ("test", "combined"): 1,
    }  # fmt: skip
    assert of(dataset, "tire/validation/good/rgb/000.png").split == "train"
    assert all("/rgb/" in sample.key for sample in dataset.samples)
    assert of(dataset, "tire/test/cut/rgb/000.png").masks == ("tire/test/cut/gt/000.png",)
    assert of(dataset, "tire/test/good/rgb/000.png").masks == ()
    # 6 rows x 8 columns of 254; two such blocks, of 255 and of 254, where defects are combined
    assert marked(dataset, "tire/test/cut/rgb/000.png") == 48
    assert marked(dataset, "tire/test/combined/rgb/000.png") == 96


def test_mvtec_3d_a_missing_mask_is_named(tmp_path: Path) -> None:
    root = TREES["mvtec_3d"](tmp_path / "data")
    (root / "tire/test/cut/gt/000.png").unlink()
    (problem,) = read("mvtec_3d", root).problems
    assert problem.key == "tire/test/cut" and "has a mask under gt" in problem.message


def test_loco_joins_all_masks_of_an_image_and_keeps_the_two_kinds(tmp_path: Path) -> None:
    dataset = read("mvtec_loco", TREES["mvtec_loco"](tmp_path / "data"))
    assert not dataset.problems
    assert counts(dataset, "pushpins") == {
        ("train", "good"): 4, ("test", "good"): 2, ("test", "logical_anomalies"): 1,
        ("test", "structural_anomalies"): 1,
    }  # fmt: skip
    logical = "pushpins/test/logical_anomalies/000.png"
    folder = "pushpins/ground_truth/logical_anomalies/000"
    assert of(dataset, logical).masks == (f"{folder}/000.png", f"{folder}/001.png")
    assert marked(dataset, logical) == 8 * 8 + 4 * 6  # values 255 and 254
    assert marked(dataset, "pushpins/test/structural_anomalies/000.png") == 20 * 24
    assert of(dataset, "pushpins/validation/good/000.png").split == "train"


def test_ad2_specimens_lightings_and_the_private_parts(tmp_path: Path) -> None:
    dataset = read("mvtec_ad2", TREES["mvtec_ad2"](tmp_path / "data"))
    assert counts(dataset, "vial") == {
        ("train", "good"): 4, ("test", "good"): 4, ("test", "bad"): 2,
    }  # fmt: skip
    assert [(s.key, s.specimen, s.view) for s in dataset.samples if s.class_name == "vial"] == [
        ("vial/test_public/bad/000_regular.png", "vial/test_public/bad/000", "regular"),
        ("vial/test_public/bad/000_shift_1.png", "vial/test_public/bad/000", "shift_1"),
        ("vial/test_public/good/000_regular.png", "vial/test_public/good/000", "regular"),
        ("vial/test_public/good/000_shift_1.png", "vial/test_public/good/000", "shift_1"),
        ("vial/test_public/good/001_regular.png", "vial/test_public/good/001", "regular"),
        ("vial/test_public/good/001_shift_1.png", "vial/test_public/good/001", "shift_1"),
        ("vial/train/good/000_regular.png", "vial/train/good/000", "regular"),
        ("vial/train/good/001_regular.png", "vial/train/good/001", "regular"),
        ("vial/train/good/002_regular.png", "vial/train/good/002", "regular"),
        ("vial/validation/good/000_regular.png", "vial/validation/good/000", "regular"),
    ]
    assert of(dataset, "vial/test_public/bad/000_shift_1.png").masks == (
        "vial/test_public/ground_truth/bad/000_shift_1_mask.png",
    )
    splits: dict[str | None, set[str]] = {}
    for sample in dataset.samples:
        splits.setdefault(sample.specimen, set()).add(sample.split)
    assert all(len(found) == 1 for found in splits.values())
    (problem,) = dataset.problems  # once for both classes: 3 private images each
    assert problem.severity == "note" and problem.message.startswith("6 images of test_private and")
    assert "labels are unknown" in problem.message


def test_ad2_a_name_without_lighting_is_named_and_kept(tmp_path: Path) -> None:
    root = TREES["mvtec_ad2"](tmp_path / "data")
    save(root / "vial/train/good/extra.png", noise(7))
    dataset = read("mvtec_ad2", root)
    sample = of(dataset, "vial/train/good/extra.png")
    assert (sample.specimen, sample.view) == (None, None)
    assert any("vial/train/good/extra.png is not named" in p.message for p in dataset.problems)


def test_autovi_joins_coloured_masks_of_a_nested_class(tmp_path: Path) -> None:
    dataset = read("autovi", TREES["autovi"](tmp_path / "data"))
    assert dataset.classes == ("engine_wiring", "pipe_clip") and not dataset.problems
    several = "engine_wiring/test/multiple/0089.png"
    folder = "engine_wiring/ground_truth/multiple/0089"
    assert of(dataset, several).masks == (f"{folder}/0000.png", f"{folder}/0001.png")
    assert marked(dataset, several) == 2 * 64  # alpha, 255 everywhere, marks nothing
    clip = of(dataset, "pipe_clip/pipe_clip/test/unclipped/0089.png")
    assert (clip.class_name, clip.anomaly_type) == ("pipe_clip", "unclipped")
    assert clip.masks == ("pipe_clip/pipe_clip/ground_truth/unclipped/0089/0000.png",)


def test_btad_ok_means_good_and_formats_may_differ(tmp_path: Path) -> None:
    dataset = read("btad", TREES["btad"](tmp_path / "data"))
    for name, image, mask in (("01", "bmp", "png"), ("02", "png", "png"), ("03", "bmp", "bmp")):
        assert counts(dataset, name) == {
            ("train", "good"): 3, ("test", "good"): 2, ("test", "ko"): 1,
        }  # fmt: skip
        bad = of(dataset, f"{name}/test/ko/0000.{image}")
        assert bad.masks == (f"{name}/ground_truth/ko/0000.{mask}",)


def test_mpdd_masks_in_both_spellings(tmp_path: Path) -> None:
    dataset = read("mpdd", TREES["mpdd"](tmp_path / "data"))
    assert {s.key: s.masks for s in dataset.samples if s.label} == {
        "connector/test/parts_mismatch/000.png": (
            "connector/ground_truth/parts_mismatch/000_mask.png",
        ),
        "tubes/test/anomalous/000.png": ("tubes/ground_truth/anomalous/000.png",),
    }


@pytest.mark.parametrize(
    ("id", "toy", "image", "mask"),
    [("mad_sim", "13Pheonix", "png", "_mask.png"), ("mad_real", "Whale", "jpg", ".png")],
)
def test_mad_numbers_without_padding_keep_their_own_masks(
    id: str, toy: str, image: str, mask: str, tmp_path: Path
) -> None:
    dataset = read(id, TREES[id](tmp_path / "data"))
    assert not dataset.problems
    for number in (1, 2, 10):
        sample = of(dataset, f"{toy}/test/Burrs/{number}.{image}")
        assert sample.masks == (f"{toy}/ground_truth/Burrs/{number}{mask}",)
    assert of(dataset, f"{toy}/test/Missing/1.{image}").anomaly_type == "Missing"
    assert counts(dataset, toy)["train", "good"] == 4


def test_a_published_set_needs_more_than_one_class_name(tmp_path: Path) -> None:
    full = TREES["mvtec_ad"](tmp_path / "any")
    assert fitting(full) == {"mvtec_ad", "mvtec_folder"}
    assert fitting(full / "bottle") == {"mvtec_folder"}  # one class as the root
    (full / "grid").rename(tmp_path / "grid")
    assert fitting(full) == {"mvtec_folder"}  # one class of it
    named = full.rename(tmp_path / "MVTec-AD")
    assert fitting(named) == {"mvtec_ad", "mvtec_folder"}  # the root's name joins
    said = READERS.get("mvtec_ad")().recognise(named)
    assert said == "MVTec AD: 1 of its 15 classes, and its folder's own name."


def test_a_strangers_classes_of_the_same_names_are_his_own(tmp_path: Path) -> None:
    stranger = mvtec(tmp_path / "mine", ("cable", "screw"))  # whose kind of defect is "crack"
    assert fitting(stranger) == {"mvtec_folder"}
    assert fitting(mvtec(tmp_path / "more", ("bottle", "grid", "lamp"))) == {"mvtec_folder"}
    numbered = mvtec(tmp_path / "numbers", ("01", "02"))
    assert fitting(numbered) == {"mvtec_folder"}


@pytest.mark.parametrize(
    ("id", "one"), [("mvtec_3d", "tire"), ("mvtec_loco", "pushpins"), ("mvtec_ad2", "vial")]
)
def test_layouts_of_their_own_are_known_by_one_class(id: str, one: str, tmp_path: Path) -> None:
    root = TREES[id](tmp_path / "data")
    dataset = open_dataset(str(root / one), Workspace(tmp_path / "workspace"))
    assert dataset.reader == id and dataset.classes == (one,)
    (root / one).rename(root / "lamp")
    assert id not in fitting(root)


def test_training_normals_in_validation_are_read_where_the_set_says_so(tmp_path: Path) -> None:
    root = TREES["mvtec_ad"](tmp_path / "data")
    save(root / "grid/validation/good/000.png", noise(5))
    (problem,) = read("mvtec_ad", root).problems
    assert problem.key == "grid/validation" and "was not read" in problem.message


def test_a_set_listed_by_ader_is_read_as_what_it_is(tmp_path: Path) -> None:
    root = TREES["mvtec_loco"](tmp_path / "data")
    (root / "meta.json").write_text('{"train": {"pushpins": []}, "test": {}}')
    found = open_dataset(str(root), Workspace(tmp_path / "workspace"))
    assert found.reader == "mvtec_loco" and "also fits: ader_meta" in found.recognised


def test_an_extra_mask_shifts_no_pair(tmp_path: Path) -> None:
    root = TREES["mvtec_ad"](tmp_path / "data")
    save(root / "grid/ground_truth/bent/0000_mask.png", np.zeros((20, 24), np.uint8))
    save(root / "grid/test/bent/000a.png", noise(3))
    save(root / "grid/ground_truth/bent/000a_mask.png", block())
    dataset = read("mvtec_ad", root)
    for stem in ("000", "000a", "001"):
        masks = of(dataset, f"grid/test/bent/{stem}.png").masks
        assert masks == (f"grid/ground_truth/bent/{stem}_mask.png",)
    (problem,) = dataset.problems
    assert problem.severity == "note" and "0000_mask.png" in problem.message


def test_published_numbers_add_up() -> None:
    """Sums over classes equal the totals, which other sources print."""
    totals = {
        "mvtec_ad": (3629, 467, 1258), "mvtec_3d": (2950, 249, 948), "mvtec_loco": (2083, 575, 993),
        "autovi": (1523, 1521, 878), "btad": (1799, 451, 290), "mpdd": (888, 176, 282),
    }  # fmt: skip
    for id, published in totals.items():
        card = READERS.get(id).card
        assert card.total is not None
        assert (card.total.train, card.total.good, card.total.anomalous) == published
        for which, number in zip(("train", "good", "anomalous"), published, strict=True):
            assert sum(getattr(count, which) for count in card.counts.values()) == number, id
    assert sum(count.train or 0 for count in READERS.get("mad_sim").card.counts.values()) == 4200
    assert len(READERS.get("mad_real").card.counts) == 10
