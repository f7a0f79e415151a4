"""Every method on real images, both settings, with its budget and machine; anomalib's beside.

    python benchmarks/accuracy_real3.py --data path/to/real3 [--methods uniad,cfa]
        [--settings unified,separate] [--seeds 3] [--peer path/to/anomalib/bin/python]

Every run of ours goes through the same command as any other (`core.jobs`). On a CPU at 128 px with
few epochs (`CPU`), on CUDA at 256 px with ADer's 100: each row says which. The packaged
EfficientNet-Lite0 serves every convolutional method, ViTAD a small ViT that is not pretrained.
anomalib's maps of the same images, from the same weights, pass through our `evaluate`, so that both
are counted by the same code; it takes the packaged network for PatchCore and CFLOW-AD only (its RD
and CFA are bound to networks whose weights are not packaged), and DRAEM has no backbone.

Rows measured before under the same budget on the same machine are kept: a run cut off goes on.
"beside_other_work": other processes wanted the cores, too, so that seconds say little.
Writes benchmarks/accuracy_real3.json and docs/methods.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import methods_page, report, train_speed  # noqa: E402
from core.config import RunConfig  # noqa: E402
from core.console_tables import metric_values  # noqa: E402
from core.jobs import queue  # noqa: E402
from core.listing import describe_methods  # noqa: E402
from core.metrics.base import NINE  # noqa: E402
from core.runs import RunDirectory  # noqa: E402
from core.types import MEAN  # noqa: E402
from core.workspace import Workspace  # noqa: E402

HERE = Path(__file__).parent
PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "scipy")
PACKAGED, VIT, NONE = "tf_efficientnet_lite0", "vit_tiny_patch16_224:random", "none"
CPU: dict[str, dict[str, Any]] = {
    "patchcore": {"epochs": None, "method_config": {"coreset_ratio": 0.01}},
    "simplenet": {"epochs": 8, "batch_size": 8},
    "cfa": {"epochs": 6},
    "cflow": {"epochs": 3, "batch_size": 8},
    "pyramidflow": {"epochs": 1},
    "rd": {"epochs": 12, "batch_size": 8},
    "rdpp": {"epochs": 6, "batch_size": 8},
    "vitad": {"epochs": 8},
    "invad": {"epochs": 10, "batch_size": 8},
    "invad_lite": {"epochs": 8, "batch_size": 8},
    "mambaad": {"epochs": 2, "batch_size": 8},
    "uniad": {"epochs": 12},
    "draem": {"epochs": 1, "method_config": {"width": 32, "unet_width": 16}},
    "destseg": {"epochs": 6, "batch_size": 8},
    "realnet": {"epochs": 2, "batch_size": 8},
    "diad_small": {"epochs": 6},
}
"""Small budgets at 128 px; what is not named stands at its default."""
SIZE = 128
QUICK = ("patchcore", "simplenet", "uniad", "rd", "vitad", "cfa")
"""Methods of which several seeds are run."""
PEERS = ("patchcore", "cflow", "draem")
BUSY = 1.25
"""Processes a core that want it, over five minutes, from which the machine does other work, too."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, default=ROOT / "build" / "accuracy")
    parser.add_argument("--methods", default=",".join(CPU))
    parser.add_argument("--settings", default="unified,separate")
    parser.add_argument("--seeds", type=int, default=1, help="of the quick methods")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--peer", type=Path, help="a Python with anomalib")
    given = parser.parse_args()
    place, data = Workspace(given.workspace.resolve()), given.data.resolve()
    entries = {entry["id"]: entry for entry in describe_methods()}
    rows = kept()
    for method in given.methods.split(","):
        for setting in given.settings.split(","):
            for seed in range(given.seeds if method in QUICK else 1):
                config = budget(entries[method], data, setting, seed, given.device)
                ours(config, place, rows)
                write(rows, list(entries.values()))
        if given.peer and method in PEERS:
            theirs(method, data, place, given.peer, given.device, rows)
            write(rows, list(entries.values()))
    return 0


def budget(entry: dict[str, Any], data: Path, setting: str, seed: int, device: str) -> RunConfig:
    """What one run of ours is given."""
    values = {"size": 256, "epochs": 100} if device == "cuda" else {"size": SIZE}
    values |= {} if device == "cuda" else CPU[entry["id"]]
    if entry["epochs"] is None:
        values["epochs"] = None
    tag = VIT if entry["blocks"] else PACKAGED if entry["levels"] else NONE
    return RunConfig.model_validate(
        {"data": str(data), "method": entry["id"], "setting": setting, "seed": seed,
         "device": device, "backbone": tag} | values
    )  # fmt: skip


def kept() -> list[dict[str, Any]]:
    path = HERE / "accuracy_real3.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []
    return rows


def facts(side: str, config: RunConfig) -> dict[str, Any]:
    """What makes two rows the same measurement; the machine is added when it was made."""
    return {
        "side": side, "method": config.method, "setting": config.setting, "seed": config.seed,
        "size": config.size, "epochs": config.epochs, "batch_size": config.batch_size,
        "settings": dict(config.method_config), "backbone": config.backbone,
        "device": config.device,
    }  # fmt: skip


def known(rows: list[dict[str, Any]], wanted: dict[str, Any]) -> bool:
    return any(wanted.items() <= row.items() and row["state"] == "succeeded" for row in rows)


