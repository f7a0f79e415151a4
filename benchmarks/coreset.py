"""The greedy coreset: blocks against plain sweeps, projection against exact distances.

    python benchmarks/coreset.py [--data path/to/real3]

2,456 of 122,880 rows of 152 values: the patches of 120 circuit-board images, or generated
clusters of that shape without --data. A widely used library took 169 s for this choice on two
cores (measured once, elsewhere); reach 17 s. Written to benchmarks/coreset.json.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from core.layers.coreset import START_ROWS, covering_radius, greedy_coreset, project  # noqa: E402

ROWS, WIDTH, COUNT = 122_880, 152, 2_456
ROUNDS = 3
LIBRARY_SECONDS, REACH_SECONDS = 169.0, 17.0
CLASS = "pcb"


def board_patches(data: Path) -> Tensor:
    """Patch features of the training images of one class, packaged backbone, 256 x 256."""
    from core.backbones.features import build
    from core.backbones.weights import PACKAGED, resolve
    from core.data.catalogue import open_dataset
    from core.data.prepared import prepare
    from core.layers.patches import patch_features
    from core.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        prepared = prepare(open_dataset(str(data), workspace), 256, workspace)
        weights = resolve(PACKAGED, None, workspace)
        extractor = build(PACKAGED, (8, 16), weights, torch.device("cpu"))
        batches = prepared.rows(split="train", class_name=CLASS)
        found = [
            patch_features(extractor(torch.from_numpy(prepared.images(batches[i : i + 8]))), None)
            for i in range(0, len(batches), 8)
        ]
    return torch.cat(found).flatten(0, 2)


def clusters() -> Tensor:
    """Rows around 200 centres, spread differently from centre to centre."""
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(200, (ROWS,), generator=generator)
    centres = 3 * torch.randn(200, WIDTH, generator=generator)
    spread = 0.3 + torch.rand(200, 1, generator=generator)
    noise = torch.randn(ROWS, WIDTH, generator=generator)
    return centres[which] + spread[which] * noise


def plain_sweeps(rows_ND: Tensor, generator: torch.Generator) -> Tensor:
    """The same choice, all rows read after every pick."""
    reduced = project(rows_ND, 128, generator)
    reduced = reduced - reduced.mean(dim=0)
    some = torch.randperm(len(reduced), generator=generator)[:START_ROWS]
    distance_N = torch.cdist(reduced, reduced[some]).mean(dim=1).square()
    squared_N = reduced.square().sum(dim=1)
    chosen = []
    for _ in range(COUNT):
        farthest = int(distance_N.argmax())
        chosen.append(farthest)
        to_new = squared_N - 2 * (reduced @ reduced[farthest]) + squared_N[farthest]
        torch.minimum(distance_N, to_new, out=distance_N)
        distance_N[farthest] = -torch.inf
    return torch.tensor(chosen)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def measure(rows_ND: Tensor) -> list[dict[str, Any]]:
    """One row a way of choosing; the ways take turns, medians over the rounds."""
    ways: dict[str, Callable[[], Tensor]] = {
        "blocks, projected to 128": lambda: greedy_coreset(rows_ND, COUNT, generator=seeded()),
        "blocks, exact distances": lambda: greedy_coreset(
            rows_ND, COUNT, projection=None, generator=seeded()
        ),
        "plain sweeps, projected to 128": lambda: plain_sweeps(rows_ND, seeded()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    chosen: dict[str, Tensor] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            chosen[name] = way()
            seconds[name].append(time.perf_counter() - began)
    ours = "blocks, projected to 128"
    return [
        {
            "way": name,
            "seconds": round(statistics.median(times), 3),
            "ratio_to_ours": round(statistics.median(times) / statistics.median(seconds[ours]), 2),
            "covering_radius": round(covering_radius(rows_ND, chosen[name]), 4),
            "same_picks_as_ours": round(
                len(set(chosen[name].tolist()) & set(chosen[ours].tolist())) / COUNT, 4
            ),
        }
        for name, times in seconds.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    data = parser.parse_args().data
    rows_ND = board_patches(data.resolve()) if data else clusters()
    assert rows_ND.shape == (ROWS, WIDTH), rows_ND.shape
    rows = measure(rows_ND)
    for row in rows:
        row["rows"] = f"{CLASS} patches" if data else "generated clusters"
        print(row)
    ours, exact, _ = rows
    farther = 100 * (ours["covering_radius"] / exact["covering_radius"] - 1)
    checks = [
        report.check(
            f"{COUNT:,} of {ROWS:,} rows x {WIDTH}, seconds (a widely used library: "
            f"{LIBRARY_SECONDS:.0f} s)",
            ours["seconds"],
            f"{REACH_SECONDS:.0f} s or less",
            ours["seconds"] <= REACH_SECONDS,
        ),
        report.check(
            "covering radius of the choice on the projection beyond the exact greedy's, per cent",
            round(farther, 2),
            "reported",
            True,
        ),
    ]
    print(report.write(__file__, ("torch", "numpy"), rows, checks))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
