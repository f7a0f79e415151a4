"""Map files of every kind, how they find their images, and each way they can be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.data.base import READERS, Dataset
from core.data.external_maps import check_sides, open_maps, same_shape
from core.data.image_names import ImageNames, read_scores
from core.data.map_files import BadMap, map_shape, read_map
from core.errors import DataError, UsageError
from tests.data import trees
from tests.data.trees import noise, save

RAMP = np.arange(24 * 20, dtype=np.float64).reshape(20, 24) / 8
"""20 high, 24 wide; every value is exact in 16 bits."""


# -- one file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "u1", "u2", "i2", "u4"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"rowsperstrip": 3}, {"bigtiff": True}, {"tile": (16, 16)}],
    ids=str,
)
def test_tiffs_of_another_writer(
    kind: str, order: str, options: dict[str, Any], tmp_path: Path
) -> None:
    values = (RAMP if kind[0] == "f" else RAMP * 4).astype(kind)
    path = tmp_path / "map.tiff"
    tifffile.imwrite(path, values, byteorder=order, photometric="minisblack", **options)
    assert map_shape(path, "map") == (20, 24)
    found = read_map(path, "map")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values.astype(np.float32))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("kind", ["f4", "u1", "u2"])
def test_tiffs_of_pillow(kind: str, compression: str | None, tmp_path: Path) -> None:
    values = RAMP.astype(kind)
    path = save(tmp_path / "map.TIF", values, compression=compression)
    np.testing.assert_array_equal(read_map(path, "map"), values.astype(np.float32))


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "f8", "u1", "u2", "i4"])
def test_npy(kind: str, tmp_path: Path) -> None:
    values = RAMP.astype(kind)
    np.save(tmp_path / "map.npy", values)
    assert map_shape(tmp_path / "map.npy", "map") == (20, 24)
    np.testing.assert_array_equal(read_map(tmp_path / "map.npy", "map"), values.astype(np.float32))


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_png_values_are_taken_as_they_are(kind: str, tmp_path: Path) -> None:
    values = (RAMP * (4 if kind == "u1" else 1000)).astype(kind)
    path = save(tmp_path / "map.png", values)
    np.testing.assert_array_equal(read_map(path, "map"), values.astype(np.float32))


def cut(path: Path, share: float = 0.6) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def array(path: Path, values: Any, **options: Any) -> Path:
    np.save(path, values, **options)
    return path


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def tiff(path: Path, values: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, values, **options)
    return path


def with_value(value: float) -> np.ndarray:
    values = RAMP.copy()
    values[3, 4] = value
    return values


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "text as TIFF": (lambda p: written(p / "m.tiff", b"no picture at all"), "not a TIFF"),
    "empty TIFF": (lambda p: written(p / "m.tiff", b""), "not a TIFF"),
    "cut TIFF": (lambda p: cut(tiff(p / "m.tiff", RAMP)), "TIFF|early"),
    "cut float TIFF": (lambda p: cut(save(p / "m.tiff", RAMP.astype("f4"))), "TIFF|early"),
    "colour TIFF": (lambda p: save(p / "m.tiff", noise(1)), "several channels"),
    "pages": (lambda p: tiff(p / "m.tif", np.stack([RAMP] * 2), photometric="minisblack"), "pages"),
    "complex TIFF": (lambda p: tiff(p / "m.tif", RAMP.astype("c8")), "known kind"),
    "text as PNG": (lambda p: written(p / "m.png", b"no picture at all"), "no intact PNG"),
    "colour PNG": (lambda p: save(p / "m.png", noise(1)), "colour"),
    "palette PNG": (lambda p: save(p / "m.png", noise(1), "P"), "colour"),
    "JPEG as PNG": (lambda p: save(p / "m.png", noise(1), format="JPEG"), "no intact PNG"),
    "cut PNG": (lambda p: cut(save(p / "m.png", noise(1, channels=1))), "no intact PNG"),
    "huge PNG": (lambda p: trees.huge_png(p / "m.png"), "million px"),
    "text as NPY": (lambda p: written(p / "m.npy", b"no array at all"), "no intact NPY"),
    "cut NPY": (lambda p: cut(array(p / "m.npy", RAMP)), "no intact NPY"),
    "pickle": (lambda p: array(p / "m.npy", np.array([[{}]], dtype=object)), "no intact NPY"),
    "archive": (
        lambda p: np.savez(p / "m.npz", RAMP) or (p / "m.npz").rename(p / "m.npy"),
        "array",
    ),
    "complex NPY": (lambda p: array(p / "m.npy", RAMP.astype("c8")), "complex64"),
    "three axes": (lambda p: array(p / "m.npy", RAMP[None]), r"\[1, 20, 24\].*\[height, width\]"),
    "no pixel": (lambda p: array(p / "m.npy", RAMP[:0]), "no pixel"),
    "not there": (lambda p: p / "m.npy", "not there"),
    "NaN": (lambda p: array(p / "m.npy", with_value(np.nan)), "NaN"),
    "infinite": (lambda p: save(p / "m.tiff", with_value(np.inf).astype("f4")), "infinite"),
    "too large": (lambda p: array(p / "m.npy", with_value(1e300)), "beyond 32-bit"),
}


@pytest.mark.parametrize("fault", list(BAD))
def test_a_file_that_is_no_map_is_one_sentence(fault: str, tmp_path: Path) -> None:
    make, words = BAD[fault]
    path = make(tmp_path)
    with pytest.raises(BadMap, match=words) as caught:
        read_map(path, "bolt/test/good/000")
    said = str(caught.value)
    assert said.startswith("bolt/test/good/000 ") and said.endswith(".") and "\n" not in said


def test_a_small_file_cannot_ask_for_a_huge_array(tmp_path: Path) -> None:
    path = tiff(tmp_path / "m.tiff", RAMP.astype("f4"), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(60_000)
    with pytest.raises(BadMap, match="too many for a map"):
        read_map(path, "m")


# -- layouts --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = trees.mvtec(tmp_path_factory.mktemp("data") / "mini")
    return READERS.get("mvtec_folder")().read(root, "mini")


@pytest.fixture(scope="module")
def distinct(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Stems are unique here; keys say nothing of classes and types."""
    root = trees.ader(tmp_path_factory.mktemp("distinct") / "pipes")
    return READERS.get("ader_meta")().read(root, "pipes")


