"""Pitfalls of sets whose folders, file names or masks are the label."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.data.base import READERS, Count
from core.data.readers.magnetic_tile import tiles_of
from core.types import Sample
from core.workspace import Workspace
from tests.data import trees as shared  # first: it collects the makers of all modules
from tests.data import trees_published as trees
from tests.data.test_readers_published import by_key, counts, read, said

block, noise, save = shared.block, shared.noise, shared.save

# -- medical ---------------------------------------------------------------------------------------


def test_uni_medical_knows_patients_and_slices(tmp_path: Path) -> None:
    dataset = read("uni_medical", trees.uni_medical(tmp_path / "medical"))
    assert dataset.classes == ("brain", "retinal") and counts(dataset) == (6, 6, 6)
    key = "brain/test/Ungood/00124_708.png"
    assert by_key(dataset)[key] == Sample(
        key=key, class_name="brain", split="test", label=1, anomaly_type="anomaly",
        masks=("brain/ground_truth/Ungood/00124_708.png",), specimen="00124", view="708",
    )  # fmt: skip
    retinal = [s for s in dataset.samples if s.class_name == "retinal"]
    assert all(s.specimen is None and s.view is None for s in retinal)


def test_someone_elses_folder_named_brain_is_not_uni_medical(tmp_path: Path) -> None:
    root = shared.mvtec(tmp_path / "mine", ("brain",))
    assert READERS.get("uni_medical")().recognise(root) is None


def test_bmad_reads_three_layouts_and_leaves_validation_out(tmp_path: Path) -> None:
    root = trees.bmad(tmp_path / "BMAD")
    dataset = read("bmad", root)
    assert dataset.classes == ("brain", "chest", "liver") and dataset.variant == "test"
    samples = by_key(dataset)
    assert samples["Brain/test/Ungood/img/00110_60.png"] == Sample(
        key="Brain/test/Ungood/img/00110_60.png", class_name="brain", split="test", label=1,
        anomaly_type="anomaly", masks=("Brain/test/Ungood/anomaly_mask/00110_60.png",),
        specimen="00110", view="60",
    )  # fmt: skip
    liver = samples["Liver/test/img/Ungood/10_40.png"]
    assert liver.masks == ("Liver/test/label/Ungood/10_40.png",) and liver.specimen == "10"
    assert samples["Liver/test/img/good/10_40.png"].masks == ()
    chest = {s.anomaly_type: s.masks for s in dataset.samples if s.class_name == "chest"}
    assert chest == {"good": (), "Lung_Opacity": (), "No-Not-Normal": ()}
    assert not any("valid/" in key for key in samples)
    assert all(problem.severity == "note" for problem in dataset.problems)
    assert "3 valid images of chest were not read" in said(dataset)
    assert "Class chest has no masks, as published" in said(dataset)


def test_bmad_offers_validation_images_instead(tmp_path: Path) -> None:
    dataset = read("bmad", trees.bmad(tmp_path / "BMAD"), "valid")
    tested = {s.key.split("/")[1] for s in dataset.samples if s.split == "test"}
    assert tested == {"valid"} and dataset.variant == "valid"
    assert dataset.card.counts["brain"] == Count(7500, 39, 44)
    assert "2 test images of brain were not read" in said(dataset)


def test_bmad_other_layouts(tmp_path: Path) -> None:
    """The release's zip, the scripts' RESC and the README's Camelyon16, each the root itself."""
    zipped = tmp_path / "Brain"
    save(zipped / "train/good/00001_60.png", noise(1))
    for label in ("good", "Ungood"):
        save(zipped / f"test/{label}/img/00002_61.png", noise(2))
        save(zipped / f"test/{label}/label/00002_61.png", block())
    one = read("bmad", zipped)
    assert one.classes == ("brain",) and one.variant == ""
    assert [s.masks for s in one.samples if s.label] == [("test/Ungood/label/00002_61.png",)]
    assert by_key(one)["test/good/img/00002_61.png"].masks == ()

    resc = tmp_path / "RESC"
    save(resc / "Train/train/good/a1.png", noise(1))
    for split in ("val", "test"):
        outer = split.capitalize()
        for label in ("good", "Ungood"):
            save(resc / f"{outer}/{split}/{label}/b1.png", noise(2))
        save(resc / f"{outer}/{split}_label/Ungood/b1.png", block())
    two = read("bmad", resc)
    assert two.classes == ("retina_resc",) and counts(two) == (1, 1, 1)
    assert [s.masks for s in two.samples if s.label] == [("Test/test_label/Ungood/b1.png",)]
    assert counts(read("bmad", resc, "valid")) == (1, 1, 1)

    tissue = tmp_path / "camelyon16"
    save(tissue / "train/good/1000.png", noise(1))
    save(tissue / "test/good/100.png", noise(2))
    save(tissue / "test/Ungood/100.png", noise(3))
    three = read("bmad", tissue)
    assert three.classes == ("histopathology",) and counts(three) == (1, 1, 1)
    assert all(s.specimen is None for s in three.samples)

    eye = tmp_path / "Retina_OCT2017"
    save(eye / "train/good/NORMAL-12-1.png", noise(1))
    save(eye / "test/good/NORMAL-77-1.png", noise(2))
    save(eye / "test/Ungood/CNV-1016042-3.png", noise(3))
    (bad,) = [s for s in read("bmad", eye).samples if s.label]
    assert (bad.anomaly_type, bad.specimen, bad.view) == ("CNV", "1016042", "3")


