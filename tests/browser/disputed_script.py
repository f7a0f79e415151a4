"""The dashboard itself, whose measuring without disputed labels goes on once the workspace holds a
file `go`; run by test_disputed.py."""

from __future__ import annotations

import runpy
import time
from pathlib import Path
from typing import Any

from core.reevaluation import reevaluate
from core.remeasuring import Report
from core.runs import RunDirectory
from core.workspace import Workspace
from dashboard.components import without_disputed


def held_up(workspace: Workspace, run: RunDirectory, *out: Any, report: Report) -> Any:
    """`reevaluate`, which can be cancelled while it is held up."""

    def told(share: float, words: str) -> None:
        report(share, words)
        while share > 0 and not (workspace.root / "go").exists():
            time.sleep(0.05)
            report(share, words)

    labels, masks = out or ((), ())
    return reevaluate(workspace, run, labels, masks, told)


without_disputed.__dict__["reevaluate"] = held_up
runpy.run_path(str(Path(__file__).parents[2] / "dashboard" / "app.py"), run_name="__main__")