def keys_of(dataset: Dataset) -> list[str]:
    return sorted(sample.key for sample in dataset.samples if sample.split == "test")


def fill(folder: Path, names: list[str], suffix: str = ".npy") -> Path:
    """One map a name; its value is its place, so that a mix-up shows."""
    for place, name in enumerate(names):
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((8, 8), place, dtype=np.float32))
    return folder


def expect_in_order(folder: Path, dataset: Dataset) -> None:
    maps = open_maps(folder, ImageNames(dataset))
    keys = keys_of(dataset)
    assert sorted(maps.keys) == keys
    assert [float(maps.read(key).max()) for key in keys] == list(range(len(keys)))
    assert maps.shapes(keys) == dict.fromkeys(keys, (8, 8))


def test_a_folder_that_mirrors_the_data_set(dataset: Dataset, tmp_path: Path) -> None:
    names = [key.removesuffix(".png") for key in keys_of(dataset)]
    assert "bolt/test/crack/000" in names
    folder = fill(tmp_path / "maps", names)
    (folder / "scores.csv").write_text("not a map")
    (folder / ".hidden.png").write_text("not a map")
    (folder / "__pycache__").mkdir()
    expect_in_order(folder, dataset)


def test_mirror_without_the_split(dataset: Dataset, tmp_path: Path) -> None:
    names = [key.removesuffix(".png").replace("/test/", "/") for key in keys_of(dataset)]
    assert "bolt/crack/000" in names
    expect_in_order(fill(tmp_path / "maps", names), dataset)


@pytest.mark.parametrize(
    "layout", ["{key}", "pipe/test/{type}/{stem}", "pipe/{type}/{stem}", "{stem}"]
)
def test_every_layout_for_a_data_set_of_other_folders(
    layout: str, distinct: Dataset, tmp_path: Path
) -> None:
    by_key = {sample.key: sample for sample in distinct.samples}
    names = [
        layout.format(key=key[:-4], type=by_key[key].anomaly_type, stem=Path(key).stem)
        for key in keys_of(distinct)
    ]
    expect_in_order(fill(tmp_path / "maps", names), distinct)