def test_bmad_leaves_mvtec_layouts_alone_and_names_missing_masks(tmp_path: Path) -> None:
    reader = READERS.get("bmad")()
    assert reader.recognise(trees.uni_medical(tmp_path / "medical")) is None
    root = trees.bmad(tmp_path / "BMAD")
    save(root / "Brain/test/Ungood/img/00555_60.png", noise(8))
    problems = [p for p in read("bmad", root).problems if p.severity == "warning"]
    assert [p.key for p in problems] == ["Brain/test/Ungood/img/00555_60.png"]


# -- magnetic tiles --------------------------------------------------------------------------------


def test_magnetic_tile_splits_by_whole_tiles(tmp_path: Path) -> None:
    root = trees.magnetic_tile(tmp_path / "mt")
    dataset = read("magnetic_tile", root)
    good = [s for s in dataset.samples if not s.label]
    tiles = {s.specimen for s in good}
    assert tiles == {f"MT_Free {n}" for n in (1000, 3000, 5000, 8000, 9000)}
    tested = {s.specimen for s in good if s.split == "test"}
    assert tested and not tested & {s.specimen for s in good if s.split == "train"}
    # a fifth of 9 images is 1.8: whole tiles until at least that many are held
    assert 1.8 <= sum(s.split == "test" for s in good) < 1.8 + 3
    assert not any(s.masks for s in good)  # although each has an all-zero one beside it
    assert {(s.anomaly_type, s.split) for s in dataset.samples if s.label} == {
        ("blowhole", "test"), ("uneven", "test"),
    }  # fmt: skip
    key = "MT_Blowhole/Imgs/exp1_num_230.jpg"
    assert by_key(dataset)[key] == Sample(
        key=key, class_name="magnetic_tile", split="test", label=1, anomaly_type="blowhole",
        masks=("MT_Blowhole/Imgs/exp1_num_230.png",), specimen="MT_Blowhole 200", view="exp1",
    )  # fmt: skip


def test_magnetic_tile_names_empty_masks_once_each(tmp_path: Path) -> None:
    root = trees.magnetic_tile(tmp_path / "mt")
    empty = [p for p in read("magnetic_tile", root).problems if "is empty" in p.message]
    assert [(p.key, p.severity) for p in empty] == [("MT_Uneven/Imgs/exp3_num_45042.jpg", "note")]
    faint = np.zeros((20, 24), np.uint8)
    faint[5, 5] = 1  # a single grey value marks
    save(root / "MT_Uneven/Imgs/exp3_num_45042.png", faint)
    dataset = read("magnetic_tile", root)
    assert "is empty" not in said(dataset)
    (root / "MT_Blowhole/Imgs/exp1_num_200.png").unlink()
    assert "exp1_num_200.jpg has no mask" in said(read("magnetic_tile", root))


