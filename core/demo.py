"""The demo: the generated data set and three methods, with budgets a laptop's CPU can keep.

The budgets are smaller than the methods' defaults; the runs record them like any other setting.
"""

from __future__ import annotations

from core.config import RunConfig
from core.jobs import queue
from core.runs import RunDirectory
from core.workspace import Workspace

DATA = "demo"

BUDGETS: dict[str, dict[str, object]] = {
    "patchcore": {"method_config": {"coreset_ratio": 0.02}},
    "simplenet": {"epochs": 4, "batch_size": 8},
    "rd": {"epochs": 8, "batch_size": 8},
}


def configs(seed: int = 0, device: str = "auto") -> list[RunConfig]:
    """One run a method, unified over all classes of the demo data."""
    return [
        RunConfig.model_validate(
            {"data": DATA, "method": method, "seed": seed, "device": device} | budget
        )
        for method, budget in BUDGETS.items()
    ]


def submit(workspace: Workspace, seed: int = 0, device: str = "auto") -> list[RunDirectory]:
    """Queue the demo's runs; they start at once."""
    return [queue.submit(workspace, config) for config in configs(seed, device)]
