"""What the Overview says: the finding of the newest comparison, and what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dashboard import boards, findings, paired_ranks, ranking, results
from dashboard.queries import ACTIVE, DataLook, RunLook

METRIC = "image_auroc"
METRIC_TITLE = "image AUROC"
Tile = tuple[str, str, str, str]
"""Figure, what is counted, a dim line, the page behind it."""


def sentence(looks: Sequence[RunLook], titles: Mapping[str, str]) -> str:
    """The finding of the newest comparison; else what goes on or went wrong."""
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        return no_result(looks)
    newest = newest_board(runs)
    entries = ranking.entries(newest, titles)
    values = ranking.values(entries, results.metrics(source, tuple(newest["run_id"])))
    paired = paired_ranks.known(source, entries, METRIC)
    finding = findings.leaderboard(entries, values, METRIC, METRIC_TITLE, paired)
    return f"On {findings.plain(newest.iloc[0]['dataset'])}: {finding}"


def newest_board(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs on the same test pictures under the same protocol: the newest such comparison.

    A comparison has at least two configurations; where there is none, the newest run's own group.
    """
    keys = [boards.board_key(runs), runs["protocol"]]
    groups = [group for _, group in runs.groupby(keys, sort=False)]
    groups.sort(key=lambda group: group["created_at"].max(), reverse=True)
    return next((group for group in groups if group["group_id"].nunique() > 1), groups[0])


def no_result(looks: Sequence[RunLook]) -> str:
    """What to say while no run has ended well."""
    active = [look for look in looks if look.status.state in ACTIVE]
    if active:
        runs = findings.many(len(active), "run")
        return f"**{runs} under way.** The first finding stands here once one ends."
    if any(look.status.state == "failed" for look in looks):
        return "**No run has ended well yet.** The Jobs page says what went wrong and what to do."
    return (
        "**No run has ended well yet.** Resume a cancelled one on the Jobs page, or start another."
    )


def tiles(data: Sequence[DataLook], methods: int, looks: Sequence[RunLook]) -> list[Tile]:
    """Counts of data sets, methods and runs, each with its page."""
    ready = [look for look in data if look.made]
    classes = sum(len(look.classes) for look in ready)
    pictures = sum(look.train + look.test for look in ready)
    done = sum(look.status.state == "succeeded" for look in looks)
    active = sum(look.status.state in ACTIVE for look in looks)
    failed = sum(look.status.state == "failed" for look in looks)
    parts = [f"{done} done"]
    parts += [f"{active} under way"] if active else []
    parts += [f"{failed} failed"] if failed else []
    return [
        (
            str(len(ready)), "data set" if len(ready) == 1 else "data sets",
            f"{findings.many(classes, 'class', 'classes')}, {pictures:,} pictures", "data_sets",
        ),
        (str(methods), "method" if methods == 1 else "methods", "ready to train", "methods"),
        (str(len(looks)), "run" if len(looks) == 1 else "runs", ", ".join(parts), "jobs"),
    ]  # fmt: skip


def demo_words(titles: Mapping[str, str]) -> str:
    """What the demo does, and that it needs nothing."""
    from core.demo import BUDGETS

    names = findings.listed([titles.get(id, id) for id in BUDGETS])
    return (
        f"The demo draws its own pictures and trains {names} on them, with small budgets: "
        "about two minutes on a laptop, no network, no graphics card."
    )