def test_magnetic_tile_grouping_by_hand() -> None:
    frames = ("exp1_num_100", "exp2_num_200", "exp3_num_301", "exp1_num_250", "exp5_num_1000")
    names = [f"MT_Free/Imgs/{frame}.jpg" for frame in (*frames, "other")]
    # in order 100, 200, 250, 301: steps of 100, 50, 51; 1000 is 699 farther on
    found = tiles_of(names)
    assert [found.get(name) for name in names] == ["MT_Free 100"] * 4 + ["MT_Free 1000", None]


# -- Kolektor --------------------------------------------------------------------------------------


def test_kolektor_sdd_labels_by_mask_and_never_splits_a_commutator(tmp_path: Path) -> None:
    root = trees.kolektor_sdd(tmp_path / "KolektorSDD")
    first, second = read("kolektor_sdd", root, "half_a"), read("kolektor_sdd", root, "half_b")
    for dataset in (first, second):
        assert counts(dataset) == (4, 4, 2)  # two commutators each; two cracks left out
        tested = {s.specimen for s in dataset.samples if s.split == "test"}
        assert len(tested) == 2
        assert not tested & {s.specimen for s in dataset.samples if s.split == "train"}
        assert "2 defective images of the others were left out" in said(dataset)
    halves = [{s.specimen for s in d.samples if s.split == "test"} for d in (first, second)]
    assert halves[0] | halves[1] == {f"kos{n:02d}" for n in range(1, 5)} and not set.intersection(
        *halves
    )
    bad = next(s for s in first.samples if s.label)
    assert bad.key == f"{bad.specimen}/Part2.jpg" and bad.view == "Part2"
    assert bad.masks == (f"{bad.specimen}/Part2_label.bmp",) and bad.anomaly_type == "defect"


def test_kolektor_sdd_without_a_readable_mask_leaves_the_image_out(tmp_path: Path) -> None:
    root = trees.kolektor_sdd(tmp_path / "KolektorSDD")
    (root / "kos01/Part0_label.bmp").unlink()
    (root / "kos02/Part0_label.bmp").write_bytes(b"BM nothing")
    dataset = read("kolektor_sdd", root)
    assert not {"kos01/Part0.jpg", "kos02/Part0.jpg"} & by_key(dataset).keys()
    assert "kos01/Part0.jpg has no mask" in said(dataset)
    assert "kos02/Part0_label.bmp" in said(dataset)


def test_kolektor_sdd2_takes_no_mask_for_an_image(tmp_path: Path) -> None:
    root = trees.kolektor_sdd2(tmp_path / "KSDD2")
    dataset = read("kolektor_sdd2", root)
    assert list(by_key(dataset)) == [
        "test/20000.png", "test/20001.png", "test/20002.png", "train/10000.png", "train/10001.png",
    ]  # fmt: skip
    assert by_key(dataset)["test/20001.png"].masks == ("test/20001_GT.png",)
    assert by_key(dataset)["test/20001.png"].anomaly_type == "defect"
    assert "1 defective training images were left out" in said(dataset)
    assert "2 files in train are copies" in said(dataset)
    save(root / "train/10000_GT.png", block())  # a mask that changes changes the label
    assert counts(read("kolektor_sdd2", root)) == (1, 2, 1)
    (root / "test/20000_GT.png").unlink()
    assert "test/20000.png has no mask" in said(read("kolektor_sdd2", root))


# -- DAGM ------------------------------------------------------------------------------------------


def test_dagm_labels_by_its_list(tmp_path: Path) -> None:
    root = trees.dagm(tmp_path / "DAGM")
    dataset = read("dagm", root)
    assert dataset.classes == ("Class1", "Class10") and counts(dataset) == (6, 4, 2)
    bad = by_key(dataset)["Class10/Test/0002.PNG"]
    assert bad == Sample(
        key="Class10/Test/0002.PNG", class_name="Class10", split="test", label=1,
        anomaly_type="defect", masks=("Class10/Test/Label/0002_label.PNG",),
    )  # fmt: skip
    assert "Class10/Train/0576.PNG" not in by_key(dataset)
    assert "1 defective training images of Class1 were left out" in said(dataset)


