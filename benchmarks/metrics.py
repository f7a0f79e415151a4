"""Pixel AUROC, AP and AU-PRO: our accumulator against its peers on the same maps.

    python benchmarks/metrics.py [--peers path/to/python] [--sizes 1.3M,13M,131M,1.3G]
                                 [--device cpu|cuda] [--only ours-stream,adeval-50]

--peers names an interpreter with scikit-learn, adeval, torchmetrics and anomalib; without it only
ours is measured. Every measurement is a process of its own; implementations take turns, medians
over three rounds (one beyond 50 million pixels) of the median call of each process, its first
left out where calls are quick. Sizes are pixels, in images of 256 x 256; a small
size is added at which AU-PRO can be computed at every distinct value one by one.
Writes benchmarks/metrics.json and docs/metrics.svg.

What is compared: ours computes all its metrics (without intervals) from maps and regions that
were numbered when the data was prepared; adeval and anomalib number them inside their clock. The
rows of ours tell what numbering costs, and one check adds it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import metrics_data, metrics_plot, report  # noqa: E402

Row = dict[str, Any]
MILLION = 1_000_000
SIDE = 256
DIRECT_IMAGES = 4
DIRECT_PIXELS = DIRECT_IMAGES * SIDE**2
FEW_ROUNDS_ABOVE = 50 * MILLION
NAMES = ("auroc", "ap", "aupro")
EXACT = ("scikit-learn", "direct", "ours-exact")
"""Whose values errors are measured against, the first that has one."""
SAME = 0.05
"""A size asked for by a check is met by rows within this share of it."""


@dataclass(frozen=True)
class Entry:
    """What is run: a module, the id it knows, and up to how many pixels it is reasonable."""

    id: str
    module: str
    most_pixels: float
    device: str = "cpu"
    most_rounds: int = 3


OURS, PEERS = "benchmarks.metrics_ours", "benchmarks.metrics_peers"
ENTRIES = (
    Entry("ours-stream", OURS, math.inf),
    Entry("ours-exact", OURS, 200 * MILLION),
    Entry("ours-stream-cuda", OURS, math.inf, "cuda"),
    Entry("scikit-learn", PEERS, 200 * MILLION),
    Entry("adeval-50", PEERS, 200 * MILLION),
    Entry("adeval-1000", PEERS, 200 * MILLION),
    Entry("adeval-cuda-50", PEERS, 200 * MILLION, "cuda"),
    Entry("adeval-cuda-1000", PEERS, 200 * MILLION, "cuda"),
    Entry("torchmetrics", PEERS, 20 * MILLION),
    Entry("torchmetrics-200", PEERS, 20 * MILLION),
    Entry("anomalib", PEERS, 20 * MILLION),
    Entry("direct", PEERS, DIRECT_PIXELS, most_rounds=1),
)


def pixels_of(text: str) -> float:
    """'1.3M' -> 1,300,000."""
    unit = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1:], 0.0)
    try:
        return float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 0.3M, 13M or 1.3G") from None


def run_once(entry: Entry, python: str, folder: Path) -> Row:
    """What the process printed, or {"failed": its last words}."""
    done = subprocess.run(
        [python, "-m", entry.module, entry.id, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))
    words = done.stderr.strip().splitlines() or ["it said nothing"]
    return {"failed": f"status {done.returncode}: {words[-1][:300]}"}


def measure(images: int, entries: list[Entry], pythons: dict[str, str]) -> list[Row]:
    """A row an implementation, at one size; they take turns."""
    pixels = images * SIDE**2
    entries = [entry for entry in entries if pixels <= entry.most_pixels]
    rounds = 1 if pixels > FEW_ROUNDS_ABOVE else 3
    runs: dict[str, list[Row]] = {entry.id: [] for entry in entries}
    with tempfile.TemporaryDirectory() as name:
        metrics_data.save(Path(name), images, SIDE)
        for turn in range(rounds):
            for entry in entries:
                if turn < entry.most_rounds and not any("failed" in r for r in runs[entry.id]):
                    runs[entry.id].append(run_once(entry, pythons[entry.module], Path(name)))
                    print(f"{pixels:>13,} px  {entry.id:<18} {runs[entry.id][-1]}", flush=True)
    return with_errors([row_of(entry, pixels, images, runs[entry.id]) for entry in entries])


def row_of(entry: Entry, pixels: int, images: int, runs: list[Row]) -> Row:
    row: Row = {"implementation": entry.id, "device": entry.device, "pixels": pixels,
                "images": images}  # fmt: skip
    if "failed" in runs[-1]:
        return row | {"failed": runs[-1]["failed"]}
    row |= {"version": runs[0]["version"], "rounds": len(runs)}
    for name in ("seconds", "first_seconds"):
        row[name] = round(statistics.median(run[name] for run in runs), 6)
    for name in ("extra_mb", "extra_gpu_mb"):
        if name in runs[0]:
            row[name] = round(max(run[name] for run in runs), 1)
    if "labelling_seconds" in runs[0]:
        middle = statistics.median(run["labelling_seconds"] for run in runs)
        row["labelling_seconds"] = round(middle, 6)
    values: Row = runs[0]["values"]
    return row | values


def with_errors(rows: list[Row]) -> list[Row]:
    """The same rows with how far each value is from the exact one, and whose that is."""
    for name in NAMES:
        known = {row["implementation"]: row[name] for row in rows if name in row}
        reference = next((id for id in EXACT if id in known), None)
        for row in rows:
            if name in row and reference and row["implementation"] != reference:
                row[f"error_{name}"] = abs(row[name] - known[reference])
                row[f"exact_{name}_from"] = reference
    return rows


class Findings:
    """Looks up rows by implementation and size."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = [row for row in rows if "seconds" in row]

    def at(self, id: str, pixels: float) -> Row | None:
        near = [row for row in self._rows if abs(row["pixels"] / pixels - 1) < SAME]
        return next((row for row in near if row["implementation"] == id), None)

    def of(self, id: str, least: float) -> list[Row]:
        found = [r for r in self._rows if r["implementation"] == id and r["pixels"] > least]
        return sorted(found, key=lambda row: row["pixels"])

    def ratio(
        self, ids: tuple[str, ...], ours: str, pixels: float, extra: str = ""
    ) -> float | None:
        """Seconds of the quickest of `ids` over ours (with what is under `extra` added)."""
        theirs = [row["seconds"] for row in (self.at(id, pixels) for id in ids) if row]
        mine = self.at(ours, pixels)
        if not theirs or mine is None:
            return None
        return float(min(theirs) / (mine["seconds"] + (mine.get(extra, 0.0) if extra else 0.0)))


