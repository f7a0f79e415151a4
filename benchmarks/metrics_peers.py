"""One peer measured once: started by benchmarks/metrics.py with the peers' interpreter.

    python -m benchmarks.metrics_peers ID FOLDER

prints a line of JSON. Arrays are laid out, converted and, for CUDA, moved before the clock
starts, and a first call on four images is not counted, so imports are not either. Memory is the
highest resident size during the work less the size before it.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics_data import Maps, Source

Values = dict[str, float]
LIMIT = 0.3


@dataclass(frozen=True)
class Peer:
    """A way to compute pixel metrics: `prepare` outside the clock, `compute` inside."""

    package: str
    prepare: Callable[[Maps], Any]
    compute: Callable[[Any], Values]
    device: str = "cpu"


def arrays(maps: Maps) -> Any:
    return maps.maps_BHW, maps.masks_BHW


def scikit_learn(inputs: Any) -> Values:
    from sklearn.metrics import average_precision_score, roc_auc_score

    maps, masks = inputs
    return {
        "auroc": roc_auc_score(masks.ravel(), maps.ravel()),
        "ap": average_precision_score(masks.ravel(), maps.ravel()),
    }


def adeval(strips: int, device: str = "cpu") -> Callable[[Any], Values]:
    def compute(inputs: Any) -> Values:
        if not hasattr(np, "trapz"):
            setattr(np, "trapz", np.trapezoid)  # noqa: B010  (the package needs the old name)
        import adeval

        function = adeval.auroc_aupr_aupro if device == "cpu" else adeval.auroc_aupr_aupro_cuda
        return dict(zip(("auroc", "ap", "aupro"), function(*inputs, nstrips=strips), strict=True))

    return compute


def on_gpu(maps: Maps) -> Any:
    """Maps on the GPU; masks where adeval labels them, on the host."""
    import torch

    return torch.from_numpy(maps.maps_BHW).cuda(), torch.from_numpy(maps.masks_BHW)


def tensors(maps: Maps) -> Any:
    """Flat tensors; values are brought to 0..1, or torchmetrics would squash them itself."""
    import torch

    values = torch.from_numpy(maps.maps_BHW).flatten()
    values = (values - values.min()) / (values.max() - values.min())
    return values, torch.from_numpy(maps.masks_BHW).flatten().long()


def torchmetrics(thresholds: int | None) -> Callable[[Any], Values]:
    def compute(inputs: Any) -> Values:
        from torchmetrics.functional.classification import binary_auroc, binary_average_precision

        return {
            "auroc": float(binary_auroc(*inputs, thresholds=thresholds)),
            "ap": float(binary_average_precision(*inputs, thresholds=thresholds)),
        }

    return compute


def anomalib_inputs(maps: Maps) -> Any:
    import torch

    return torch.from_numpy(maps.maps_BHW), torch.from_numpy(maps.masks_BHW)


def anomalib(inputs: Any) -> Values:
    from anomalib.metrics.aupro import _AUPRO

    metric = _AUPRO(fpr_limit=LIMIT)
    metric.update(*inputs)
    return {"aupro": float(metric.compute())}


def regions_apart(maps: Maps) -> Any:
    """Flat values and region numbers that no two images share; 0 = normal."""
    ids = maps.regions_BHW.astype(np.int64)
    most = ids.max(axis=(1, 2))
    ids += (np.cumsum(most) - most)[:, None, None] * (ids > 0)
    return maps.maps_BHW.ravel(), ids.ravel()


def direct(inputs: Any) -> Values:
    """AU-PRO as its definition reads: every distinct value up to the limit is a threshold, and
    all pixels are looked at for each."""
    values, ids = inputs
    areas, normal = np.bincount(ids), ids == 0
    points = [(0.0, 0.0)]
    for threshold in np.unique(values)[::-1]:
        found = np.bincount(ids[values >= threshold], minlength=len(areas))
        points.append((found[0] / normal.sum(), float(np.mean(found[1:] / areas[1:]))))
        if points[-1][0] > LIMIT:
            break
    (x0, y0), (x1, y1) = points[-2:]
    points[-1] = (LIMIT, y0 + (y1 - y0) * (LIMIT - x0) / (x1 - x0))
    rates, overlaps = zip(*points, strict=True)
    return {"aupro": float(np.trapezoid(overlaps, rates) / LIMIT)}


PEERS = {
    "scikit-learn": Peer("scikit-learn", arrays, scikit_learn),
    "adeval-50": Peer("adeval", arrays, adeval(50)),
    "adeval-1000": Peer("adeval", arrays, adeval(1000)),
    "adeval-cuda-50": Peer("adeval", on_gpu, adeval(50, "cuda"), "cuda"),
    "adeval-cuda-1000": Peer("adeval", on_gpu, adeval(1000, "cuda"), "cuda"),
    "torchmetrics": Peer("torchmetrics", tensors, torchmetrics(None)),
    "torchmetrics-200": Peer("torchmetrics", tensors, torchmetrics(200)),
    "anomalib": Peer("anomalib", anomalib_inputs, anomalib),
    "direct": Peer("numpy", regions_apart, direct),
}


LONG, SHORT = 20.0, 2.0
"""Work of more seconds than LONG is done once, of less than SHORT six times, else twice."""


def measure(
    work: Callable[[], Values], device: str = "cpu", waited: Callable[[], float] = lambda: 0.0
) -> dict[str, Any]:
    """Seconds (less those `waited`), extra memory in MB and the values of one piece of work.

    The first call is measured for memory. What takes less than LONG seconds is called again: then
    its time is the median of the later calls, and that of the first is told apart.
    """
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    gc.collect()
    before = _memory_before()

    def timed() -> tuple[float, Values]:
        began = time.perf_counter()
        values = work()
        if device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - began - waited(), values

    first, values = timed()
    found: dict[str, Any] = {"first_seconds": first, "extra_mb": (_peak() - before) / 1e6}
    later = [timed()[0] for _ in range(0 if first > LONG else 1 if first > SHORT else 5)]
    found["seconds"] = statistics.median(later) if later else first
    if device != "cpu":
        found["extra_gpu_mb"] = (torch.cuda.max_memory_allocated() - held) / 1e6
    return found | {"values": {name: float(value) for name, value in values.items()}}


def _memory_before() -> int:
    """Resident bytes now; on Linux the high-water mark is brought down to them first, without
    that the highest so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> int:
    if Path("/proc/self/status").exists():
        return _status("VmHWM")
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else 1024 * highest


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise LookupError(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id", choices=PEERS)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    peer, source = PEERS[given.id], Source(given.folder)
    peer.compute(peer.prepare(source.few()))
    inputs = peer.prepare(source.whole())
    found = measure(lambda: peer.compute(inputs), peer.device)
    print(json.dumps(found | {"version": f"{peer.package} {version(peer.package)}"}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
