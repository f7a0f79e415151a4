"""What the pages ask the store: one function a question, each a frame with named columns.

Values are bound, never written into the SQL. Unknown ids give empty frames with all columns.
Times are UTC; lists are Python lists; a missing number is NaN, a missing word None or NaN.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.metrics.conventions import EXACT, Convention
from core.people import Kind
from core.store.connection import fetch
from core.types import MEAN
from core.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

THESE_RUNS = "run_id IN (SELECT unnest(?::VARCHAR[]))"


def runs(workspace: Workspace) -> pd.DataFrame:
    """Every ended run, newest first: the columns of table `runs`."""
    return fetch(workspace, "SELECT * FROM runs ORDER BY created_at DESC, run_id DESC")


def run(workspace: Workspace, run_id: str) -> pd.DataFrame:
    """One run: the columns of table `runs`; one row, or none when the store lacks it."""
    return fetch(workspace, "SELECT * FROM runs WHERE run_id = ?", [run_id])


def metrics(
    workspace: Workspace, run_ids: Sequence[str], convention: Convention = EXACT
) -> pd.DataFrame:
    """Metrics of whole classes by one convention; the mean over them is class "mean".

    Columns: run_id, class_name, metric, value, ci_low, ci_high, note, anomaly_type (""),
    convention, bound_low, bound_high.
    """
    return fetch(
        workspace,
        f"SELECT * FROM metrics WHERE {THESE_RUNS} AND convention = ? AND anomaly_type = '' "
        "ORDER BY run_id, class_name, metric",
        [list(run_ids), convention],
    )


def type_metrics(workspace: Workspace, run_ids: Sequence[str]) -> pd.DataFrame:
    """Metrics of single anomaly types against their class's normal images; columns as `metrics`."""
    return fetch(
        workspace,
        f"SELECT * FROM metrics WHERE {THESE_RUNS} AND convention = ? AND anomaly_type <> '' "
        "ORDER BY run_id, class_name, anomaly_type, metric",
        [list(run_ids), EXACT],
    )


def regions(workspace: Workspace, run_id: str) -> pd.DataFrame:
    """The columns of table `regions`, by class, image and region."""
    return fetch(
        workspace,
        "SELECT * FROM regions WHERE run_id = ? ORDER BY class_name, key, region",
        [run_id],
    )


def class_metrics(
    workspace: Workspace, run_ids: Sequence[str], convention: Convention = EXACT
) -> pd.DataFrame:
    """Metrics of single classes with what their run was.

    Columns: run_id, method, dataset, setting, protocol, seed, class_name, metric, value, ci_low,
    ci_high, note.
    """
    return fetch(
        workspace,
        "SELECT m.run_id, r.method, r.dataset, r.setting, r.protocol, r.seed, m.class_name, "
        "m.metric, m.value, m.ci_low, m.ci_high, m.note "
        "FROM metrics m JOIN runs r USING (run_id) "
        f"WHERE m.{THESE_RUNS} AND m.class_name <> ? AND m.convention = ? "
        "AND m.anomaly_type = '' ORDER BY m.run_id, m.class_name, m.metric",
        [list(run_ids), MEAN, convention],
    )


def leaderboard(
    workspace: Workspace, dataset: str | None = None, convention: Convention = EXACT
) -> pd.DataFrame:
    """Succeeded runs with their mean metrics, newest first; `dataset` is its name, None: all.

    Columns: those of table `runs`; then for every metric id there is, in alphabetical order,
    `<id>`, `<id>_low` and `<id>_high`: value and confidence interval of the mean over classes.
    """
    import pandas as pd

    long = fetch(
        workspace,
        "SELECT r.*, m.metric AS metric, m.value AS value, m.ci_low AS low, m.ci_high AS high "
        "FROM runs r LEFT JOIN metrics m ON m.run_id = r.run_id AND m.class_name = ? "
        "AND m.convention = ? AND m.anomaly_type = '' "
        "WHERE r.state = 'succeeded' AND (?::VARCHAR IS NULL OR r.dataset = ?) "
        "ORDER BY r.created_at DESC, r.run_id DESC, m.metric",
        [MEAN, convention, dataset, dataset],
    )
    of_metric = ["metric", "value", "low", "high"]
    board = long.drop(columns=of_metric).drop_duplicates("run_id").reset_index(drop=True)
    known = long.dropna(subset="metric")
    columns = {}
    for metric, rows in known.groupby("metric", sort=True):
        by_run = rows.set_index("run_id")
        for name, source in (("", "value"), ("_low", "low"), ("_high", "high")):
            columns[f"{metric}{name}"] = board["run_id"].map(by_run[source])
    return pd.concat([board, pd.DataFrame(columns, index=board.index)], axis=1)