def test_maps_of_other_classes_are_passed_over(dataset: Dataset, tmp_path: Path) -> None:
    folder = fill(tmp_path / "maps", [key[:-4] for key in keys_of(dataset)])
    maps = open_maps(folder, ImageNames(dataset, ("cloth",)))
    assert sorted(maps.keys) == [key for key in keys_of(dataset) if key.startswith("cloth")]


def test_stacks_by_key_list_and_by_order(dataset: Dataset, tmp_path: Path) -> None:
    keys = keys_of(dataset)
    values = np.repeat(np.arange(len(keys), dtype=np.float16), 64).reshape(-1, 8, 8)
    path = tmp_path / "maps.npy"
    np.save(path, values)
    expect_in_order(path, dataset)
    note = open_maps(path, ImageNames(dataset)).note
    assert keys[0] in note and keys[-1] in note and "sorted by key" in note
    shuffled = np.random.default_rng(0).permutation(len(keys))
    np.save(path, values[shuffled])
    (tmp_path / "keys.txt").write_text("\n".join(keys[row] for row in shuffled) + "\n\n")
    expect_in_order(path, dataset)
    assert open_maps(path, ImageNames(dataset)).note == ""
    (tmp_path / "keys.txt").unlink()
    (tmp_path / "keys.json").write_text(json.dumps([keys[row][:-4] for row in shuffled]))
    expect_in_order(path, dataset)


def test_a_stack_may_hold_more_classes_than_are_chosen(dataset: Dataset, tmp_path: Path) -> None:
    keys = keys_of(dataset)
    np.save(tmp_path / "all.npy", np.zeros((len(keys), 4, 4), np.uint8))
    (tmp_path / "keys.txt").write_text("\n".join(keys))
    maps = open_maps(tmp_path / "all.npy", ImageNames(dataset, ("bolt",)))
    assert sorted(maps.keys) == [key for key in keys if key.startswith("bolt")]


def test_an_unreadable_image_needs_no_map(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "mini")
    (root / "bolt/test/good/001.png").write_bytes(b"broken")
    dataset = READERS.get("mvtec_folder")().read(root, "mini")
    names = [key[:-4] for key in keys_of(dataset) if key != "bolt/test/good/001.png"]
    assert len(open_maps(fill(tmp_path / "maps", names), ImageNames(dataset)).keys) == len(names)


# -- refusals -------------------------------------------------------------------------------------


def mirror(folder: Path, dataset: Dataset) -> Path:
    return fill(folder, [key[:-4] for key in keys_of(dataset)])


def missing(folder: Path) -> None:
    (folder / "bolt/test/crack/001.npy").unlink()
    (folder / "cloth/test/good/000.npy").unlink()


def extra(folder: Path) -> None:
    fill(folder, ["bolt/train/good/000", "spare"])


def double(folder: Path) -> None:
    fill(folder, ["bolt/test/crack/001"], ".npy")
    save(folder / "bolt/test/crack/001.png", noise(1, channels=1))


def two_layouts(folder: Path) -> None:
    (folder / "bolt/crack").mkdir()
    (folder / "bolt/test/crack/000.npy").rename(folder / "bolt/crack/000.npy")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing, r"no map for bolt/test/crack/001.png \(and 1 more\)"),
        (extra, r"bolt/train/good/000.npy \(and 1 more\) belongs to no test image of mini"),
        (double, r"crack/001.npy and bolt/test/crack/001.png are maps of the same image"),
        (two_layouts, r"bolt/crack/000.npy belongs to no test image"),
    ],
)
def test_folders_that_do_not_fit(
    spoil: Callable[[Path], None], words: str, dataset: Dataset, tmp_path: Path
) -> None:
    folder = mirror(tmp_path / "maps", dataset)
    spoil(folder)
    with pytest.raises(DataError, match=words) as caught:
        open_maps(folder, ImageNames(dataset))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_flat_folder_needs_unique_stems(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"000.npy \(and 1 more\) belongs to no test image"):
        open_maps(fill(tmp_path / "flat", ["000", "001"]), ImageNames(dataset))


