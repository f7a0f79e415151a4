"""Leaderboard: which method is best on a data set or over all, and which cannot be told apart."""

from __future__ import annotations

from dashboard import boards, counting, published, ranking, results, state
from dashboard.boards import ANY_WORDS, EVERY
from dashboard.components import board_view, cards
from dashboard.components.empty import empty

TITLE = "Leaderboard"
GROUP = "Understand"
ORDER = 10
ICON = ":material/leaderboard:"


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "No results yet",
            "Every run that ends well appears here, side by side with the others on the same data: "
            "value, interval, rank, speed and memory. What papers published stands on "
            "[a page of its own](published).",
            "overview",
            "Run the demo",
        )
        return
    metrics = {id: metric.title for id, metric in results.qualities().items()}
    with state.filters(TITLE):
        options = boards.data_options(runs)
        several = {EVERY: "all data sets"} if runs["dataset"].nunique() > 1 else {}
        data = state.pick(
            "data", [*options, *several], label="Data", words=options | several, always=True
        )
        runs = runs if data == EVERY else runs[runs["fingerprint"] == data]
        for name in ranking.EVERYWHERE:
            choices = boards.choices(runs, name)
            if len(choices) > 1:
                chosen = state.pick(name, choices, label=name.capitalize(), words=ANY_WORDS)
                runs = boards.narrow(runs, **{name: chosen})
        rank_by = state.pick("by", list(metrics), label="Rank by", words=metrics)
        way = counting.choose()
        epochs = published.choose(runs, way) if data != EVERY else None
    wanted = board_view.Wanted(rank_by, metrics[rank_by], way)
    if data == EVERY:
        board_view.over_data_sets(source, runs, wanted)
    else:
        board_view.one_data_set(source, runs, wanted, epochs)
