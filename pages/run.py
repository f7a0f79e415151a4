"""Run: one run's facts, its result by class, curves, kinds of flaw, further measures, settings."""

from __future__ import annotations

from dashboard import casework, counting, findings, queries, results, state
from dashboard.components import cards, measure_parts, run_parts
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
        way = counting.choose()
    live = results.live(source, run_id)
    run_parts.header(live)
    if live.status.state != "succeeded":
        run_parts.not_succeeded(live)
        run_parts.settings(live)
        return
    judged = results.judged(source, run_id)
    classes = sorted(judged["class_name"].unique())
    exact = results.metrics(source, (run_id,))
    metrics = results.metrics(source, (run_id,), way)
    method = live.record.config.method_key
    title = queries.method_titles().get(method, method)
    oracle = bool(judged["oracle"].any())
    auroc = counting.titled("image AUROC", way)
    cards.finding(findings.run(title, casework.counts(judged), metrics, oracle, auroc))
    run_parts.class_table(run_id, metrics, classes, way)
    run_parts.curves(source, run_id, classes)
    measure_parts.by_kind(source, run_id, judged)
    measure_parts.more(run_id, exact, classes)
    run_parts.problems(source, run_id)
    run_parts.settings(live)
