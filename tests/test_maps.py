"""Upsampling, smoothing and scoring, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from core import maps
from core.errors import UsageError
from core.types import MapRule, RawPrediction


@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("shape", [(40, 40), (7, 50)])
def test_smoothing_is_scipys(sigma: float, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    ours = maps.smooth(torch.from_numpy(image)[None], sigma)[0].numpy()
    np.testing.assert_allclose(ours, gaussian_filter(image, sigma), atol=2e-6)


def test_upsampling_keeps_corners_when_asked() -> None:
    small = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    aligned = maps.upsample(small, 3, align_corners=True)[0]
    assert aligned.tolist() == [[0.0, 0.5, 1.0], [1.0, 1.5, 2.0], [2.0, 2.5, 3.0]]
    assert maps.upsample(small, 2, align_corners=False) is small


def test_image_scores_by_hand() -> None:
    map_BHW = torch.zeros(1, 4, 4)
    map_BHW[0, 1, 1] = 8.0
    map_BHW[0, 2, 2] = 4.0
    assert maps.image_scores(map_BHW, "max").item() == 8.0
    assert maps.image_scores(map_BHW, "pool2").item() == 3.0  # (8 + 4) / 4
    # twice: 3 x 3 pools of 2 x 2 hold 8, 8, 0 / 8, 12, 4 / 0, 4, 4 quarters; then four of those
    assert maps.image_scores(map_BHW, "pool2times2").item() == 9 / 4
    assert maps.image_scores(map_BHW, "pool2times3").item() == pytest.approx(27 / 16)
    assert maps.image_scores(map_BHW, "pool1times9").item() == 8.0
    for rule in ("pool5", "mean", "pool0", "poolx", "pool2times4", "pool2times0", "pool2x2"):
        with pytest.raises(UsageError, match="Score rule"):
            maps.image_scores(map_BHW, rule)


def test_finish_takes_the_methods_scores_only_when_the_rule_says_so() -> None:
    raw = RawPrediction((torch.rand(2, 8, 8),), torch.tensor([5.0, 6.0]))
    own = maps.finish(raw, MapRule(sigma=0.0, score="method"), 16)
    assert own.scores_B.tolist() == [5.0, 6.0]
    assert own.maps_BHW.shape == (2, 16, 16) and own.maps_BHW.dtype == torch.float32
    top = maps.finish(raw, MapRule(sigma=0.0), 16)
    torch.testing.assert_close(top.scores_B, own.maps_BHW.amax((1, 2)))
    with pytest.raises(UsageError, match="gave none"):
        maps.finish(RawPrediction(raw.levels_BHW), MapRule(score="method"), 16)


def test_levels_are_averaged_at_the_final_size() -> None:
    levels = (torch.full((1, 2, 2), 1.0), torch.full((1, 8, 8), 4.0))
    final = maps.finish(RawPrediction(levels), MapRule(sigma=0.0), 8)
    assert final.maps_BHW.unique().tolist() == [2.5]
