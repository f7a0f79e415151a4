"""Tables of stored results for the terminal, and the same as plain values; each names how it
counts, and none mixes two conventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from core.config import external_name
from core.metrics.base import AT_ORACLE, NINE, Metric, ordered
from core.metrics.conventions import EXACT, TITLES, Convention
from core.runs import RunDirectory
from core.types import MEAN

if TYPE_CHECKING:
    from core.metrics.compare import DifferenceRow

Values: TypeAlias = dict[str, dict[str, float | None]]
BETTER = {"a": "A", "b": "B", "open": "open", "untested": "-"}


def metric_rows(run: RunDirectory, convention: Convention = EXACT) -> list[dict[str, Any]]:
    """Rows of whole classes and their mean by one convention; older runs hold exact ones alone."""
    return [
        row
        for row in run.read_table(RunDirectory.METRICS).to_pylist()
        if row.get("convention", EXACT) == convention and not row.get("anomaly_type")
    ]


def metric_values(run: RunDirectory, convention: Convention = EXACT) -> Values:
    """{class or "mean": {metric: value}}; {} where the run has none by this convention."""
    values: Values = {}
    for row in metric_rows(run, convention):
        values.setdefault(row["class_name"], {})[row["metric"]] = row["value"]
    return values


def classes_first(names: Sequence[str]) -> list[str]:
    """Class names sorted, the mean last."""
    return sorted(names, key=lambda name: (name == MEAN, name))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _empty(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _nine(title: str, first: str) -> Table:
    """An empty table: one name, then the nine metrics; fits 80 columns."""
    table = _empty(title, first)
    for metric in NINE:
        level, _, name = metric.rpartition("_")
        table.add_column(f"{level}\n{name}", justify="right", no_wrap=True)
    return table


def means(shown: Sequence[RunDirectory]) -> Table:
    """Runs down, the nine metrics across; means over classes."""
    table = _nine("Mean over classes, exact metrics", "method")
    table.add_column("s", justify="right", no_wrap=True)
    for run in shown:
        values = metric_values(run).get(MEAN, {}) if run.has(RunDirectory.METRICS) else {}
        seconds = run.status().facts.get("seconds")
        method = run.record().config.method_key
        table.add_row(
            escape(external_name(method) or method),
            *[_cell(values.get(metric)) for metric in NINE],
            "-" if seconds is None else f"{seconds:.0f}",
        )
    return table


def by_class(values: Values, convention: Convention) -> Table:
    """Classes down, the nine metrics across."""
    table = _nine(f"Metrics by class, {TITLES[convention]}", "class")
    for name in classes_first(list(values)):
        table.add_row(escape(name), *[_cell(values[name].get(metric)) for metric in NINE])
    return table


def everything(rows: Sequence[Mapping[str, Any]], name: str) -> Table:
    """All exact metrics of one class, by level: value with unit, 95 % interval, note."""
    table = _empty(f"All metrics of {escape(name)}, exact", "level")
    for column in ("metric", "value", "95 % interval"):
        table.add_column(column, justify="left" if column == "metric" else "right", no_wrap=True)
    table.add_column("note")
    mine = {row["metric"]: row for row in rows if row["class_name"] == name}
    metrics = [metric for metric in ordered() if metric.id in mine]
    for level in dict.fromkeys(metric.level for metric in metrics):
        said: str = level
        for metric in metrics:
            if metric.level == level:
                table.add_row(said, *_measured(metric, mine[metric.id]))
                said = ""
        table.add_section()
    if any(AT_ORACLE in (row["note"] or "") for row in mine.values()):
        table.caption = f"oracle: {AT_ORACLE}, which was chosen on the test images"
    return table


def _measured(metric: Metric, row: Mapping[str, Any]) -> list[str]:
    digits = {"pixels": ".0f", "score": ".4g"}.get(metric.unit, ".3f")
    unit = " px" if metric.unit == "pixels" else ""
    value, low, high = row["value"], row["ci_low"], row["ci_high"]
    notes = [(row["note"] or "").replace(AT_ORACLE, "oracle"), bound(row)]
    if metric.higher_is_better is False:
        notes.insert(0, "lower is better")
    return [
        metric.id,
        "-" if value is None else f"{value:{digits}}{unit}",
        "" if low is None or high is None else f"{low:{digits}} to {high:{digits}}",
        escape("; ".join(filter(None, notes))),
    ]


def bound(row: Mapping[str, Any]) -> str:
    """What a streamed value surely lies between; "" where it is exact."""
    low, high = row.get("bound_low"), row.get("bound_high")
    return "" if low is None or high is None else f"streamed: between {low:.6f} and {high:.6f}"


def differences(rows: Sequence[DifferenceRow], name: str) -> Table:
    """Paired differences of one class, or of the mean: A minus B. Fits 80 columns."""
    from core.metrics.verdicts import p_text, verdict

    table = _empty(f"A minus B, {escape(name)}, exact", "metric")
    for column in ("A", "B", "A - B", "95 % interval", "p", "p corr."):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("better", no_wrap=True)
    for row in rows:
        if row.class_name == name:
            no_interval = row.low is None or row.high is None
            table.add_row(
                row.metric,
                _cell(row.a),
                _cell(row.b),
                f"{row.difference:+.3f}",
                "-" if no_interval else f"{row.low:+.3f} to {row.high:+.3f}",
                p_text(row.p),
                p_text(row.p_corrected),
                BETTER[verdict(row)],
            )
    return table


def difference_values(rows: Sequence[DifferenceRow]) -> list[dict[str, Any]]:
    """The same for programs: one object a row, with its verdict."""
    from core.metrics.verdicts import verdict

    return [asdict(row) | {"verdict": verdict(row)} for row in rows]
