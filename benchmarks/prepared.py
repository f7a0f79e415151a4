"""Decoding once: the first preparation of a data set, and opening it again.

    python benchmarks/prepared.py --data path/to/real3

Prediction written down before measuring: 1,080 small JPEG and PNG files, decode and resize about
8 ms each on one core, two threads: 5 s; opening again reads one index and stats the files: 0.1 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from core.data.catalogue import open_dataset  # noqa: E402
from core.data.prepared import prepare  # noqa: E402
from core.workspace import Workspace  # noqa: E402

ROUNDS = 3


def once(data: Path, workspace: Workspace) -> tuple[float, int]:
    began = time.perf_counter()
    prepared = prepare(open_dataset(str(data), workspace), 256, workspace)
    return time.perf_counter() - began, len(prepared.samples)


def measure(data: Path) -> list[dict[str, Any]]:
    first, again, count = [], [], 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace(Path(folder))
            seconds, count = once(data, workspace)
            first.append(seconds)
            again += [once(data, workspace)[0] for _ in range(3)]
    return [
        {
            "data": data.name,
            "images": count,
            "first_seconds": round(statistics.median(first), 3),
            "again_seconds": round(statistics.median(again), 3),
            "ratio": round(statistics.median(first) / statistics.median(again), 1),
        }
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    rows = measure(parser.parse_args().data.resolve())
    first, again = rows[0]["first_seconds"], rows[0]["again_seconds"]
    made = [
        report.check("first preparation, s", first, "<= 20", first <= 20),
        report.check("opening it again, s", again, "< 0.5", again < 0.5),
    ]
    report.write(__file__, ("pillow", "numpy", "scipy", "pyarrow"), rows, made)
    print(rows, made)
    return 0 if all(entry["met"] for entry in made) else 1


if __name__ == "__main__":
    raise SystemExit(main())
