"""What the commands print: tables with rich for people, one JSON object for programs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from core import listing as registry_listing
from core.config import RunConfig, parse
from core.data.catalogue import DEMO, open_dataset
from core.errors import DataError, UsageError
from core.metrics.base import NINE
from core.runs import RunDirectory, Status, all_runs
from core.types import MEAN
from core.workspace import Workspace

POLL_SECONDS = 0.3

out = Console()
err = Console(stderr=True)


def answer(value: dict[str, Any], as_json: bool, words: str) -> int:
    """Print `value` as JSON, or `words`."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False) if as_json else words)
    return 0


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def run_config(workspace: Workspace, values: dict[str, Any], pairs: list[str]) -> RunConfig:
    """A checked RunConfig from loose values and key=value pairs.

    Raises:
        UsageError: names the argument, what was expected and what came.
    """
    settings = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--set came as {pair!r}; expected key=value.")
        settings[key] = _value(value)
    config: RunConfig = parse(RunConfig, values | {"method_config": settings}, "run")
    registry_listing.check_settings(workspace, config.method, settings)
    _check_data(workspace, config)
    return config


def _check_data(workspace: Workspace, config: RunConfig) -> None:
    """Refuse data that cannot be opened before a run is made; say what was recognised."""
    if config.data == DEMO:  # made when its first run starts
        return
    try:
        dataset = open_dataset(config.data, workspace)
    except DataError as error:
        raise UsageError(str(error)) from error
    dataset.require_classes(config.classes)
    err.print(f"{dataset.name}: {dataset.recognised}", highlight=False, markup=False)
    if dataset.problems:
        first = dataset.problems[0].message
        err.print(f"{len(dataset.problems)} problems found; the first: {first}", markup=False)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def full_id(workspace: Workspace, run_id: str) -> str:
    return RunDirectory.open(workspace, run_id).run_id


def outcome(run: RunDirectory) -> dict[str, Any]:
    """The JSON answer of `run` and `resume`."""
    status = run.status()
    found: dict[str, Any] = {
        "run_id": run.run_id,
        "state": status.state,
        "seconds": status.facts.get("seconds"),
    }
    if status.error:
        found["error"] = status.error
    if run.has(RunDirectory.METRICS):
        found["metrics"] = metric_values(run)
    return found


def metric_values(run: RunDirectory) -> dict[str, dict[str, float | None]]:
    """{class or "mean": {metric: value}}."""
    values: dict[str, dict[str, float | None]] = {}
    for row in run.read_table(RunDirectory.METRICS).to_pylist():
        values.setdefault(row["class_name"], {})[row["metric"]] = row["value"]
    return values


def follow(workspace: Workspace, started: list[RunDirectory], as_json: bool) -> int:
    """Show progress until the runs end, then their results. Ctrl-C cancels them."""
    from core.jobs import queue

    try:
        _watch(started)
    except KeyboardInterrupt:
        for run in started:
            if not run.status().ended:
                queue.cancel(workspace, run.run_id)
        _watch(started)
    results = [outcome(run) for run in started]
    good = all(result["state"] == "succeeded" for result in results)
    for result in results:
        if result.get("error"):
            err.print(f"{result['run_id']}: {result['error']}", highlight=False)
    out.print(_means(started))
    for run in started:
        out.print(f"[dim]{run.path}[/]", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(results[0] if len(results) == 1 else {"runs": results}, allow_nan=False))
    return 0 if good else 1


def _watch(started: list[RunDirectory]) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=False) as bars:
        tasks = {
            run.run_id: bars.add_task(run.record().config.method, total=1.0, words="waiting")
            for run in started
        }
        waiting = list(started)
        while waiting:
            for run in list(waiting):
                status = run.status()
                bars.update(tasks[run.run_id], completed=status.progress, words=words(status))
                if status.ended:
                    bars.stop_task(tasks[run.run_id])
                    waiting.remove(run)
            time.sleep(POLL_SECONDS)


def words(status: Status) -> str:
    """Phase, rate and time left in a few words."""
    if status.state != "running":
        return status.state
    parts = [status.phase, status.message, status.rate or ""]
    if status.eta_seconds is not None:
        parts.append(f"{duration(status.eta_seconds)} left")
    return ", ".join(part for part in parts if part)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _metric_table(title: str, first: str) -> Table:
    """An empty table: one name, then the nine metrics; fits 80 columns."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for metric in NINE:
        level, _, name = metric.rpartition("_")
        table.add_column(f"{level}\n{name}", justify="right", no_wrap=True)
    return table


def _means(shown: list[RunDirectory]) -> Table:
    table = _metric_table("Mean over classes, exact metrics", "method")
    table.add_column("s", justify="right", no_wrap=True)
    for run in shown:
        values = metric_values(run).get(MEAN, {}) if run.has(RunDirectory.METRICS) else {}
        seconds = run.status().facts.get("seconds")
        table.add_row(
            run.record().config.method,
            *[_cell(values.get(metric)) for metric in NINE],
            "-" if seconds is None else f"{seconds:.0f}",
        )
    return table


def runs(workspace: Workspace, as_json: bool) -> int:
    """`runs`: newest first."""
    rows = []
    for run in reversed(all_runs(workspace)):
        config, status = run.record().config, run.status()
        rows.append(
            {
                "run_id": run.run_id,
                "state": status.state,
                "method": config.method,
                "data": Path(config.data).name,
                "setting": config.setting,
                "seed": config.seed,
                "progress": status.progress,
                "error": status.error,
            }
        )
    table = Table()
    names = ("run_id", "state", "method", "data", "setting", "seed")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*[str(row[name]) for name in names])
    if not as_json:
        out.print(table if rows else "No runs yet; `python -m core demo` makes the first three.")
        return 0
    return answer({"runs": rows}, True, "")


def show(workspace: Workspace, run_id: str, as_json: bool) -> int:
    """`show RUN`."""
    run = RunDirectory.open(workspace, run_id)
    record, status = run.record(), run.status()
    found = outcome(run) | {
        "config": record.config.model_dump(mode="json"),
        "resolved": record.resolved,
        "facts": status.facts,
    }
    if as_json:
        return answer(found, True, "")
    out.print(f"[bold]{run.run_id}[/] {status.state}", highlight=False)
    if status.error:
        out.print(status.error, highlight=False)
    config = record.config
    out.print(
        f"{config.method} on {config.data}, {config.setting}, {config.protocol}, seed {config.seed}"
    )
    out.print(by_class("metrics, exact", found.get("metrics", {})))
    return 0


def by_class(title: str, values: dict[str, dict[str, float | None]]) -> Table:
    """Classes down, the nine metrics across."""
    table = _metric_table(title, "class")
    for name in sorted(values, key=lambda name: (name == MEAN, name)):
        table.add_row(name, *[_cell(values[name].get(metric)) for metric in NINE])
    return table


def compare(workspace: Workspace, first: str, second: str, as_json: bool) -> int:
    """`compare RUN RUN`: second minus first."""
    runs = [RunDirectory.open(workspace, id) for id in (first, second)]
    a, b = (metric_values(run) for run in runs)
    shared = sorted(set(a) & set(b))
    if not shared:
        raise UsageError(f"{runs[0].run_id} and {runs[1].run_id} have no class in common.")
    difference = {
        name: {metric: _minus(b[name].get(metric), a[name].get(metric)) for metric in NINE}
        for name in shared
    }
    if as_json:
        ids = [run.run_id for run in runs]
        return answer({"runs": ids, "difference": difference, "values": [a, b]}, True, "")
    out.print(by_class(f"{runs[1].run_id} minus {runs[0].run_id}", difference))
    return 0


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
