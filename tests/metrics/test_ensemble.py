"""Blends of two runs on scores whose outcome is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UsageError
from core.metrics.ensemble import (
    WEIGHTS_W,
    Scored,
    blends,
    ceiling,
    mean_ranks,
    normalised,
)

sklearn = pytest.importorskip("sklearn.metrics")


def scored(a: np.ndarray, b: np.ndarray, labels: np.ndarray, name: str = "x") -> Scored:
    return Scored(name, np.asarray(a, float), np.asarray(b, float), labels, (None,) * len(labels))


def complementary(count: int = 24) -> Scored:
    """Each run finds its own half of the anomalies and is blind to the other; normals at 0 +- 1.

    A lifts the first half far above every normal image, B the second. Half of each run's
    anomalies score as normal ones do, so both AUROCs are 1/2 + 1/4; the sum separates all.
    """
    normal = np.tile([-1.0, -0.5, 0.5, 1.0], count // 4)
    lifted = np.full(count // 2, 50.0)
    a = np.concatenate([normal, lifted, normal[: count // 2]])
    b = np.concatenate([normal, normal[: count // 2], lifted])
    return scored(a, b, np.repeat([0, 1], count).astype(np.int64))


def test_scores_are_measured_in_robust_spreads_of_the_normal_ones() -> None:
    labels = np.array([0, 0, 0, 0, 0, 1])
    found = normalised(np.array([1.0, 2.0, 3.0, 4.0, 100.0, 6.0]), labels)
    # median 3, absolute deviations 2 1 0 1 97: median 1
    assert found == pytest.approx((np.array([1, 2, 3, 4, 100, 6]) - 3) / 1.4826)


def test_scores_without_spread_keep_their_unit() -> None:
    assert list(normalised(np.array([2.0, 2.0, 5.0]), np.array([0, 0, 1]))) == [0, 0, 3]
    # more than half are equal: the standard deviation, here of 0 0 0 2
    found = normalised(np.array([0.0, 0.0, 0.0, 2.0]), np.zeros(4, int))
    assert found[3] == pytest.approx(2 / np.std([0, 0, 0, 2]))
    assert list(normalised(np.array([7.0]), np.array([1]))) == [7.0], "no normal image at all"


def test_the_ends_are_the_runs_themselves() -> None:
    one = complementary()
    curve = blends(one)
    assert curve.shape == (len(WEIGHTS_W), 48) and len(WEIGHTS_W) == 51
    assert curve[0] == pytest.approx(normalised(one.b_N, one.labels_N))
    assert curve[-1] == pytest.approx(normalised(one.a_N, one.labels_N))


def test_two_blind_halves_see_everything_together() -> None:
    found = ceiling([complementary()])
    assert found is not None
    assert (found.best.a, found.best.b) == pytest.approx((0.75, 0.75))
    assert found.values_W[25] == pytest.approx(1.0) and found.best.value == pytest.approx(1.0)
    assert found.best.gain == pytest.approx(0.25) and found.ranks.gain > 0.1
    assert found.best.low is not None and found.best.low > 0.05
    assert found.best.corrected is not None and found.best.corrected == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("metric", ["image_auroc", "image_ap"])
def test_every_point_of_the_curve_agrees_with_scikit_learn(metric: str) -> None:
    rng = np.random.default_rng(4)
    labels = (rng.random(60) < 0.4).astype(np.int64)
    a, b = rng.normal(labels, 1), 5 + 3 * rng.normal(0.6 * labels, 1)
    one = scored(a, b, labels)
    found = ceiling([one], metric, resamples=20)
    assert found is not None
    judge = sklearn.roc_auc_score if metric == "image_auroc" else sklearn.average_precision_score
    expected = [judge(labels, scores) for scores in blends(one)]
    assert found.values_W == pytest.approx(expected)
    assert found.ranks.value == pytest.approx(judge(labels, mean_ranks(one)))
    assert found.best.value == pytest.approx(max(expected))
    assert expected[round(50 * (found.best.weight or 0))] == pytest.approx(max(expected))


def test_a_run_with_itself_gains_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30).astype(np.int64)
    a = rng.normal(labels, 1)
    found = ceiling([scored(a, a, labels)])
    assert found is not None
    for gain in (found.best, found.ranks):
        assert gain.gain == 0 and gain.corrected == 0 and (gain.low, gain.high) == (0, 0)
    assert found.best.weight == 1.0, "where nothing is gained, a run alone is the best"


def test_choosing_a_weight_on_noise_is_taken_back() -> None:
    """B is noise: the best weight wins a little by luck, and the correction takes that back."""
    observed, corrected, sure = [], [], 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 40).astype(np.int64)
        one = scored(rng.normal(1.2 * labels, 1), rng.normal(0, 1, 80), labels)
        found = ceiling([one], resamples=200, seed=seed)
        assert found is not None and found.best.corrected is not None and found.best.low is not None
        assert found.best.gain >= 0
        observed.append(found.best.gain)
        corrected.append(found.best.corrected)
        sure += found.best.low > 0
    assert np.mean(observed) > 0.002, "the ceiling is too high ..."
    assert np.mean(corrected) < 0.5 * np.mean(observed), "... and is brought down"
    assert sure == 0, "no gain is claimed where there is none"


def test_classes_have_one_weight_together_and_their_own_apart() -> None:
    """On class x only A sees, on class y only B: apart each is perfect, one weight serves both."""
    normal = np.array([-1.0, -0.5, 0.5, 1.0] * 5)
    labels = np.repeat([0, 1], 20).astype(np.int64)
    seen, blind = np.concatenate([normal, normal + 50]), np.concatenate([normal, normal])
    x, y = scored(seen, blind, labels, "x"), scored(blind, seen, labels, "y")
    found = ceiling([x, y], resamples=50)
    assert found is not None
    assert (found.best.a, found.best.b) == pytest.approx((0.75, 0.75))
    assert found.best.value == pytest.approx(1.0)
    curve, best, _ = found.classes["x"]
    assert curve[-1] == 1.0 and best.gain == 0 and best.weight == 1.0
    assert found.classes["y"][1].weight == 0.0


def test_what_cannot_be_blended_is_said() -> None:
    labels = np.repeat([0, 1], 5).astype(np.int64)
    good = scored(np.arange(10), np.arange(10), labels, "x")
    alone = scored(np.arange(3), np.arange(3), np.zeros(3, np.int64), "normals")
    found = ceiling([good, alone], resamples=5)
    assert found is not None and found.skipped == ("normals",) and list(found.classes) == ["x"]
    assert ceiling([alone]) is None
    with pytest.raises(UsageError, match="image_f1max"):
        ceiling([good], "image_f1max")
    with pytest.raises(UsageError, match="not finite"):
        ceiling([scored(np.full(10, np.inf), np.arange(10), labels)])
    with pytest.raises(UsageError, match="1 or more"):
        ceiling([good], resamples=0)


def test_one_image_of_a_label_gives_no_interval() -> None:
    labels = np.array([0, 0, 0, 1], np.int64)
    found = ceiling([scored(np.arange(4), np.arange(4)[::-1], labels)], resamples=10)
    assert found is not None
    assert found.best.low is found.best.corrected is found.ranks.low is None
