"""Three methods, both settings, on real images: magnetic tiles, circuit boards, breast ultrasound.

    python benchmarks/real3.py --data path/to/real3 [--methods patchcore,simplenet,rd]

Every run goes through the same command as any other (`core.jobs`), on the packaged
EfficientNet-Lite0 weights at 256 x 256. Writes benchmarks/real3.json and docs/real3.md.
The epochs are smaller than the methods' defaults so that two CPU cores finish; they are stated.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from core.config import RunConfig  # noqa: E402
from core.console import metric_values  # noqa: E402
from core.jobs import queue  # noqa: E402
from core.metrics.base import NINE  # noqa: E402
from core.runs import RunDirectory  # noqa: E402
from core.types import MEAN  # noqa: E402
from core.workspace import Workspace  # noqa: E402

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "scipy")
BUDGETS: dict[str, dict[str, Any]] = {
    "patchcore": {},
    "simplenet": {"epochs": 10},
    "rd": {"epochs": 20},
}
SETTINGS = ("unified", "separate")


def run_all(
    data: Path, workspace: Workspace, methods: list[str], device: str
) -> list[dict[str, Any]]:
    rows = []
    for method in methods:
        for setting in SETTINGS:
            values = {"data": str(data), "method": method, "setting": setting, "device": device}
            config = RunConfig.model_validate(
                values | {"backbone": "tf_efficientnet_lite0"} | BUDGETS[method]
            )
            run = queue.submit(workspace, config)
            while not run.status().ended:
                time.sleep(1)
            rows.append(row(run))
            print(row_words(rows[-1]), flush=True)
    return rows


def row(run: RunDirectory) -> dict[str, Any]:
    record, status = run.record(), run.status()
    found: dict[str, Any] = {
        "method": record.config.method,
        "setting": record.config.setting,
        "epochs": record.config.epochs,
        "state": status.state,
        "error": status.error,
        "facts": status.facts,
        "phases": {},
    }
    for event in run.events():
        if event["kind"] == "phase_done":
            found["phases"][event["phase"]] = event["seconds"]
    if run.has(RunDirectory.METRICS):
        found["metrics"] = {
            name: {metric: values.get(metric) for metric in NINE}
            for name, values in metric_values(run).items()
        }
    return found


def row_words(found: dict[str, Any]) -> str:
    mean = found.get("metrics", {}).get(MEAN, {})
    return f"{found['method']} {found['setting']} {found['state']} {mean} {found['facts']}"


def checks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by = {(r["method"], r["setting"]): r.get("metrics", {}) for r in rows}
    made = []
    tile = by.get(("patchcore", "separate"), {}).get("magnetic_tile", {}).get("image_auroc")
    if tile is not None:
        what = "PatchCore on magnetic_tile alone, image AUROC"
        made.append(report.check(what, round(tile, 4), ">= 0.90", tile >= 0.90))
    means = [by.get(("patchcore", s), {}).get(MEAN, {}).get("image_auroc") for s in SETTINGS]
    if None not in means:
        loss = means[1] - means[0]
        what = "unified PatchCore loses against separate, mean image AUROC"
        made.append(report.check(what, round(loss, 4), "little (<= 0.02)", loss <= 0.02))
    finished = all(r["state"] == "succeeded" for r in rows)
    made.append(report.check("runs that finished", str(len(rows)), "all", finished))
    return made


def table(rows: list[dict[str, Any]], made: list[dict[str, Any]]) -> str:
    """docs/real3.md: the results as a person reads them."""
    lines = [
        "# Three methods on real images",
        "",
        "Measured by `benchmarks/real3.py` (machine, versions and every number: "
        "`benchmarks/real3.json`). Packaged EfficientNet-Lite0 weights, 256 x 256, seed 0, exact "
        "metrics. SimpleNet trained for 10 and RD for 20 epochs instead of 100, so that two CPU "
        "cores finish. One run each: differences of a point or two are within the noise of a seed.",
        "",
        "| method | setting | class | " + " | ".join(m.replace("_", " ") for m in NINE) + " |",
        "|---|---|---|" + "---:|" * len(NINE),
    ]
    for found in rows:
        for name, values in sorted(
            found.get("metrics", {}).items(), key=lambda item: (item[0] == MEAN, item[0])
        ):
            cells = [f"{values[m]:.3f}" if values[m] is not None else "n/a" for m in NINE]
            label = f"**{name}**" if name == MEAN else name
            start = f"| {found['method']} | {found['setting']} | {label} | "
            lines.append(start + " | ".join(cells) + " |")
    lines += ["", "| method | setting | whole run | training | images/s | peak memory |"]
    lines += ["|---|---|---:|---:|---:|---:|"]
    for found in rows:
        facts = found["facts"]
        if facts:
            lines.append(
                f"| {found['method']} | {found['setting']} | {facts['seconds']:.0f} s | "
                f"{facts['train_seconds']:.0f} s | {facts['images_per_second']:.0f} | "
                f"{facts['peak_memory_bytes'] / 2**30:.1f} GiB |"
            )
    lines += ["", "| asked for | measured | reach | met |", "|---|---:|---|---|"]
    for entry in made:
        met = "yes" if entry["met"] else "no"
        lines.append(f"| {entry['what']} | {entry['measured']} | {entry['reach']} | {met} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, default=ROOT / "build" / "real3")
    parser.add_argument("--methods", default=",".join(BUDGETS))
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    workspace = Workspace(given.workspace.resolve())
    rows = run_all(given.data.resolve(), workspace, given.methods.split(","), given.device)
    made = checks(rows)
    report.write(__file__, PACKAGES, rows, made)
    (ROOT / "docs" / "real3.md").write_text(table(rows, made))
    return 0 if all(entry["met"] for entry in made) else 1


if __name__ == "__main__":
    raise SystemExit(main())
