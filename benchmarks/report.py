"""What every benchmark writes: the machine, versions, rows, and one check a figure asked for."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil


def machine() -> dict[str, Any]:
    """The machine a benchmark ran on; a GPU by its own name."""
    facts: dict[str, Any] = {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
    }
    try:
        import torch

        facts["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            facts["gpu"] = torch.cuda.get_device_name()
    except ImportError:
        pass
    return facts


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def versions(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def check(what: str, measured: float | str | None, reach: str, met: bool) -> dict[str, Any]:
    """One figure an issue asked for, met or not."""
    return {"what": what, "measured": measured, "reach": reach, "met": met}


def write(
    script: str, packages: Iterable[str], rows: list[dict[str, Any]], checks: list[dict[str, Any]]
) -> Path:
    """Write benchmarks/<script stem>.json."""
    target = Path(script).with_suffix(".json")
    report = {
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(packages),
        "rows": rows,
        "checks": checks,
    }
    target.write_text(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return target
