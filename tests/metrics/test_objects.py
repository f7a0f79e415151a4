"""Detected objects: by hand, against slow loops, and with weights as repetitions."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score

from core.errors import UsageError
from core.metrics import objects as module
from core.metrics.objects import Detections, detect, object_ap


def found(scores: list[float], hits: list[list[int]], regions: int) -> Detections:
    """Detections written down."""
    return Detections(
        np.array(scores, np.float32), np.array(hits, dtype=bool).reshape(len(scores), -1), regions
    )


def blobs(seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """A map 14 x 14, higher inside the regions, and the regions; their ids are 3, 6, ..."""
    rng = np.random.default_rng(seed)
    mask_HW = ndimage.gaussian_filter(rng.standard_normal((14, 14)), 1.5) > 0.15
    map_HW = ndimage.gaussian_filter(rng.standard_normal((14, 14)) + 2.0 * mask_HW, 0.6)
    labels_HW, _ = ndimage.label(mask_HW, np.ones((3, 3)))
    return map_HW.astype(np.float32), 3 * labels_HW


def slow_detect(
    map_HW: npt.NDArray[np.float32], regions_HW: npt.NDArray[np.int32], threshold: float, iou: float
) -> list[tuple[float, bool]]:
    """(score, hit) as sets of pixels, greedily."""
    labels, count = ndimage.label(map_HW >= threshold, np.ones((3, 3)))
    true = {int(id): regions_HW == id for id in np.unique(regions_HW[regions_HW > 0])}
    parts = [labels == number for number in range(1, count + 1)]
    parts.sort(key=lambda part: -map_HW[part].max())
    out = []
    for part in parts:
        overlap = {id: (part & region).sum() / (part | region).sum() for id, region in true.items()}
        best = max(overlap, key=lambda id: (overlap[id], -id), default=None)
        hit = best is not None and overlap[best] >= iou
        if hit:
            del true[best]
        out.append((float(map_HW[part].max()), bool(hit)))
    return out


def slow_ap(scores: list[float], hits: list[bool], positives: int) -> float:
    """Every distinct score is tried as threshold."""
    area = recall = 0.0
    for threshold in sorted(set(scores), reverse=True):
        called = [hit for score, hit in zip(scores, hits, strict=True) if score >= threshold]
        area += (sum(called) / positives - recall) * sum(called) / len(called)
        recall = sum(called) / positives
    return area


def random_detections(seed: int, images: int = 7) -> list[Detections]:
    """Images with objects in three IoU columns, ties among them; every third image is normal."""
    rng = np.random.default_rng(seed)
    some = []
    for image in range(images):
        regions = 0 if image % 3 == 0 else int(rng.integers(1, 5))
        scores = -np.sort(-np.floor(rng.random(rng.integers(0, 8)) * 9))
        hits = np.zeros((len(scores), 3), dtype=bool)
        for column, chance in enumerate((0.8, 0.5, 0.2)):
            hits[:, column] = rng.random(len(scores)) < chance
            hits[np.flatnonzero(hits[:, column])[regions:], column] = False
        some.append(Detections(scores.astype(np.float32), hits, regions))
    return some


def test_objects_by_hand() -> None:
    """Left: 4 of 6 predicted pixels on a region of 8: IoU 4 / 10. Right: one pixel, no region
    near. Below: all of a region of 2, IoU 1. The region at the lower right is not detected."""
    map_HW, regions_HW = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.int32)
    regions_HW[0:4, 0:2] = 1
    map_HW[2:5, 0:2], map_HW[2, 0] = 0.5, 0.7
    map_HW[0, 7] = 0.9
    regions_HW[7, 0:2] = 2
    map_HW[7, 0:2] = 0.6
    regions_HW[7, 7] = 3
    map_HW[7, 7] = 0.4
    one = detect(map_HW, regions_HW, 0.5, (0.1, 0.4, 0.41))
    assert one.scores_D.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert one.hits_DT.tolist() == [[False] * 3, [True, True, False], [True] * 3]
    assert one.regions == 3
    assert detect(map_HW, regions_HW, 0.5, min_area=2).scores_D.tolist() == pytest.approx(
        [0.7, 0.6]
    )
    # AP at IoU 0.4: hits at ranks 2 and 3 of 3 true ones: (1/3)(1/2) + (1/3)(2/3)
    assert object_ap([one]) == pytest.approx(np.array([[7 / 18, 7 / 18, 1 / 9]]))


def test_each_region_is_taken_once_and_the_higher_score_comes_first() -> None:
    """Region 1 lies under both objects, region 2 under the first alone. Row of 12 pixels:
    object a (0.9) covers 0-4, object b (0.8) 6-8; region 1 is 2-8 (7 pixels), region 2 is 0-1.
    IoU: a-1 3/9, a-2 2/5, b-1 3/7. At 0.1 a takes region 2 (2/5 > 3/9), so b takes region 1."""
    map_HW, regions_HW = np.zeros((1, 12), np.float32), np.zeros((1, 12), np.int32)
    map_HW[0, 0:5], map_HW[0, 6:9] = 0.9, 0.8
    regions_HW[0, 2:9], regions_HW[0, 0:2] = 1, 2
    assert detect(map_HW, regions_HW, 0.5, (0.1, 0.4, 0.42)).hits_DT.tolist() == [
        [True, True, False],
        [True, True, True],
    ]
    regions_HW[0, 0:2] = 0  # a takes region 1 (3/9), so b goes without, though it fits better
    assert detect(map_HW, regions_HW, 0.5, (0.1, 0.4)).hits_DT.tolist() == [
        [True, False],
        [False, True],
    ]


def test_objects_join_at_corners_and_the_threshold_itself_belongs_to_them() -> None:
    map_HW = np.eye(3, dtype=np.float32) * np.float32(0.7)
    nothing = np.zeros((3, 3), np.int32)
    assert len(detect(map_HW, nothing, float(np.float32(0.7))).scores_D) == 1
    # float32(0.7) is less than 0.7: the comparison is exact
    assert len(detect(map_HW, nothing, 0.7).scores_D) == 0
    assert detect(map_HW, nothing, 0.7).hits_DT.shape == (0, 3)
    assert detect(map_HW, nothing, -1).scores_D.tolist() == [np.float32(0.7)]


@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([-0.5, 0.5, 1.5]))
@settings(max_examples=25, deadline=None)
def test_matching_is_that_of_pixel_sets(seed: int, threshold: float) -> None:
    map_HW, ids = blobs(seed)
    one = detect(map_HW, ids, threshold, (0.05, 0.2, 0.5))
    assert one.regions == ids.max() // 3
    for column, iou in enumerate((0.05, 0.2, 0.5)):
        expected = slow_detect(map_HW, ids, threshold, iou)
        assert list(zip(one.scores_D.tolist(), one.hits_DT[:, column].tolist())) == expected  # noqa: B905
    assert (one.hits_DT.sum(axis=0) <= one.regions).all()
    moved = detect(np.exp(map_HW), ids, float(np.exp(np.float32(threshold))), (0.05, 0.2, 0.5))
    assert len(moved.scores_D) == len(one.scores_D)
    assert (moved.hits_DT == one.hits_DT).all()


def test_average_precision_by_hand() -> None:
    """Scores 9 hit, 8 hit and miss (tied), 7 miss, 6 hit; 4 regions, one undetected.
    (1/4)(1) + (1/4)(2/3) + (1/4)(3/5) = 17/30."""
    some = [
        found([9, 8, 7], [[1], [0], [0]], 2),
        found([8], [[1]], 1),
        found([6], [[1]], 1),
        Detections(np.empty(0, np.float32), np.zeros((0, 1), dtype=bool), 0),
    ]
    assert object_ap(some) == pytest.approx(np.array([[17 / 30]]))
    # the first image twice: 9 9 hit, 8 8 miss, 8 hit, 7 7 miss, 6 hit; 6 regions:
    # (2/6)(1) + (1/6)(3/5) + (1/6)(4/8)
    assert object_ap(some, np.array([[2, 1, 1, 1]])) == pytest.approx(
        np.array([[2 / 6 + 0.1 + 1 / 12]])
    )


def test_detected_everything_it_is_scikit_learns_average_precision() -> None:
    some = random_detections(4, images=30)
    for column in range(3):
        hits = np.concatenate([one.hits_DT[:, column] for one in some])
        scores = np.concatenate([one.scores_D for one in some])
        whole = [
            Detections(one.scores_D, one.hits_DT, int(one.hits_DT[:, column].sum())) for one in some
        ]
        expected = average_precision_score(hits, scores)
        assert object_ap(whole)[0, column] == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_integer_weights_are_repeated_images(seed: int) -> None:
    some = random_detections(seed)
    weights = np.random.default_rng(seed).integers(0, 3, (6, len(some)))
    weights[0] = 1
    values = object_ap(some, weights)
    assert values.shape == (6, 3)
    assert values[:1].tobytes() == object_ap(some).tobytes()
    for row, column in itertools.product(range(6), range(3)):
        again = [one for one, times in zip(some, weights[row], strict=True) for _ in range(times)]
        positives = sum(one.regions for one in again)
        if positives == 0:
            assert np.isnan(values[row, column])
            continue
        scores = [score for one in again for score in one.scores_D.tolist()]
        hits = [hit for one in again for hit in one.hits_DT[:, column].tolist()]
        assert values[row, column] == pytest.approx(slow_ap(scores, hits, positives), abs=1e-12)
        assert 0 <= values[row, column] <= 1


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_order_and_increasing_transforms_change_nothing(seed: int) -> None:
    some = random_detections(seed)
    value = object_ap(some)
    order = np.random.default_rng(seed).permutation(len(some))
    assert object_ap([some[i] for i in order]).tobytes() == value.tobytes()
    moved = [Detections(np.exp(one.scores_D), one.hits_DT, one.regions) for one in some]
    assert object_ap(moved).tobytes() == value.tobytes()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    some = random_detections(2, images=20)
    weights = np.random.default_rng(0).integers(0, 4, (23, 20))
    values = object_ap(some, weights)
    monkeypatch.setattr(module, "_BLOCK", 40)
    assert object_ap(some, weights).tobytes() == values.tobytes()


def test_no_hit_is_zero_and_no_region_undefined() -> None:
    missed, normal = found([3, 2], [[0], [0]], 2), found([4], [[0]], 0)
    assert object_ap([missed, normal]).tolist() == [[0]]
    assert object_ap([found([4], [[1]], 1), normal], np.array([[0, 1], [1, 0]]))[1] == 1
    assert np.isnan(object_ap([normal])).all()
    assert np.isnan(object_ap([missed, normal], np.array([[0, 2]]))).all()


def test_what_does_not_fit_is_refused() -> None:
    map_HW, regions_HW = np.zeros((3, 3), np.float32), np.zeros((3, 3), np.int32)
    with pytest.raises(UsageError, match=r"\(3, 3\) and regions with \(2, 3\)"):
        detect(map_HW, regions_HW[:2], 0.5)
    with pytest.raises(UsageError, match="threshold nan"):
        detect(map_HW, regions_HW, np.nan)
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        detect(map_HW, regions_HW, 0.5, (0.0,))
    one = found([1], [[1]], 1)
    with pytest.raises(UsageError, match="Objects of 0 images"):
        object_ap([])
    with pytest.raises(UsageError, match=r"\[1, 2\] IoU thresholds"):
        object_ap([one, found([1], [[1, 0]], 1)])
    with pytest.raises(UsageError, match=r"shape \(1, 2\) for 1 images"):
        object_ap([one], np.ones((1, 2)))
