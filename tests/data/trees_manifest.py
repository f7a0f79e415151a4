"""A data set brought into the workspace: images left where they are, one made, two masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from core.data import manifest
from core.data.layout import SOURCE
from core.types import Sample
from tests.data.trees import block, noise, save


def brought(root: Path) -> Path:
    """Three good images and a scratched one in place, another scratched one made."""
    outside = root.parent / f"{root.name} as it came"
    files = {f"good/{i}.png": noise(i) for i in range(4)} | {"scratch/0.png": noise(9)}
    for name, values in files.items():
        save(outside / name, values)
    save(root / "images/volume-7.png", noise(10))
    save(root / "masks/volume-7.png", block())
    save(outside / "mask 0.png", block())
    (root / SOURCE).symlink_to(outside, target_is_directory=True)
    rows = []
    for number in range(4):
        split = "train" if number < 3 else "test"
        rows.append(
            Sample(key=f"{SOURCE}/good/{number}.png", class_name="pin", split=split, label=0)
        )
    for key, mask in (
        (f"{SOURCE}/scratch/0.png", f"{SOURCE}/mask 0.png"),
        ("images/volume-7.png", "masks/volume-7.png"),
    ):
        rows.append(
            Sample(
                key=key, class_name="pin", split="test", label=1, anomaly_type="scratch",
                masks=(mask,), specimen="7", view="axial",
            )
        )  # fmt: skip
    told = manifest.Told(
        source=str(outside), importer="folder", options={}, splits={}, recognised="A folder."
    )
    manifest.tell(root, told)
    digests = {
        key: hashlib.sha256((root / key).read_bytes()).hexdigest()
        for row in rows
        for key in (row.key, *row.masks)
    }
    manifest.write(
        root,
        [
            manifest.Row(
                row, row.key, "1", digests[row.key], tuple(digests[m] for m in row.masks), True
            )
            for row in rows
        ],
    )
    return root


TREES: dict[str, Callable[[Path], Path]] = {"manifest": brought}