def judged(what: str, value: float | None, least: float | None, why_not: str) -> dict[str, Any]:
    """A check of a ratio; without a value neither met nor missed, `least` None = told only."""
    reach = f"{least:g} or more" if least else "reported"
    if value is None:
        return report.check(what, f"not measured: {why_not}", reach, False) | {"met": None}
    return report.check(what, round(value, 2), reach, least is None or value >= least)


def checks(rows: list[Row], has_gpu: bool, has_peers: bool) -> list[dict[str, Any]]:
    found = Findings(rows)
    absent = "that size or peer was not run" if has_peers else "no peers' interpreter was given"
    adeval = ("adeval-50", "adeval-1000")
    no_gpu = absent if has_gpu else "no GPU"
    made = [
        judged("times faster than scikit-learn's AUROC and AP, 13 M pixels",
               found.ratio(("scikit-learn",), "ours-stream", 13e6), 300, absent),
        judged("times faster than adeval on the CPU (quicker of 50 and 1000 strips), 13 M pixels",
               found.ratio(adeval, "ours-stream", 13e6), 10, absent),
        judged("the same, with numbering the regions added to ours",
               found.ratio(adeval, "ours-stream", 13e6, "labelling_seconds"), None, absent),
        error_check(found, absent),
        judged("times faster than adeval on CUDA (quicker of 50 and 1000 strips), 131 M pixels",
               found.ratio(("adeval-cuda-50", "adeval-cuda-1000"), "ours-stream-cuda", 131e6), 100,
               no_gpu),
        judged(f"times faster than AU-PRO at every distinct value, {DIRECT_PIXELS:,} pixels",
               found.ratio(("direct",), "ours-stream", DIRECT_PIXELS), 1000, absent),
    ]  # fmt: skip
    return made + growth_checks(found.of("ours-stream", least=12e6))


