"""FROC: by hand, against a slow loop over thresholds, and with weights as repetitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.metrics import froc as module
from core.metrics.froc import Froc, froc, lesion_ratings

Floats = npt.NDArray[np.float64]


def slow_llf(normal_marks: list[Floats], ratings_L: Floats, nlf: float) -> float:
    """LLF at the lowest threshold allowed, every threshold tried in turn."""
    marks = np.concatenate(normal_marks)
    tried = set(marks.tolist()) | set(ratings_L[ratings_L > -np.inf].tolist())
    allowed = [t for t in tried if (marks >= t).sum() / len(normal_marks) <= nlf]
    return float((ratings_L >= min(allowed)).mean()) if allowed else 0.0


def case(seed: int, levels: int = 12) -> tuple[list[Floats], Floats, npt.NDArray[np.int64]]:
    """Marks of normal images, ratings and images of lesions, with ties and missed lesions."""
    rng = np.random.default_rng(seed)
    normal = [np.floor(rng.random(rng.integers(0, 7)) * levels) for _ in range(rng.integers(1, 9))]
    lesions = int(rng.integers(1, 12))
    ratings = np.floor(rng.random(lesions) * levels * 1.3)
    ratings[rng.random(lesions) < 0.2] = -np.inf
    return normal, ratings, rng.integers(0, 5, lesions)


def by_hand(**weights: npt.NDArray[np.float64]) -> Froc:
    """Two normal images, marks 5 3 1 and 4; lesions rated 6, 4, 2 and one without a mark."""
    normal = [np.array([3.0, 5.0, 1.0]), np.array([4.0])]
    return froc(normal, np.array([4.0, 6.0, -np.inf, 2.0]), np.array([0, 0, 1, 2]), **weights)


def test_the_curve_by_hand() -> None:
    curve = by_hand()
    assert curve.threshold_T.tolist() == [6, 5, 4, 3, 2, 1]
    assert curve.nlf_T.tolist() == [0, 0.5, 1, 1.5, 1.5, 2]
    assert curve.llf_T.tolist() == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75]


@pytest.mark.parametrize(
    ("nlf", "expected"),
    [(0.0, 0.25), (0.49, 0.25), (0.5, 0.25), (1.0, 0.5), (1.49, 0.5), (1.5, 0.75), (9.0, 0.75)],
)
def test_the_step_rule_by_hand(nlf: float, expected: float) -> None:
    """At 1.5 threshold 2 is allowed, at 1.49 none below 4; one lesion is never found."""
    assert by_hand().llf_at(nlf).tolist() == [expected]


def test_weights_by_hand() -> None:
    """Second row: the first normal image twice, the second never: marks 5 5 3 3 1 1 of two
    images; lesions of image 0 once, of image 1 never, of image 2 three times: 6 4 2 2 2."""
    curve = by_hand(
        weights_normal_RN=np.array([[1.0, 1], [2, 0]]),
        weights_anomalous_RA=np.array([[1.0, 1, 1], [1, 0, 3]]),
    )
    assert curve.llf_at(0.0).tolist() == [0.25, 1 / 5]
    assert curve.llf_at(1.0).tolist() == [0.5, 2 / 5]
    assert curve.llf_at(2.0).tolist() == [0.75, 1.0]
    assert curve.nlf_T.tolist() == [0, 0.5, 1, 1.5, 1.5, 2]  # the curve stays that of all images


@given(seed=st.integers(0, 10_000), nlf=st.sampled_from([0.0, 0.125, 0.3, 0.5, 1.0, 2.0, 10.0]))
@settings(max_examples=60, deadline=None)
def test_the_value_is_that_of_the_lowest_threshold_allowed(seed: int, nlf: float) -> None:
    normal, ratings, image = case(seed)
    curve = froc(normal, ratings, image)
    assert curve.llf_at(nlf).tolist() == [slow_llf(normal, ratings, nlf)]
    allowed = np.flatnonzero(curve.nlf_T <= nlf)
    assert curve.llf_at(nlf)[0] == (curve.llf_T[allowed[-1]] if len(allowed) else 0.0)
    marks = np.concatenate(normal)
    for threshold, x, y in zip(curve.threshold_T, curve.nlf_T, curve.llf_T, strict=True):
        assert (x, y) == ((marks >= threshold).sum() / len(normal), (ratings >= threshold).mean())


@given(seed=st.integers(0, 10_000), nlf=st.sampled_from([0.0, 0.25, 1.0, 2.0]))
@settings(max_examples=40, deadline=None)
def test_integer_weights_are_repeated_images(seed: int, nlf: float) -> None:
    normal, ratings, image = case(seed)
    rng = np.random.default_rng(seed)
    weights_normal = rng.integers(0, 4, (5, len(normal)))
    weights_anomalous = rng.integers(0, 4, (5, 5))
    weights_normal[0], weights_anomalous[0] = 1, 1
    found = froc(normal, ratings, image, weights_normal, weights_anomalous).llf_at(nlf)
    assert found[0] == froc(normal, ratings, image).llf_at(nlf)[0]
    for row in range(5):
        again = [
            marks for marks, n in zip(normal, weights_normal[row], strict=True) for _ in range(n)
        ]
        lesions = np.repeat(ratings, weights_anomalous[row][image])
        if again and len(lesions):
            assert found[row] == slow_llf(again, lesions, nlf)
        else:
            assert np.isnan(found[row])


@given(seed=st.integers(0, 10_000), nlf=st.sampled_from([0.0, 0.25, 1.0]))
@settings(max_examples=25, deadline=None)
def test_order_of_images_and_increasing_transforms_change_nothing(seed: int, nlf: float) -> None:
    normal, ratings, image = case(seed)
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(normal[i]) for i in rng.permutation(len(normal))]
    lesions = rng.permutation(len(ratings))
    value = froc(normal, ratings, image).llf_at(nlf)
    other = froc(shuffled, ratings[lesions], image[lesions])
    assert other.llf_at(nlf) == value
    missed = np.where(ratings == -np.inf, -np.inf, np.exp(ratings / 5) - 2)
    moved = froc([np.exp(marks / 5) - 2 for marks in normal], missed, image)
    assert moved.llf_at(nlf) == value
    assert (moved.llf_T == froc(normal, ratings, image).llf_T).all()


def test_blocks_and_many_marks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    normal = [rng.random(30) for _ in range(20)]
    ratings, image = rng.random(40) + 0.3, rng.integers(0, 15, 40)
    weights = [rng.multinomial(n, np.full(n, 1 / n), size=50) for n in (20, 15)]
    curve = froc(normal, ratings, image, *weights)
    values = [curve.llf_at(nlf) for nlf in (0.0, 0.5, 2.0, 29.0, 40.0)]
    assert len(np.unique(values[1])) > 5
    monkeypatch.setattr(module, "_BLOCK", 130)
    monkeypatch.setattr(module, "_MARKS", 7)
    for nlf, value in zip((0.0, 0.5, 2.0, 29.0, 40.0), values, strict=True):
        assert (curve.llf_at(nlf) == value).all()


def test_a_rate_that_is_met_exactly_is_allowed() -> None:
    """3 marks of 10 images against 0.3: 10 * 0.3 rounds, 3 / 10 does not."""
    normal = [np.array([1.0])] * 3 + [np.array([0.0])] * 7
    assert froc(normal, np.array([0.5]), np.array([0])).llf_at(0.3) == [1]
    for k in range(1, 100):
        for other in (np.array([0.0]), np.empty(0)):
            normal = [np.array([1.0])] * k + [other] * (100 - k)
            assert froc(normal, np.array([0.5]), np.array([0])).llf_at(k / 100) == [1]


def test_without_false_marks_every_marked_lesion_is_found() -> None:
    nothing = np.empty(0)
    curve = froc([nothing, nothing], np.array([1.0, -np.inf]), np.array([0, 0]))
    assert curve.llf_at(0.0).tolist() == [0.5]
    missed = froc([np.array([1.0])], np.array([-np.inf]), np.array([0]))
    assert missed.llf_at(5.0).tolist() == [0]


def test_a_lesion_is_rated_by_its_highest_mark() -> None:
    scores, on = np.array([9, 8, 7, 6], np.float32), np.array([0, 5, 2, 5], np.int32)
    assert lesion_ratings(scores, on, np.array([5, 1, 2])).tolist() == [8, -np.inf, 7]
    assert lesion_ratings(scores, on, np.array([], dtype=np.int32)).tolist() == []


def test_what_does_not_fit_is_refused() -> None:
    marks, rating, image = [np.array([1.0])], np.array([1.0]), np.array([0])
    with pytest.raises(UsageError, match="0 normal images and 1 lesions"):
        froc([], rating, image)
    with pytest.raises(UsageError, match="1 normal images and 0 lesions"):
        froc(marks, np.array([]), np.array([]))
    with pytest.raises(UsageError, match="NaN or infinite"):
        froc([np.array([np.nan])], rating, image)
    with pytest.raises(UsageError, match="NaN or infinite"):
        froc(marks, np.array([np.nan]), image)
    with pytest.raises(UsageError, match="both kinds or neither"):
        froc(marks, rating, image, np.ones((1, 1)))
    with pytest.raises(UsageError, match="as many resamples"):
        froc(marks, rating, image, np.ones((1, 1)), np.ones((2, 1)))
    with pytest.raises(UsageError, match="2 normal images and marks of 1"):
        froc(marks, rating, image, np.ones((1, 2)), np.ones((1, 1)))
    with pytest.raises(UsageError, match="up to number 3"):
        froc(marks, rating, np.array([3]), np.ones((1, 1)), np.ones((1, 1)))
