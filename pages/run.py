"""Run: one run's facts, its result by class, its curves, thresholds, settings and problems."""

from __future__ import annotations

from dashboard import casework, findings, queries, results, state
from dashboard.components import cards, run_parts
from dashboard.components.empty import empty

TITLE = "Run"
GROUP = "Understand"
ORDER = 20
ICON = ":material/science:"


def render() -> None:
    source = results.source()
    labels = run_parts.all_labels(source)
    if not labels:
        cards.title(TITLE)
        empty(
            "No runs yet",
            "A run's results by class, its curves, thresholds and settings will be here.",
            "overview",
            "Run the demo",
        )
        return
    with state.filters(TITLE):
        run_id = state.pick("run", list(labels), label="Run", words=labels, always=True)
    live = results.live(source, run_id)
    run_parts.header(live)
    if live.status.state != "succeeded":
        run_parts.not_succeeded(live)
        run_parts.settings(live)
        return
    judged = results.judged(source, run_id)
    metrics = results.metrics(source, (run_id,))
    title = queries.method_titles().get(live.record.config.method, live.record.config.method)
    oracle = bool(judged["oracle"].any())
    cards.finding(findings.run(title, casework.counts(judged), metrics, oracle))
    run_parts.class_table(source, run_id, metrics)
    run_parts.curves(source, run_id, sorted(judged["class_name"].unique()))
    run_parts.recall(judged)
    run_parts.problems(source, run_id)
    run_parts.settings(live)