def keep(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    """Add a row; it takes the place of an older one of the same side, method, setting and seed."""
    same = ("side", "method", "setting", "seed", "device")
    rows[:] = [one for one in rows if any(one[key] != row[key] for key in same)]
    rows.append(row)
    print(json.dumps({k: v for k, v in row.items() if k not in ("classes", "machine")}), flush=True)


def ours(config: RunConfig, place: Workspace, rows: list[dict[str, Any]]) -> None:
    wanted = facts("flawscope", config)
    if known(rows, wanted):
        return
    run = queue.submit(place, config)
    while not run.status().ended:
        time.sleep(0.5)
    keep(rows, wanted | measured(run))


def measured(run: RunDirectory) -> dict[str, Any]:
    """State, times and metrics of a run that ended."""
    status = run.status()
    found: dict[str, Any] = {
        "state": status.state, "error": status.error, "machine": report.machine(),
        "seconds": status.facts.get("seconds"), "train_seconds": status.facts.get("train_seconds"),
        "images_per_second": status.facts.get("images_per_second"),
        "peak_memory_bytes": status.facts.get("peak_memory_bytes"),
        "parameters": status.facts.get("parameters"),
        "beside_other_work": os.getloadavg()[1] > BUSY * (os.cpu_count() or 1),
    }  # fmt: skip
    if run.has(RunDirectory.METRICS):
        values = {
            name: {id: _rounded(one.get(id)) for id in NINE}
            for name, one in metric_values(run).items()
        }
        found |= {"metrics": values.pop(MEAN), "classes": values}
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def theirs(
    method: str, data: Path, place: Workspace, python: Path, device: str,
    rows: list[dict[str, Any]],
) -> None:  # fmt: skip
    """anomalib trains on the same images in its own process; our code counts its maps."""
    entry = {"id": method, "epochs": CPU[method]["epochs"], "blocks": [], "levels": [8]}
    config = budget(entry, data, "unified", 0, device)
    wanted = facts("anomalib", config)
    if known(rows, wanted):
        return
    with tempfile.TemporaryDirectory() as folder:
        task = {
            "method": method, "data": str(data), "size": config.size, "epochs": config.epochs or 1,
            "batch": config.batch_size or 8, "device": device, "out": folder,
            "settings": dict(config.method_config),
            "textures": str(train_speed.draw_textures(Path(folder) / "dtd")),
            "weights": str(packaged_weights(Path(folder))),
        }  # fmt: skip
        began = time.monotonic()
        done = subprocess.run(
            [str(python), str(HERE / "accuracy_peer.py"), json.dumps(task)],
            capture_output=True, text=True, cwd=folder, env=os.environ | {"PYTHONPATH": str(HERE)},
        )  # fmt: skip
        seconds = round(time.monotonic() - began, 1)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
            keep(rows, wanted | {"state": "failed", "error": said, "machine": report.machine()})
            return
        run = evaluate(method, data, Path(folder), config.size, place)
    keep(rows, wanted | measured(run) | {"seconds": seconds})


def packaged_weights(folder: Path) -> Path:
    """The packaged network's tensors under timm's names."""
    import timm
    from safetensors.torch import save_file

    from core.backbones.networks import classifier_state
    from core.backbones.weights import resolve

    network = timm.create_model(PACKAGED, pretrained=False)
    state = classifier_state(network, resolve(PACKAGED, None, Workspace(folder)))
    path = folder / "packaged.safetensors"
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, path)
    return path


def evaluate(method: str, data: Path, maps: Path, size: int, place: Workspace) -> RunDirectory:
    from core.engine.external import evaluate as carry_out
    from core.engine.external_request import Request

    request = Request(
        truth=str(data), maps=maps / "maps.npy", scores=maps / "scores.csv",
        name=f"anomalib {method}", size=size,
    )  # fmt: skip
    return carry_out(place, request, lambda *_: None, lambda *_: None)


def checks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Our mean mAD is not below anomalib's by more than a point."""
    made = []
    mads = {
        (row["side"], row["method"]): row["metrics"]["mad"]
        for row in rows
        if row["state"] == "succeeded" and row["setting"] == "unified" and row["seed"] == 0
    }
    for method in PEERS:
        mine, its = mads.get(("flawscope", method)), mads.get(("anomalib", method))
        what = f"{method}: mAD less anomalib's, points"
        if mine is None or its is None:
            made.append(report.check(what, "not measured", ">= -1", False))
        else:
            points = round(100 * (mine - its), 2)
            made.append(report.check(what, points, ">= -1", points >= -1))
    wanted = {(method, setting) for method in CPU for setting in ("unified", "separate")}
    missing = len(wanted - {(row["method"], row["setting"]) for row in rows})
    what = f"methods and settings not measured yet, of {len(wanted)}"
    made.append(report.check(what, missing, "0", missing == 0))
    failed = sorted({row["method"] for row in rows if row["state"] != "succeeded"})
    made.append(report.check("runs that ended well", len(rows) - len(failed), "all", not failed))
    return made


def write(rows: list[dict[str, Any]], entries: list[dict[str, Any]]) -> None:
    rows.sort(key=lambda row: (row["method"], row["side"], row["setting"], row["seed"]))
    made = checks(rows)
    report.write(__file__, PACKAGES, rows, made)
    (ROOT / "docs" / "methods.md").write_text(methods_page.page(rows, entries, made))


if __name__ == "__main__":
    raise SystemExit(main())