def test_dagm_with_lists_that_are_broken_or_gone(tmp_path: Path) -> None:
    root = trees.dagm(tmp_path / "DAGM")
    listed = root / "Class1/Test/Label/Labels.txt"
    listed.write_text(
        "1\n1\t0\t0001.PNG\t0\t0\n2\t1\t0002.png\t0\tgone.PNG\n3\t7\t0003.PNG\t0\t0\n"
    )
    (root / "Class10/Train/Label/Labels.txt").unlink()
    dataset = read("dagm", root)
    assert dataset.classes == ("Class1",)
    samples = by_key(dataset)
    assert samples["Class1/Test/0002.PNG"].masks == () and "Class1/Test/0003.PNG" not in samples
    text = said(dataset)
    for words in ("line 4 has '7'", "0002.PNG has no mask", "such as 0003.PNG, are not in",
                  "Class10 has no Label/Labels.txt for train"):  # fmt: skip
        assert words in text, (words, text)
    (root / "Class1/Train/Label/Labels.txt").write_bytes(b"\xff\xff")
    with pytest.raises(Exception, match="UTF-8"):
        read("dagm", root)


# -- Tiny-ImageNet ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "normal"), [("split_0", (0, 1)), ("split_1", (2, 3)), ("split_2", (0, 2)),
                            ("split_3", (1, 3))]
)  # fmt: skip
def test_tiny_imagenet_splits(tmp_path: Path, variant: str, normal: tuple[int, ...]) -> None:
    root = trees.tiny_imagenet(tmp_path / "tiny-imagenet-200")
    dataset = read("tiny_imagenet", root, variant)
    assert counts(dataset) == (4, 2, 2) and dataset.classes == ("tiny_imagenet",)
    trained = {s.key.split("/")[1] for s in dataset.samples if s.split == "train"}
    assert trained == {trees.IDS[i] for i in normal}
    good = {s.key for s in dataset.samples if s.split == "test" and not s.label}
    assert good == {f"val/images/val_{i}.JPEG" for i in normal}
    assert not any(s.masks for s in dataset.samples)
    kinds = {s.key: s.anomaly_type for s in dataset.samples if s.label}
    words = ("goldfish", "salamander", "frog n01641577", "frog n01644900")
    assert kinds == {f"val/images/val_{i}.JPEG": words[i] for i in {0, 1, 2, 3} - set(normal)}


def test_tiny_imagenet_with_images_moved_as_ader_does(tmp_path: Path) -> None:
    root = trees.tiny_imagenet(tmp_path / "tiny-imagenet-200")
    before = read("tiny_imagenet", root)
    for number, id in enumerate(trees.IDS):
        (root / f"val/{id}/images").mkdir(parents=True)
        name = f"val_{number}.JPEG"
        shutil.move(root / "val/images" / name, root / f"val/{id}/images" / name)
    (root / "val/images").rmdir()
    after = read("tiny_imagenet", root)
    assert [(s.split, s.label, s.anomaly_type) for s in after.samples] == [
        (s.split, s.label, s.anomaly_type) for s in before.samples
    ]
    assert "val/n01443537/images/val_0.JPEG" in by_key(after)


def test_tiny_imagenet_names_images_without_a_class(tmp_path: Path) -> None:
    root = trees.tiny_imagenet(tmp_path / "tiny-imagenet-200")
    save(root / "val/images/val_9.JPEG", noise(1))
    dataset = read("tiny_imagenet", root)
    assert counts(dataset) == (4, 2, 2) and "val_9.JPEG, have no class" in said(dataset)


def test_variants_are_registered_under_their_own_names(tmp_path: Path) -> None:
    from core.data.catalogue import add_dataset, open_dataset, variants

    place = Workspace(tmp_path / "workspace")
    root = trees.tiny_imagenet(tmp_path / "tiny")
    assert list(variants(root)) == [f"split_{i}" for i in range(4)]
    add_dataset(place, root, variant="split_3")
    again = open_dataset("tiny split_3", place)
    assert again.variant == "split_3" and counts(again) == (4, 2, 2)
