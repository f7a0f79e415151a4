"""ADer's procedure against the package it calls, where that is installed (it is no requirement).

PYTHONPATH=. path/to/python/with/adeval -m pytest tests/metrics/test_ader_adeval.py
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from core.metrics.ader import ader_pixel_ap, ader_pixel_aupro, ader_pixel_auroc
from tests.metrics.metric_cases import make
from tests.metrics.test_ader import SCALES, rescaled, sort

if find_spec("adeval") is None:
    pytest.skip("adeval is not installed: nothing to compare with", allow_module_level=True)


def peer() -> Any:
    """ADEval; numpy's old name for the trapezoid is lent to it."""
    if not hasattr(np, "trapz"):
        setattr(np, "trapz", np.trapezoid)  # noqa: B010
    import adeval  # type: ignore[import-not-found, unused-ignore]

    return adeval


@pytest.mark.parametrize("cuda", [False, True])
@pytest.mark.parametrize(("seed", "levels"), [(0, None), (1, None), (2, 200), (3, 13)])
@pytest.mark.parametrize("scale", SCALES)
def test_values_equal_adeval(
    seed: int, levels: int | None, scale: str, cuda: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    adeval = peer()
    batch = rescaled(make(seed, images=8, side=48, levels=levels), scale)
    maps, masks = batch.maps_BHW, (batch.regions_BHW > 0).astype(np.uint8)
    adder = _cuda_class_on_the_cpu(monkeypatch) if cuda else adeval.EvalAccumulator
    values = adder(0.0, 1.0, maps.min(), maps.max(), nstrips=50)
    if cuda:
        import torch

        values.add_anomap_batch(torch.from_numpy(maps), torch.from_numpy(masks))
    else:
        values.add_anomap_batch(maps, masks)
    values.add_image([0.2, 0.8], [0, 1])
    values.add_sample([0.2, 0.8], [0, 1])
    summary, counts = values.summary(), sort(batch)
    assert ader_pixel_auroc(counts, cuda=cuda) == pytest.approx(summary["p_auroc"], abs=1e-14)
    assert ader_pixel_ap(counts, cuda=cuda) == pytest.approx(summary["p_aupr"], abs=1e-14)
    assert ader_pixel_aupro(counts, cuda=cuda) == pytest.approx(summary["p_aupro"], abs=1e-9)


def _cuda_class_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """ADEval's CUDA class with its two device calls answered by the CPU."""
    import torch
    from adeval import cuda_mem_effic  # type: ignore[import-not-found, unused-ignore]
    from adeval.iterative_cuda import (  # type: ignore[import-not-found, unused-ignore]
        EvalAccumulator,
    )

    class Torch:
        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

        def zeros(self, *size: Any, device: str, **options: Any) -> torch.Tensor:
            return torch.zeros(*size, **options)

        def histc(self, values: torch.Tensor, out: torch.Tensor, **options: Any) -> None:
            options |= {name: float(options[name]) for name in ("min", "max")}
            out.copy_(torch.histc(values, **options))

    monkeypatch.setattr(cuda_mem_effic, "torch", Torch())
    return EvalAccumulator