def error_check(found: Findings, absent: str) -> dict[str, Any]:
    """Our worst error over adeval's of the same value, 1000 strips, 13 M pixels."""
    what = "our error over that of adeval with 1000 strips, worst of AUROC, AP, AU-PRO, 13 M pixels"
    ours, theirs = found.at("ours-stream", 13e6), found.at("adeval-1000", 13e6)
    keys = [f"error_{name}" for name in NAMES]
    if not ours or not theirs or not all(theirs.get(key) and key in ours for key in keys):
        return report.check(what, f"not measured: {absent}", "0.01 or less", False) | {"met": None}
    worst = max(ours[key] / theirs[key] for key in keys)
    return report.check(what, float(f"{worst:.3g}"), "0.01 or less", worst <= 0.01)


def growth_checks(rows: list[Row]) -> list[dict[str, Any]]:
    """Memory stays, time grows with the pixels."""
    memory, line = "extra memory, MB, from 13 M pixels on", "time grows with pixels to the power of"
    flat, linear = "below 200 at every size", "1.1 or less"
    if len(rows) < 2:
        why = "not measured: two sizes from 13M on are needed"
        return [report.check(what, why, reach, False) | {"met": None}
                for what, reach in ((memory, flat), (line, linear))]  # fmt: skip
    first, last = rows[0], rows[-1]
    sizes = ", ".join(f"{row['extra_mb']:.0f} at {row['pixels'] / MILLION:,.0f} M" for row in rows)
    power = math.log(last["seconds"] / first["seconds"]) / math.log(
        last["pixels"] / first["pixels"]
    )
    below = all(row["extra_mb"] < 200 for row in rows)
    return [
        report.check(memory, sizes, flat, below),
        report.check(line, round(power, 3), linear, power <= 1.1),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="a python with the peers installed")
    parser.add_argument("--sizes", default="1.3M,13M,131M,1.3G")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", help="ids of implementations, comma between; default all")
    given = parser.parse_args()
    try:
        sizes = [pixels_of(text) for text in given.sizes.split(",")]
    except argparse.ArgumentTypeError as fault:
        parser.error(str(fault))
    pythons = {OURS: sys.executable} | ({PEERS: given.peers} if given.peers else {})
    wanted = given.only.split(",") if given.only else [entry.id for entry in ENTRIES]
    entries = [
        entry
        for entry in ENTRIES
        if entry.id in wanted and entry.module in pythons and entry.device in ("cpu", given.device)
    ]
    if not entries:
        parser.error(f"nothing to run; ids are {', '.join(entry.id for entry in ENTRIES)}")
    rows = measure(DIRECT_IMAGES, entries, pythons)
    for pixels in sizes:
        images = max(2, round(pixels / SIDE**2))
        rows += measure(images, entries, pythons)
    made = checks(rows, given.device == "cuda", bool(given.peers))
    print(report.write(__file__, ("torch", "numpy", "scipy"), rows, made))
    note = "{processor}, {cores} cores; medians; values and errors: benchmarks/metrics.json"
    picture = metrics_plot.svg(rows, note.format(**report.machine()))
    (ROOT / "docs" / "metrics.svg").write_text(picture)
    for entry in made:
        print(entry)
    return 1 if any(entry["met"] is False for entry in made) else 0


if __name__ == "__main__":
    raise SystemExit(main())
