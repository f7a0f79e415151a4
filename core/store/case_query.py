"""Questions of the Failures page: regions by case, facts of a few samples, types of a class.

Each is one short query; values are bound. See `read` for the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.store.connection import fetch
from core.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


def missed_regions(workspace: Workspace, run_id: str) -> pd.DataFrame:
    """Cases of a run with a true region that no pixel above the threshold touches.

    The threshold is that of pixel F1-max of the class (oracle). Columns: key; missed, of how many
    `true_regions`; missed_px, area of the largest missed one at the run's size; missed_peak, the
    highest map value on any missed one. The largest missed region first.
    """
    return fetch(
        workspace,
        "SELECT key, count(*) FILTER (NOT hit)::INTEGER AS missed, "
        "count(*)::INTEGER AS true_regions, max(area_px) FILTER (NOT hit) AS missed_px, "
        "max(peak) FILTER (NOT hit) AS missed_peak "
        "FROM regions WHERE run_id = ? GROUP BY key HAVING missed > 0 "
        "ORDER BY missed_px DESC, missed DESC, key",
        [run_id],
    )


def has_regions(workspace: Workspace, run_id: str) -> bool:
    """Whether regions of this run are stored; older runs have none."""
    return not fetch(workspace, "SELECT 1 FROM regions WHERE run_id = ? LIMIT 1", [run_id]).empty


def samples_of(workspace: Workspace, fingerprint: str, keys: Sequence[str]) -> pd.DataFrame:
    """The columns of table `samples` of some test images, by key."""
    return fetch(
        workspace,
        "SELECT * FROM samples WHERE fingerprint = ? AND split = 'test' "
        "AND key IN (SELECT unnest(?::VARCHAR[])) ORDER BY key",
        [fingerprint, list(keys)],
    )


def types_of(workspace: Workspace, fingerprint: str, class_name: str) -> list[str]:
    """Anomaly types of a class of a data set, those of normal images left out, by name."""
    found = fetch(
        workspace,
        "SELECT DISTINCT anomaly_type FROM samples WHERE fingerprint = ? AND class_name = ? "
        "AND label = 1 AND anomaly_type IS NOT NULL ORDER BY anomaly_type",
        [fingerprint, class_name],
    )
    return [str(name) for name in found["anomaly_type"]]
