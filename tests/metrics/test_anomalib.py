"""AU-PRO and AUPIMO beside anomalib's, where it is installed.

Its AU-PRO is an approximation of its own (thresholds at evenly spaced rates), its AUPIMO integrates
numerically; what is held is that the definitions agree.
"""

from __future__ import annotations

import numpy as np
import pytest

from core.metrics.accumulate import Accumulator
from core.metrics.tables import image_pimo
from tests.metrics.metric_cases import Batch, make

pytest.importorskip("anomalib", reason="anomalib is not installed: nothing to compare with")


def smooth(seed: int) -> Batch:
    """Maps whose normal pixels resolve rates of 1e-5."""
    return make(seed, images=8, side=384, shift=2.0)


def test_aupro_agrees() -> None:
    import torch
    from anomalib.metrics.aupro import _AUPRO

    batch = smooth(0)
    metric = _AUPRO(fpr_limit=0.3)
    masks = torch.from_numpy((batch.regions_BHW > 0).astype(np.int64))
    metric.update(torch.from_numpy(batch.maps_BHW), masks)
    ours = batch.evaluate().value("tile", "pixel_aupro")
    assert ours == pytest.approx(float(metric.compute()), abs=2e-3)


def test_aupimo_of_every_image_agrees() -> None:
    import torch
    from anomalib.metrics.pimo.pimo import _AUPIMO

    batch = smooth(1)
    metric = _AUPIMO(num_thresholds=100_000, return_average=False)
    masks = torch.from_numpy((batch.regions_BHW > 0).astype(np.int64))
    metric.update(torch.from_numpy(batch.maps_BHW), masks)
    _, result = metric.compute()
    accumulator = Accumulator()
    fields = {name: getattr(batch, name) for name in batch.__dataclass_fields__}
    keys = [f"{i}" for i in range(len(batch.labels_B))]
    accumulator.update(class_name="tile", **fields, keys_B=keys)
    ours = image_pimo(accumulator.compute(intervals=0).groups)
    for i in np.flatnonzero(batch.labels_B):
        assert ours[f"{i}"] == pytest.approx(float(result.aupimos[i]), abs=0.02)
