"""How fast every method judges images, as measured by benchmarks/inference.py."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def measured() -> dict[str, Any]:
    """The benchmark's answer: machine, date, versions and a row a method.

    {} before it was ever run. A row has method, backbone, size, device, images_per_second,
    latency_ms, or an error that says why it could not be measured.
    """
    path = Path(__file__).parents[2] / "benchmarks" / "inference.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found
