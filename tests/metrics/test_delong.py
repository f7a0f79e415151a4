"""DeLong's variance: by definition over all pairs, by hand, and the AUROC by scikit-learn."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from core.errors import UsageError
from core.metrics.delong import AurocEstimate, PairedAuroc, delong, delong_paired

Floats = npt.NDArray[np.float64]
Z95 = NormalDist().inv_cdf(0.975)


def components(scores: Floats, labels: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """V10 and V01 from every pair of an anomalous and a normal image."""
    x, y = scores[labels == 1], scores[labels == 0]
    psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    return psi.mean(axis=1), psi.mean(axis=0)


def by_definition(models: list[Floats], labels: npt.NDArray[np.int64]) -> Floats:
    """Covariance matrix S = S10 / m + S01 / n of the models' AUROCs."""
    found = [components(scores, labels) for scores in models]
    m, n = (labels == 1).sum(), (labels == 0).sum()
    s10, s01 = (np.atleast_2d(np.cov([pair[i] for pair in found])) for i in (0, 1))
    return np.asarray(s10 / m + s01 / n)


def two_models(
    seed: int, m: int, n: int, levels: int | None
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Correlated scores of two models; few levels give many ties."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], [m, n]))
    shared = rng.normal(size=m + n) + labels
    a, b = (shared + rng.normal(size=m + n) for _ in range(2))
    if levels is not None:
        a, b = np.round(a * levels / 4), np.round(b * levels / 4)
    return a, b, labels


CASES = [(0, 2, 2, None), (1, 30, 20, None), (2, 25, 40, 3), (3, 3, 50, 8), (4, 40, 2, 1)]


@pytest.mark.parametrize(("seed", "m", "n", "levels"), CASES)
def test_one_model_equals_the_definition(seed: int, m: int, n: int, levels: int | None) -> None:
    a, _, labels = two_models(seed, m, n, levels)
    found = delong(a, labels)
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(labels, a), abs=1e-12)
    variance = by_definition([a], labels)[0, 0]
    assert found.variance == pytest.approx(variance, rel=1e-10, abs=1e-15)
    if 0 < found.value < 1:
        middle = math.log(found.value / (1 - found.value))
        half = Z95 * math.sqrt(variance) / (found.value * (1 - found.value))
        for end, side in ((found.low, -half), (found.high, half)):
            assert end == pytest.approx(1 / (1 + math.exp(-middle - side)), abs=1e-9)


@pytest.mark.parametrize(("seed", "m", "n", "levels"), CASES)
def test_two_models_equal_the_definition(seed: int, m: int, n: int, levels: int | None) -> None:
    a, b, labels = two_models(seed, m, n, levels)
    found = delong_paired(a, b, labels, level=0.9)
    assert found is not None
    s = by_definition([a, b], labels)
    error = math.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    gap = roc_auc_score(labels, a) - roc_auc_score(labels, b)
    assert (found.a, found.b) == pytest.approx(
        (roc_auc_score(labels, a), roc_auc_score(labels, b)), abs=1e-12
    )
    assert found.covariance == pytest.approx(s[0, 1], rel=1e-9, abs=1e-15)
    assert found.difference == pytest.approx(gap, abs=1e-12)
    assert found.z == pytest.approx(gap / error, rel=1e-8, abs=1e-10)
    assert found.p == pytest.approx(2 * NormalDist().cdf(-abs(gap) / error), rel=1e-7)
    half = NormalDist().inv_cdf(0.95) * error
    assert found.low == pytest.approx(max(-1, gap - half), abs=1e-10)
    assert found.high == pytest.approx(min(1, gap + half), abs=1e-10)