def curves(
    workspace: Workspace, run_ids: Sequence[str], curve: str, class_name: str | None = None
) -> pd.DataFrame:
    """run_id, method, seed, class_name, curve, position, x, y, threshold, in drawing order."""
    return fetch(
        workspace,
        "SELECT c.run_id, r.method, r.seed, c.class_name, c.curve, c.position, c.x, c.y, "
        "c.threshold FROM curves c JOIN runs r USING (run_id) "
        f"WHERE c.{THESE_RUNS} AND c.curve = ? AND (?::VARCHAR IS NULL OR c.class_name = ?) "
        "ORDER BY c.run_id, c.class_name, c.position",
        [list(run_ids), curve, class_name, class_name],
    )


def cases(workspace: Workspace, run_id: str) -> pd.DataFrame:
    """The columns of table `cases`, in row order: row i is map i of the run."""
    return fetch(workspace, 'SELECT * FROM cases WHERE run_id = ? ORDER BY "row"', [run_id])


def case_pairs(workspace: Workspace, run_ids: Sequence[str]) -> pd.DataFrame:
    """Cases that at least two of the runs scored on the same data, one row a case and run.

    The same data means the same fingerprint. Columns: fingerprint, key, class_name, label,
    anomaly_type, run_id, method, seed, row, score, peak_in_truth; by key, then run.
    """
    return fetch(
        workspace,
        "SELECT r.fingerprint, c.key, c.class_name, c.label, c.anomaly_type, c.run_id, r.method, "
        'r.seed, c."row", c.score, c.peak_in_truth '
        "FROM cases c JOIN runs r USING (run_id) "
        f"WHERE c.{THESE_RUNS} AND r.fingerprint IS NOT NULL "
        "QUALIFY count(*) OVER (PARTITION BY r.fingerprint, c.key) > 1 "
        "ORDER BY r.fingerprint, c.key, c.run_id",
        [list(run_ids)],
    )


def samples(workspace: Workspace, fingerprint: str) -> pd.DataFrame:
    """The columns of table `samples`, by class and key."""
    return fetch(
        workspace,
        "SELECT * FROM samples WHERE fingerprint = ? ORDER BY class_name, key",
        [fingerprint],
    )


def datasets(workspace: Workspace) -> pd.DataFrame:
    """Data sets that runs used: the columns of table `datasets`, and `runs`, how many used it."""
    return fetch(
        workspace,
        "SELECT d.*, (SELECT count(*) FROM runs r WHERE r.fingerprint = d.fingerprint) AS runs "
        "FROM datasets d ORDER BY d.name, d.fingerprint",
    )


def configs(workspace: Workspace, run_ids: Sequence[str]) -> pd.DataFrame:
    """run_id, key, value (JSON text); keys of parts are dotted (`method_config.sigma`)."""
    return fetch(
        workspace,
        f"SELECT run_id, key, value FROM configs WHERE {THESE_RUNS} ORDER BY run_id, key",
        [list(run_ids)],
    )


def entries(workspace: Workspace, kind: Kind) -> pd.DataFrame:
    """What people added of one kind, the last version of each entry that was not taken back.

    Columns: id; written_at and author of the last version; versions, their number; `fields`, the
    entry's own fields as a dict. In the order of first writing.
    """
    found = fetch(
        workspace,
        "SELECT id, arg_max(written_at, position) AS written_at, "
        "arg_max(author, position) AS author, count(*) AS versions, "
        "arg_max(fields, position) AS fields FROM people WHERE kind = ? "
        "GROUP BY id HAVING NOT arg_max(removed, position) ORDER BY min(position)",
        [kind],
    )
    return found.assign(fields=[json.loads(text) for text in found["fields"]])