def test_places_that_hold_no_maps(dataset: Dataset, tmp_path: Path) -> None:
    names = ImageNames(dataset)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"empty holds no map; expected .*\.tiff"):
        open_maps(tmp_path / "empty", names)
    with pytest.raises(UsageError, match=r"notes\.txt; expected a folder"):
        open_maps(tmp_path / "notes.txt", names)
    with pytest.raises(UsageError, match="nowhere, which is not there"):
        open_maps(tmp_path / "nowhere", names)
    with pytest.raises(DataError, match="no test images in the chosen classes"):
        ImageNames(dataset, ("nail",))


STACKS: dict[str, tuple[Any, str | None, str | None, str]] = {
    "wrong count": (np.zeros((7, 4, 4)), None, None, "holds 7 maps, but mini has 8 test images"),
    "wrong axes": (np.zeros((8, 4)), None, None, r"maps.npy has the shape \[8, 4\]"),
    "nothing": (np.zeros((8, 0, 4)), None, None, "usual size"),
    "fewer keys": (np.zeros((8, 4, 4)), "a.png", None, r"keys.txt names 1 maps, but maps.npy h"),
    "unknown key": (np.zeros((2, 4, 4)), "a.png\nb.png", None, r"'a.png' in keys.txt \(and 1 more"),
    "same twice": (
        np.zeros((2, 4, 4)), "bolt/test/good/000.png\nbolt/test/good/000", None,
        "keys.txt names bolt/test/good/000 twice",
    ),
    "ambiguous stem": (np.zeros((1, 4, 4)), "000", None, "'000' in keys.txt belongs to no test"),
    "not all": (
        np.zeros((1, 4, 4)), "bolt/test/good/000.png", None,
        r"no map for bolt/test/crack/000.png \(and 6 more\)",
    ),
    "both lists": (np.zeros((8, 4, 4)), "x", "[]", "keys.txt and keys.json both lie beside"),
    "no list": (np.zeros((8, 4, 4)), None, '{"a": 1}', "keys.json is no list"),
    "no JSON": (np.zeros((8, 4, 4)), None, "[", "keys.json cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(STACKS))
def test_stacks_that_do_not_fit(case: str, dataset: Dataset, tmp_path: Path) -> None:
    values, text, listed, words = STACKS[case]
    np.save(tmp_path / "maps.npy", values)
    if text is not None:
        (tmp_path / "keys.txt").write_text(text)
    if listed is not None:
        (tmp_path / "keys.json").write_text(listed)
    with pytest.raises(DataError, match=words) as caught:
        open_maps(tmp_path / "maps.npy", ImageNames(dataset))
    assert "\n" not in str(caught.value)


def test_a_fault_inside_a_stack_names_row_and_image(dataset: Dataset, tmp_path: Path) -> None:
    values = np.zeros((8, 4, 4), np.float32)
    values[2, 1, 1] = np.nan
    np.save(tmp_path / "maps.npy", values)
    maps = open_maps(tmp_path / "maps.npy", ImageNames(dataset))
    with pytest.raises(BadMap, match=r"maps.npy, row 2, for bolt/test/good/000.png, holds .*NaN"):
        maps.read("bolt/test/good/000.png")


def test_headers_are_read_for_all_before_the_first_is_named(
    dataset: Dataset, tmp_path: Path
) -> None:
    folder = mirror(tmp_path / "maps", dataset)
    for name in ("bolt/test/good/001.npy", "cloth/test/crack/000.npy", "cloth/test/good/001.npy"):
        (folder / name).write_bytes(b"broken")
    maps = open_maps(folder, ImageNames(dataset))
    words = r"bolt/test/good/001.npy \(and 2 more\) is no intact NPY file"
    with pytest.raises(DataError, match=words):
        maps.shapes(sorted(maps.keys))


# -- sizes ----------------------------------------------------------------------------------------


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    factor=st.floats(1e-3, 3),
    rounding=st.sampled_from([np.floor, np.ceil, np.round]),
)
def test_an_image_scaled_by_one_factor_has_its_shape(
    width: int, height: int, factor: float, rounding: Callable[[float], float]
) -> None:
    scaled = (max(1, int(rounding(factor * width))), max(1, int(rounding(factor * height))))
    if min(factor * width, factor * height) >= 1:
        assert same_shape(scaled, (width, height))
    assert same_shape((width, height), (width, height))


@pytest.mark.parametrize(
    ("map_size", "image_size"),
    [((20, 24), (24, 20)), ((12, 11), (24, 20)), ((256, 250), (256, 256)), ((15, 16), (900, 900))],
)
def test_other_shapes_are_told_apart(
    map_size: tuple[int, int], image_size: tuple[int, int]
) -> None:
    assert not same_shape(map_size, image_size)


def test_a_mis_sized_map_is_named_with_both_sizes(dataset: Dataset, tmp_path: Path) -> None:
    maps = open_maps(mirror(tmp_path / "maps", dataset), ImageNames(dataset))
    keys = sorted(maps.keys)
    originals = dict.fromkeys(keys, (24, 20))
    check_sides(maps, dict.fromkeys(keys, (8, 8)), originals)
    check_sides(maps, dict.fromkeys(keys, (10, 12)), originals)
    shapes = dict.fromkeys(keys, (10, 12)) | {keys[3]: (12, 10), keys[5]: (12, 10)}
    words = r"^bolt/test/good/001.npy \(and 1 more\) is mis-sized: 10x12 px .*\(24x20 px\)"
    with pytest.raises(DataError, match=words):
        check_sides(maps, shapes, originals)


# -- scores ---------------------------------------------------------------------------------------


def test_scores_by_key_with_more_columns(dataset: Dataset, tmp_path: Path) -> None:
    keys = keys_of(dataset)
    lines = [f"{place / 8},x,{key}" for place, key in enumerate(keys)]
    path = tmp_path / "scores.csv"
    path.write_text("\ufeffscore, other, key\r\n" + "\r\n".join(lines) + "\r\n")
    found = read_scores(path, ImageNames(dataset))
    assert found == {key: place / 8 for place, key in enumerate(keys)}


def test_scores_by_stem(distinct: Dataset, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("key,score\n5,1e-3\n4,-2\n")
    assert read_scores(tmp_path / "s.csv", ImageNames(distinct)) == {
        "pictures/4.png": -2.0,
        "pictures/5.png": 0.001,
    }


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "begins with nothing; its first line must name key,score"),
        ("4,0.5\n5,0.5", "begins with 4, 0.5"),
        ("key;score\n4;0.5\n5;0.5", "begins with key;score"),
        ("key,score\n4,0.5", "holds no score for pictures/5.png"),
        ("key,score\n4,0.5\n5,", "gives '' as the score of pictures/5.png"),
        ("key,score\n4,high\n5", r"gives 'high' as the score of pictures/4.png \(and 1 more\)"),
        ("key,score\n4,0.5\n5,nan", "gives 'nan' as the score"),
        ("key,score\n4,1e400\n5,1", "gives '1e400' as the score"),
        ("key,score\n4,0.5\n5,1\n4,0.5\n", "names 4 twice"),
        ("key,score\n4,0.5\n5,1\n6,1\n7,1", r"'6' in s.csv \(and 1 more\) belongs to no test"),
        ("key,score\n4,0.5\n5,1\n0,1", "'0' in s.csv belongs to no test image"),
    ],
)
def test_scores_that_do_not_fit(lines: str, words: str, distinct: Dataset, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(lines)
    with pytest.raises(DataError, match=words) as caught:
        read_scores(tmp_path / "s.csv", ImageNames(distinct))
    assert "\n" not in str(caught.value)


def test_a_score_file_that_is_none(distinct: Dataset, tmp_path: Path) -> None:
    names = ImageNames(distinct)
    with pytest.raises(UsageError, match=r"--scores came as .*no file"):
        read_scores(tmp_path / "s.csv", names)
    Image.fromarray(noise(3)).save(tmp_path / "s.png")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_scores(tmp_path / "s.png", names)