def test_by_hand() -> None:
    """Two anomalous images, then two normal ones, under models a and b.

    a: 4 beats 1 and 3, 2 beats 1 only: V10 = 1, 1/2; V01 = 1, 1/2. AUROC 3/4, both sample
    variances 1/8, so Var a = 1/16 + 1/16 = 1/8.
    b: 2 ties with 2 and loses to 3, 4 beats both: V10 = 1/4, 1; V01 = 3/4, 1/2. AUROC 5/8,
    variances 9/32 and 1/32, so Var b = 9/64 + 1/64 = 5/32.
    Covariances: V10: (1/4)(-3/8) twice = -3/16; V01: (1/4)(1/8) twice = 1/16;
    Cov = -3/32 + 1/32 = -1/16. Var(a - b) = 1/8 + 5/32 + 2/16 = 13/32.
    """
    labels = [1, 1, 0, 0]
    a, b = [4, 2, 1, 3], [2, 4, 2, 3]
    one, two = delong(a, labels), delong(b, labels)
    assert one is not None
    assert two is not None
    assert (one.value, one.variance) == (0.75, 0.125)
    assert (two.value, two.variance) == (0.625, 0.15625)
    found = delong_paired(a, b, labels)
    assert found is not None
    assert (found.a, found.b, found.difference, found.covariance) == (0.75, 0.625, 0.125, -0.0625)
    assert found.z == pytest.approx(0.125 / math.sqrt(13 / 32), rel=1e-12)
    assert (found.low, found.high) == (-1.0, 1.0)  # 0.125 -+ 1.249, within the bounds


def test_without_overlap_or_without_order_the_interval_has_no_width() -> None:
    labels = [0, 0, 0, 1, 1]
    assert delong([1, 2, 3, 4, 5], labels) == AurocEstimate(1.0, 0.0, 1.0, 1.0)
    assert delong([5, 4, 3, 2, 1], labels) == AurocEstimate(0.0, 0.0, 0.0, 0.0)
    assert delong([7, 7, 7, 7, 7], labels) == AurocEstimate(0.5, 0.0, 0.5, 0.5)


def test_a_difference_that_no_image_makes_vary_claims_no_certainty() -> None:
    labels = [0, 0, 0, 1, 1]
    right, wrong, mixed = [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [1, 4, 2, 3, 5]
    assert delong_paired(right, wrong, labels) == PairedAuroc(
        1.0, 0.0, 1.0, 1.0, 1.0, z=None, p=None, covariance=0.0
    )
    same = delong_paired(mixed, [10 * score for score in mixed], labels)
    assert same is not None
    assert (same.difference, same.low, same.high, same.z, same.p) == (0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1], [1, 0, 1, 1]])
def test_one_image_of_a_label_has_no_variance(labels: list[int]) -> None:
    assert delong([1, 2, 3, 4], labels) is None
    assert delong_paired([1, 2, 3, 4], [1, 2, 3, 4], labels) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(2, 9), st.sampled_from([2, 4, 40]))
def test_order_scale_sign_and_swapping(seed: int, m: int, n: int, levels: int) -> None:
    a, b, labels = two_models(seed, m, n, levels)
    found, moved = delong(a, labels), np.random.default_rng(seed).permutation(m + n)
    assert found is not None
    again = delong(np.exp2(a)[moved], labels[moved])
    assert again is not None
    assert (again.value, again.variance) == pytest.approx((found.value, found.variance), abs=1e-15)
    down = delong(-a, labels)
    assert down is not None
    assert down.value == pytest.approx(1 - found.value, abs=1e-12)
    assert down.variance == pytest.approx(found.variance, rel=1e-9, abs=1e-15)
    assert (down.low, down.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1
    ab, ba = delong_paired(a, b, labels), delong_paired(b, a, labels)
    assert ab is not None
    assert ba is not None
    assert ab.p == ba.p
    assert (ab.difference, ab.low, ab.high) == (-ba.difference, -ba.high, -ba.low)


def test_infinite_scores_only_rank() -> None:
    labels = [0, 0, 1, 1]
    assert delong([-np.inf, 3, 2, np.inf], labels) == delong([0, 3, 2, 9], labels)


def test_many_images_need_no_table_of_pairs() -> None:
    """10^10 pairs; the variance follows the closed form of equal normal distributions."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100_000)
    scores = rng.normal(size=200_000).astype(np.float32)
    found = delong(scores, labels)
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    # components are uniform on 0..1, variance 1/12 each
    assert found.variance == pytest.approx(2 / 12 / 100_000, rel=0.01)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="NaN"):
        delong([1, 2, np.nan, 4], [0, 0, 1, 1])
    with pytest.raises(UsageError, match="b_N: expected one score a label"):
        delong_paired([1, 2, 3, 4], [1, 2, 3], [0, 0, 1, 1])
    with pytest.raises(UsageError, match="labels_N"):
        delong([1, 2, 3, 4], [0, 0, 1, 2])
    with pytest.raises(UsageError, match="level"):
        delong([1, 2, 3, 4], [0, 0, 1, 1], level=95)
