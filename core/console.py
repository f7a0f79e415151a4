"""What the commands print: tables with rich for people, one JSON object for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from core import console_tables as tables
from core import listing as registry_listing
from core.config import RunConfig, parse
from core.data.catalogue import DEMO, open_dataset
from core.errors import DataError, UsageError
from core.metrics.conventions import ADER, EXACT, HELP
from core.runs import RunDirectory, Status, all_runs
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
    if values.get("size") is None:
        entry = registry_listing.require_method(workspace, values["method"])
        preset = str(values.get("preset", ""))
        values = values | {"size": registry_listing.usual_size(entry, preset)}
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
    note(f"{dataset.name}: {dataset.recognised}")
    if dataset.problems:
        first = dataset.problems[0].message
        note(f"{len(dataset.problems)} problems found; the first: {first}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def full_id(workspace: Workspace, run_id: str) -> str:
    return RunDirectory.open(workspace, run_id).run_id


def outcome(run: RunDirectory) -> dict[str, Any]:
    """The JSON answer of `run`, `evaluate` and `resume`.

    "metrics" is by the convention named beside it, "metrics_ader" as ADer counts ({} in runs
    stored before).
    """
    status = run.status()
    found: dict[str, Any] = {
        "run_id": run.run_id,
        "state": status.state,
        "seconds": status.facts.get("seconds"),
    }
    if status.error:
        found["error"] = status.error
    if run.has(RunDirectory.METRICS):
        found["convention"] = EXACT
        found["metrics"] = tables.metric_values(run, EXACT)
        found["metrics_ader"] = tables.metric_values(run, ADER)
    return found


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
    return finished(started, as_json)


def finished(started: list[RunDirectory], as_json: bool) -> int:
    """Show the results of runs that have ended; 0 when all ended well."""
    results = [outcome(run) for run in started]
    good = all(result["state"] == "succeeded" for result in results)
    for result in results:
        if result.get("error"):
            err.print(f"{result['run_id']}: {result['error']}", highlight=False)
    out.print(tables.means(started))
    for run in started:
        out.print(f"[dim]{run.path}[/]", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(results[0] if len(results) == 1 else {"runs": results}, allow_nan=False))
    return 0 if good else 1


@contextmanager
def reporting(what: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar, as a function that takes the fraction done and a message."""
    with Progress(*_columns(), console=err, transient=True) as bars:
        task = bars.add_task(what, total=1.0, words="")
        yield lambda fraction, words: bars.update(task, completed=fraction, words=words)


def note(sentence: str) -> None:
    """A sentence on standard error, as it is."""
    err.print(sentence, highlight=False, markup=False)


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )


def _watch(started: list[RunDirectory]) -> None:
    with Progress(*_columns(), console=err, transient=False) as bars:
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


def runs(workspace: Workspace, as_json: bool) -> int:
    """`runs`: newest first."""
    rows = []
    for run in reversed(all_runs(workspace)):
        config, status = run.record().config, run.status()
        rows.append(
            {
                "run_id": run.run_id,
                "state": status.state,
                "method": config.method_key,
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
        table.add_row(*[escape(str(row[name])) for name in names])
    if not as_json:
        out.print(table if rows else "No runs yet; `python -m core demo` makes the first three.")
        return 0
    return answer({"runs": rows}, True, "")


def show(workspace: Workspace, run_id: str, as_json: bool, everything: bool = False) -> int:
    """`show RUN`; with `everything` all metrics, not the nine alone."""
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
    parts = (config.setting, config.protocol, f"seed {config.seed}")
    out.print(escape(f"{config.method_key} on {config.data}, {', '.join(parts)}"))
    if not run.has(RunDirectory.METRICS):
        out.print("No metrics yet.")
        return 0
    if everything:
        rows = tables.metric_rows(run)
        for name in tables.classes_first(list(found["metrics"])):
            out.print(tables.everything(rows, name))
        return 0
    out.print(tables.by_class(found["metrics"], EXACT))
    if found["metrics_ader"]:
        out.print(tables.by_class(found["metrics_ader"], ADER))
        out.print(f"[dim]{HELP}[/]", highlight=False)
    else:
        out.print("Stored before values as ADer counts were kept; run it again for them.")
    return 0


def compare(workspace: Workspace, first: str, second: str, as_json: bool) -> int:
    """`compare RUN RUN`: first minus second, paired over their common images."""
    from core.comparison import compare_runs
    from core.metrics import verdicts

    a, b = (RunDirectory.open(workspace, id) for id in (first, second))
    rows = compare_runs(a, b)
    if not rows:
        raise UsageError(f"{a.run_id} and {b.run_id} have no class in common.")
    ids = [a.run_id, b.run_id]
    if not as_json:
        for letter, id in zip("AB", ids, strict=True):
            out.print(f"{letter}: {id}", highlight=False)
        for name in tables.classes_first(list({row.class_name for row in rows})):
            out.print(tables.differences(rows, name))
        out.print(f"[dim]{verdicts.HELP}[/]", highlight=False)
        return 0
    difference: dict[str, dict[str, float]] = {}
    for row in rows:
        difference.setdefault(row.class_name, {})[row.metric] = row.difference
    found = {
        "runs": ids,
        "convention": EXACT,
        "difference": difference,
        "rows": tables.difference_values(rows),
        "values": [tables.metric_values(run) for run in (a, b)],
    }
    return answer(found, True, "")
